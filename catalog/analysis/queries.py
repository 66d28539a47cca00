"""Every SELECT on analyses; the tenant comes first, and row-level security stands behind it."""

from collections.abc import Sequence
from datetime import datetime
from uuid import UUID

from sqlalchemy import func, or_
from sqlmodel import Session, col, select

from catalog.analysis.models import AnalysisMeasurement, AnalysisPhase, AnalysisRun

LIVING = (AnalysisPhase.PENDING, AnalysisPhase.RUNNING)


def run(session: Session, tenant_id: UUID, run_id: UUID, *, lock: bool = False) -> AnalysisRun | None:
    """Return an analysis, locked for the transaction where that is asked for."""
    statement = select(AnalysisRun).where(AnalysisRun.tenant_id == tenant_id, AnalysisRun.id == run_id)
    return session.exec(statement.with_for_update() if lock else statement).first()


def of_subjects(session: Session, tenant_id: UUID, kind: str, subject_ids: Sequence[UUID]) -> Sequence[AnalysisRun]:
    """Return the analyses of some subjects, oldest first."""
    statement = select(AnalysisRun).where(
        AnalysisRun.tenant_id == tenant_id,
        AnalysisRun.subject_kind == kind,
        col(AnalysisRun.subject_id).in_(subject_ids),
    )
    return session.exec(statement.order_by(col(AnalysisRun.started_at), col(AnalysisRun.id))).all()


def measurements(
    session: Session, tenant_id: UUID, run_id: UUID, metric: str | None = None, limit: int = 10
) -> Sequence[AnalysisMeasurement]:
    """Return the latest measurements, newest first, at most ``limit`` of each metric."""
    place = func.row_number().over(
        partition_by=col(AnalysisMeasurement.metric), order_by=col(AnalysisMeasurement.number).desc()
    )
    ranked = select(AnalysisMeasurement.id, place.label("place")).where(
        AnalysisMeasurement.tenant_id == tenant_id, AnalysisMeasurement.run_id == run_id
    )
    if metric is not None:
        ranked = ranked.where(AnalysisMeasurement.metric == metric)
    inner = ranked.subquery()
    statement = (
        select(AnalysisMeasurement)
        .where(AnalysisMeasurement.tenant_id == tenant_id)
        .join(inner, col(AnalysisMeasurement.id) == inner.c.id)
        .where(inner.c.place <= limit)
        .order_by(col(AnalysisMeasurement.metric), col(AnalysisMeasurement.number).desc())
    )
    return session.exec(statement).all()


def unfinished(session: Session, tenant_id: UUID, run_id: UUID) -> Sequence[AnalysisMeasurement]:
    """Return the measurements that were begun and not finished."""
    statement = select(AnalysisMeasurement).where(
        AnalysisMeasurement.tenant_id == tenant_id,
        AnalysisMeasurement.run_id == run_id,
        col(AnalysisMeasurement.finished_at).is_(None),
    )
    return session.exec(statement).all()


def due(session: Session, at: datetime, limit: int) -> list[tuple[UUID, UUID]]:
    """Return tenant and id of analyses in which something is to be measured or ended, tenants in turn.

    Of each tenant the longest overdue comes first, so that one whose source is slow keeps nobody else waiting.
    """
    turn = func.row_number().over(
        partition_by=col(AnalysisRun.tenant_id), order_by=(col(AnalysisRun.next_at), col(AnalysisRun.id))
    )
    waiting = (
        select(AnalysisRun.tenant_id, AnalysisRun.id, AnalysisRun.next_at, turn.label("turn"))
        .where(
            col(AnalysisRun.phase).in_(LIVING),
            AnalysisRun.next_at <= at,
            or_(col(AnalysisRun.lease_until).is_(None), col(AnalysisRun.lease_until) <= at),
        )
        .subquery()
    )
    statement = select(waiting.c.tenant_id, waiting.c.id).order_by(waiting.c.turn, waiting.c.next_at, waiting.c.id)
    return [(tenant_id, run_id) for tenant_id, run_id in session.exec(statement.limit(limit)).all()]

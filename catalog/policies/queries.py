"""Reads of policies; the tenant comes first."""

from collections.abc import Sequence
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import ColumnElement, func, tuple_
from sqlalchemy.dialects.postgresql import distinct_on
from sqlalchemy.orm import defer
from sqlmodel import Session, col, select

from catalog.gating import GatePoint
from catalog.policies.models import Binding, Evaluation, Impact, Override, ReceivedDecision, Trial, Waiver
from catalog.policies.shapes import EvaluationFilter, LogPage


def bindings(session: Session, tenant_id: UUID, *, living: bool = True) -> Sequence[Binding]:
    """Return the tenant's bindings, oldest first, only those that have not ended where asked."""
    statement = select(Binding).where(Binding.tenant_id == tenant_id)
    if living:
        statement = statement.where(col(Binding.ended_at).is_(None))
    return session.exec(statement.order_by(col(Binding.created_at), col(Binding.id))).all()


def binding(session: Session, tenant_id: UUID, binding_id: UUID) -> Binding | None:
    """Return one binding, locked for the rest of the transaction."""
    statement = select(Binding).where(Binding.tenant_id == tenant_id, Binding.id == binding_id)
    return session.exec(statement.with_for_update()).first()


def waivers(session: Session, tenant_id: UUID, holding_at: datetime | None = None) -> Sequence[Waiver]:
    """Return waivers, those that end first first; with a moment only those that hold then."""
    statement = select(Waiver).where(Waiver.tenant_id == tenant_id)
    if holding_at is not None:
        statement = statement.where(col(Waiver.expires_at) > holding_at, col(Waiver.ended_at).is_(None))
    return session.exec(statement.order_by(col(Waiver.expires_at), col(Waiver.id)).limit(2000)).all()


def waiver(session: Session, tenant_id: UUID, waiver_id: UUID) -> Waiver | None:
    """Return one waiver, locked for the rest of the transaction."""
    statement = select(Waiver).where(Waiver.tenant_id == tenant_id, Waiver.id == waiver_id)
    return session.exec(statement.with_for_update()).first()


def overrides_of(
    session: Session, tenant_id: UUID, about: str, point: GatePoint, holding_at: datetime
) -> Sequence[Override]:
    """Return the overrides of one subject that hold at a gate and a moment, oldest first."""
    statement = select(Override).where(
        Override.tenant_id == tenant_id, Override.about == about, Override.point == point
    )
    holding = statement.where(col(Override.expires_at) > holding_at)
    return session.exec(holding.order_by(col(Override.created_at), col(Override.id))).all()


def overrides(session: Session, tenant_id: UUID, limit: int) -> Sequence[Override]:
    """Return the latest overrides, newest first."""
    statement = select(Override).where(Override.tenant_id == tenant_id)
    return session.exec(statement.order_by(col(Override.created_at).desc()).limit(limit)).all()


def evaluation(session: Session, tenant_id: UUID, evaluation_id: UUID) -> Evaluation | None:
    """Return one evaluation with its input."""
    statement = select(Evaluation).where(Evaluation.tenant_id == tenant_id, Evaluation.id == evaluation_id)
    return session.exec(statement).first()


def evaluations(
    session: Session,
    tenant_id: UUID,
    wanted: EvaluationFilter,
    before: tuple[datetime, UUID] | None,
    limit: int,
) -> Sequence[Evaluation]:
    """Return evaluations without their inputs, newest first, after the cursor ``before``."""
    statement = select(Evaluation).where(Evaluation.tenant_id == tenant_id)
    if wanted.allowed is not None:
        statement = statement.where(Evaluation.allowed == wanted.allowed)
    if wanted.point is not None:
        statement = statement.where(Evaluation.point == wanted.point)
    if wanted.about:
        statement = statement.where(col(Evaluation.about).startswith(wanted.about, autoescape=True))
    if wanted.rule:
        statement = statement.where(col(Evaluation.violations).contains([{"rule": wanted.rule}]))
    if before is not None:
        statement = statement.where(tuple_(col(Evaluation.created_at), col(Evaluation.id)) < before)
    statement = statement.options(defer(Evaluation.input), defer(Evaluation.results))  # type: ignore[arg-type]
    ordered = statement.order_by(col(Evaluation.created_at).desc(), col(Evaluation.id).desc())
    return session.exec(ordered.limit(limit)).all()


def latest_of_each(session: Session, tenant_id: UUID, points: Sequence[str], limit: int) -> Sequence[tuple[UUID, str]]:
    """Return id and name of each subject's latest evaluation at a gate (one of ``points`` if any), newest first."""
    statement = select(Evaluation.id, Evaluation.about, Evaluation.created_at).where(
        Evaluation.tenant_id == tenant_id, col(Evaluation.point).is_not(None)
    )
    if points:
        statement = statement.where(col(Evaluation.point).in_([GatePoint(each) for each in points]))
    latest = statement.ext(distinct_on(col(Evaluation.about))).order_by(
        col(Evaluation.about), col(Evaluation.created_at).desc()
    )
    rows = latest.subquery()
    ordered = select(rows.c.id, rows.c.about).order_by(rows.c.created_at.desc()).limit(limit)
    return [(identifier, about) for identifier, about in session.exec(ordered).all()]


def tenants_with_old(session: Session, before: datetime) -> Sequence[UUID]:
    """Return the tenants that have evaluations from before a moment (system role)."""
    statement = select(Evaluation.tenant_id).where(col(Evaluation.created_at) < before).distinct()
    return session.exec(statement.limit(500)).all()


def impact(session: Session, tenant_id: UUID, impact_id: UUID, *, lock: bool = False) -> Impact | None:
    """Return one assessment of impact."""
    statement = select(Impact).where(Impact.tenant_id == tenant_id, Impact.id == impact_id)
    return session.exec(statement.with_for_update() if lock else statement).first()


def impacts(session: Session, tenant_id: UUID, limit: int) -> Sequence[Impact]:
    """Return the latest assessments of impact, newest first."""
    statement = select(Impact).where(Impact.tenant_id == tenant_id)
    return session.exec(statement.order_by(col(Impact.created_at).desc()).limit(limit)).all()


def trial(session: Session, tenant_id: UUID, trial_id: UUID, *, lock: bool = False) -> Trial | None:
    """Return one trial."""
    statement = select(Trial).where(Trial.tenant_id == tenant_id, Trial.id == trial_id)
    return session.exec(statement.with_for_update() if lock else statement).first()


def decisions(
    session: Session, tenant_id: UUID, before: tuple[datetime, UUID] | None, limit: int
) -> Sequence[ReceivedDecision]:
    """Return the decisions that agents sent, newest first."""
    statement = select(ReceivedDecision).where(ReceivedDecision.tenant_id == tenant_id)
    if before is not None:
        statement = statement.where(tuple_(col(ReceivedDecision.decided_at), col(ReceivedDecision.id)) < before)
    ordered = statement.order_by(col(ReceivedDecision.decided_at).desc(), col(ReceivedDecision.id).desc())
    return session.exec(ordered.limit(limit)).all()


def logged(session: Session, tenant_id: UUID, wanted: LogPage) -> Sequence[Evaluation]:
    """Return evaluations with their inputs for a page of the decision log, oldest first."""
    statement = select(Evaluation).where(
        Evaluation.tenant_id == tenant_id, *_inside(col(Evaluation.created_at), col(Evaluation.id), wanted)
    )
    ordered = statement.order_by(col(Evaluation.created_at), col(Evaluation.id))
    return session.exec(ordered.limit(wanted.limit)).all()


def logged_by_agents(session: Session, tenant_id: UUID, wanted: LogPage) -> Sequence[ReceivedDecision]:
    """Return what agents sent for a page of their decision log, oldest first."""
    statement = select(ReceivedDecision).where(
        ReceivedDecision.tenant_id == tenant_id,
        *_inside(col(ReceivedDecision.decided_at), col(ReceivedDecision.id), wanted),
    )
    ordered = statement.order_by(col(ReceivedDecision.decided_at), col(ReceivedDecision.id))
    return session.exec(ordered.limit(wanted.limit)).all()


def _inside(moment: Any, identifier: Any, wanted: LogPage) -> list[ColumnElement[bool]]:
    bounds: list[ColumnElement[bool]] = []
    if wanted.since is not None:
        bounds.append(moment >= wanted.since)
    if wanted.until is not None:
        bounds.append(moment < wanted.until)
    if wanted.after is not None:
        bounds.append(tuple_(moment, identifier) > wanted.after)
    return bounds


def known_decisions(session: Session, tenant_id: UUID, ids: Sequence[str]) -> set[str]:
    """Return which of the decision ids were received before."""
    statement = select(ReceivedDecision.decision_id).where(
        ReceivedDecision.tenant_id == tenant_id, col(ReceivedDecision.decision_id).in_(ids)
    )
    return set(session.exec(statement).all())


def count_bindings(session: Session, tenant_id: UUID) -> int:
    """Return how many bindings of the tenant have not ended."""
    statement = (
        select(func.count()).select_from(Binding).where(Binding.tenant_id == tenant_id, col(Binding.ended_at).is_(None))
    )
    return session.exec(statement).one()

"""Reads of approvals; the tenant comes first."""

from collections.abc import Collection, Sequence
from datetime import datetime
from uuid import UUID

from sqlalchemy import func, tuple_
from sqlmodel import Session, col, select

from catalog.approvals.models import Approval, ApprovalState, Decision, Delegation


def hold_subject(session: Session, tenant_id: UUID, kind: str, subject: str) -> None:
    """Keep everybody else from asking or voiding for this subject until the transaction ends."""
    key = f"{tenant_id}/approvals/{kind}/{subject}"
    session.exec(select(func.pg_advisory_xact_lock(func.hashtextextended(key, 0))))


def by_id(session: Session, tenant_id: UUID, approval_id: UUID, *, lock: bool = False) -> Approval | None:
    """Return one approval, as it is after whoever holds it where ``lock`` is asked for."""
    statement = select(Approval).where(Approval.tenant_id == tenant_id, Approval.id == approval_id)
    if lock:
        statement = statement.with_for_update().execution_options(populate_existing=True)
    return session.exec(statement).first()


def of_subject(
    session: Session, tenant_id: UUID, kind: str, subject: str, states: Collection[ApprovalState], *, lock: bool = False
) -> Sequence[Approval]:
    """Return the approvals of a subject in one of ``states``, newest first."""
    statement = select(Approval).where(
        Approval.tenant_id == tenant_id,
        Approval.kind == kind,
        Approval.subject == subject,
        col(Approval.state).in_(list(states)),
    )
    if lock:
        statement = statement.with_for_update().execution_options(populate_existing=True)
    return session.exec(statement.order_by(col(Approval.requested_at).desc(), col(Approval.id).desc())).all()


def page(
    session: Session,
    tenant_id: UUID,
    states: Collection[ApprovalState],
    before: tuple[datetime, UUID] | None,
    limit: int,
) -> Sequence[Approval]:
    """Return approvals in one of ``states`` (in any where there is none), newest first, after the cursor ``before``."""
    statement = select(Approval).where(Approval.tenant_id == tenant_id)
    if states:
        statement = statement.where(col(Approval.state).in_(list(states)))
    if before is not None:
        statement = statement.where(tuple_(col(Approval.requested_at), col(Approval.id)) < before)
    ordered = statement.order_by(col(Approval.requested_at).desc(), col(Approval.id).desc())
    return session.exec(ordered.limit(limit)).all()


def decisions(session: Session, tenant_id: UUID, approval_ids: Collection[UUID]) -> Sequence[Decision]:
    """Return what was said about some approvals, in order."""
    if not approval_ids:
        return []
    statement = select(Decision).where(
        Decision.tenant_id == tenant_id, col(Decision.approval_id).in_(list(approval_ids))
    )
    return session.exec(statement.order_by(col(Decision.decided_at), col(Decision.id))).all()


def delegations(
    session: Session, tenant_id: UUID, holding_at: datetime | None = None, limit: int = 500
) -> Sequence[Delegation]:
    """Return delegations, newest first; only those in force at a moment where one is given."""
    statement = select(Delegation).where(Delegation.tenant_id == tenant_id)
    if holding_at is not None:
        statement = statement.where(
            col(Delegation.ended_at).is_(None), Delegation.created_at <= holding_at, Delegation.until > holding_at
        )
    return session.exec(statement.order_by(col(Delegation.created_at).desc()).limit(limit)).all()


def delegation(session: Session, tenant_id: UUID, delegation_id: UUID) -> Delegation | None:
    """Return one delegation, locked until the transaction ends."""
    statement = select(Delegation).where(Delegation.tenant_id == tenant_id, Delegation.id == delegation_id)
    return session.exec(statement.with_for_update()).first()


def overdue(session: Session, moment: datetime, limit: int) -> Sequence[tuple[UUID, UUID]]:
    """Return tenant and id of approvals of all tenants that nobody decided in time; for the system role."""
    statement = select(Approval.tenant_id, Approval.id).where(
        Approval.state == ApprovalState.PENDING, Approval.expires_at <= moment
    )
    return [
        (tenant, found) for tenant, found in session.exec(statement.order_by(col(Approval.expires_at)).limit(limit))
    ]

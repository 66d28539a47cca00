"""Reads of events."""

from collections.abc import Sequence
from uuid import UUID

from sqlmodel import Session, col, select

from catalog.events.models import EventRecord


def events_after(
    session: Session, tenant_id: UUID, after: int, limit: int, *, subject: str | None, types: Sequence[str]
) -> Sequence[EventRecord]:
    """Return the tenant's events after the position ``after``, oldest first, of one subject and some types if asked."""
    statement = select(EventRecord).where(EventRecord.tenant_id == tenant_id, col(EventRecord.position) > after)
    if subject is not None:
        statement = statement.where(EventRecord.subject == subject)
    if types:
        statement = statement.where(col(EventRecord.type).in_(types))
    return session.exec(statement.order_by(col(EventRecord.position)).limit(limit)).all()


def last_position(session: Session, tenant_id: UUID) -> int:
    """Return the position of the tenant's latest event, 0 where there is none."""
    statement = (
        select(EventRecord.position)
        .where(EventRecord.tenant_id == tenant_id, col(EventRecord.position).is_not(None))
        .order_by(col(EventRecord.position).desc())
        .limit(1)
    )
    return session.exec(statement).first() or 0

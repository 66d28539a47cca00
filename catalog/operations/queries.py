"""Reads of operations and their streams."""

from collections.abc import Sequence
from datetime import datetime
from uuid import UUID

from sqlalchemy import tuple_
from sqlmodel import Session, col, select

from catalog.operations.models import Operation, OperationEvent


def by_id(session: Session, tenant_id: UUID, operation_id: UUID, *, lock: bool = False) -> Operation | None:
    """Return the tenant's operation, locked for the rest of the transaction where asked."""
    statement = select(Operation).where(Operation.tenant_id == tenant_id, Operation.id == operation_id)
    return session.exec(statement.with_for_update() if lock else statement).first()


def recent(
    session: Session, tenant_id: UUID, subject: str | None, limit: int, before: tuple[datetime, UUID] | None = None
) -> Sequence[Operation]:
    """Return the tenant's latest operations, newest first, of one subject or of all, after the cursor ``before``."""
    statement = select(Operation).where(Operation.tenant_id == tenant_id)
    if subject is not None:
        statement = statement.where(Operation.subject == subject)
    if before is not None:
        statement = statement.where(tuple_(col(Operation.created_at), col(Operation.id)) < before)
    ordered = statement.order_by(col(Operation.created_at).desc(), col(Operation.id).desc())
    return session.exec(ordered.limit(limit)).all()


def events_after(
    session: Session, tenant_id: UUID, operation_id: UUID, after: int, limit: int
) -> Sequence[OperationEvent]:
    """Return the lines of an operation's stream after the one with id ``after``, oldest first."""
    statement = (
        select(OperationEvent)
        .where(
            OperationEvent.tenant_id == tenant_id,
            OperationEvent.operation_id == operation_id,
            col(OperationEvent.id) > after,
        )
        .order_by(col(OperationEvent.id))
        .limit(limit)
    )
    return session.exec(statement).all()

"""Reads of stacks."""

from collections.abc import Sequence
from uuid import UUID

from sqlmodel import Session, col, select

from catalog.stacks.models import Stack, StackState


def by_id(session: Session, tenant_id: UUID, stack_id: UUID, *, lock: bool = False) -> Stack | None:
    """Return the tenant's stack, locked for the rest of the transaction where asked."""
    statement = select(Stack).where(Stack.tenant_id == tenant_id, Stack.id == stack_id)
    statement = statement.execution_options(populate_existing=True)
    return session.exec(statement.with_for_update() if lock else statement).first()


def by_name(session: Session, tenant_id: UUID, project: str, name: str) -> Stack | None:
    """Return the tenant's stack of that name."""
    statement = select(Stack).where(Stack.tenant_id == tenant_id, Stack.project == project, Stack.name == name)
    return session.exec(statement).first()


def living(session: Session, tenant_id: UUID) -> Sequence[Stack]:
    """Return the tenant's stacks that have not been destroyed."""
    statement = select(Stack).where(Stack.tenant_id == tenant_id, Stack.state != StackState.DESTROYED)
    return session.exec(statement.order_by(col(Stack.created_at))).all()

"""Reads of idempotency keys."""

from sqlmodel import Session, select

from catalog.idempotency.models import Attempt, IdempotencyKey, KeyedRequest


def locked(session: Session, request: KeyedRequest) -> IdempotencyKey | None:
    """Return the row of this request's key, locked for the rest of the transaction."""
    statement = select(IdempotencyKey).where(
        IdempotencyKey.tenant_id == request.tenant_id,
        IdempotencyKey.actor == request.actor,
        IdempotencyKey.route == request.route,
        IdempotencyKey.key == request.key,
    )
    return session.exec(statement.with_for_update()).first()


def held(session: Session, attempt: Attempt) -> IdempotencyKey | None:
    """Return the row of an attempt, locked, if the attempt still holds it."""
    statement = select(IdempotencyKey).where(
        IdempotencyKey.tenant_id == attempt.tenant_id,
        IdempotencyKey.id == attempt.row_id,
        IdempotencyKey.attempt == attempt.attempt,
    )
    return session.exec(statement.with_for_update()).first()

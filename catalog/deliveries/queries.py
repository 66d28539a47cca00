"""Reads of deliveries and dead letters."""

from collections.abc import Sequence
from uuid import UUID

from sqlalchemy import func
from sqlmodel import Session, col, select

from catalog.deliveries.models import Delivery, DeliveryState
from catalog.events.models import EventRecord


def dead_letters(
    session: Session, tenant_id: UUID, limit: int, before: int | None
) -> Sequence[tuple[Delivery, EventRecord]]:
    """Return the tenant's dead letters with their events, newest first, with ids below ``before`` if given."""
    statement = (
        select(Delivery, EventRecord)
        .join(EventRecord, col(Delivery.event_id) == col(EventRecord.id))
        .where(Delivery.tenant_id == tenant_id, Delivery.state == DeliveryState.DEAD)
    )
    if before is not None:
        statement = statement.where(col(Delivery.id) < before)
    return session.exec(statement.order_by(col(Delivery.id).desc()).limit(limit)).all()


def delivery_by_id(session: Session, tenant_id: UUID, delivery_id: int) -> Delivery | None:
    """Return the tenant's delivery, locked for the rest of the transaction."""
    statement = select(Delivery).where(Delivery.tenant_id == tenant_id, Delivery.id == delivery_id)
    return session.exec(statement.with_for_update()).first()


def dead_deliveries(session: Session, tenant_id: UUID, job: str | None, limit: int) -> Sequence[Delivery]:
    """Return the tenant's dead deliveries, oldest first, of one job or of all, locked."""
    statement = select(Delivery).where(Delivery.tenant_id == tenant_id, Delivery.state == DeliveryState.DEAD)
    if job is not None:
        statement = statement.where(Delivery.job == job)
    return session.exec(statement.order_by(col(Delivery.id)).limit(limit).with_for_update()).all()


def count_unrelayed(session: Session) -> int:
    """Return how many events of all tenants the relay has not taken yet (system role)."""
    statement = select(func.count()).select_from(EventRecord).where(col(EventRecord.relayed_at).is_(None))
    return session.exec(statement).one()


def count_by_state(session: Session) -> dict[DeliveryState, int]:
    """Return how many deliveries of all tenants are in each state but ``done``, which is not worth counting."""
    statement = (
        select(Delivery.state, func.count())
        .where(col(Delivery.state).in_([state for state in DeliveryState if state is not DeliveryState.DONE]))
        .group_by(col(Delivery.state))
    )
    return {DeliveryState(state): count for state, count in session.exec(statement).all()}

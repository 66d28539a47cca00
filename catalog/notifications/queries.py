"""Reads of subscriptions and notifications; the tenant comes first."""

from collections.abc import Sequence
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import func, or_, tuple_
from sqlmodel import Session, col, select

from catalog.events.models import EventRecord
from catalog.notifications.models import (
    Attempt,
    Channel,
    Notification,
    NotificationState,
    Subscription,
    SubscriptionState,
)


def event_of(session: Session, tenant_id: UUID, event_id: UUID) -> EventRecord | None:
    """Return an event of the tenant, as long as it is kept."""
    return session.exec(
        select(EventRecord).where(EventRecord.tenant_id == tenant_id, EventRecord.id == event_id)
    ).first()


def subscriptions(
    session: Session, tenant_id: UUID, member_id: UUID | None = None, *, everybodys: bool = True
) -> Sequence[Subscription]:
    """Return subscriptions, newest first: the tenant's own and those of one member, or of everybody."""
    statement = select(Subscription).where(Subscription.tenant_id == tenant_id)
    if not everybodys:
        statement = statement.where(
            or_(col(Subscription.member_id).is_(None), col(Subscription.member_id) == member_id)
        )
    return session.exec(statement.order_by(col(Subscription.created_at).desc()).limit(500)).all()


def active(session: Session, tenant_id: UUID) -> Sequence[Subscription]:
    """Return the subscriptions that are served."""
    statement = select(Subscription).where(
        Subscription.tenant_id == tenant_id, Subscription.state == SubscriptionState.ACTIVE
    )
    return session.exec(statement).all()


def subscription(
    session: Session, tenant_id: UUID, subscription_id: UUID, *, lock: bool = False
) -> Subscription | None:
    """Return one subscription, locked until the transaction ends where ``lock`` is asked for."""
    statement = select(Subscription).where(Subscription.tenant_id == tenant_id, Subscription.id == subscription_id)
    if lock:
        statement = statement.with_for_update().execution_options(populate_existing=True)
    return session.exec(statement).first()


def notification(
    session: Session, tenant_id: UUID, notification_id: UUID, *, lock: bool = False
) -> Notification | None:
    """Return one notification, locked until the transaction ends where ``lock`` is asked for."""
    statement = select(Notification).where(Notification.tenant_id == tenant_id, Notification.id == notification_id)
    if lock:
        statement = statement.with_for_update().execution_options(populate_existing=True)
    return session.exec(statement).first()


def told(session: Session, tenant_id: UUID, event_id: UUID) -> Sequence[Notification]:
    """Return what was made of an event already."""
    statement = select(Notification).where(Notification.tenant_id == tenant_id, Notification.event_id == event_id)
    return session.exec(statement).all()


def parts(session: Session, tenant_id: UUID, digest_id: UUID) -> Sequence[Notification]:
    """Return what a digest consists of, in order."""
    statement = select(Notification).where(Notification.tenant_id == tenant_id, Notification.digest_id == digest_id)
    return session.exec(statement.order_by(col(Notification.created_at), col(Notification.id))).all()


def held(session: Session, tenant_id: UUID, subscription_id: UUID, limit: int) -> Sequence[Notification]:
    """Return what waits for a subscription's next digest, in order, locked until the transaction ends."""
    statement = select(Notification).where(
        Notification.tenant_id == tenant_id,
        Notification.subscription_id == subscription_id,
        Notification.state == NotificationState.HELD,
    )
    ordered = statement.order_by(col(Notification.created_at), col(Notification.id))
    return session.exec(ordered.limit(limit).with_for_update()).all()


def holding(session: Session, limit: int) -> Sequence[tuple[UUID, UUID]]:
    """Return tenant and subscription of all tenants for which something is held; for the system role."""
    statement = select(Notification.tenant_id, Notification.subscription_id).where(
        Notification.state == NotificationState.HELD, col(Notification.subscription_id).is_not(None)
    )
    found = session.exec(statement.distinct().limit(limit)).all()
    return [(tenant_id, each) for tenant_id, each in found if each is not None]


def sent_since(session: Session, tenant_id: UUID, subscription_id: UUID, moment: datetime) -> int:
    """Return how many notifications a subscription was given since a moment."""
    statement = select(func.count()).where(
        Notification.tenant_id == tenant_id,
        Notification.subscription_id == subscription_id,
        Notification.created_at >= moment,
    )
    return session.exec(statement).one()


def attempts(session: Session, tenant_id: UUID, notification_id: UUID) -> Sequence[Attempt]:
    """Return every try of a notification, newest first."""
    statement = select(Attempt).where(Attempt.tenant_id == tenant_id, Attempt.notification_id == notification_id)
    return session.exec(statement.order_by(col(Attempt.at).desc()).limit(100)).all()


def page(
    session: Session,
    tenant_id: UUID,
    subscription_id: UUID | None,
    state: NotificationState | None,
    before: tuple[datetime, UUID] | None,
    limit: int,
) -> Sequence[Notification]:
    """Return what went to subscriptions, newest first, of one and in one state where asked, after ``before``."""
    statement = select(Notification).where(Notification.tenant_id == tenant_id, Notification.channel != Channel.INBOX)
    if subscription_id is not None:
        statement = statement.where(Notification.subscription_id == subscription_id)
    if state is not None:
        statement = statement.where(Notification.state == state)
    return _newest(session, statement, before, limit)


def inbox(
    session: Session, tenant_id: UUID, member_id: UUID, before: tuple[datetime, UUID] | None, limit: int
) -> Sequence[Notification]:
    """Return what a member was told in the portal, newest first, after the cursor ``before``."""
    statement = select(Notification).where(
        Notification.tenant_id == tenant_id,
        Notification.member_id == member_id,
        Notification.channel == Channel.INBOX,
    )
    return _newest(session, statement, before, limit)


def unread(session: Session, tenant_id: UUID, member_id: UUID) -> Sequence[Notification]:
    """Return what a member has not read, newest first, at most 500."""
    statement = select(Notification).where(
        Notification.tenant_id == tenant_id,
        Notification.member_id == member_id,
        Notification.channel == Channel.INBOX,
        col(Notification.read_at).is_(None),
    )
    return session.exec(statement.order_by(col(Notification.created_at).desc()).limit(500)).all()


def _newest(
    session: Session, statement: Any, before: tuple[datetime, UUID] | None, limit: int
) -> Sequence[Notification]:
    if before is not None:
        statement = statement.where(tuple_(col(Notification.created_at), col(Notification.id)) < before)
    ordered = statement.order_by(col(Notification.created_at).desc(), col(Notification.id).desc()).limit(limit)
    found: Sequence[Notification] = session.exec(ordered).all()
    return found

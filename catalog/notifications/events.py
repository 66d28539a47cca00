"""What happens to notifications themselves; nobody is notified of these."""

from uuid import UUID

from catalog.events.registry import EventData, event


@event("notification.queued", version=1)
class NotificationQueued(EventData):
    """Something is to be delivered, for the first time or once more."""

    notification_id: UUID


@event("notification.test", version=1)
class NotificationTest(EventData):
    """Somebody asked for a test of a subscription."""

    subscription_id: UUID


@event("notification_subscription.created", version=1)
class SubscriptionCreated(EventData):
    """Somebody wants to hear of events."""

    subscription_id: UUID
    channel: str
    topics: list[str]


@event("notification_subscription.changed", version=1)
class SubscriptionChanged(EventData):
    """A subscription was paused, resumed, given a new secret, or disabled because of lasting failure."""

    subscription_id: UUID
    state: str
    reason: str


@event("notification_subscription.removed", version=1)
class SubscriptionRemoved(EventData):
    """Nobody is told by this subscription any more."""

    subscription_id: UUID

"""NotificationService: subscriptions, what they were told, and every member's inbox."""

from catalog.notifications.service.reading import Reading

__all__ = ["NotificationService"]


class NotificationService(Reading):
    """One unit of work on notifications; everything happens in the session's transaction."""

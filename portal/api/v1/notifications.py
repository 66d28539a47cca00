"""Notifications: subscriptions by webhook, mail and inbox, what each was told, and the caller's inbox."""

from typing import Annotated
from uuid import UUID

from litestar import delete, get, post
from litestar.params import FromPath, JSONBody, QueryParameter
from pydantic import BaseModel

from catalog.notifications.models import (
    CreateSubscription,
    CreateWebhook,
    NewSubscription,
    NotificationDetail,
    NotificationRead,
    NotificationState,
    SubscriptionRead,
)
from catalog.notifications.service import NotificationService
from portal.api.documentation import changes, problems, reads
from portal.api.listing import Cursor, Limit, cut, moment_and_id, page
from portal.auth.guards import requires
from portal.boundary import AppSettings, Caller, OpenSession, WebRequest
from portal.idempotency import Answer

TAGS = ["notifications"]
READ = [requires("events:read")]
ADMIN = [requires("events:admin")]


class SubscriptionList(BaseModel):
    """Subscriptions, newest first."""

    items: list[SubscriptionRead]
    next_cursor: str | None = None


class NotificationList(BaseModel):
    """One page of notifications, newest first."""

    items: list[NotificationRead]
    next_cursor: str | None


class Inbox(NotificationList):
    """One page of the caller's inbox; ``unread`` counts all of it, up to 500."""

    unread: int


class Sent(BaseModel):
    """A notification that is on its way."""

    id: UUID


class MarkedRead(BaseModel):
    """How many notifications were unread until now."""

    read: int


@post(
    "/webhooks",
    operation_id="create_webhook",
    summary="Subscribe a webhook",
    status_code=201,
    **changes(TAGS, ADMIN, 409, 413, 415, 422),
)
def create_webhook(
    data: JSONBody[CreateWebhook], session: OpenSession, settings: AppSettings, principal: Caller
) -> NewSubscription:
    """Have events sent to an address, signed after Standard Webhooks. The secret is in this answer and nowhere else."""
    return NotificationService(session, settings).subscribe(principal, data.subscription())


@post(
    "/notifications/subscriptions",
    operation_id="create_subscription",
    summary="Subscribe to events",
    status_code=201,
    **changes(TAGS, READ, 409, 413, 415, 422),
)
def create_subscription(
    data: JSONBody[CreateSubscription], session: OpenSession, settings: AppSettings, principal: Caller
) -> NewSubscription:
    """Subscribe yourself (inbox, mail to your own address), or as an administrator webhooks and any address."""
    return NotificationService(session, settings).subscribe(principal, data)


@get(
    "/notifications/subscriptions",
    operation_id="list_subscriptions",
    summary="List subscriptions",
    **reads(TAGS, READ),
)
def list_subscriptions(session: OpenSession, settings: AppSettings, principal: Caller) -> SubscriptionList:
    """Return the caller's subscriptions and the tenant's, newest first; administrators see those of everybody."""
    return SubscriptionList(items=NotificationService(session, settings).subscriptions(principal))


@get(
    "/notifications/subscriptions/{subscription_id:uuid}",
    operation_id="get_subscription",
    summary="Get one subscription",
    **reads(TAGS, READ, 404),
)
def get_subscription(
    subscription_id: FromPath[UUID], session: OpenSession, settings: AppSettings, principal: Caller
) -> SubscriptionRead:
    """Return a subscription: what it wants, and whether it is served."""
    return NotificationService(session, settings).subscription(principal, subscription_id)


@delete(
    "/notifications/subscriptions/{subscription_id:uuid}",
    operation_id="remove_subscription",
    summary="Remove a subscription",
    tags=TAGS,
    guards=READ,
    responses=problems(401, 403, 404),
    sync_to_thread=True,
)
def remove_subscription(
    subscription_id: FromPath[UUID], session: OpenSession, settings: AppSettings, principal: Caller
) -> None:
    """Remove a subscription with all that it was told."""
    NotificationService(session, settings).unsubscribe(principal, subscription_id)


@post(
    "/notifications/subscriptions/{subscription_id:uuid}/pause",
    operation_id="pause_subscription",
    summary="Pause a subscription",
    status_code=200,
    **changes(TAGS, READ, 404, 409, 422),
)
def pause_subscription(
    subscription_id: FromPath[UUID], session: OpenSession, settings: AppSettings, principal: Caller
) -> SubscriptionRead:
    """Stop telling; what happens meanwhile is not told later."""
    return NotificationService(session, settings).pause(principal, subscription_id)


@post(
    "/notifications/subscriptions/{subscription_id:uuid}/resume",
    operation_id="resume_subscription",
    summary="Resume a subscription",
    status_code=200,
    **changes(TAGS, READ, 404, 409, 422),
)
def resume_subscription(
    subscription_id: FromPath[UUID], session: OpenSession, settings: AppSettings, principal: Caller
) -> SubscriptionRead:
    """Tell again, also where lasting failure had disabled it."""
    return NotificationService(session, settings).pause(principal, subscription_id, resume=True)


@post(
    "/notifications/subscriptions/{subscription_id:uuid}/rotate",
    operation_id="rotate_subscription_secret",
    summary="Give a webhook a new secret",
    status_code=200,
    **changes(TAGS, READ, 404, 409, 422),
)
def rotate_secret(
    subscription_id: FromPath[UUID], session: OpenSession, settings: AppSettings, principal: Caller
) -> NewSubscription:
    """Make a new secret, in this answer and nowhere else; for a day messages are signed with the old one as well."""
    return NotificationService(session, settings).rotate(principal, subscription_id)


@post(
    "/notifications/subscriptions/{subscription_id:uuid}/test",
    operation_id="test_subscription",
    summary="Send a test",
    status_code=202,
    **changes(TAGS, READ, 404, 409, 422),
)
def test_subscription(
    subscription_id: FromPath[UUID], session: OpenSession, settings: AppSettings, principal: Caller
) -> Sent:
    """Send a test the way everything else is sent."""
    return Sent(id=NotificationService(session, settings).test(principal, subscription_id))


@get(
    "/notifications",
    operation_id="list_notifications",
    summary="List what was delivered",
    **reads(TAGS, READ, 404, 422),
)
def list_notifications(  # noqa: PLR0913, PLR0917  # most are query parameters
    request: WebRequest,
    session: OpenSession,
    settings: AppSettings,
    principal: Caller,
    subscription: Annotated[UUID | None, QueryParameter(description="Only those of one subscription.")] = None,
    in_state: Annotated[
        NotificationState | None, QueryParameter(name="state", description="Only those in one state.")
    ] = None,
    limit: Limit = 50,
    cursor: Cursor = None,
) -> Answer[NotificationList]:
    """Return what went out by webhook and mail, newest first; without a subscription, for administrators."""
    service = NotificationService(session, settings)
    rows = service.page(principal, subscription, in_state, moment_and_id(cursor), limit + 1)
    found, following = cut(rows, limit, lambda each: (each.created_at, each.id))
    return page(request, NotificationList(items=list(found), next_cursor=following), following)


@get(
    "/notifications/{notification_id:uuid}",
    operation_id="get_notification",
    summary="Get one notification",
    **reads(TAGS, READ, 404),
)
def get_notification(
    notification_id: FromPath[UUID], session: OpenSession, settings: AppSettings, principal: Caller
) -> NotificationDetail:
    """Return a notification with every try: what was sent, and what came back."""
    return NotificationService(session, settings).get(principal, notification_id)


@post(
    "/notifications/{notification_id:uuid}/replay",
    operation_id="replay_notification",
    summary="Send once more",
    status_code=202,
    **changes(TAGS, READ, 404, 409, 422),
)
def replay_notification(
    notification_id: FromPath[UUID], session: OpenSession, settings: AppSettings, principal: Caller
) -> NotificationRead:
    """Send once more, under the same id, what was given up."""
    return NotificationService(session, settings).replay(principal, notification_id)


@get(
    "/notifications/inbox",
    operation_id="get_inbox",
    summary="Read your inbox",
    **reads(TAGS, READ, 422),
)
def get_inbox(  # most are query parameters
    request: WebRequest,
    session: OpenSession,
    settings: AppSettings,
    principal: Caller,
    limit: Limit = 50,
    cursor: Cursor = None,
) -> Answer[Inbox]:
    """Return what the caller was told, newest first; empty for a token that belongs to nobody."""
    service = NotificationService(session, settings)
    rows = service.inbox(principal, moment_and_id(cursor), limit + 1)
    found, following = cut(rows, limit, lambda each: (each.created_at, each.id))
    content = Inbox(items=list(found), next_cursor=following, unread=service.unread(principal))
    return page(request, content, following)


@post(
    "/notifications/inbox/read",
    operation_id="mark_inbox_read",
    summary="Mark your inbox as read",
    status_code=200,
    **changes(TAGS, READ, 409, 422),
)
def mark_inbox_read(session: OpenSession, settings: AppSettings, principal: Caller) -> MarkedRead:
    """Mark everything in the caller's inbox as read."""
    return MarkedRead(read=NotificationService(session, settings).mark_read(principal))


ROUTES = (
    create_webhook,
    create_subscription,
    list_subscriptions,
    get_subscription,
    remove_subscription,
    pause_subscription,
    resume_subscription,
    rotate_secret,
    test_subscription,
    list_notifications,
    get_notification,
    replay_notification,
    get_inbox,
    mark_inbox_read,
)

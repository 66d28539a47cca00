"""Sample pages of notifications: an inbox, subscriptions in every state, tries, and refusals."""

from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

from catalog.errors import FieldError
from catalog.notifications.models import (
    AttemptRead,
    Channel,
    NotificationDetail,
    NotificationRead,
    NotificationState,
    Severity,
    SubscriptionRead,
    SubscriptionState,
)
from portal.pages.notifications import InboxPage, NotificationPage, SubscriptionPage, SubscriptionsPage
from portal.pages.render import Page

NOW = datetime(2026, 11, 23, 12, 20, 11, tzinfo=UTC)
ID = UUID("6f1c7a52-3c6e-4a0c-9a4e-6b1a5d1f2c3d")
LONG = "a-name-that-somebody-chose-without-thinking-of-the-page-it-stands-on" * 2


def notification(**changes: Any) -> dict[str, Any]:
    values: dict[str, Any] = {
        "id": ID,
        "subscription_id": ID,
        "channel": Channel.WEBHOOK,
        "event_id": ID,
        "topic": "asset_use.affected",
        "title": "slipway/preview-web 1.4.0, which you use, is revoked",
        "link": "/assets/slipway/preview-web",
        "severity": Severity.CRITICAL,
        "state": NotificationState.DELIVERED,
        "attempts": 1,
        "next_attempt_at": None,
        "problem": "",
        "created_at": NOW - timedelta(hours=1),
        "delivered_at": NOW,
        "read_at": None,
    }
    return {**values, **changes}


def read(**changes: Any) -> NotificationRead:
    return NotificationRead(**notification(**changes))


def subscription(**changes: Any) -> SubscriptionRead:
    values: dict[str, Any] = {
        "id": ID,
        "member_id": None,
        "name": "Deployments to chat",
        "channel": Channel.WEBHOOK,
        "target": "https://hooks.example.com/slipway/room/1",
        "topics": ["approval.*", "environment.failed"],
        "subject": "",
        "asset": "",
        "owner": "",
        "severity": Severity.WARNING,
        "digest_minutes": 0,
        "state": SubscriptionState.ACTIVE,
        "reason": "",
        "old_secret_until": None,
        "failing_since": None,
        "created_by": "Ann",
        "created_at": NOW - timedelta(days=2),
    }
    return SubscriptionRead(**{**values, **changes})


def pages() -> dict[str, Page]:
    tries = [
        AttemptRead(at=NOW, seconds=15.2, status=None, problem="It does not answer.", request="", response=""),
        AttemptRead(
            at=NOW - timedelta(minutes=5),
            seconds=0.2,
            status=503,
            problem="It answers 503; any 2xx is needed.",
            request='{"specversion":"1.0","id":"' + LONG + '"}',
            response=f"<html>{LONG}</html>",
        ),
    ]
    dead = {"state": NotificationState.DEAD, "attempts": 12, "problem": "It answers 503; any 2xx is needed."}
    waiting = {"state": NotificationState.PENDING, "attempts": 2, "next_attempt_at": NOW + timedelta(minutes=3)}
    disabled = subscription(
        state=SubscriptionState.DISABLED,
        reason="Every try failed: It answers 503.",
        failing_since=NOW - timedelta(days=3),
        name=LONG[:120],
        target=f"https://{LONG}.example.com",
        asset="slipway/preview-web",
        owner="Team Storefront",
        subject="environments/",
        old_secret_until=NOW,
    )
    mail = subscription(channel=Channel.MAIL, target="ann@example.com", digest_minutes=60, member_id=ID)
    errors = [FieldError("/topics/0", "Nothing is called so."), FieldError("/target", "Give an https address.")]
    return {
        "inbox": InboxPage([read(), read(title=LONG, severity=Severity.INFO, read_at=NOW, link="")], 1),
        "inbox-empty": InboxPage([], 0),
        "inbox-more": InboxPage([read()], 500, next_href="/notifications?cursor=x"),
        "subscriptions": SubscriptionsPage([subscription(), disabled, mail], may_admin=True, is_person=True),
        "subscriptions-empty": SubscriptionsPage([], may_admin=False, is_person=True),
        "subscriptions-errors": SubscriptionsPage([], True, True, {"name": LONG}, ["approval.*"], errors),
        "subscription": SubscriptionPage(subscription(failing_since=NOW), [read(), read(**dead)], may_change=True),
        "subscription-new": SubscriptionPage(subscription(), [], may_change=True, secret="whsec_" + "x" * 44),
        "subscription-disabled": SubscriptionPage(disabled, [read(**dead)], True, refusal="Resume it first."),
        "subscription-mail": SubscriptionPage(mail, [], may_change=False),
        "notification": NotificationPage(NotificationDetail(**notification(**waiting), tries=tries), may_replay=False),
        "notification-dead": NotificationPage(NotificationDetail(**notification(**dead), tries=tries), may_replay=True),
        "notification-untried": NotificationPage(NotificationDetail(**notification(), tries=[]), may_replay=False),
    }

"""The pages of notifications: the reader's inbox, subscriptions, and what each was told."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import ClassVar
from urllib.parse import urlencode
from uuid import UUID

from litestar import Response, get, post
from litestar.params import FromPath
from litestar.response import Redirect
from pydantic import ValidationError

from catalog.errors import ConflictError, FieldError, ForbiddenError, InvalidInputError
from catalog.notifications.models import (
    Channel,
    CreateSubscription,
    NewSubscription,
    NotificationDetail,
    NotificationRead,
    Severity,
    SubscriptionRead,
)
from catalog.notifications.service import NotificationService
from catalog.notifications.topics import TOPICS
from catalog.tenancy import Principal
from portal.api.listing import cut, moment_and_id
from portal.auth.guards import requires
from portal.boundary import AppSettings, Caller, OpenSession, WebRequest
from portal.pages.forms import FormErrors, SentForm, Text, last_values, renderer_of, sent_fields
from portal.pages.render import Page, redirect

READ = [requires("events:read")]
PAGE_SIZE = 50
TABS = (("inbox", "Inbox", "/notifications"), ("subscriptions", "Subscriptions", "/notifications/subscriptions"))
LABELS = {
    "name": "Name",
    "channel": "How",
    "target": "Where to",
    "topics": "What",
    "subject": "Subject",
    "asset": "Asset",
    "owner": "Owner",
    "severity": "How grave",
    "digest_minutes": "Gather mail",
}
CHANNELS = (("inbox", "In the portal"), ("mail", "Mail"), ("webhook", "Webhook"))
SEVERITIES = (("info", "Everything"), ("warning", "Warnings and worse"), ("critical", "Only what is critical"))
DIGESTS = (("0", "Send each at once"), ("15", "Every 15 minutes"), ("60", "Every hour"), ("1440", "Once a day"))


@dataclass(frozen=True)
class InboxPage(Page):
    """What the reader was told, newest first."""

    template: ClassVar[str] = "notifications/index.html"
    fragments: ClassVar[Mapping[str, str]] = {"notification-list": "notifications/_list.html"}

    notifications: Sequence[NotificationRead]
    unread: int
    previous_href: str = ""
    next_href: str = ""

    @property
    def tabs(self) -> list[tuple[str, str, str, int | None]]:
        """Return key, name, address and count of each view."""
        return [(key, name, href, self.unread if key == "inbox" else None) for key, name, href in TABS]


@dataclass(frozen=True)
class SubscriptionsPage(FormErrors, Page):
    """Who is told of what, and the form for a new subscription."""

    template: ClassVar[str] = "notifications/subscriptions.html"
    labels: ClassVar[Mapping[str, str]] = LABELS

    subscriptions: Sequence[SubscriptionRead]
    may_admin: bool
    is_person: bool
    values: Mapping[str, str] = field(default_factory=dict)
    chosen: Sequence[str] = ()
    errors: Sequence[FieldError] = ()

    @property
    def tabs(self) -> list[tuple[str, str, str, int | None]]:
        """Return key, name, address and no count of each view."""
        return [(*each, None) for each in TABS]

    @property
    def channels(self) -> list[tuple[str, str]]:
        """Return the channels that the reader may choose."""
        return [
            (key, name)
            for key, name in CHANNELS
            if (key != "webhook" or self.may_admin) and (key != "inbox" or self.is_person)
        ]

    @property
    def families(self) -> list[tuple[str, str, str]]:
        """Return topic, label and what it covers, one for each family of events."""
        names: dict[str, list[str]] = {}
        for topic in TOPICS:
            family, _, name = topic.partition(".")
            names.setdefault(family, []).append(name.replace("_", " "))
        return [
            (f"{family}.*", family.replace("_", " ").capitalize(), ", ".join(each)) for family, each in names.items()
        ]

    severities: ClassVar[Sequence[tuple[str, str]]] = SEVERITIES
    digests: ClassVar[Sequence[tuple[str, str]]] = DIGESTS

    def value(self, name: str) -> str:
        """Return what a field shows."""
        return self.values.get(name, "")


@dataclass(frozen=True)
class SubscriptionPage(Page):
    """One subscription with what it was told; ``secret`` is shown this one time."""

    template: ClassVar[str] = "notifications/subscription.html"

    subscription: SubscriptionRead
    deliveries: Sequence[NotificationRead]
    may_change: bool
    secret: str = ""
    refusal: str = ""


@dataclass(frozen=True)
class NotificationPage(Page):
    """One notification with every try."""

    template: ClassVar[str] = "notifications/show.html"

    notification: NotificationDetail
    may_replay: bool


@get("/notifications", guards=READ, sync_to_thread=True)
def show_inbox(
    request: WebRequest, session: OpenSession, settings: AppSettings, principal: Caller, cursor: Text = None
) -> Response[str]:
    """Show the reader's inbox."""
    service = NotificationService(session, settings)
    rows = service.inbox(principal, moment_and_id(cursor or None), PAGE_SIZE + 1)
    found, following = cut(rows, PAGE_SIZE, lambda each: (each.created_at, each.id))
    page = InboxPage(
        notifications=found,
        unread=service.unread(principal),
        previous_href="/notifications" if cursor else "",
        next_href="/notifications?" + urlencode({"cursor": following}) if following else "",
    )
    return renderer_of(request).respond(request, page)


@post("/notifications/inbox/read", guards=READ, sync_to_thread=True)
def mark_read(session: OpenSession, settings: AppSettings, principal: Caller) -> Redirect:
    """Mark everything in the reader's inbox as read."""
    NotificationService(session, settings).mark_read(principal)
    return redirect("/notifications", "inbox-read")


@get("/notifications/subscriptions", guards=READ, sync_to_thread=True)
def show_subscriptions(
    request: WebRequest, session: OpenSession, settings: AppSettings, principal: Caller
) -> Response[str]:
    """Show who is told of what."""
    page = _subscriptions(NotificationService(session, settings), principal)
    return renderer_of(request).respond(request, page)


@post("/notifications/subscriptions", guards=READ, sync_to_thread=True)
def subscribe(
    request: WebRequest, data: SentForm, session: OpenSession, settings: AppSettings, principal: Caller
) -> Response[str] | Redirect:
    """Subscribe; a webhook's secret is shown on the page that follows, this one time."""
    fields = sent_fields(data)
    values = last_values(fields)
    chosen = [each for each in fields.get("topics", ()) if each]
    service = NotificationService(session, settings)
    try:
        made = service.subscribe(principal, _asked(values, chosen))
    except (InvalidInputError, ForbiddenError) as error:
        session.rollback()
        page = _subscriptions(service, principal, values, chosen, error.errors or (FieldError("", error.detail),))
        return renderer_of(request).respond(request, page, status_code=error.status)
    if made.secret:
        return renderer_of(request).respond(request, _with_secret(service, principal, made), status_code=201)
    return redirect(f"/notifications/subscriptions/{made.id}", "subscribed")


@get("/notifications/subscriptions/{subscription_id:uuid}", guards=READ, sync_to_thread=True)
def show_subscription(
    request: WebRequest,
    subscription_id: FromPath[UUID],
    session: OpenSession,
    settings: AppSettings,
    principal: Caller,
) -> Response[str]:
    """Show one subscription with what it was told."""
    return renderer_of(request).respond(
        request, _page(NotificationService(session, settings), principal, subscription_id)
    )


@post("/notifications/subscriptions/{subscription_id:uuid}/{verb:str}", guards=READ, sync_to_thread=True)
def change_subscription(
    request: WebRequest,
    subscription_id: FromPath[UUID],
    verb: FromPath[str],
    session: OpenSession,
    settings: AppSettings,
    principal: Caller,
) -> Response[str] | Redirect:
    """Pause, resume, test, give a new secret, or remove."""
    service = NotificationService(session, settings)
    path = f"/notifications/subscriptions/{subscription_id}"
    try:
        if verb == "rotate":
            rotated = service.rotate(principal, subscription_id)
            return renderer_of(request).respond(request, _with_secret(service, principal, rotated))
        if verb in {"pause", "resume"}:
            service.pause(principal, subscription_id, resume=verb == "resume")
            return redirect(path, f"subscription-{verb}d")
        if verb == "test":
            service.test(principal, subscription_id)
            return redirect(path, "test-sent")
        if verb == "remove":
            service.unsubscribe(principal, subscription_id)
            return redirect("/notifications/subscriptions", "subscription-removed")
    except ConflictError as error:
        session.rollback()
        page = _page(service, principal, subscription_id, refusal=error.detail)
        return renderer_of(request).respond(request, page, status_code=error.status)
    service.subscription(principal, subscription_id)
    raise InvalidInputError("Pause, resume, test, rotate or remove.")


@get("/notifications/{notification_id:uuid}", guards=READ, sync_to_thread=True)
def show_notification(
    request: WebRequest,
    notification_id: FromPath[UUID],
    session: OpenSession,
    settings: AppSettings,
    principal: Caller,
) -> Response[str]:
    """Show one notification with every try."""
    found = NotificationService(session, settings).get(principal, notification_id)
    page = NotificationPage(found, may_replay=found.state.value == "dead")
    return renderer_of(request).respond(request, page)


@post("/notifications/{notification_id:uuid}/replay", guards=READ, sync_to_thread=True)
def replay_notification(
    notification_id: FromPath[UUID], session: OpenSession, settings: AppSettings, principal: Caller
) -> Redirect:
    """Send once more what was given up."""
    NotificationService(session, settings).replay(principal, notification_id)
    return redirect(f"/notifications/{notification_id}", "delivery-replayed")


def _subscriptions(
    service: NotificationService,
    principal: Principal,
    values: Mapping[str, str] | None = None,
    chosen: Sequence[str] = (),
    errors: Sequence[FieldError] = (),
) -> SubscriptionsPage:
    return SubscriptionsPage(
        subscriptions=service.subscriptions(principal),
        may_admin=principal.may("events:admin"),
        is_person=principal.member_id is not None,
        values=values or {},
        chosen=chosen,
        errors=errors,
    )


def _page(
    service: NotificationService, principal: Principal, subscription_id: UUID, secret: str = "", refusal: str = ""
) -> SubscriptionPage:
    subscription = service.subscription(principal, subscription_id)
    own = subscription.member_id is not None and subscription.member_id == principal.member_id
    return SubscriptionPage(
        subscription=subscription,
        deliveries=service.page(principal, subscription_id),
        may_change=own or principal.may("events:admin"),
        secret=secret,
        refusal=refusal,
    )


def _with_secret(service: NotificationService, principal: Principal, made: NewSubscription) -> SubscriptionPage:
    return _page(service, principal, made.id, secret=made.secret)


def _asked(values: Mapping[str, str], topics: Sequence[str]) -> CreateSubscription:
    minutes = values.get("digest_minutes", "0")
    is_mail = values.get("channel") == Channel.MAIL
    try:
        return CreateSubscription.model_validate(
            {
                **{name: values.get(name, "") for name in ("name", "channel", "target", "subject", "asset", "owner")},
                "severity": values.get("severity") or Severity.INFO,
                "topics": list(topics) or ["*"],
                "digest_minutes": minutes if is_mail and minutes else 0,
            }
        )
    except ValidationError as refused:
        names = dict.fromkeys(str(each["loc"][0]) for each in refused.errors())
        errors = [FieldError(f"/{name}", f"{LABELS.get(name, name)} cannot be this.") for name in names]
    raise InvalidInputError("The subscription cannot be made as asked.", errors)


ROUTES = (
    show_inbox,
    mark_read,
    show_subscriptions,
    subscribe,
    show_subscription,
    change_subscription,
    show_notification,
    replay_notification,
)

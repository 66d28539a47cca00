"""Subscriptions: made, paused, given a new secret, tried and removed."""

from uuid import UUID

from sqlmodel import Session

from catalog.clock import now
from catalog.errors import ConflictError, FieldError, ForbiddenError, InvalidInputError, NotFoundError
from catalog.events import outbox
from catalog.events.registry import EventData
from catalog.notifications import queries, rules, signing, topics
from catalog.notifications.events import (
    NotificationQueued,
    NotificationTest,
    SubscriptionChanged,
    SubscriptionCreated,
    SubscriptionRemoved,
)
from catalog.notifications.models import (
    Channel,
    CreateSubscription,
    NewSubscription,
    Notification,
    NotificationState,
    Subscription,
    SubscriptionRead,
    SubscriptionState,
)
from catalog.secrets import SecretBox
from catalog.settings import Settings
from catalog.tenancy import Principal
from catalog.tenants.service import TenantService

ADMIN = "events:admin"
MOST = 100
PURPOSE = "notifications"


class Subscribing:
    """What people do with subscriptions: with their own, and administrators with the tenant's."""

    def __init__(self, session: Session, settings: Settings) -> None:
        self._session = session
        self._settings = settings

    def subscribe(self, principal: Principal, asked: CreateSubscription) -> NewSubscription:
        """Make a subscription and return it with its signing secret, which is shown this once.

        The inbox and mail to the caller's own address belong to the caller; webhooks and other addresses to the
        tenant, and need ``events:admin``. Raises ``InvalidInputError`` naming the fields at fault.
        """
        target, member = self._target(principal, asked)
        asked = asked.model_copy(update={"target": target})
        errors = rules.check(asked)
        is_plain = asked.channel is Channel.WEBHOOK and asked.target.startswith("http:")
        if is_plain and not self._is_internal(asked.target):
            errors.append(FieldError("/target", "Give an https address: others could read what is sent without TLS."))
        if len(queries.subscriptions(self._session, principal.tenant_id)) >= MOST:
            errors.append(FieldError("", f"There are {MOST} subscriptions already. Remove one first."))
        if errors:
            raise InvalidInputError("The subscription cannot be made as asked.", errors)
        secret = signing.new_secret() if asked.channel is Channel.WEBHOOK else ""
        made = Subscription(
            tenant_id=principal.tenant_id,
            member_id=member,
            created_by=principal.name,
            secrets=self._seal([secret]) if secret else "",
            **asked.model_dump(),
        )
        self._session.add(made)
        self._session.flush()
        data = SubscriptionCreated(subscription_id=made.id, channel=made.channel, topics=made.topics)
        self._note(principal, made, data, "notification.subscribe")
        return NewSubscription(**SubscriptionRead.model_validate(made).model_dump(), secret=secret)

    def subscriptions(self, principal: Principal) -> list[SubscriptionRead]:
        """Return the subscriptions that the caller may see, newest first: its own, and the tenant's."""
        everybodys = principal.may(ADMIN)
        found = queries.subscriptions(self._session, principal.tenant_id, principal.member_id, everybodys=everybodys)
        return [SubscriptionRead.model_validate(each) for each in found]

    def subscription(self, principal: Principal, subscription_id: UUID) -> SubscriptionRead:
        """Return one; raise ``NotFoundError`` where the caller can see none of that id."""
        return SubscriptionRead.model_validate(self._seen(principal, subscription_id))

    def unsubscribe(self, principal: Principal, subscription_id: UUID) -> None:
        """Remove a subscription with all that it was told."""
        found = self._own(principal, subscription_id)
        self._note(principal, found, SubscriptionRemoved(subscription_id=found.id), "notification.unsubscribe")
        self._session.delete(found)
        self._session.flush()

    def pause(self, principal: Principal, subscription_id: UUID, *, resume: bool = False) -> SubscriptionRead:
        """Stop telling, or begin again, also after lasting failure; what happens meanwhile is not told later."""
        found = self._own(principal, subscription_id)
        wanted = SubscriptionState.ACTIVE if resume else SubscriptionState.PAUSED
        if found.state is not wanted:
            found.state, found.reason, found.failing_since = wanted, "", None
            self._session.add(found)
            self._session.flush()
            data = SubscriptionChanged(subscription_id=found.id, state=found.state, reason="")
            self._note(principal, found, data, "notification.resume" if resume else "notification.pause")
        return SubscriptionRead.model_validate(found)

    def rotate(self, principal: Principal, subscription_id: UUID) -> NewSubscription:
        """Give a webhook a new secret, shown this once; messages carry both signatures for a day."""
        found = self._own(principal, subscription_id)
        if found.channel is not Channel.WEBHOOK:
            raise ConflictError("Only webhooks have a secret.")
        secret = signing.new_secret()
        found.secrets = self._seal([secret, *self._secrets(found)[:1]])
        found.old_secret_until = now() + rules.OVERLAP
        self._session.add(found)
        self._session.flush()
        data = SubscriptionChanged(subscription_id=found.id, state=found.state, reason="Another secret signs.")
        self._note(principal, found, data, "notification.rotate")
        return NewSubscription(**SubscriptionRead.model_validate(found).model_dump(), secret=secret)

    def test(self, principal: Principal, subscription_id: UUID) -> UUID:
        """Send a test the way everything else is sent, and return the notification's id."""
        found = self._own(principal, subscription_id)
        if found.state is not SubscriptionState.ACTIVE:
            raise ConflictError(f"The subscription is {found.state}. Resume it first.")
        told = outbox.append(
            self._session,
            NotificationTest(subscription_id=found.id),
            tenant_id=found.tenant_id,
            subject=_subject(found),
            actor=principal.actor,
        )
        shown = topics.shown(topics.TEST, {})
        return self._queue(found, told.id, topics.TEST, shown).id

    def _queue(
        self,
        subscription: Subscription,
        event_id: UUID | None,
        topic: str,
        shown: topics.Shown,
        state: NotificationState = NotificationState.PENDING,
    ) -> Notification:
        is_inbox = subscription.channel is Channel.INBOX
        made = Notification(
            tenant_id=subscription.tenant_id,
            subscription_id=subscription.id,
            member_id=subscription.member_id,
            channel=subscription.channel,
            event_id=event_id,
            topic=topic,
            title=shown.title,
            link=shown.link,
            severity=shown.severity,
            state=NotificationState.DELIVERED if is_inbox else state,
            delivered_at=now() if is_inbox else None,
        )
        self._session.add(made)
        self._session.flush()
        if made.state is NotificationState.PENDING:
            self._send(made)
        return made

    def _send(self, notification: Notification, actor: str = "system") -> None:
        data = NotificationQueued(notification_id=notification.id)
        subject = f"notifications/{notification.id}"
        outbox.append(self._session, data, tenant_id=notification.tenant_id, subject=subject, actor=actor)

    def _target(self, principal: Principal, asked: CreateSubscription) -> tuple[str, UUID | None]:
        own = self._address(principal)
        if asked.channel is Channel.INBOX or (asked.channel is Channel.MAIL and asked.target in {"", own}):
            if principal.member_id is None:
                raise ForbiddenError("This token belongs to no person, so it has neither inbox nor address.")
            return own if asked.channel is Channel.MAIL else "", principal.member_id
        principal.require(ADMIN)
        return asked.target, None

    def _address(self, principal: Principal) -> str:
        if principal.member_id is None:
            return ""
        members = TenantService(self._session).members(principal.tenant_id)
        return next((each.email for each in members if each.id == principal.member_id), "")

    def _is_internal(self, target: str) -> bool:
        return target.removeprefix("http://").partition("/")[0] in self._settings.internal_domains

    def _seen(self, principal: Principal, subscription_id: UUID, *, lock: bool = False) -> Subscription:
        found = queries.subscription(self._session, principal.tenant_id, subscription_id, lock=lock)
        if found is None or not (found.member_id in {None, principal.member_id} or principal.may(ADMIN)):
            raise NotFoundError(f"There is no subscription {subscription_id}.")
        return found

    def _own(self, principal: Principal, subscription_id: UUID) -> Subscription:
        found = self._seen(principal, subscription_id, lock=True)
        if found.member_id is None or found.member_id != principal.member_id:
            principal.require(ADMIN)
        return found

    def _seal(self, secrets: list[str]) -> str:
        return SecretBox(self._settings).seal(PURPOSE, secrets)

    def _secrets(self, subscription: Subscription) -> list[str]:
        if not subscription.secrets:
            return []
        opened: list[str] = SecretBox(self._settings).open(PURPOSE, subscription.secrets)
        until = subscription.old_secret_until
        return opened if until is not None and now() < until else opened[:1]

    def _note(self, principal: Principal, found: Subscription, data: EventData, action: str) -> None:
        subject = _subject(found)
        outbox.append(self._session, data, tenant_id=found.tenant_id, subject=subject, actor=principal.actor)
        TenantService(self._session).audit(
            found.tenant_id, principal.actor, action, subject, {"channel": found.channel}
        )


def _subject(found: Subscription) -> str:
    return f"notifications/subscriptions/{found.id}"

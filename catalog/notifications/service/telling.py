"""Telling: events become notifications, once each, and every try of a delivery is recorded."""

import json
import random
from collections.abc import Sequence
from datetime import timedelta
from uuid import UUID

from sqlmodel import Session

from catalog.clock import now
from catalog.events import outbox
from catalog.events.envelope import Envelope, envelope
from catalog.notifications import queries, rules, topics
from catalog.notifications.events import SubscriptionChanged
from catalog.notifications.models import (
    Attempt,
    Channel,
    Notification,
    NotificationState,
    Outcome,
    Parcel,
    Severity,
    Subscription,
    SubscriptionState,
)
from catalog.notifications.service.subscribing import Subscribing
from catalog.tenants.service import TenantService

DIGEST = "digest"
MOST_PARTS = 200
EXCERPT = 2000


class Telling(Subscribing):
    """What the worker does, each method in a transaction of its own."""

    def take(self, event: Envelope, topic: str) -> int:
        """Make a notification for everybody who wants an event; doing so again makes none, and return how many."""
        told = queries.told(self._session, event.tenantid, event.id)
        done = {each.subscription_id for each in told} | {each.member_id for each in told}
        shown = topics.shown(topic, event.data)
        members = {each.id for each in TenantService(self._session).members(event.tenantid)}
        count = 0
        for each in queries.active(self._session, event.tenantid):
            if each.id in done or not rules.matches(_wanted(each), topic, event.subject, event.data, shown):
                continue
            if each.member_id is not None and each.member_id not in members:
                continue
            if each.channel is Channel.INBOX and each.member_id in done:
                continue
            self._queue(each, event.id, topic, shown, self._state_for(each))
            done |= {each.member_id} if each.channel is Channel.INBOX else set()
            count += 1
        for member_id in sorted(map(UUID, rules.addressees(topic, event.data)), key=str):
            if member_id in members and member_id not in done:
                self._session.add(_straight(event, member_id, topic, shown))
                count += 1
        self._session.flush()
        return count

    def prepare(self, tenant_id: UUID, notification_id: UUID) -> Parcel | None:
        """Return what is to be sent now, None where nothing is (any more)."""
        found = queries.notification(self._session, tenant_id, notification_id, lock=True)
        if found is None or found.state is not NotificationState.PENDING or found.subscription_id is None:
            return None
        subscription = queries.subscription(self._session, tenant_id, found.subscription_id)
        if subscription is None:
            return None
        if subscription.state is not SubscriptionState.ACTIVE:
            self._bury(found, f"The subscription is {subscription.state}.")
            return None
        if subscription.member_id is not None and not self._is_member(tenant_id, subscription.member_id):
            self._bury(found, "Whom it belongs to has left.")
            return None
        body = self._body(found)
        if body is None:
            self._bury(found, "The event is not kept any more.")
            return None
        return Parcel(
            notification_id=found.id,
            channel=found.channel,
            target=subscription.target,
            title=found.title,
            link=f"{self._settings.base_url}{found.link}" if found.link else "",
            body=body,
            secrets=tuple(self._secrets(subscription)),
            attempt=found.attempts + 1,
        )

    def record(self, tenant_id: UUID, parcel: Parcel, outcome: Outcome) -> timedelta | None:
        """Record how a try ended; return after how long to try again, None where it is over.

        A receiver that says that it is gone, or fails for ``notification_patience_hours``, is not tried any more.
        """
        found = queries.notification(self._session, tenant_id, parcel.notification_id, lock=True)
        if found is None or found.state is not NotificationState.PENDING or found.subscription_id is None:
            return None
        subscription = queries.subscription(self._session, tenant_id, found.subscription_id, lock=True)
        found.attempts += 1
        found.problem = outcome.problem[:500]
        self._session.add(_attempt(found, parcel, outcome))
        if outcome.ok:
            found.state, found.delivered_at, found.next_attempt_at = NotificationState.DELIVERED, now(), None
            self._session.add(found)
            if subscription is not None and subscription.failing_since is not None:
                subscription.failing_since = None
                self._session.add(subscription)
            return None
        if subscription is not None:
            self._count_failure(subscription, outcome)
        if outcome.gone or outcome.final or found.attempts >= rules.MOST_ATTEMPTS:
            self._bury(found, outcome.problem)
            return None
        chance = random.random()  # noqa: S311  # spreads retries, protects nothing
        after = rules.wait(found.attempts, chance, outcome.retry_after)
        found.next_attempt_at = now() + after
        self._session.add(found)
        return after

    def give_up(self, tenant_id: UUID, notification_id: UUID, reason: str) -> None:
        """Show as dead what a worker could not even try."""
        found = queries.notification(self._session, tenant_id, notification_id, lock=True)
        if found is not None and found.state is NotificationState.PENDING:
            self._bury(found, reason)

    def gather(self, tenant_id: UUID, subscription_id: UUID) -> bool:
        """Make one digest of what is held where its time has come, and tell whether one was made."""
        subscription = queries.subscription(self._session, tenant_id, subscription_id, lock=True)
        if subscription is None:
            return False
        parts = queries.held(self._session, tenant_id, subscription_id, MOST_PARTS)
        window = timedelta(minutes=subscription.digest_minutes) or rules.FLOOD_DIGEST
        if not parts or parts[0].created_at + window > now():
            return False
        gravest = max((each.severity for each in parts), key=list(Severity).index)
        title = f"{len(parts)} things happened" if len(parts) > 1 else parts[0].title
        shown = topics.Shown(title, "/notifications", gravest)
        digest = self._queue(subscription, None, DIGEST, shown)
        for each in parts:
            each.state, each.digest_id = NotificationState.DIGESTED, digest.id
            self._session.add(each)
        self._session.flush()
        return True

    @staticmethod
    def holding(session: Session, limit: int) -> Sequence[tuple[UUID, UUID]]:
        """Return tenant and subscription of all tenants with something held; needs a session of the system role."""
        return queries.holding(session, limit)

    def _state_for(self, subscription: Subscription) -> NotificationState:
        """Return whether to send at once: mail is held for its digest, and where it would become a flood."""
        if subscription.channel is not Channel.MAIL:
            return NotificationState.PENDING
        if subscription.digest_minutes:
            return NotificationState.HELD
        hour = now() - timedelta(hours=1)
        sent = queries.sent_since(self._session, subscription.tenant_id, subscription.id, hour)
        return NotificationState.HELD if sent >= rules.FLOOD_PER_HOUR else NotificationState.PENDING

    def _is_member(self, tenant_id: UUID, member_id: UUID) -> bool:
        return any(each.id == member_id for each in TenantService(self._session).members(tenant_id))

    def _body(self, found: Notification) -> str | None:
        if found.event_id is None:
            parts = queries.parts(self._session, found.tenant_id, found.id)
            return "\n".join(f"* {each.title}\n  {self._settings.base_url}{each.link}" for each in parts)
        record = queries.event_of(self._session, found.tenant_id, found.event_id)
        if record is None:
            return None
        if found.channel is Channel.WEBHOOK:
            return json.dumps(envelope(record).model_dump(mode="json"), separators=(",", ":"), ensure_ascii=False)
        reason = str(record.data.get("reason") or record.data.get("message") or "")
        return f"{found.title}\n\n{reason}\n" if reason else f"{found.title}\n"

    def _bury(self, found: Notification, problem: str) -> None:
        found.state, found.next_attempt_at, found.problem = NotificationState.DEAD, None, problem[:500]
        self._session.add(found)
        self._session.flush()

    def _count_failure(self, subscription: Subscription, outcome: Outcome) -> None:
        moment = now()
        subscription.failing_since = subscription.failing_since or moment
        patience = timedelta(hours=self._settings.notification_patience_hours)
        lasting = moment - subscription.failing_since >= patience
        if subscription.state is SubscriptionState.ACTIVE and (outcome.gone or lasting):
            said = (
                "The receiver says that it is gone (410)." if outcome.gone else f"Every try failed: {outcome.problem}"
            )
            subscription.state, subscription.reason = SubscriptionState.DISABLED, said[:500]
            data = SubscriptionChanged(subscription_id=subscription.id, state=subscription.state, reason=said[:500])
            subject = f"notifications/subscriptions/{subscription.id}"
            outbox.append(self._session, data, tenant_id=subscription.tenant_id, subject=subject, actor="system")
        self._session.add(subscription)
        self._session.flush()


def _wanted(each: Subscription) -> rules.Wanted:
    return rules.Wanted(each.topics, each.subject, each.asset, each.owner, each.severity, each.member_id)


def _straight(event: Envelope, member_id: UUID, topic: str, shown: topics.Shown) -> Notification:
    return Notification(
        tenant_id=event.tenantid,
        member_id=member_id,
        channel=Channel.INBOX,
        event_id=event.id,
        topic=topic,
        title=shown.title,
        link=shown.link,
        severity=shown.severity,
        state=NotificationState.DELIVERED,
        delivered_at=now(),
    )


def _attempt(found: Notification, parcel: Parcel, outcome: Outcome) -> Attempt:
    return Attempt(
        tenant_id=found.tenant_id,
        notification_id=found.id,
        seconds=outcome.seconds,
        status=outcome.status,
        problem=outcome.problem[:500],
        request=parcel.body[:EXCERPT],
        response=outcome.response[:EXCERPT],
    )

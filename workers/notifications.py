"""Tells whoever wants to hear of what happened: events become notifications, and notifications are delivered."""

import time
from datetime import timedelta

from catalog.clock import now
from catalog.events.registry import load_events
from catalog.notifications.events import NotificationQueued
from catalog.notifications.models import Channel, Outcome, Parcel
from catalog.notifications.service import NotificationService
from catalog.notifications.signing import signature_headers
from catalog.notifications.topics import TOPICS
from catalog.providers import mail, websites
from catalog.settings import Settings
from workers.runtime.worker import Interrupted, JobContext, Retry, Worker

WORKER = Worker("notifications", queue="notifications", concurrency=4)

DUE_AT_ONCE = 200
NOTABLE = tuple(each for each in load_events().values() if each.event_name in TOPICS)


def bury(context: JobContext, reason: str) -> None:
    """Show as dead what could not even be tried, such as one whose delivery killed its worker again and again."""
    if context.tenant_id is not None:
        with context.session() as session:
            found = context.event(NotificationQueued).notification_id
            NotificationService(session, context.settings).give_up(context.tenant_id, found, reason)


@WORKER.on(*NOTABLE)
@WORKER.job("notifications.take", time_limit=timedelta(seconds=60), patient=True)
def take(context: JobContext) -> None:
    """Make a notification for everybody who wants the event, once each."""
    if context.envelope is None:
        return
    topic = type(context.envelope.event()).event_name
    with context.session() as session:
        NotificationService(session, context.settings).take(context.envelope, topic)


@WORKER.on(NotificationQueued)
@WORKER.job("notifications.deliver", time_limit=timedelta(seconds=60), max_attempts=5, when_dead=bury)
def deliver(context: JobContext) -> None:
    """Try one delivery; a worker that dies in between tries again under the same id, so receivers can tell."""
    tenant_id, notification_id = context.tenant_id, context.event(NotificationQueued).notification_id
    if tenant_id is None:
        return
    with context.session() as session:
        parcel = NotificationService(session, context.settings).prepare(tenant_id, notification_id)
    if parcel is None:
        return
    began = time.monotonic()
    outcome = _send(parcel, context.settings).model_copy(update={"seconds": round(time.monotonic() - began, 3)})
    with context.session() as session:
        after = NotificationService(session, context.settings).record(tenant_id, parcel, outcome)
    if after is not None:
        raise Retry(after, outcome.problem)


@WORKER.every(timedelta(minutes=1))
@WORKER.job("notifications.digest", time_limit=timedelta(minutes=2))
def digest(context: JobContext) -> None:
    """Gather what is held into one mail for each subscription whose time has come."""
    with context.system_session() as session:
        due = NotificationService.holding(session, DUE_AT_ONCE)
    for tenant_id, subscription_id in due:
        if context.should_stop():
            raise Interrupted
        with context.session(tenant_id) as session:
            NotificationService(session, context.settings).gather(tenant_id, subscription_id)


def _send(parcel: Parcel, settings: Settings) -> Outcome:
    return _mail(parcel, settings) if parcel.channel is Channel.MAIL else _post(parcel, settings)


def _post(parcel: Parcel, settings: Settings) -> Outcome:
    headers = signature_headers(parcel.secrets, str(parcel.notification_id), now(), parcel.body)
    try:
        answer = websites.post(parcel.target, parcel.body, headers, settings)
    except websites.WebsiteError as error:
        return Outcome(ok=False, problem=str(error))
    problem = "" if 200 <= answer.status < 300 else f"It answers {answer.status}; any 2xx is needed."
    if 300 <= answer.status < 400:
        problem = f"It answers {answer.status}; redirects are not followed. Subscribe the address that it leads to."
    return Outcome(
        ok=not problem,
        gone=answer.status == 410,
        status=answer.status,
        problem=problem,
        response=answer.text,
        retry_after=answer.retry_after,
    )


def _mail(parcel: Parcel, settings: Settings) -> Outcome:
    text = f"{parcel.body}\n{parcel.link}\n" if parcel.link else parcel.body
    footer = f"\n-- \nSlipway, {settings.base_url}/notifications/subscriptions says why you get this.\n"
    try:
        known = mail.send(parcel.target, parcel.title, text + footer, str(parcel.notification_id), settings)
    except mail.MailError as error:
        return Outcome(ok=False, final=error.final, problem=str(error))
    return Outcome(ok=True, response=known)

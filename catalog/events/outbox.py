"""The outbox: an event is a row written in the transaction of the change it tells of."""

from contextvars import ContextVar
from dataclasses import dataclass
from uuid import UUID, uuid4

from sqlmodel import Session

from catalog.events.models import EventRecord
from catalog.events.reach import news
from catalog.events.registry import EventData
from catalog.waking import wake

CHANNEL = "slipway_events"
"""On which PostgreSQL tells of events; the payload is `catalog.events.reach.news`."""


@dataclass(frozen=True)
class Cause:
    """What the present work answers to: ``correlation_id`` joins a whole chain, ``causation_id`` names the event."""

    correlation_id: UUID
    causation_id: UUID | None = None


CAUSE: ContextVar[Cause | None] = ContextVar("slipway_cause", default=None)
"""Set at the edges (a request, a delivery), so that no service has to pass it on."""


def append(session: Session, data: EventData, *, tenant_id: UUID, subject: str, actor: str) -> EventRecord:
    """Record an event in the session's transaction; relay and portals are told when, and only if, it commits.

    ``subject`` names the row it is about, such as ``environments/<id>``: events of one subject are delivered in
    the order they were recorded.
    """
    cause = CAUSE.get() or Cause(correlation_id=uuid4())
    record = EventRecord(
        tenant_id=tenant_id,
        type=data.event_type(),
        subject=subject,
        actor=actor,
        correlation_id=cause.correlation_id,
        causation_id=cause.causation_id,
        data=data.model_dump(mode="json"),
    )
    session.add(record)
    session.flush()
    wake(session, CHANNEL, news(data.reach(), tenant_id))
    return record

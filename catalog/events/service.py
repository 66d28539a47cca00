"""EventService: what happened in a tenant."""

from collections.abc import Sequence
from dataclasses import dataclass
from uuid import UUID

from sqlmodel import Session

from catalog.events import queries
from catalog.events.envelope import Envelope, envelope

LARGEST_PAGE = 500


@dataclass(frozen=True)
class EventPage:
    """Events in order, and the ``cursor`` to ask with for those after them; it may be kept for as long as you like."""

    events: tuple[Envelope, ...]
    cursor: int


class EventService:
    """One unit of work on a tenant's events; everything happens in the session's transaction."""

    def __init__(self, session: Session) -> None:
        self._session = session

    def after(
        self,
        tenant_id: UUID,
        cursor: int = 0,
        limit: int = 100,
        *,
        subject: str | None = None,
        types: Sequence[str] = (),
    ) -> EventPage:
        """Return the events after ``cursor`` (0 is the beginning), oldest first, at most ``limit`` (up to 500).

        An event appears once the relay has seen it, a few milliseconds after its transaction; none is ever added
        before one that was returned already, so that a reader who keeps the cursor misses nothing.
        """
        count = max(1, min(limit, LARGEST_PAGE))
        records = queries.events_after(self._session, tenant_id, cursor, count, subject=subject, types=types)
        last = records[-1].position if records else None
        return EventPage(tuple(envelope(record) for record in records), last or cursor)

    def latest(self, tenant_id: UUID) -> int:
        """Return the cursor that stands after everything that happened until now."""
        return queries.last_position(self._session, tenant_id)

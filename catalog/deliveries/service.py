"""DeliveryService: the deliveries that nobody could carry out, and how much there is to do."""

from datetime import datetime
from uuid import UUID

from pydantic import BaseModel
from sqlalchemy import text
from sqlmodel import Session

from catalog.clock import now
from catalog.deliveries import queries
from catalog.deliveries.models import Delivery, DeliveryState
from catalog.errors import ConflictError, NotFoundError
from catalog.events.outbox import CHANNEL
from catalog.tenancy import Principal
from catalog.tenants.service import TenantService

LARGEST_PAGE = 500


class DeadLetterRead(BaseModel):
    """A delivery that was given up: ``reason`` is one line for people, ``attempts`` how often the job was started."""

    id: int
    job: str
    event_id: UUID
    event_type: str
    subject: str
    attempts: int
    reason: str | None
    occurred_at: datetime
    dead_at: datetime | None


class DeliveryService:
    """One unit of work on a tenant's deliveries; everything happens in the session's transaction."""

    def __init__(self, session: Session) -> None:
        self._session = session

    def dead_letters(self, tenant_id: UUID, limit: int = 100, before: int | None = None) -> list[DeadLetterRead]:
        """Return the tenant's dead letters, newest first; ``before`` is the last id of the page before."""
        count = max(1, min(limit, LARGEST_PAGE))
        found = queries.dead_letters(self._session, tenant_id, count, before)
        return [
            DeadLetterRead(
                id=delivery.id or 0,
                job=delivery.job,
                event_id=record.id,
                event_type=record.type,
                subject=record.subject,
                attempts=delivery.attempt,
                reason=delivery.last_error,
                occurred_at=record.occurred_at,
                dead_at=delivery.finished_at,
            )
            for delivery, record in found
        ]

    def replay(self, principal: Principal, delivery_id: int) -> None:
        """Send a dead letter once more (audited), after whatever else waits for its subject.

        Raises ``NotFoundError`` where the tenant has none of that id, ``ConflictError`` where it is not dead.
        """
        principal.require("events:write")
        delivery = queries.delivery_by_id(self._session, principal.tenant_id, delivery_id)
        if delivery is None:
            raise NotFoundError(f"There is no dead letter {delivery_id}.")
        if delivery.state is not DeliveryState.DEAD:
            raise ConflictError(f"The delivery {delivery_id} is {delivery.state}: only a dead letter can be replayed.")
        self._replay(principal, delivery)

    def replay_all(self, principal: Principal, job: str | None = None) -> int:
        """Send all dead letters of the tenant once more (audited), or those of one ``job``; return how many."""
        principal.require("events:write")
        replayed = 0
        while found := queries.dead_deliveries(self._session, principal.tenant_id, job, LARGEST_PAGE):
            for delivery in found:
                self._replay(principal, delivery)
            self._session.flush()
            replayed += len(found)
        return replayed

    @staticmethod
    def backlog(session: Session) -> int:
        """Return how many events of all tenants the relay has not taken yet; needs a session of the system role."""
        return queries.count_unrelayed(session)

    @staticmethod
    def deliveries_by_state(session: Session) -> dict[DeliveryState, int]:
        """Return how many deliveries of all tenants are not done, by state; needs a session of the system role."""
        return queries.count_by_state(session)

    def _replay(self, principal: Principal, delivery: Delivery) -> None:
        position = text("SELECT nextval('event_positions')")
        delivery.position = int(self._session.connection().execute(position).scalar_one())
        delivery.state = DeliveryState.PENDING
        delivery.failures = 0
        delivery.lease_until = None
        delivery.next_attempt_at = now()
        delivery.finished_at = None
        self._session.add(delivery)
        detail = {"job": delivery.job, "event_id": str(delivery.event_id), "subject": delivery.subject}
        audit = TenantService(self._session).audit
        audit(principal.tenant_id, principal.actor, "delivery.replay", f"deliveries/{delivery.id}", detail)
        self._session.flush()
        self._session.execute(text(f"NOTIFY {CHANNEL}"))

"""The life of a delivery in a worker: claimed under a lease, renewed, and finished, put off, released or dead.

Times are the database's own, so that clocks of several machines need not agree. Every statement names the attempt
it belongs to and changes nothing where another worker has taken over since.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import timedelta
from uuid import UUID

from sqlalchemy import text
from sqlmodel import Session

from catalog.events.envelope import Envelope, envelope
from catalog.events.models import EventRecord
from catalog.events.outbox import CHANNEL

RUN_LEASE = timedelta(seconds=30)
"""How long a worker may be silent before its job counts as lost."""


class LeaseLostError(Exception):
    """The delivery is no longer this attempt's: another worker has taken over, or it was finished already."""


@dataclass(frozen=True)
class Claim:
    """A delivery that is ours to work on now; ``failures`` counts the attempts that failed before this one."""

    delivery_id: int
    attempt: int
    failures: int
    job: str
    tenant_id: UUID
    last_error: str | None
    envelope: Envelope


_CLAIM = text("""
    UPDATE deliveries AS d
    SET state = 'running', attempt = d.attempt + 1, lease_until = clock_timestamp() + :lease
    FROM events AS e
    WHERE d.id = :id AND d.attempt = :attempt - 1 AND d.state IN ('pending', 'sent') AND e.id = d.event_id
    RETURNING d.attempt AS delivery_attempt, d.failures, d.job, d.last_error, e.*
""")


def claim(session: Session, delivery_id: int, attempt: int, lease: timedelta = RUN_LEASE) -> Claim | None:
    """Take the delivery for its ``attempt``-th start, or return None where somebody else has, or nobody shall.

    A delivery that is still pending may be claimed: its sender died, or has not committed yet, after the message
    was out.
    """
    values = {"id": delivery_id, "attempt": attempt, "lease": lease}
    row = session.connection().execute(_CLAIM, values).mappings().first()
    if row is None:
        return None
    record = EventRecord(**{name: row[name] for name in EventRecord.model_fields})
    return Claim(
        delivery_id=delivery_id,
        attempt=row["delivery_attempt"],
        failures=row["failures"],
        job=row["job"],
        tenant_id=record.tenant_id,
        last_error=row["last_error"],
        envelope=envelope(record),
    )


_RENEW = text("""
    UPDATE deliveries AS d SET lease_until = clock_timestamp() + :lease
    FROM unnest(CAST(:ids AS bigint[]), CAST(:attempts AS integer[])) AS mine (id, attempt)
    WHERE d.id = mine.id AND d.attempt = mine.attempt AND d.state = 'running'
    RETURNING d.id
""")


def renew(session: Session, held: Mapping[int, int], lease: timedelta = RUN_LEASE) -> set[int]:
    """Renew the leases of the running deliveries ``held`` (id to attempt); return those that are still ours."""
    values = {"ids": list(held), "attempts": list(held.values()), "lease": lease}
    return set(session.connection().execute(_RENEW, values).scalars())


# Told in the words of `catalog.events.reach.ELSEWHERE`: there is work to send, and nothing that an index shows.
# The one after it in line, if there is one, need not wait for the relay's next round.
_FINISH = text("""
    WITH finished AS (
        UPDATE deliveries
        SET state = :state, lease_until = NULL, finished_at = clock_timestamp(), last_error = :error,
            failures = failures + :failed
        WHERE id = :id AND attempt = :attempt AND state = 'running'
        RETURNING job, subject, tenant_id
    )
    SELECT CASE WHEN EXISTS (
        SELECT FROM deliveries AS d
        WHERE d.job = finished.job AND d.subject = finished.subject AND d.tenant_id = finished.tenant_id
          AND d.state = 'pending'
    ) THEN pg_notify(:channel, '-') END
    FROM finished
""")


def complete(session: Session, delivery_id: int, attempt: int) -> None:
    """Mark the delivery done in the session's transaction; raise ``LeaseLostError`` where it is not ours any more."""
    _finish(session, delivery_id, attempt, "done", None, failed=0)


def bury(session: Session, delivery_id: int, attempt: int, error: str, *, failed: bool) -> None:
    """Make the delivery a dead letter, which waits for a person and holds up nobody."""
    _finish(session, delivery_id, attempt, "dead", error, failed=int(failed))


def _finish(session: Session, delivery_id: int, attempt: int, state: str, error: str | None, *, failed: int) -> None:
    values = {
        "id": delivery_id,
        "attempt": attempt,
        "state": state,
        "error": error,
        "failed": failed,
        "channel": CHANNEL,
    }
    if session.connection().execute(_FINISH, values).first() is None:
        raise LeaseLostError(f"delivery {delivery_id}, attempt {attempt}")


_PUT_OFF = text("""
    WITH put_off AS (
        UPDATE deliveries
        SET state = 'pending', lease_until = NULL, next_attempt_at = clock_timestamp() + :after,
            last_error = coalesce(:error, last_error), failures = failures + :failed
        WHERE id = :id AND attempt = :attempt AND state = 'running'
        RETURNING id
    )
    SELECT pg_notify(:channel, '-') FROM put_off
""")


def put_off(
    session: Session, delivery_id: int, attempt: int, after: timedelta, error: str | None, *, failed: bool
) -> None:
    """Have the delivery sent again ``after`` from now; raise ``LeaseLostError`` where it is not ours any more."""
    values = {"id": delivery_id, "attempt": attempt, "after": after, "error": error, "failed": int(failed)}
    values["channel"] = CHANNEL
    if session.connection().execute(_PUT_OFF, values).first() is None:
        raise LeaseLostError(f"delivery {delivery_id}, attempt {attempt}")


def release(session: Session, delivery_id: int, attempt: int) -> None:
    """Have the delivery sent again at once, without counting a failure: its worker is being stopped."""
    put_off(session, delivery_id, attempt, timedelta(), None, failed=False)


# A row that still reads pending is locked by the relay, which has sent and not committed: this waits for it.
_HAND_BACK = text("""
    WITH handed_back AS (
        UPDATE deliveries SET lease_until = clock_timestamp()
        WHERE id = :id AND attempt = :attempt - 1 AND state IN ('pending', 'sent')
        RETURNING id
    )
    SELECT pg_notify(:channel, '-') FROM handed_back
""")


def hand_back(session: Session, delivery_id: int, attempt: int) -> None:
    """Have a delivery that was sent to us and not begun sent again at once."""
    session.connection().execute(_HAND_BACK, {"id": delivery_id, "attempt": attempt, "channel": CHANNEL})

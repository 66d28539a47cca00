"""The relay's side of the outbox: events become deliveries, and deliveries that are due are handed out.

One relay works at a time, under a lock that ends with its transaction; others take over when it pauses or dies. So
every decision about order is made in one place, and a position, once visible, is higher than all before it.
"""

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import timedelta
from uuid import UUID

from sqlalchemy import text
from sqlmodel import Session

SENT_LEASE = timedelta(seconds=15)
"""How long a message may be on its way before it is sent again."""

LOST_WORKER = "The worker stopped answering in the middle of the job."

_LOCK = text("SELECT pg_try_advisory_xact_lock(hashtext('slipway.relay'))")


def take_turn(session: Session) -> bool:
    """Take the relay's lock until the transaction ends, or tell that another relay has it."""
    return bool(session.connection().execute(_LOCK).scalar_one())


_EXPAND = text("""
    WITH due AS (
        SELECT id FROM events WHERE relayed_at IS NULL ORDER BY sequence LIMIT :limit FOR UPDATE SKIP LOCKED
    ),
    placed AS (
        SELECT ordered.id, nextval('event_positions') AS position
        FROM (SELECT e.id FROM events AS e JOIN due USING (id) ORDER BY e.sequence OFFSET 0) AS ordered
    ),
    relayed AS (
        UPDATE events AS e SET relayed_at = clock_timestamp(), position = placed.position
        FROM placed WHERE e.id = placed.id
        RETURNING e.id, e.tenant_id, e.type, e.subject, e.position
    ),
    inserted AS (
        INSERT INTO deliveries
            (tenant_id, event_id, position, subject, job, state, attempt, failures, next_attempt_at)
        SELECT r.tenant_id, r.id, r.position, r.subject, s.job, 'pending', 0, 0, clock_timestamp()
        FROM relayed AS r
        JOIN unnest(CAST(:types AS varchar[]), CAST(:jobs AS varchar[])) AS s (type, job) ON s.type = r.type
        ORDER BY r.position
        ON CONFLICT (event_id, job) DO NOTHING
    )
    SELECT count(*) FROM relayed
""")


def expand(session: Session, subscriptions: Sequence[tuple[str, str]], limit: int) -> int:
    """Make one delivery for each pair of an event and a job that wants it; return how many events were relayed.

    ``subscriptions`` are pairs of CloudEvents type and job. An event that nobody wants is only marked.
    """
    types = [each[0] for each in subscriptions]
    jobs = [each[1] for each in subscriptions]
    return int(session.connection().execute(_EXPAND, {"types": types, "jobs": jobs, "limit": limit}).scalar_one())


_RECLAIM = text("""
    UPDATE deliveries
    SET state = 'pending',
        next_attempt_at = clock_timestamp(),
        failures = failures + CASE state WHEN 'running' THEN 1 ELSE 0 END,
        last_error = CASE state WHEN 'running' THEN :error ELSE last_error END
    WHERE state IN ('sent', 'running') AND lease_until < clock_timestamp()
    RETURNING id
""")


def reclaim(session: Session) -> Sequence[int]:
    """Make every delivery pending again whose lease ran out; one that was running counts as failed."""
    return session.connection().execute(_RECLAIM, {"error": LOST_WORKER}).scalars().all()


@dataclass(frozen=True)
class Handout:
    """One delivery to send: ``attempt`` is the start it announces, ``again`` says that it may be in the queue."""

    delivery_id: int
    attempt: int
    job: str
    tenant_id: UUID
    again: bool


# For each pair of job and tenant that has something pending (found by skipping through the index) the oldest ones
# that nothing of their subject stands before (NOT IN is hashed, and ">=" with that order reads one entry of the one
# index that has it, whatever the planner believes about the table); then tenants take turns, those with the least
# under way first.
_HAND_OUT = text("""
    WITH RECURSIVE known AS (
        SELECT * FROM unnest(CAST(:jobs AS varchar[]), CAST(:queues AS varchar[]), CAST(:windows AS int[]))
            AS k (job, queue, places)
    ),
    waiting AS (
        (SELECT job, tenant_id FROM deliveries WHERE state = 'pending' ORDER BY job, tenant_id LIMIT 1)
        UNION ALL
        SELECT next.job, next.tenant_id
        FROM waiting AS w
        CROSS JOIN LATERAL (
            SELECT d.job, d.tenant_id FROM deliveries AS d
            WHERE d.state = 'pending' AND (d.job, d.tenant_id) > (w.job, w.tenant_id)
            ORDER BY d.job, d.tenant_id LIMIT 1
        ) AS next
    ),
    held AS MATERIALIZED (
        SELECT job, tenant_id, subject, state FROM deliveries WHERE state IN ('sent', 'running')
    ),
    under_way AS (
        SELECT k.queue, h.tenant_id, count(*) AS held, count(*) FILTER (WHERE h.state = 'sent') AS sent
        FROM held AS h JOIN known AS k USING (job)
        GROUP BY k.queue, h.tenant_id
    ),
    room AS (
        SELECT k.queue, k.places - coalesce(sum(u.sent), 0) AS places
        FROM (SELECT DISTINCT queue, places FROM known) AS k LEFT JOIN under_way AS u USING (queue)
        GROUP BY k.queue, k.places
    ),
    occupied AS MATERIALIZED (
        SELECT EXISTS (SELECT FROM held WHERE job = ANY(CAST(:awaited AS varchar[])))
            OR EXISTS (
                SELECT FROM deliveries
                WHERE state = 'pending' AND next_attempt_at <= clock_timestamp()
                  AND job = ANY(CAST(:awaited AS varchar[]))
            )
            OR EXISTS (
                SELECT FROM deliveries
                WHERE state = 'done' AND finished_at > clock_timestamp() - CAST(:calm AS interval)
                  AND job = ANY(CAST(:awaited AS varchar[]))
            ) AS so
    ),
    due AS (
        SELECT head.id, head.position, k.queue, w.tenant_id,
               row_number() OVER (PARTITION BY k.queue, w.tenant_id ORDER BY head.position)
               + coalesce(u.held, 0) AS turn
        FROM waiting AS w
        JOIN known AS k USING (job)
        JOIN room AS r ON r.queue = k.queue AND r.places > 0
        LEFT JOIN under_way AS u ON u.queue = k.queue AND u.tenant_id = w.tenant_id
        CROSS JOIN (
            SELECT clock_timestamp() AS at_once,
                   clock_timestamp() - CASE WHEN o.so THEN CAST(:longest AS interval) ELSE '0' END AS patiently
            FROM occupied AS o
        ) AS before
        CROSS JOIN LATERAL (
            SELECT d.id, d.position FROM deliveries AS d
            WHERE d.state = 'pending' AND d.job = w.job AND d.tenant_id = w.tenant_id
              AND d.next_attempt_at
                  <= CASE WHEN w.job = ANY(CAST(:patient AS varchar[])) THEN before.patiently ELSE before.at_once END
              AND (d.job, d.tenant_id, d.subject) NOT IN (SELECT job, tenant_id, subject FROM held)
              AND d.position = (
                  SELECT o.position FROM deliveries AS o
                  WHERE o.job = d.job AND o.tenant_id = d.tenant_id AND o.subject >= d.subject
                    AND o.state = 'pending'
                  ORDER BY o.subject, o.position LIMIT 1
              )
            ORDER BY d.position LIMIT r.places
        ) AS head
    ),
    ranked AS (
        SELECT due.id, due.turn, due.position, due.queue,
               row_number() OVER (PARTITION BY due.queue ORDER BY due.turn, due.position) AS place
        FROM due
    ),
    handed AS (
        UPDATE deliveries AS d
        SET state = 'sent', lease_until = clock_timestamp() + :lease
        FROM ranked AS p JOIN room AS r ON r.queue = p.queue, deliveries AS before
        WHERE d.id = p.id AND p.place <= r.places AND d.state = 'pending' AND before.id = d.id
        RETURNING d.id, d.attempt, d.job, d.tenant_id, before.lease_until IS NOT NULL AS again, p.place
    )
    SELECT id, attempt, job, tenant_id, again FROM handed ORDER BY place
""")


@dataclass(frozen=True)
class Window:
    """How many deliveries of a queue may be sent and not yet claimed: ``most``, and fewer where ``bounds`` says so.

    A tenant that comes late waits for as many of another's, so queues of slow jobs want few.
    """

    most: int
    bounds: Mapping[str, int] = field(default_factory=dict)

    def of(self, queues: Iterable[str]) -> list[int]:
        """Return the places of each queue."""
        return [min(self.most, self.bounds.get(each, self.most)) for each in queues]


@dataclass(frozen=True)
class Courtesy:
    """Which jobs give way to which: somebody waits for ``awaited`` ones, and nobody for ``patient`` ones.

    While an awaited one is under way, and for ``calm`` after it, because the next often follows, patient ones are held
    back; each try of one for at most ``longest`` after it was due.
    """

    awaited: Collection[str] = ()
    patient: Collection[str] = ()
    calm: timedelta = timedelta(milliseconds=300)
    longest: timedelta = timedelta(seconds=5)


_NO_COURTESY = Courtesy()


def hand_out(
    session: Session,
    queues: Mapping[str, str],
    window: Window,
    lease: timedelta = SENT_LEASE,
    courtesy: Courtesy = _NO_COURTESY,
) -> list[Handout]:
    """Mark what is due as sent and return it in the order of sending; ``queues`` is the queue of each known job.

    The caller sends before it commits: a crash in between sends twice, never not at all.
    """
    values = {
        "jobs": list(queues),
        "queues": list(queues.values()),
        "windows": window.of(queues.values()),
        "lease": lease,
        "awaited": list(courtesy.awaited),
        "patient": list(courtesy.patient),
        "calm": courtesy.calm,
        "longest": courtesy.longest,
    }
    rows = session.connection().execute(_HAND_OUT, values)
    return [Handout(row.id, row.attempt + 1, row.job, row.tenant_id, row.again) for row in rows]


_PAUSE = text("""
    WITH known AS (
        SELECT * FROM unnest(CAST(:jobs AS varchar[]), CAST(:queues AS varchar[]), CAST(:windows AS int[]))
            AS k (job, queue, places)
    ),
    held AS (SELECT job, state, lease_until FROM deliveries WHERE state IN ('sent', 'running')),
    moments AS (
        SELECT min(lease_until) AS moment FROM held
        UNION ALL
        (SELECT next_attempt_at FROM deliveries
         WHERE state = 'pending' AND next_attempt_at > clock_timestamp()
         ORDER BY next_attempt_at LIMIT 1)
        UNION ALL
        SELECT min(CASE WHEN state = 'pending' THEN due_at ELSE lease_until END) FROM schedules JOIN known USING (job)
    )
    SELECT extract(epoch FROM min(moment) - clock_timestamp()) AS seconds,
           EXISTS (
               SELECT FROM held JOIN known USING (job) WHERE held.state = 'sent'
               GROUP BY queue, places HAVING count(*) >= places
           ) AS crowded,
           EXISTS (
               SELECT FROM deliveries
               WHERE state = 'pending' AND next_attempt_at <= clock_timestamp()
                 AND job = ANY(CAST(:patient AS varchar[]))
           ) AS held_back
    FROM moments
""")


@dataclass(frozen=True)
class Pause:
    """How long nothing is due by itself, in seconds (None: nothing is), and whether a queue's window is full.

    ``held_back`` says that patient deliveries are due that were not handed out.
    """

    seconds: float | None
    crowded: bool
    held_back: bool = False


def pause(session: Session, queues: Mapping[str, str], window: Window, courtesy: Courtesy = _NO_COURTESY) -> Pause:
    """Tell when the next retry, schedule or lease is due."""
    values = {
        "jobs": list(queues),
        "queues": list(queues.values()),
        "windows": window.of(queues.values()),
        "patient": list(courtesy.patient),
    }
    row = session.connection().execute(_PAUSE, values).one()
    return Pause(None if row.seconds is None else float(row.seconds), bool(row.crowded), bool(row.held_back))


_RETRY = text("""
    SELECT extract(epoch FROM min(next_attempt_at) - clock_timestamp()) FROM deliveries
    WHERE state = 'pending' AND next_attempt_at > clock_timestamp() AND job = ANY(:jobs)
""")


def seconds_to_retry(session: Session, jobs: Sequence[str]) -> float | None:
    """Return in how many seconds the next put-off delivery of ``jobs`` is due, or None where there is none."""
    seconds = session.connection().execute(_RETRY, {"jobs": list(jobs)}).scalar_one()
    return None if seconds is None else float(seconds)


_SWEEP_DELIVERIES = text("""
    DELETE FROM deliveries WHERE id IN (
        SELECT id FROM deliveries WHERE state = 'done' AND finished_at < clock_timestamp() - :age
        ORDER BY finished_at LIMIT :limit
    )
""")
_SWEEP_EVENTS = text("""
    DELETE FROM events WHERE id IN (
        SELECT e.id FROM events AS e
        WHERE e.relayed_at < clock_timestamp() - :age
          AND NOT EXISTS (SELECT FROM deliveries AS d WHERE d.event_id = e.id)
        ORDER BY e.relayed_at LIMIT :limit
    )
""")


def sweep(session: Session, deliveries_age: timedelta, events_age: timedelta, limit: int) -> int:
    """Delete at most ``limit`` done deliveries and ``limit`` old events without any; return how many rows went."""
    connection = session.connection()
    gone = connection.execute(_SWEEP_DELIVERIES, {"age": deliveries_age, "limit": limit}).rowcount
    return gone + connection.execute(_SWEEP_EVENTS, {"age": events_age, "limit": limit}).rowcount

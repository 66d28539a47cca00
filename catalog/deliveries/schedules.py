"""Periodic jobs: when each is due, and the lease that keeps its runs from overlapping."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta

from sqlalchemy import text
from sqlmodel import Session

from catalog.deliveries.claims import RUN_LEASE
from catalog.deliveries.relaying import SENT_LEASE


@dataclass(frozen=True)
class DueRun:
    """One run of a periodic job to send."""

    job: str
    run: int


_ADD = text("""
    INSERT INTO schedules (job, state, run, due_at)
    SELECT job, 'pending', 0, clock_timestamp() FROM unnest(CAST(:jobs AS varchar[])) AS j (job)
    ON CONFLICT (job) DO NOTHING
""")


def add(session: Session, jobs: Sequence[str]) -> None:
    """Make sure that each of ``jobs`` has a schedule; a new one is due at once."""
    session.connection().execute(_ADD, {"jobs": list(jobs)})


_HAND_OUT = text("""
    UPDATE schedules AS s
    SET state = 'sent', run = s.run + 1, lease_until = clock_timestamp() + :lease,
        due_at = greatest(s.due_at, clock_timestamp() - j.every) + j.every
    FROM unnest(CAST(:jobs AS varchar[]), CAST(:intervals AS interval[])) AS j (job, every)
    WHERE s.job = j.job
      AND ((s.state = 'pending' AND s.due_at <= clock_timestamp()) OR s.lease_until < clock_timestamp())
    RETURNING s.job, s.run
""")


def hand_out(session: Session, intervals: Mapping[str, timedelta], lease: timedelta = SENT_LEASE) -> list[DueRun]:
    """Mark what is due, and what its worker has lost, as sent, and return it; missed runs are not made up for."""
    values = {"jobs": list(intervals), "intervals": list(intervals.values()), "lease": lease}
    return [DueRun(row.job, row.run) for row in session.connection().execute(_HAND_OUT, values)]


_CLAIM = text("""
    UPDATE schedules SET state = 'running', run = :run, lease_until = clock_timestamp() + :lease
    WHERE job = :job AND state <> 'running' AND run = :run - CASE state WHEN 'sent' THEN 0 ELSE 1 END
    RETURNING job
""")


def claim(session: Session, job: str, run: int, lease: timedelta = RUN_LEASE) -> bool:
    """Take one run, or tell that somebody else has or that it is over."""
    values = {"job": job, "run": run, "lease": lease}
    return session.connection().execute(_CLAIM, values).first() is not None


_HAND_BACK = text("""
    UPDATE schedules SET lease_until = clock_timestamp()
    WHERE job = :job AND ((state = 'sent' AND run = :run) OR (state = 'pending' AND run = :run - 1))
""")


def hand_back(session: Session, job: str, run: int) -> None:
    """Have a run that was sent to us and not begun sent again at once."""
    session.connection().execute(_HAND_BACK, {"job": job, "run": run})


_RENEW = text("""
    UPDATE schedules AS s SET lease_until = clock_timestamp() + :lease
    FROM unnest(CAST(:jobs AS varchar[]), CAST(:runs AS bigint[])) AS mine (job, run)
    WHERE s.job = mine.job AND s.run = mine.run AND s.state = 'running'
    RETURNING s.job
""")


def renew(session: Session, held: Mapping[str, int], lease: timedelta = RUN_LEASE) -> set[str]:
    """Renew the leases of the runs ``held`` (job to run); return those that are still ours."""
    values = {"jobs": list(held), "runs": list(held.values()), "lease": lease}
    return set(session.connection().execute(_RENEW, values).scalars())


_FINISH = text("""
    UPDATE schedules
    SET state = 'pending', lease_until = NULL, last_error = :error, finished_at = clock_timestamp(),
        due_at = CASE WHEN :at_once THEN clock_timestamp() ELSE due_at END
    WHERE job = :job AND run = :run AND state = 'running'
""")


def finish(session: Session, job: str, run: int, error: str | None, *, at_once: bool = False) -> None:
    """End one run, with its error where it had one; ``at_once`` has the next one follow without delay."""
    values = {"job": job, "run": run, "error": error, "at_once": at_once}
    session.connection().execute(_FINISH, values)

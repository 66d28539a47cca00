"""Carries out one message of the queue: claims it in the database, runs the job, and records how it went."""

import logging
import time
from collections.abc import Callable
from contextlib import AbstractContextManager, suppress
from dataclasses import dataclass
from datetime import timedelta
from enum import Enum, auto
from functools import partial
from typing import TypeVar

from sqlalchemy.exc import InterfaceError, OperationalError
from sqlalchemy.exc import TimeoutError as PoolTimeoutError
from sqlmodel import Session

from catalog.deliveries import claims, schedules
from catalog.deliveries.claims import LeaseLostError
from catalog.errors import SlipwayError
from catalog.events.outbox import CAUSE, Cause
from workers.engine import EngineError
from workers.runtime.context import JobContext
from workers.runtime.keeper import Keeper, TimeLimitExceeded
from workers.runtime.logs import bind
from workers.runtime.registry import Registry
from workers.runtime.resources import Runtime
from workers.runtime.worker import GiveUp, Interrupted, Job, Retry

log = logging.getLogger(__name__)

_UNREACHABLE = (OperationalError, InterfaceError, PoolTimeoutError)
# How often ``when_dead`` itself may fail before the delivery is buried without it.
_LAST_WORDS = 3
_LONGEST_LINE = 500
# How long a restarting database is waited for; then the lease has run out, and the delivery is sent again.
_PATIENCE = claims.RUN_LEASE.total_seconds()
T = TypeVar("T")


class _How(Enum):
    DONE = auto()
    RETRY = auto()
    FAILED = auto()
    DEAD = auto()
    RELEASED = auto()


@dataclass(frozen=True)
class _Outcome:
    how: _How
    error: str | None = None
    after: timedelta = timedelta()


class Runner:
    """Runs the jobs of one process; every method blocks until the job is over, and never raises for a job's failure."""

    def __init__(self, runtime: Runtime, registry: Registry, keeper: Keeper) -> None:
        self._runtime = runtime
        self._jobs = registry.jobs
        self._keeper = keeper

    def deliver(self, job_name: str, delivery_id: int, attempt: int) -> bool:
        """Run one delivery; return False where it is not ours: a repeated message, or one that is too late."""
        job = self._jobs[job_name]
        if self._runtime.stopping.is_set():
            self._persist(partial(claims.hand_back, delivery_id=delivery_id, attempt=attempt), patience=1.0)
            return False
        claim = self._persist(partial(claims.claim, delivery_id=delivery_id, attempt=attempt))
        if claim is None:
            log.debug("delivery %s, attempt %s, is not ours", delivery_id, attempt)
            return False
        context = JobContext(
            self._runtime,
            job_name,
            tenant_id=claim.tenant_id,
            envelope=claim.envelope,
            delivery_id=delivery_id,
            attempt=claim.attempt,
            time_limit_seconds=job.time_limit.total_seconds(),
        )
        token = CAUSE.set(Cause(claim.envelope.correlationid, claim.envelope.id))
        try:
            with self._bound(context), self._keeper.hold(context):
                outcome = self._attempt(job, context, claim)
                self._settle(context, outcome)
        finally:
            CAUSE.reset(token)
        return True

    def run_schedule(self, job_name: str, run: int) -> bool:
        """Run a periodic job once; return False where the run is not ours."""
        job = self._jobs[job_name]
        if self._runtime.stopping.is_set():
            self._persist(partial(schedules.hand_back, job=job_name, run=run), patience=1.0)
            return False
        if not self._persist(partial(schedules.claim, job=job_name, run=run)):
            return False
        limit = job.time_limit.total_seconds()
        context = JobContext(self._runtime, job_name, attempt=run, time_limit_seconds=limit)
        with self._bound(context), self._keeper.hold(context):
            outcome = self._run(job, context, failures=0)
            at_once = outcome.how is _How.RELEASED
            self._persist(partial(schedules.finish, job=job_name, run=run, error=outcome.error, at_once=at_once))
        return True

    def release_all(self) -> None:
        """Give back what is still running, so that another worker may start it at once."""
        for context in self._keeper.held():
            context.lose()
            action: Callable[[Session], None]
            if context.delivery_id is None:
                action = partial(schedules.finish, job=context.job, run=context.attempt, error=None, at_once=True)
            else:
                action = partial(claims.release, delivery_id=context.delivery_id, attempt=context.attempt)
            with suppress(LeaseLostError):
                self._persist(action, patience=1.0)
            log.info("gave %s back, unfinished", context.job)

    def _attempt(self, job: Job, context: JobContext, claim: claims.Claim) -> _Outcome:
        if claim.failures >= job.max_attempts:
            outcome = _Outcome(_How.DEAD, claim.last_error or "It failed too often.")
        else:
            outcome = self._run(job, context, claim.failures)
        if outcome.how is _How.DEAD:
            return self._last_words(job, context, outcome, claim.failures)
        return outcome

    def _run(self, job: Job, context: JobContext, failures: int) -> _Outcome:
        began = time.monotonic()
        try:
            self._keeper.run(context, partial(job.function, context))
        except Retry as request:
            log.info("asks to run again in %s: %s", request.after, request.reason)
            return _Outcome(_How.RETRY, after=request.after)
        except GiveUp as decision:
            log.warning("gave up: %s", decision.reason)
            return _Outcome(_How.DEAD, _line(decision.reason))
        except (Exception, SystemExit, TimeLimitExceeded) as error:  # noqa: BLE001  # the edge of what jobs may do
            return self._failure(job, context, error, failures + 1)
        log.info("done in %.3f s", time.monotonic() - began)
        return _Outcome(_How.DONE)

    def _failure(self, job: Job, context: JobContext, error: BaseException, failures: int) -> _Outcome:
        late = context.overdue_seconds >= 0
        if self._runtime.stopping.is_set() and not late:
            log.info("stopped, to be started again: %s", type(error).__name__)
            return _Outcome(_How.RELEASED)
        if late and isinstance(error, Interrupted | TimeLimitExceeded):
            reason = f"It took longer than {job.time_limit.total_seconds():g} s."
            log.warning("attempt %s took too long", context.attempt)
        else:
            reason = safe_line(error, context)
            log.error("attempt %s failed", context.attempt, exc_info=error)
        if failures >= job.max_attempts:
            return _Outcome(_How.DEAD, reason)
        return _Outcome(_How.FAILED, reason, job.backoff.after(failures))

    def _last_words(self, job: Job, context: JobContext, outcome: _Outcome, failures: int) -> _Outcome:
        reason = outcome.error or "It failed too often."
        log.error("dead letter: %s", reason)
        if job.when_dead is None or failures >= job.max_attempts + _LAST_WORDS:
            return outcome
        try:
            self._keeper.run(context, partial(job.when_dead, context, reason))
        except (Exception, SystemExit, TimeLimitExceeded):
            log.exception("what was to follow the last attempt failed")
            return _Outcome(_How.FAILED, reason, job.backoff.after(failures + 1))
        return outcome

    def _settle(self, context: JobContext, outcome: _Outcome) -> None:
        if context.delivery_id is None or (outcome.how is _How.DONE and context.completed):
            return
        delivery_id, attempt, error = context.delivery_id, context.attempt, outcome.error

        def action(session: Session) -> None:
            match outcome.how:
                case _How.DONE:
                    claims.complete(session, delivery_id, attempt)
                case _How.DEAD:
                    claims.bury(session, delivery_id, attempt, error or "", failed=True)
                case _How.RELEASED:
                    claims.release(session, delivery_id, attempt)
                case how:
                    failed = how is _How.FAILED
                    claims.put_off(session, delivery_id, attempt, outcome.after, error, failed=failed)

        try:
            self._persist(action)
        except LeaseLostError:
            log.warning("attempt %s ended after its lease was lost", context.attempt)

    def _persist(self, action: Callable[[Session], T], patience: float = _PATIENCE) -> T:
        """Do ``action`` in a transaction of the system, again while the database cannot be reached."""
        deadline = time.monotonic() + patience
        while True:
            try:
                with self._runtime.database.system_session() as session:
                    return action(session)
            except _UNREACHABLE as error:
                if time.monotonic() >= deadline:
                    raise
                log.warning("the database cannot be reached: %s", type(error).__name__)
                time.sleep(0.2)

    def _bound(self, context: JobContext) -> AbstractContextManager[None]:
        envelope = context.envelope
        return bind(
            job=context.job,
            tenant_id=context.tenant_id,
            delivery_id=context.delivery_id,
            attempt=context.attempt,
            event_id=envelope.id if envelope else None,
            correlation_id=envelope.correlationid if envelope else None,
        )


def safe_line(error: BaseException, context: JobContext) -> str:
    """Return one line about ``error`` for people: its own words where they were written for them, else its kind."""
    if isinstance(error, SlipwayError):
        return _line(error.detail)
    if isinstance(error, EngineError):
        return _line(error.message)
    where = "" if context.delivery_id is None else f" of delivery {context.delivery_id}"
    return f"{type(error).__name__}; the worker's log{where} has the details."


def _line(words: str) -> str:
    return " ".join(words.split())[:_LONGEST_LINE]

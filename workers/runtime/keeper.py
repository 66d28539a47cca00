"""Keeps the leases of running jobs, tells them when they have lost one, and interrupts those that take too long."""

import logging
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import timedelta

from dramatiq.threading import Interrupt, raise_thread_exception
from sqlalchemy.exc import SQLAlchemyError

from catalog.db import Database
from catalog.deliveries import claims, schedules
from workers.runtime.context import JobContext

log = logging.getLogger(__name__)


class TimeLimitExceeded(Interrupt):
    """Raised inside a job's thread when the job goes on after its time limit."""


@dataclass(frozen=True)
class KeeperOptions:
    """``grace`` is what a job has after its time limit to stop by itself; all others are as their names say."""

    tick: timedelta = timedelta(seconds=0.5)
    renew_every: timedelta = timedelta(seconds=10)
    lease: timedelta = claims.RUN_LEASE
    grace: timedelta = timedelta(seconds=10)


@dataclass
class _Held:
    context: JobContext
    thread: int
    renewed_at: float = field(default_factory=time.monotonic)
    interruptible: bool = False
    interrupted: bool = False


class Keeper:
    """One thread for all jobs of a process."""

    def __init__(self, database: Database, options: KeeperOptions | None = None) -> None:
        self._database = database
        self._options = options or KeeperOptions()
        self._held: dict[int, _Held] = {}
        self._lock = threading.Lock()
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._run, name="lease-keeper", daemon=True)

    def start(self) -> None:
        """Start keeping leases; doing so again changes nothing."""
        if self._thread.ident is None:
            self._thread.start()

    def stop(self) -> None:
        """Keep no lease any more; those that are held run out."""
        self._ended.set()
        if self._thread.is_alive():
            self._thread.join()

    @contextmanager
    def hold(self, context: JobContext) -> Iterator[None]:
        """Keep the lease of ``context`` until the block ends."""
        with self._lock:
            self._held[id(context)] = _Held(context, threading.get_ident())
        try:
            yield
        finally:
            with self._lock:
                del self._held[id(context)]

    def run(self, context: JobContext, function: Callable[[], None]) -> None:
        """Call ``function`` in this thread, interrupted by ``TimeLimitExceeded`` when it goes on for too long.

        The interruption can come in here alone, never in what the caller does afterwards.
        """
        held = self._held[id(context)]
        held.interruptible = True
        try:
            function()
        finally:
            with self._lock:
                held.interruptible = False
            # An interruption that was on its way comes out here, still inside.
            time.sleep(0)

    def held(self) -> list[JobContext]:
        """Return the jobs that are running now."""
        with self._lock:
            return [each.context for each in self._held.values()]

    def _run(self) -> None:
        renewed = time.monotonic()
        while not self._ended.wait(self._options.tick.total_seconds()):
            self._interrupt_overdue()
            if time.monotonic() - renewed >= self._options.renew_every.total_seconds():
                renewed = time.monotonic()
                self._renew()

    def _interrupt_overdue(self) -> None:
        grace = self._options.grace.total_seconds()
        with self._lock:
            for each in self._held.values():
                if each.interruptible and not each.interrupted and each.context.overdue_seconds >= grace:
                    each.interrupted = True
                    raise_thread_exception(each.thread, TimeLimitExceeded)  # type: ignore[no-untyped-call]  # not annotated in Dramatiq

    def _renew(self) -> None:
        lease = self._options.lease.total_seconds()
        with self._lock:
            # A job that even an interruption cannot stop (it waits inside a system call) is let go.
            stuck = [each for each in self._held.values() if each.interrupted and each.context.overdue_seconds > lease]
            kept = [each for each in self._held.values() if each not in stuck]
        for each in stuck:
            each.context.lose()
        began = time.monotonic()
        try:
            lost = self._renew_all(kept)
        except SQLAlchemyError as error:
            log.warning("leases could not be renewed: %s", type(error).__name__)
            lost = [each for each in kept if began - each.renewed_at >= lease]
        else:
            for each in kept:
                each.renewed_at = began
        with self._lock:
            # A job that ended in the meantime has given its lease back itself.
            lost = [each for each in lost if id(each.context) in self._held]
        for each in lost:
            log.warning("the lease of %s is lost", each.context.job)
            each.context.lose()

    def _renew_all(self, kept: list[_Held]) -> list[_Held]:
        held = {each.context.delivery_id: each.context.attempt for each in kept if each.context.delivery_id}
        runs = {each.context.job: each.context.attempt for each in kept if each.context.delivery_id is None}
        if not kept:
            return []
        with self._database.system_session() as session:
            ours = claims.renew(session, held, self._options.lease) if held else set()
            jobs = schedules.renew(session, runs, self._options.lease) if runs else set()
        return [each for each in kept if each.context.delivery_id not in ours and each.context.job not in jobs]

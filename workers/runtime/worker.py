"""Workers and their jobs: plain functions of one ``JobContext``, told when to run by events or by a schedule."""

import random
import re
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from datetime import timedelta
from typing import TypeVar

from catalog.discovery import DiscoveryError
from catalog.events.registry import EventData
from catalog.settings import Settings
from workers.runtime.context import JobContext

__all__ = ["Backoff", "GiveUp", "Interrupted", "Job", "JobContext", "Retry", "Worker"]

JobFunction = Callable[[JobContext], None]
WhenDead = Callable[[JobContext, str], None]
Interval = timedelta | Callable[[Settings], timedelta]
F = TypeVar("F", bound=JobFunction)

_JOB_NAME = re.compile(r"[a-z][a-z0-9_]*(\.[a-z][a-z0-9_]*)+")
_QUEUE_NAME = re.compile(r"[a-z][a-z0-9_-]*")


class Retry(Exception):  # noqa: N818  # a request, not an error
    """Raised by a job to run again after ``after``; no error, and not counted as a failure."""

    def __init__(self, after: timedelta, reason: str) -> None:
        super().__init__(reason)
        self.after = after
        self.reason = reason


class GiveUp(Exception):  # noqa: N818  # a decision, not an error
    """Raised by a job that knows that trying again is useless: the delivery becomes a dead letter at once.

    ``reason`` is shown to people: one line, no secrets.
    """

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason


class Interrupted(Exception):  # noqa: N818  # a request, not an error
    """Raised by a job that stopped because it was told to; its delivery is sent again and no failure is counted."""


@dataclass(frozen=True)
class Backoff:
    """How long to wait after a failure: ``first``, doubled each time, at most ``cap``, with up to half taken off."""

    first: timedelta = timedelta(seconds=1)
    cap: timedelta = timedelta(minutes=5)

    def after(self, failures: int) -> timedelta:
        """Return how long to wait after the ``failures``-th failure, counted from 1."""
        longest: timedelta = min(self.first * 2 ** min(failures - 1, 20), self.cap)
        return longest * random.uniform(0.5, 1.0)  # noqa: S311  # spreads retries, protects nothing


@dataclass(frozen=True)
class Job:
    """One job as the relay and the worker processes know it; ``name`` reads ``<area>.<verb>``.

    While a job that ``is_awaited`` is under way, those that are patient are held back for a few seconds at most.
    """

    name: str
    function: JobFunction
    queue: str
    time_limit: timedelta
    max_attempts: int
    backoff: Backoff
    when_dead: WhenDead | None = None
    events: tuple[type[EventData], ...] = ()
    every: Interval | None = None
    is_awaited: bool = False
    is_patient: bool = False

    def interval(self, settings: Settings) -> timedelta | None:
        """Return how often the job runs by itself, or None where events alone start it."""
        return self.every(settings) if callable(self.every) else self.every


@dataclass
class _Draft:
    job: Job | None = None
    events: list[type[EventData]] = field(default_factory=list)
    every: Interval | None = None


class Worker:
    """A named group of jobs that share a queue; a module's ``WORKER`` is found by discovery.

    ``concurrency`` bounds how many jobs of the queue one process runs at once, so that slow jobs leave threads to
    the others; without it every thread may run them. Decorated functions stay plain functions.
    """

    def __init__(self, name: str, *, queue: str = "default", concurrency: int | None = None) -> None:
        if not _QUEUE_NAME.fullmatch(queue):
            raise DiscoveryError(f"the worker {name} has the queue {queue!r}; use lower case letters, digits, - and _")
        self.name = name
        self.queue = queue
        self.concurrency = concurrency
        self._drafts: dict[JobFunction, _Draft] = {}

    def job(
        self,
        name: str,
        *,
        time_limit: timedelta = timedelta(minutes=2),
        max_attempts: int = 5,
        backoff: Backoff | None = None,
        when_dead: WhenDead | None = None,
        awaited: bool = False,
        patient: bool = False,
    ) -> Callable[[F], F]:
        """Make the function the job ``name``.

        A run longer than ``time_limit`` is interrupted and counts as failed. After ``max_attempts`` failures, or
        ``GiveUp``, ``when_dead`` is called with the reason, to tell whoever waits; then the delivery is dead.
        Runs may repeat: a job has to be safe to run again with the same event. ``awaited`` is for jobs that somebody
        sits and waits for, ``patient`` for those that follow by the way, and give way to the former for some seconds.
        """
        if not _JOB_NAME.fullmatch(name):
            raise DiscoveryError(f"the worker {self.name} has a job {name!r}; a job is called <area>.<verb>")

        def register(function: F) -> F:
            draft = self._draft(function)
            if draft.job is not None:
                raise DiscoveryError(f"{_where(function)} is the job {draft.job.name} already and cannot be {name}")
            job = Job(name, function, self.queue, time_limit, max_attempts, backoff or Backoff(), when_dead)
            draft.job = replace(job, is_awaited=awaited, is_patient=patient)
            return function

        return register

    def on(self, *events: type[EventData]) -> Callable[[F], F]:
        """Run the job once for every event of the classes ``events``; for one subject in order, one at a time."""

        def subscribe(function: F) -> F:
            self._draft(function).events.extend(events)
            return function

        return subscribe

    def every(self, interval: Interval) -> Callable[[F], F]:
        """Run the job by itself every ``interval``, or every ``interval(settings)``; runs never overlap.

        The interval counts from one start to the next; a run that takes longer delays the next one.
        """

        def schedule(function: F) -> F:
            self._draft(function).every = interval
            return function

        return schedule

    def jobs(self) -> tuple[Job, ...]:
        """Return every job, by name; raise ``DiscoveryError`` for one that is incomplete or named twice."""
        found: dict[str, Job] = {}
        for function, draft in self._drafts.items():
            if draft.job is None:
                raise DiscoveryError(f"{_where(function)} has no name: put @WORKER.job(...) on it")
            name = draft.job.name
            if name in found:
                raise DiscoveryError(
                    f"{_where(function)} claims the job {name!r}, which {_where(found[name].function)} has"
                )
            found[name] = _complete(draft.job, draft)
        return tuple(found[name] for name in sorted(found))

    def _draft(self, function: JobFunction) -> _Draft:
        return self._drafts.setdefault(function, _Draft())


def _complete(job: Job, draft: _Draft) -> Job:
    return replace(job, events=tuple(dict.fromkeys(draft.events)), every=draft.every)


def _where(function: JobFunction) -> str:
    return f"{function.__module__}.{getattr(function, '__qualname__', function)}"

"""Runs that were started before there was anything for them to do, so that nobody waits for an interpreter's imports.

A spare is a whole run behind its wall: a folder of its own, limits, another user. It has imported what its program
imports, which is ours, waits for the first line of its input, does one task, and is ended. So it is exactly what a run
that is started on demand would be, and nothing of one publisher's ever meets anything of another's.
"""

import threading
import time
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import Protocol

from workers.sandbox import SandboxError, Task

IDLE_SECONDS = 600.0
"""How long a spare waits for a task before it is given up: an idle worker keeps no memory for nothing."""


class Started(Protocol):
    """A run that has been started."""

    def is_waiting(self) -> bool:
        """Tell whether it lives, and so waits for its task."""
        ...

    def end(self) -> None:
        """End it and remove its folder."""
        ...


@dataclass
class _Spare:
    run: Started
    since: float = field(default_factory=time.monotonic)


class Spares:
    """One spare for each way to start a run; safe to use from any thread."""

    def __init__(self, start: Callable[[Task], Started], idle_seconds: float = IDLE_SECONDS) -> None:
        self._start = start
        self._idle_seconds = idle_seconds
        self._spares: dict[object, Future[_Spare]] = {}
        self._lock = threading.Lock()
        self._is_closed = False
        self._timer: threading.Timer | None = None
        # A run ends with the thread that started it: so one that lives as long as the worker starts them all, and the
        # task that was just done is not kept waiting for the next one's start.
        self._starter = ThreadPoolExecutor(1, "spares")

    def take(self, task: Task) -> Started | None:
        """Return the spare for a task, which is the caller's to end, None where there is none that lives."""
        with self._lock:
            coming = self._spares.pop(_key(task), None)
        spare = None if coming is None else _of(coming)
        if spare is None:
            return None
        if spare.run.is_waiting():
            return spare.run
        spare.run.end()
        return None

    def restock(self, task: Task, afterwards: Callable[[], None] = lambda: None) -> None:
        """Have a spare started for the next task of this sort, then do ``afterwards``, and return at once."""
        key = _key(task)
        with self._lock:
            if not self._is_closed:
                if key not in self._spares:
                    self._spares[key] = self._starter.submit(self._stock, task)
                    self._look_after(self._idle_seconds)
                self._starter.submit(afterwards)
                return
        afterwards()

    def close(self) -> None:
        """End every spare, and keep none from now on."""
        with self._lock:
            self._is_closed = True
            ended, self._spares = list(self._spares.values()), {}
            if self._timer is not None:
                self._timer.cancel()
        for each in ended:
            spare = _of(each)
            if spare is not None:
                spare.run.end()
        self._starter.shutdown()

    def _stock(self, task: Task) -> _Spare:
        return _Spare(self._start(task))

    def _look_after(self, seconds: float) -> None:
        """Have one thread, however many spares come and go, look for idle ones after some time; the lock is held."""
        if self._timer is None and not self._is_closed:
            self._timer = threading.Timer(seconds, self._expire)
            self._timer.daemon = True
            self._timer.start()

    def _expire(self) -> None:
        before = time.monotonic() - self._idle_seconds + 0.05
        old = []
        with self._lock:
            self._timer = None
            kept = []
            for key, coming in list(self._spares.items()):
                spare = _of(coming) if coming.done() else None
                if coming.done() and (spare is None or spare.since <= before):
                    del self._spares[key]
                    old += [] if spare is None else [spare]
                else:
                    kept.append(time.monotonic() if spare is None else spare.since)
            if kept:
                self._look_after(min(kept) - before)
        for each in old:
            each.run.end()


def _of(coming: "Future[_Spare]") -> _Spare | None:
    """Return a spare once it has been started, None where that failed: its task then says why."""
    try:
        return coming.result()
    except (SandboxError, OSError):
        return None


def _key(task: Task) -> object:
    return (tuple(task.command), tuple(task.readable), tuple(sorted(task.environment.items())), task.limits)

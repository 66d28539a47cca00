"""Runs that were started before there was anything for them to do, so that nobody waits for an interpreter's imports.

A spare is a whole run behind its wall: a folder of its own, limits, another user. It has imported what its program
imports, which is ours, waits for the first line of its input, does one task, and is ended. So it is exactly what a run
that is started on demand would be, and nothing of one publisher's ever meets anything of another's.
"""

import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Protocol

from workers.sandbox import Task

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
        self._spares: dict[object, _Spare] = {}
        self._lock = threading.Lock()
        self._is_closed = False

    def take(self, task: Task) -> Started | None:
        """Return the spare for a task, which is the caller's to end, None where there is none that lives."""
        with self._lock:
            spare = self._spares.pop(_key(task), None)
        if spare is None:
            return None
        if spare.run.is_waiting():
            return spare.run
        spare.run.end()
        return None

    def restock(self, task: Task) -> None:
        """Start a spare for the next task of this sort; in the calling thread, with whose end it would end."""
        key = _key(task)
        with self._lock:
            if self._is_closed or key in self._spares:
                return
            self._spares[key] = _Spare(self._start(task))
        timer = threading.Timer(self._idle_seconds, self._expire)
        timer.daemon = True
        timer.start()

    def close(self) -> None:
        """End every spare, and keep none from now on."""
        with self._lock:
            self._is_closed = True
            ended, self._spares = list(self._spares.values()), {}
        for each in ended:
            each.run.end()

    def _expire(self) -> None:
        before = time.monotonic() - self._idle_seconds + 0.05
        with self._lock:
            old = {key: each for key, each in self._spares.items() if each.since <= before}
            for key in old:
                del self._spares[key]
        for each in old.values():
            each.run.end()


def _key(task: Task) -> object:
    return (tuple(task.command), tuple(task.readable), tuple(sorted(task.environment.items())), task.limits)

"""What a process has to work with: settings, the database, and things that are built once, when first asked for."""

import threading
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Generic, TypeVar

from catalog.db import Database
from catalog.settings import Settings

T = TypeVar("T")


@dataclass(frozen=True, eq=False)
class Resource(Generic[T]):
    """Something one process builds at most once, such as the stack engine; declare it as a module constant.

    ``build`` is called with the runtime when a job first asks, so that a process that never needs the thing never
    imports what it is made of. A value with a ``close`` method is closed when the process ends.
    """

    name: str
    build: Callable[["Runtime"], T]


class Runtime:
    """The surroundings of every job in one process; safe to use from any thread."""

    def __init__(self, settings: Settings, database: Database) -> None:
        self.settings = settings
        self.database = database
        self.stopping = threading.Event()
        self._built: dict[Resource[Any], Any] = {}
        self._lock = threading.RLock()

    def resource(self, wanted: Resource[T]) -> T:
        """Return the process's one instance of ``wanted``, built now if need be; errors of ``build`` pass through."""
        with self._lock:
            if wanted not in self._built:
                self._built[wanted] = wanted.build(self)
            built: T = self._built[wanted]
            return built

    def provide(self, wanted: Resource[T], value: T) -> None:
        """Make ``value`` the instance of ``wanted``, for a composition root that has one already."""
        with self._lock:
            self._built[wanted] = value

    def close(self) -> None:
        """Close what was built, last built first; the database belongs to whoever opened it."""
        with self._lock:
            built = list(reversed(self._built.values()))
            self._built.clear()
        for value in built:
            close = getattr(value, "close", None)
            if callable(close):
                close()

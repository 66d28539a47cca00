"""Jobs of clouds that run to their end: what is asked of a cloud about one that the engine has defined there."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Protocol

Job = Mapping[str, Any]
"""Where a job is, by the names that its cloud has for that."""


@dataclass(frozen=True, slots=True)
class Run:
    """How one run of a job goes: whether it is over, came to a good end, and what the cloud says otherwise.

    With ``again`` nothing of it was begun, and another one may go well a little later.
    """

    over: bool
    well: bool = False
    why: str = ""
    again: bool = False


class CloudJobs(Protocol):
    """The jobs of a cloud; every method asks it, and raises ``TargetUnavailableError`` where it does not answer."""

    def start(self, job: Job, script: str | None = None) -> str:
        """Begin a run and return what it is called; with ``script`` it does that, where the cloud lets it."""
        ...

    def look(self, job: Job, run: str) -> Run:
        """Return how a run goes."""
        ...

    def running(self, job: Job) -> tuple[str, ...]:
        """Return the runs of a job that are not over; nothing where there is no such job (any more)."""
        ...

    def stop(self, job: Job, run: str) -> None:
        """Have a run ended that may be over already; the cloud takes a moment."""
        ...

    def lines(self, job: Job, run: str, most: int) -> tuple[str, ...]:
        """Return the end of what a run wrote, nothing where the cloud does not tell."""
        ...

    def has(self, server: str) -> bool:
        """Tell whether the server of a database is there, where another one would be called as it was; else True."""
        ...

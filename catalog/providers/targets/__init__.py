"""Where environments run, as far as anyone may look: what is there of one, and what its applications wrote."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from typing import Protocol
from uuid import UUID

from catalog.discovery import discover
from catalog.errors import UnavailableError
from catalog.settings import Settings


class TargetUnavailableError(UnavailableError):
    """The target does not answer; nothing is known of what runs there."""

    code = "target_unavailable"


@dataclass(frozen=True)
class Found:
    """Something that is at a target: what it is called, and whose it is by its tag or by its host name."""

    what: str
    environment_id: UUID | None = None
    hostname: str = ""


@dataclass(frozen=True)
class LogTail:
    """The last lines that one component of an environment wrote, oldest first."""

    component: str
    lines: tuple[str, ...]


class Target(Protocol):
    """One place where environments run. Every method raises ``TargetUnavailableError`` where it does not answer."""

    def inventory(self, environment_id: UUID, hostname: str) -> tuple[str, ...]:
        """Name everything of an environment that is there; empty once nothing is left."""
        ...

    def census(self) -> tuple[Found, ...]:
        """Name everything that is there of any environment."""
        ...

    def clear(self, environment_id: UUID, hostname: str) -> None:
        """Remove everything of an environment, whatever a stack says; for what outlived its stack."""
        ...

    def forget(self, environment_id: UUID) -> None:
        """Remove what outlives an environment's applications, such as their logs; nothing may run any more."""
        ...

    def last_visit(self, hostname: str) -> datetime | None:
        """Return when somebody last visited an environment's address; None where nobody did, as far as is known."""
        ...

    def log_tails(self, environment_id: UUID, lines: int) -> tuple[LogTail, ...]:
        """Return the end of each component's log."""
        ...


@dataclass(frozen=True)
class TargetProvider:
    """An implementation by name."""

    name: str
    connect: Callable[[Settings], Target]


def target(name: str, settings: Settings) -> Target:
    """Return the target called ``name``; raise ``KeyError`` where there is none."""
    return discover("slipway.providers.targets", "PROVIDER", TargetProvider)[name].connect(settings)

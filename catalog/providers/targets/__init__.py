"""Where environments run, as far as anyone may look: what is there of one, and what its applications wrote."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Protocol, runtime_checkable
from uuid import UUID

from catalog.discovery import discover
from catalog.errors import UnavailableError
from catalog.providers.targets.cloud_jobs import CloudJobs
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


@dataclass(frozen=True)
class LogPiece:
    """What components wrote after a position, by component, and the position after that (opaque, a short text).

    With ``is_whole`` the target cannot say what is new: the lines are the ends of the logs, as they are now.
    """

    tails: tuple[LogTail, ...]
    position: str
    is_whole: bool = False


@runtime_checkable
class FollowsLogs(Protocol):
    """A target that tells what was written after a position; others tell the ends of logs alone."""

    def log_after(self, environment_id: UUID, position: str) -> LogPiece:
        """Return what was written after ``position`` ("": near the end of what there is), the oldest first; bounded."""
        ...


@runtime_checkable
class TellsBounds(Protocol):
    """A target that says what holds applications to memory and processors; of others the engine or the cloud does."""

    def bounds(self) -> str:
        """Say it in a few words."""
        ...


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


ALL_BACKING = frozenset({"postgres", "redis", "objects"})


def _routed_domain(settings: Settings) -> str:
    return settings.preview_domain


def _routed_address(settings: Settings, hostname: str) -> str:
    return settings.preview_url(hostname)


@dataclass(frozen=True)
class TargetProvider:
    """An implementation by name.

    ``domain`` is what the host names of its environments end with, ``address`` the public address of a host name, ""
    where that is known only once something runs there. With ``wakes`` a visit wakes an environment that sleeps, so
    that it may be put to sleep because nobody used it. ``backing`` are the kinds of servers behind services that it
    offers (``postgres``, ``redis``, ``objects``), with ``seeds`` it fills databases: where that takes ``jobs`` of a
    cloud, they are run with the credentials (variables of the environment) that are given.
    """

    name: str
    connect: Callable[[Settings], Target]
    title: str
    domain: Callable[[Settings], str] = _routed_domain
    address: Callable[[Settings, str], str] = _routed_address
    wakes: bool = True
    backing: frozenset[str] = frozenset()
    seeds: bool = False
    jobs: Callable[[Mapping[str, str]], CloudJobs] | None = None


def providers() -> dict[str, TargetProvider]:
    """Return every target that there is an implementation of, by name."""
    return discover("slipway.providers.targets", "PROVIDER", TargetProvider)


def provider(name: str) -> TargetProvider:
    """Return the implementation called ``name``; where it is not installed (any more), one that answers nothing."""
    return providers().get(name) or _not_installed(name)


def _not_installed(name: str) -> TargetProvider:
    """Return what stands for a target whose distribution was removed: environments there can still be read."""

    def connect(_settings: Settings) -> Target:
        raise TargetUnavailableError(f"The target {name} is not installed here. Install it again, so that it is asked.")

    return TargetProvider(name, connect, title=name, address=_no_address, wakes=False)


def _no_address(_settings: Settings, _hostname: str) -> str:
    return ""


def offered(settings: Settings, tenant: str = "") -> dict[str, TargetProvider]:
    """Return the targets that this installation offers, in its order; of a tenant (by name) those that it may use."""
    known = providers()
    allowed = settings.tenant_allowed_targets.get(tenant, settings.targets)
    return {name: known[name] for name in settings.targets if name in known and name in allowed}


def target(name: str, settings: Settings) -> Target:
    """Return the target called ``name``; raise ``TargetUnavailableError`` where there is none."""
    return provider(name).connect(settings)

"""What brings installs about: one module for each thing that an asset can become, with an ``INSTALLER``."""

from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager
from dataclasses import dataclass
from functools import cache
from typing import Protocol, runtime_checkable
from uuid import UUID

from sqlmodel import Session

from catalog.discovery import discover
from catalog.errors import SlipwayError
from catalog.installs.service import Applied, Draft, Proposal, Work
from catalog.settings import Settings
from catalog.tenancy import Principal
from workers.engine import StackEngine, never_stop
from workers.leases import HeldLease
from workers.sandbox import Outcome, Task

GROUP = "slipway.installers"


class InstallRefusedError(SlipwayError):
    """Why something cannot be planned or brought about, with what to do; nothing was changed."""

    code = "install_refused"
    status = 422
    title = "This cannot be installed"


@dataclass(frozen=True)
class Bench:
    """What an installer works with: ``run`` runs a task in the sandbox, ``session`` is a unit of work of the tenant.

    ``engine`` gives the stack engine and ``hold`` the lease of a stack, None where there is none; ``should_stop`` tells
    that the worker is to end.
    """

    settings: Settings
    run: Callable[[Task], Outcome]
    session: Callable[[], AbstractContextManager[Session]]
    engine: Callable[[], StackEngine] | None = None
    should_stop: Callable[[], bool] = never_stop
    hold: Callable[[UUID], AbstractContextManager[HeldLease]] | None = None


@runtime_checkable
class Installer(Protocol):
    """Brings one sort of install about; ``name`` is what the asset becomes.

    Every method may be repeated after a worker was killed in the middle of it, and leaves the same behind. It raises
    ``SlipwayError`` for what a person can mend, having changed nothing.
    """

    @property
    def name(self) -> str:
        """What it makes, as ``InstallEffect.becomes`` says."""
        ...

    def plan(self, draft: Draft, bench: Bench) -> Proposal:
        """Return what would change; nothing is changed, and the same world gives the same ``changes``."""
        ...

    def apply(self, work: Work, bench: Bench) -> Applied:
        """Bring about what lies outside the database, and say how far that came."""
        ...

    def record(self, session: Session, work: Work, applied: Applied, settings: Settings) -> Applied:
        """Write what lies inside the database, in the one transaction that also says that it is done."""
        ...

    def look(self, work: Work, bench: Bench) -> Applied | None:
        """Return what became of something that waits for somebody outside, None where it waits on."""
        ...


@cache
def installers() -> Mapping[str, Installer]:
    """Return every installer by what it makes; raise ``DiscoveryError`` where one is broken."""
    return discover(GROUP, "INSTALLER", Installer)


def acting(work: Work, *scopes: str) -> Principal:
    """Return whoever asked for the work, with just the scopes that it was checked for when it was asked."""
    return Principal(work.tenant_id, "", actor=work.actor, name=work.created_by, scopes=frozenset(scopes))

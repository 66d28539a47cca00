"""Targets: how the description of an environment becomes the program of a stack, one module for each target.

What can be asked of a target once something runs there is `catalog.providers.targets`; the names are the same.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol, runtime_checkable
from uuid import UUID

from catalog.assets.blueprint_spec import ProcessLimits
from catalog.discovery import DiscoveryError, discover
from catalog.errors import InvalidInputError
from catalog.settings import Settings
from workers.engine import ComponentProgram, StackProgram


class UnfitError(InvalidInputError):
    """A target cannot run what is described; the text says which component, why, and what to change."""

    code = "unfit_for_target"


@dataclass(frozen=True, slots=True)
class Probe:
    """How a service shows that it is ready within so many seconds.

    A GET of ``path`` answers below 400; or ``command`` ends with 0; or it still runs after ``running_seconds``; or,
    where nothing is said, its port takes connections.
    """

    path: str
    timeout_seconds: float
    command: str = ""
    running_seconds: float = 0.0


@dataclass(frozen=True, slots=True)
class Service:
    """One service of an environment, run in ``directory`` of the commit's files once those in ``depends_on`` are ready.

    ``repository`` is the name of another repository, from which the files are.

    The values of ``env`` and the path of ``probe`` hold references of the engine (`${web.port}`) where only it knows
    the value; anything else in them is escaped. ``image`` holds none: it is known before anything runs.
    """

    name: str
    command: str | None = None
    procfile: str | None = None
    image: str | None = None
    env: Mapping[str, str] = field(default_factory=dict, repr=False)
    probe: Probe | None = None
    limits: ProcessLimits = field(default_factory=ProcessLimits)
    directory: str | None = None
    depends_on: tuple[str, ...] = ()
    repository: str | None = None


@dataclass(frozen=True, slots=True)
class SeedData:
    """What a database begins with, once in its life: an SQL file of the repository, or a command beside it."""

    sql: str | None
    command: str | None
    env: Mapping[str, str] = field(default_factory=dict, repr=False)


@dataclass(frozen=True, slots=True)
class BackingService:
    """A server behind the services, whose data lives as long as the environment.

    ``kind`` is ``postgres``, ``redis`` or ``objects``.
    A database is called ``app`` and belongs to the user ``app``; so are a bucket and the key that opens it.
    """

    name: str
    kind: str
    password: str = field(repr=False)
    limits: ProcessLimits = field(default_factory=ProcessLimits)
    seed: SeedData | None = None


@dataclass(frozen=True, slots=True)
class Description:
    """What an environment shall consist of, whatever the target.

    ``public`` names the service that visitors of ``hostname`` come to, ``url`` is its address, which may refer to what
    the engine makes. ``outputs`` are texts as those of services are. ``parts`` are components of packages, which bring
    their own resources and are found by their names as services are. One that sleeps is ``with_files`` where its commit
    can still be had; its services are told without what they take, and have to be passed over where they run.
    ``commits`` and ``repositories`` are the commit and the address of every other repository, by its name.
    """

    tenant_id: UUID
    environment_id: UUID
    name: str
    hostname: str
    url: str
    repository: str
    revision: str
    services: tuple[Service, ...]
    public: str
    outputs: Mapping[str, str]
    parts: tuple[ComponentProgram, ...] = ()
    backing: tuple[BackingService, ...] = ()
    commits: Mapping[str, str] = field(default_factory=dict)
    repositories: Mapping[str, str] = field(default_factory=dict)
    with_files: bool = True


@dataclass(frozen=True, slots=True)
class Address:
    """Where one service of an environment finds another; each text may hold references of the engine."""

    host: str
    port: str
    url: str


@dataclass(frozen=True, slots=True)
class Place:
    """Where an environment is made from: the bare repository that holds its commit, and the folder that it may fill."""

    settings: Settings
    mirror: Path
    directory: Path
    mirrors: Mapping[str, Path] = field(default_factory=dict)
    """The bare repositories of other repositories, by the name that the blueprint gives them."""


@runtime_checkable
class ProgramTarget(Protocol):
    """A target as far as programs go. Methods are pure: nothing is asked and nothing is done.

    ``applications`` and ``routes`` are the types of its resources that run something, and that publish its address.
    With ``keeps_servers`` the servers of an environment that sleeps are part of its program, and so have to be known.
    """

    name: str
    applications: frozenset[str]
    routes: frozenset[str]
    keeps_servers: bool

    def address(self, service: str) -> Address:
        """Return where other services of the environment find a service."""
        ...

    def server(self, name: str, kind: str, password: str) -> Mapping[str, str]:
        """Return what services are told of a server behind them, by the names that blueprints have for it.

        Asked for the kinds alone that its provider offers (``TargetProvider.backing``). ``password`` is what the server
        is given; where the target makes one itself, what is told differs.
        """
        ...

    def public_url(self, service: str, known: str) -> str:
        """Return the public address of an environment, led to a service.

        ``known`` is what is known of it beforehand, "" where nothing is; then the text refers to what the engine makes.
        """
        ...

    def program(self, environment: Description, place: Place) -> StackProgram:
        """Return the program that makes the environment; raise ``UnfitError`` where the target cannot run it."""
        ...

    def sleeping(self, environment: Description, place: Place) -> StackProgram:
        """Return the program of an environment in which nothing runs, and whose address wakes it where it can."""
        ...


def program_targets() -> dict[str, ProgramTarget]:
    """Return every target that programs can be made for, by name."""
    return discover("slipway.targets", "TARGET", ProgramTarget)


def program_target(name: str) -> ProgramTarget:
    """Return the target called ``name``; raise ``DiscoveryError`` where there is none."""
    found = program_targets()
    if name not in found:
        raise DiscoveryError(f"there is no program for the target {name}; in a clone, `make setup` registers new ones")
    return found[name]

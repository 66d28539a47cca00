"""What a deployment blueprint says about an environment, as typed data: the shape of its ``spec``."""

import json
from collections.abc import Mapping
from datetime import timedelta
from typing import Annotated, Any, Literal
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from pydantic import Field, StringConstraints, field_validator

from catalog.assets.durations import DurationText, parse_duration
from catalog.assets.manifest import AssetText, Name
from catalog.assets.shapes import Shape
from catalog.assets.strategy_spec import StrategySpec
from catalog.assets.wiring import WiredText, references, texts

SOURCE_VALUES = ("revision", "repository", "pull_request")
"""What ``${source.x}`` may name: the full commit id, the repository as requested, the pull request's number."""

ENVIRONMENT_VALUES = ("name", "url")
"""What ``${environment.x}`` may name: the environment's name and its public address."""

COMPONENT_VALUES: Mapping[str, tuple[str, ...]] = {
    "process": ("url", "host", "port"),
    "postgres": ("url", "host", "port", "user", "password", "database"),
    "redis": ("url", "host", "port", "password"),
    "objects": ("url", "host", "port", "bucket", "region", "access_key", "secret_key"),
}
"""What ``${component.x}`` may name, by the component's type; for a process the public address and where it listens."""

SECRET_VALUES: Mapping[str, tuple[str, ...]] = {
    "process": (),
    "postgres": ("url", "password"),
    "redis": ("url", "password"),
    "objects": ("secret_key",),
}
"""What of that only processes may get, and nobody is shown."""

ALWAYS_SECRET = frozenset(each for values in SECRET_VALUES.values() for each in values) - {*COMPONENT_VALUES["process"]}
"""What is secret whatever a component turns out to be."""

RESERVED_ROOTS = ("inputs", "source", "environment", "secrets")
"""What references begin with that name no component."""
RESERVED_VARIABLES = ("PORT", "HOST", "HOME", "TMPDIR")
"""Environment variables that every process gets from its host."""

LONGEST_HEALTH_TIMEOUT = timedelta(minutes=10)
MOST_COMPONENTS = 10
"""How many components an environment has, with those of its parts."""

ComponentName = Annotated[str, StringConstraints(pattern=r"^[a-z](?:[a-z0-9-]{0,29}[a-z0-9])?$")]
TargetName = Annotated[str, StringConstraints(pattern=r"^[a-z][a-z0-9-]{0,29}$")]
Targets = Annotated[tuple[TargetName, ...], Field(min_length=1, max_length=10)]
OutputName = Annotated[str, StringConstraints(pattern=r"^[A-Za-z_][A-Za-z0-9_]{0,62}$")]
VariableName = Annotated[str, StringConstraints(pattern=r"^[A-Za-z_][A-Za-z0-9_]{0,126}$")]
ProcfileEntry = Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9_-]{1,63}$")]
Command = Annotated[str, StringConstraints(min_length=1, max_length=2000, pattern=r"^[^\r\n]*$")]
SecretName = Annotated[str, StringConstraints(pattern=r"^[A-Za-z_][A-Za-z0-9_]{0,62}$")]
Inside = Annotated[
    str,
    StringConstraints(max_length=200, pattern=r"^[A-Za-z0-9_][A-Za-z0-9._-]*(?:/[A-Za-z0-9_][A-Za-z0-9._-]*)*$"),
]
"""A path inside a repository: relative, with ``/``, and no part of it begins with a dot."""
DataClass = Literal["synthetic", "masked", "production"]
"""What data is: made up; real with what tells of people taken out; or real as it is."""


class Health(Shape):
    """How a process shows that it is ready within ``timeout`` of its start, in one of four ways.

    ``path`` answers an HTTP request below 400; with ``tcp`` its port takes connections; ``command``, given to a shell
    in the process's directory and with its variables, ends with 0; or, for what listens nowhere, it still runs after
    ``running``.
    """

    path: WiredText = "/"
    tcp: bool = False
    command: Command | None = None
    running: DurationText | None = None
    timeout: DurationText = "PT60S"

    @property
    def way(self) -> Literal["http", "tcp", "command", "running"]:
        """Which of the four it is."""
        if self.running is not None:
            return "running"
        return "command" if self.command is not None else "tcp" if self.tcp else "http"


class ProcessLimits(Shape):
    """What one process may use; without ``cpus`` as many processors as the target gives."""

    memory_mb: Annotated[int, Field(ge=16, le=65_536)] = 1024
    processes: Annotated[int, Field(ge=1, le=4096)] = 256
    open_files: Annotated[int, Field(ge=64, le=65_536)] = 4096
    file_size_mb: Annotated[int, Field(ge=1, le=65_536)] = 1024
    cpus: Annotated[float | None, Field(ge=0.1, le=64)] = None


class ProcessComponent(Shape):
    """A process of the application, run from a checkout of the pull request's commit.

    One of ``procfile`` (the entry of the repository's ``Procfile``) and ``command`` (given to a shell as it stands)
    says what runs, in ``directory`` of the checkout (its top, where nothing is said); with an image there may be
    neither, and its own command runs. ``image`` is what it runs in where the target runs containers, which otherwise
    build one from the repository. ``repository`` names one of the environment's other repositories, from whose files it
    runs. Without ``health`` a process is ready once its port takes connections. It is started
    when everything that it refers to or names in ``depends_on`` is ready.
    """

    type: Literal["process"]
    source: Literal["${source.revision}"] = "${source.revision}"
    repository: ComponentName | None = None
    directory: Inside | None = None
    procfile: ProcfileEntry | None = None
    command: Command | None = None
    image: Annotated[WiredText, StringConstraints(min_length=1, max_length=500)] | None = None
    env: dict[VariableName, WiredText] = Field(default_factory=dict, max_length=200)
    depends_on: Annotated[tuple[ComponentName, ...], Field(max_length=MOST_COMPONENTS)] = ()
    health: Health | None = None
    limits: ProcessLimits = ProcessLimits()


class Seed(Shape):
    """What a database begins with, once in its life: ``sql``, a file of the checkout, or what ``command`` writes.

    ``data`` says what it is; the command has ``DATABASE_URL``, and runs at the top of the checkout.
    """

    data: DataClass
    sql: Inside | None = None
    command: Command | None = None


class PostgresComponent(Shape):
    """A PostgreSQL database of the environment's own; its data goes with the environment, and no sooner."""

    type: Literal["postgres"]
    seed: Seed | None = None
    limits: ProcessLimits = ProcessLimits()


class RedisComponent(Shape):
    """A Redis of the environment's own; what is in it stays while the environment sleeps."""

    type: Literal["redis"]
    limits: ProcessLimits = ProcessLimits()


class ObjectsComponent(Shape):
    """Object storage of the environment's own, by the protocol of S3, with one bucket; its data goes with it."""

    type: Literal["objects"]
    limits: ProcessLimits = ProcessLimits()


class BlueprintComponent(Shape):
    """The environment of another blueprint as a part of this one.

    ``uses`` is the alias of a dependency. ``inputs`` are what that takes, and may hold references at any depth; what it
    tells is ``${NAME.outputs.x}``.
    """

    type: Literal["blueprint"]
    uses: Name
    inputs: dict[str, Any] = Field(default_factory=dict, max_length=200)


class PackagedComponent(Shape):
    """One component of a component package as a part.

    ``uses`` is the alias of a dependency, ``component`` the name of the component in its package (left out where it has
    only one). ``inputs`` and ``${NAME.outputs.x}`` are as for a blueprint, and have the types of the package's schema.
    Once a blueprint is joined with its parts, ``uses`` names the asset, and ``component`` is there.
    """

    type: Literal["component"]
    uses: Name | AssetText
    component: Annotated[str, StringConstraints(pattern=r"^[A-Za-z_][A-Za-z0-9_]{0,79}$")] | None = None
    inputs: dict[str, Any] = Field(default_factory=dict, max_length=200)


Part = BlueprintComponent | PackagedComponent
"""What is made from something that somebody published."""
Backing = PostgresComponent | RedisComponent | ObjectsComponent
"""What stands behind the processes of an application."""
Component = Annotated[
    ProcessComponent | PostgresComponent | RedisComponent | ObjectsComponent | BlueprintComponent | PackagedComponent,
    Field(discriminator="type"),
]


class RepositoryFile(Shape):
    """A file of the repository that says what the application consists of, read at the commit that is deployed."""

    format: Literal["compose", "score", "procfile"]
    file: Inside | None = None

    @property
    def path(self) -> str:
        """Where the file is, from the top of the repository."""
        usual = {"compose": "docker-compose.yml", "score": "score.yaml", "procfile": "Procfile"}
        return self.file or usual[self.format]


class OtherRepository(Shape):
    """Another repository that services come from, opened with the tenant's rights.

    ``ref`` is a branch, a tag or a commit, where nothing is said the default branch. What it names when an environment
    is requested is written down as ``commit``, and stays until it is requested again.
    """

    repository: Annotated[WiredText, StringConstraints(min_length=1, max_length=1000)]
    ref: Annotated[WiredText, StringConstraints(max_length=200)] = ""
    commit: Annotated[str, StringConstraints(pattern=r"^[0-9a-f]{40,64}$")] | None = None


class EnvironmentSpec(Shape):
    """The components of an environment and what it tells about itself; ``url`` is among the outputs.

    Those that the file named by ``from`` describes come in addition; where one has the name of a component here, the
    one here counts.
    """

    file: RepositoryFile | None = Field(default=None, alias="from")
    repositories: Annotated[dict[ComponentName, OtherRepository], Field(max_length=5)] = Field(default_factory=dict)
    components: Annotated[dict[ComponentName, Component], Field(max_length=MOST_COMPONENTS)] = Field(
        default_factory=dict
    )
    outputs: Annotated[dict[OutputName, WiredText], Field(min_length=1, max_length=50)]

    @property
    def processes(self) -> dict[str, ProcessComponent]:
        """The components that run what the repository holds."""
        return {name: each for name, each in self.components.items() if isinstance(each, ProcessComponent)}

    @property
    def backing(self) -> dict[str, Backing]:
        """The components that stand behind them."""
        return {name: each for name, each in self.components.items() if isinstance(each, Backing)}

    @property
    def packaged(self) -> dict[str, PackagedComponent]:
        """The components that come from packages; once a blueprint is joined, no part is another blueprint."""
        return {name: each for name, each in self.components.items() if isinstance(each, PackagedComponent)}

    @property
    def secrets(self) -> frozenset[str]:
        """The names of the tenant's secrets that its components are given."""
        own = (text for each in self.processes.values() for text in each.env.values())
        passed = (text for each in self.parts.values() for text in texts(each.inputs))
        named = [each for text in (*own, *passed) for each in references(text)]
        return frozenset(each.path[1] for each in named if each.root == "secrets")

    @property
    def parts(self) -> dict[str, Part]:
        """The components that come from other assets."""
        return {name: each for name, each in self.components.items() if isinstance(each, Part)}


class TimeToLive(Shape):
    """How long an environment lives: ``default`` where the request does not say, ``maximum`` with all extensions.

    ``base`` says from when on the default counts; the maximum always counts from the beginning of its life.
    """

    default: DurationText = "P3D"
    maximum: DurationText = "P14D"
    base: Literal["created", "last_deploy", "last_activity"] = "last_deploy"


class Sleep(Shape):
    """When an environment is stopped because nobody uses it: ``after`` so long without a deployment or a visit.

    A visit wakes it in any case; without ``visits_count`` visits do not keep it awake.
    """

    after: DurationText
    visits_count: bool = True


WEEKDAYS = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")
ClockTime = Annotated[str, StringConstraints(pattern=r"^([01][0-9]|2[0-3]):[0-5][0-9]$")]


class ActiveHours(Shape):
    """When an environment is awake: from ``begin`` to ``end`` on ``days``, as the clocks of ``zone`` show it.

    Where ``end`` is not after ``begin`` it is that time of the next day. ``zone`` is a name such as ``Europe/Berlin``.
    """

    days: Annotated[tuple[Literal["mon", "tue", "wed", "thu", "fri", "sat", "sun"], ...], Field(min_length=1)] = (
        "mon",
        "tue",
        "wed",
        "thu",
        "fri",
    )
    begin: ClockTime = "08:00"
    end: ClockTime = "18:00"
    zone: Annotated[str, Field(max_length=64)] = "UTC"

    @field_validator("zone")
    @classmethod
    def _is_known(cls, zone: str) -> str:
        try:
            ZoneInfo(zone)
        except (ZoneInfoNotFoundError, ValueError, OSError):
            raise ValueError(f"{zone} is no time zone that is known; give one such as Europe/Berlin.") from None
        return zone


class Follow(Shape):
    """Which commits of a pull request move its environment, and which pull requests have one at all.

    ``labels`` (every one of them) and ``bases`` (patterns of base branches, one of them) are conditions on the pull
    request: one that does not meet them has no environment. ``paths`` are patterns of which a changed path must match
    one, ``!`` before a pattern takes away again. Commits of ``drafts`` are deployed, wait, or are built meanwhile.

    Commits of forks wait for an approval of exactly that commit, unless their author belongs to the repository; with
    ``strip`` they run without what is secret, with ``build_only`` they are fetched and planned without it while they
    wait, with ``refuse`` they are left out. ``stacked`` is about pull requests to the branch of another open one: they
    count as going where that goes, wait until it is merged, or have no environment.

    ``concurrency`` says what a commit means for the deployment of an earlier one that is under way: with ``replace``
    that ends at the next point where the stack is consistent, with ``latest`` it is finished first; either way the
    newest commit follows, and those between are left out. With ``queue`` and ``allow`` each commit is deployed after
    the one before it, and shown; with ``allow`` it is fetched meanwhile. With ``forbid`` it is left out. With
    ``tracks_base`` it is made again as well when the branch moves that the pull request goes to.
    """

    drafts: bool | Literal["build_only"] = True
    bots: bool = True
    forks: Literal["approve", "strip", "build_only", "refuse"] = "approve"
    stacked: Literal["follow", "wait", "refuse"] = "follow"
    concurrency: Literal["replace", "latest", "queue", "allow", "forbid"] = "replace"
    tracks_base: bool = False
    labels: Annotated[tuple[str, ...], Field(max_length=20)] = ()
    bases: Annotated[tuple[str, ...], Field(max_length=20)] = ()
    paths: Annotated[tuple[str, ...], Field(max_length=50)] = ()


class BlueprintSpec(Shape):
    """The ``spec`` of a deployment blueprint from which environments are made; it may say how releases move as well.

    ``targets`` are those that it may go to; without them it goes to each.
    """

    targets: Targets | None = None
    environment: EnvironmentSpec
    strategy: StrategySpec | None = None
    ttl: TimeToLive = TimeToLive()
    sleep: Sleep | None = None
    active: ActiveHours | None = None
    follow: Follow = Follow()

    @property
    def default_ttl(self) -> timedelta:
        """How long an environment lives where the request does not say."""
        return parse_duration(self.ttl.default)

    @property
    def maximum_ttl(self) -> timedelta:
        """How long an environment may live, with all extensions."""
        return parse_duration(self.ttl.maximum)

    @property
    def sleep_after(self) -> timedelta | None:
        """After how long without use an environment is stopped; None: never by itself."""
        return None if self.sleep is None else parse_duration(self.sleep.after)


class DeploymentSpec(Shape):
    """The ``spec`` of any deployment blueprint: ``environment``, ``strategy``, or both.

    ``ttl``, ``sleep``, ``active`` and ``follow`` are for environments.
    """

    targets: Targets | None = None
    environment: EnvironmentSpec | None = None
    strategy: StrategySpec | None = None
    ttl: TimeToLive | None = None
    sleep: Sleep | None = None
    active: ActiveHours | None = None
    follow: Follow | None = None


def makes_environments(manifest: Mapping[str, Any]) -> bool:
    """Tell whether a published blueprint says what an environment is made of, and not how releases move alone."""
    return manifest.get("spec", {}).get("environment") is not None


def parse_deployment(manifest: Mapping[str, Any]) -> DeploymentSpec:
    """Return the spec of any blueprint's manifest; raise ``pydantic.ValidationError`` where it is none."""
    return DeploymentSpec.model_validate_json(json.dumps(manifest["spec"]), strict=True)


def parse_spec(manifest: Mapping[str, Any]) -> BlueprintSpec:
    """Return the spec of a published blueprint's manifest; raise ``pydantic.ValidationError`` where it is none."""
    return BlueprintSpec.model_validate_json(json.dumps(manifest["spec"]), strict=True)

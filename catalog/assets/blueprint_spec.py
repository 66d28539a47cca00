"""What a deployment blueprint says about an environment, as typed data: the shape of its ``spec``."""

import json
from collections.abc import Mapping
from datetime import timedelta
from typing import Annotated, Any, Literal

from pydantic import Field, StringConstraints

from catalog.assets.durations import DurationText, parse_duration
from catalog.assets.manifest import AssetText, Name
from catalog.assets.shapes import Shape
from catalog.assets.strategy_spec import StrategySpec
from catalog.assets.wiring import WiredText

SOURCE_VALUES = ("revision", "repository", "pull_request")
"""What ``${source.x}`` may name: the full commit id, the repository as requested, the pull request's number."""

ENVIRONMENT_VALUES = ("name", "url")
"""What ``${environment.x}`` may name: the environment's name and its public address."""

COMPONENT_VALUES = {"process": ("url", "host", "port")}
"""What ``${component.x}`` may name, by the component's type: the public address, and where the process listens."""

RESERVED_ROOTS = ("inputs", "source", "environment")
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


class Health(Shape):
    """How a process shows that it is ready: ``path`` answers below 400 within ``timeout`` of the start."""

    path: WiredText = "/"
    timeout: DurationText = "PT60S"


class ProcessLimits(Shape):
    """What one process may use."""

    memory_mb: Annotated[int, Field(ge=16, le=65_536)] = 1024
    processes: Annotated[int, Field(ge=1, le=4096)] = 256
    open_files: Annotated[int, Field(ge=64, le=65_536)] = 4096
    file_size_mb: Annotated[int, Field(ge=1, le=65_536)] = 1024


class ProcessComponent(Shape):
    """A process of the application, run from a checkout of the pull request's commit.

    One of ``procfile`` (the entry of the repository's ``Procfile``) and ``command`` (given to a shell as it stands)
    says what runs; with an image there may be neither, and its own command runs. ``image`` is what it runs in where the
    target runs containers, which otherwise build one from the repository. Without ``health`` a process counts as ready
    as long as it keeps running.
    """

    type: Literal["process"]
    source: Literal["${source.revision}"] = "${source.revision}"
    procfile: ProcfileEntry | None = None
    command: Command | None = None
    image: Annotated[WiredText, StringConstraints(min_length=1, max_length=500)] | None = None
    env: dict[VariableName, WiredText] = Field(default_factory=dict, max_length=200)
    health: Health | None = None
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
Component = Annotated[ProcessComponent | BlueprintComponent | PackagedComponent, Field(discriminator="type")]


class EnvironmentSpec(Shape):
    """The components of an environment and what it tells about itself; ``url`` is among the outputs."""

    components: Annotated[dict[ComponentName, Component], Field(min_length=1, max_length=MOST_COMPONENTS)]
    outputs: Annotated[dict[OutputName, WiredText], Field(min_length=1, max_length=50)]

    @property
    def processes(self) -> dict[str, ProcessComponent]:
        """The components that run an application."""
        return {name: each for name, each in self.components.items() if isinstance(each, ProcessComponent)}

    @property
    def packaged(self) -> dict[str, PackagedComponent]:
        """The components that come from packages; once a blueprint is joined, all others are processes."""
        return {name: each for name, each in self.components.items() if isinstance(each, PackagedComponent)}

    @property
    def parts(self) -> dict[str, Part]:
        """The components that come from other assets."""
        return {name: each for name, each in self.components.items() if not isinstance(each, ProcessComponent)}


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


class Follow(Shape):
    """Which commits of a pull request move its environment, and which pull requests have one at all.

    ``labels`` (every one of them) and ``bases`` (patterns of base branches, one of them) are conditions on the pull
    request: one that does not meet them has no environment. ``paths`` are patterns of which a changed path must match
    one, ``!`` before a pattern takes away again. Commits of forks wait for an approval of exactly that commit, unless
    their author belongs to the repository, or are refused. ``concurrency`` says what a commit means for the deployment
    of an earlier one that is under way: with ``replace`` that ends at the next point where the stack is consistent,
    with ``latest`` it is finished first; either way the newest commit follows, and those between are left out.
    """

    drafts: bool = True
    bots: bool = True
    forks: Literal["approve", "refuse"] = "approve"
    concurrency: Literal["replace", "latest"] = "replace"
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

    ``ttl``, ``sleep`` and ``follow`` are for environments.
    """

    targets: Targets | None = None
    environment: EnvironmentSpec | None = None
    strategy: StrategySpec | None = None
    ttl: TimeToLive | None = None
    sleep: Sleep | None = None
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

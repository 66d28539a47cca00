"""The stack engine's contract: programs as data, what an operation answers, and how it fails.

Nothing here imports an engine. A worker composes a `StackProgram`, hands it to a `StackEngine` and reads values back.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any, Protocol


class ErrorKind(StrEnum):
    """Why an operation of the engine did not succeed."""

    TIMEOUT = "timeout"
    CANCELLED = "cancelled"
    LOCKED = "locked"
    FAILED = "failed"
    UNAVAILABLE = "unavailable"


class EngineError(Exception):
    """An operation that did not succeed; `message` is fit for a page, `resource` names the culprit where one is known.

    After `timeout` and `cancelled`, and after the death of a worker, call `StackEngine.recover` before going on:
    `locked` says that another operation holds the stack, or that a killed one left its lock.
    """

    def __init__(self, kind: ErrorKind, message: str, *, resource: str | None = None) -> None:
        super().__init__(message)
        self.kind = kind
        self.message = message
        self.resource = resource


class ProgressKind(StrEnum):
    """What a progress event tells."""

    RESOURCE_STARTED = "resource_started"
    RESOURCE_FINISHED = "resource_finished"
    RESOURCE_FAILED = "resource_failed"
    LOG = "log"


class ResourceOperation(StrEnum):
    """What happens to a resource; `REPLACE` is only planned, and is carried out as a create and later a delete."""

    CREATE = "create"
    UPDATE = "update"
    REPLACE = "replace"
    DELETE = "delete"
    SAME = "same"
    REFRESH = "refresh"


@dataclass(frozen=True, slots=True)
class ProgressEvent:
    """One thing that happened during an operation: a step of a resource, or a log line in `message`."""

    kind: ProgressKind
    name: str = ""
    type: str = ""
    operation: str = ""
    message: str = ""


OnProgress = Callable[[ProgressEvent], None]
ShouldStop = Callable[[], bool]


def ignore_progress(_event: ProgressEvent) -> None:
    """Drop a progress event."""


def never_stop() -> bool:
    """Answer that the operation shall go on."""
    return False


@dataclass(frozen=True, slots=True)
class ProgramResource:
    """One resource of a program.

    `inputs` is JSON data whose strings may hold `${<resource>.<output>}`: alone it keeps the output's type, inside
    text it becomes text; `$${` writes a literal `${`. `secret_inputs` names the inputs that are stored encrypted.
    """

    name: str
    type: str
    inputs: Mapping[str, Any] = field(default_factory=dict)
    depends_on: tuple[str, ...] = ()
    secret_inputs: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class ComponentProgram:
    """A publisher's component as the whole program of a stack, or one of its parts; it runs in the sandbox alone.

    `wheel` is the path of its package, `component` the class's name, `name` that of the resource it becomes. `inputs`
    are JSON data by the names of its schema, of a part with references as in `ProgramResource`; `providers` are the
    packages of resources that it may use. `local` says what its processes on the local target get (`environment_id`,
    `directory`), with references as well; without it a part runs none. With `foreseen`, what its preview showed
    (`PreviewResult.shown`), it may make that alone, and has to make all of it.
    """

    wheel: str
    component: str
    name: str
    inputs: Mapping[str, Any] = field(default_factory=dict, repr=False)
    secret_inputs: tuple[str, ...] = ()
    providers: tuple[str, ...] = ()
    local: Mapping[str, str] = field(default_factory=dict)
    foreseen: tuple[Mapping[str, Any], ...] | None = field(default=None, repr=False)


def processes_of(part: str) -> str:
    """Return what the names of a part's processes begin with; no component has a name with an underscore."""
    return f"{part}_"


@dataclass(frozen=True, slots=True)
class ProgramLookup:
    """What a provider is asked once the resources are there that `inputs` refer to, such as a key; nothing is made.

    `function` is its token, `package:module:function`. What it answers is secret, and is referred to as outputs of
    resources are, members of lists by their number; `<output>_in_urls` is a text as it stands in an address.
    """

    name: str
    function: str
    inputs: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class StackProgram:
    """What a stack shall consist of; `outputs` may hold references, `secret_outputs` names those kept out of logs.

    `parts` are components beside the resources: references lead to what they tell as to outputs of resources, and to
    what `lookups` answer. With `component` there is nothing else: its resources and outputs are those of the stack.
    """

    resources: tuple[ProgramResource, ...]
    outputs: Mapping[str, str] = field(default_factory=dict)
    secret_outputs: tuple[str, ...] = ()
    component: ComponentProgram | None = None
    parts: tuple[ComponentProgram, ...] = ()
    lookups: tuple[ProgramLookup, ...] = ()


@dataclass(frozen=True, slots=True)
class StackRef:
    """The name of a stack: letters, digits, `-`, `_` and `.` in both parts, at most 100 characters each."""

    project: str
    stack: str


@dataclass(frozen=True, slots=True)
class StackRequest:
    """One operation on one stack; `time_limit` is in seconds and covers the whole operation."""

    stack: StackRef
    passphrase: str = field(repr=False)
    program: StackProgram = StackProgram(resources=())
    labels: Mapping[str, str] = field(default_factory=dict)
    time_limit: float = 600.0


@dataclass(frozen=True, slots=True)
class ResourceState:
    """A resource as the state knows it; secret outputs read `[secret]`."""

    urn: str
    type: str
    name: str
    id: str
    outputs: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class ChangeSummary:
    """How many resources were, or would be, created, updated, deleted and left alone; a replacement counts twice."""

    create: int = 0
    update: int = 0
    delete: int = 0
    same: int = 0


@dataclass(frozen=True, slots=True)
class PlannedChange:
    """One step of a preview."""

    urn: str
    type: str
    name: str
    operation: ResourceOperation


@dataclass(frozen=True, slots=True)
class GraphNode:
    """A resource among those that it belongs to and needs, components included.

    `parent` and `depends_on` are names. Secret inputs read `[secret]`, those not known before it runs `[unknown]`.
    """

    type: str
    name: str
    provider: str
    operation: ResourceOperation
    parent: str = ""
    depends_on: tuple[str, ...] = ()
    inputs: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class ApplyResult:
    """What an `up` left: the plain outputs, the secret ones apart (kept out of `repr`), inventory and graph."""

    outputs: Mapping[str, Any]
    resources: tuple[ResourceState, ...]
    summary: ChangeSummary
    secret_outputs: Mapping[str, Any] = field(default_factory=dict, repr=False)
    graph: tuple[GraphNode, ...] = ()


@dataclass(frozen=True, slots=True)
class PreviewResult:
    """What an `up` would do, and the graph as it would be, with what would go.

    `shown` is what each component showed that it would make, for `ComponentProgram.foreseen`: it may hold secrets.
    Those of `incomplete` could not come to their end, because something that they take is not known yet.
    """

    changes: tuple[PlannedChange, ...]
    summary: ChangeSummary
    graph: tuple[GraphNode, ...] = ()
    shown: Mapping[str, tuple[Mapping[str, Any], ...]] = field(default_factory=dict, repr=False)
    incomplete: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class DestroyResult:
    """What a destroy removed; the stack itself is gone too."""

    summary: ChangeSummary


@dataclass(frozen=True, slots=True)
class RefreshResult:
    """What the world looked like compared with the state, which now says the same as the world.

    `changed` holds the resources that were different and `missing` those that were gone.
    """

    changed: tuple[str, ...]
    missing: tuple[str, ...]
    resources: tuple[ResourceState, ...]


class StackEngine(Protocol):
    """Applies programs to stacks. Every method blocks, raises `EngineError`, and may be called from any thread.

    `should_stop` is asked a few times a second; once it answers true the operation is interrupted at the next point
    where the state is consistent (or killed when it does not come to one) and ends as `cancelled`.
    """

    def preview(
        self, request: StackRequest, on_progress: OnProgress = ignore_progress, should_stop: ShouldStop = never_stop
    ) -> PreviewResult:
        """Say what `up` would do, changing nothing."""
        ...

    def up(
        self, request: StackRequest, on_progress: OnProgress = ignore_progress, should_stop: ShouldStop = never_stop
    ) -> ApplyResult:
        """Make the stack what the program says, creating it where it does not exist."""
        ...

    def refresh(
        self, request: StackRequest, on_progress: OnProgress = ignore_progress, should_stop: ShouldStop = never_stop
    ) -> RefreshResult:
        """Compare the state with the world and write the difference into the state; the program is not looked at."""
        ...

    def destroy(
        self, request: StackRequest, on_progress: OnProgress = ignore_progress, should_stop: ShouldStop = never_stop
    ) -> DestroyResult:
        """Remove every resource and then the stack; a stack that does not exist is already destroyed."""
        ...

    def recover(
        self, request: StackRequest, on_progress: OnProgress = ignore_progress, should_stop: ShouldStop = never_stop
    ) -> RefreshResult:
        """Make an interrupted stack usable: drop its lock and pending operations, then refresh.

        Only the holder of the stack's lease may call this: it takes the lock away from whoever has it.
        """
        ...

    def exists(self, stack: StackRef) -> bool:
        """Say whether the stack is there."""
        ...

    def stacks(self, project: str) -> tuple[StackRef, ...]:
        """List the stacks of a project, by name."""
        ...

    def resources(self, stack: StackRef) -> tuple[ResourceState, ...]:
        """List what the state holds, without asking the world; empty where there is no such stack."""
        ...

"""What an engine and its child process say to each other: one JSON object a line."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Any, Self

from workers.engine import (
    ApplyResult,
    ChangeSummary,
    ComponentProgram,
    DestroyResult,
    EngineError,
    ErrorKind,
    GraphNode,
    PlannedChange,
    PreviewResult,
    ProgramLookup,
    ProgramResource,
    ProgressEvent,
    ProgressKind,
    RefreshResult,
    ResourceOperation,
    ResourceState,
    StackProgram,
    StackRef,
)

Message = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Job:
    """Everything a child needs for one operation; it is sent through a pipe and never written down."""

    operation: str
    stack: StackRef
    work_dir: str
    home: str
    backend_url: str
    cli: str
    cli_version: str
    plugin: Mapping[str, str]
    program: StackProgram
    labels: Mapping[str, str]
    passphrase: str = field(repr=False)
    credentials: Mapping[str, str] = field(default_factory=dict, repr=False)

    def as_json(self) -> Message:
        """Return the job as JSON data."""
        return asdict(self)

    @classmethod
    def from_json(cls, data: Message) -> Self:
        """Read what `as_json` returned."""
        program = data["program"]
        resources = tuple(
            ProgramResource(
                name=item["name"],
                type=item["type"],
                inputs=item["inputs"],
                depends_on=tuple(item["depends_on"]),
                secret_inputs=tuple(item["secret_inputs"]),
            )
            for item in program["resources"]
        )
        component = None if program["component"] is None else _component(program["component"])
        parts = tuple(map(_component, program["parts"]))
        lookups = tuple(ProgramLookup(**each) for each in program["lookups"])
        secret_outputs = tuple(program["secret_outputs"])
        parsed = StackProgram(resources, program["outputs"], secret_outputs, component, parts, lookups)
        return cls(**{**data, "stack": StackRef(**data["stack"]), "program": parsed})


def _component(data: Message) -> ComponentProgram:
    lists = {name: tuple(data[name]) for name in ("secret_inputs", "providers")}
    foreseen = None if data["foreseen"] is None else tuple(data["foreseen"])
    return ComponentProgram(**{**data, **lists, "foreseen": foreseen})


def event_from_json(data: Message) -> ProgressEvent:
    """Read a progress event."""
    return ProgressEvent(**{**data, "kind": ProgressKind(data["kind"])})


def error_from_json(data: Message) -> EngineError:
    """Read an error."""
    return EngineError(ErrorKind(data["kind"]), data["message"], resource=data.get("resource"))


def error_as_json(error: EngineError) -> Message:
    """Return an error as JSON data."""
    return {"kind": error.kind.value, "message": error.message, "resource": error.resource}


def resources_from_json(data: list[Message]) -> tuple[ResourceState, ...]:
    """Read an inventory."""
    return tuple(ResourceState(**item) for item in data)


def graph_from_json(data: list[Message]) -> tuple[GraphNode, ...]:
    """Read a graph of resources."""
    return tuple(
        GraphNode(
            **{
                **item,
                "operation": ResourceOperation(item["operation"]),
                "depends_on": tuple(item["depends_on"]),
            }
        )
        for item in data
    )


def apply_from_json(data: Message) -> ApplyResult:
    """Read the result of an `up`."""
    return ApplyResult(
        outputs=data["outputs"],
        resources=resources_from_json(data["resources"]),
        summary=ChangeSummary(**data["summary"]),
        secret_outputs=data["secret_outputs"],
        graph=graph_from_json(data["graph"]),
    )


def preview_from_json(data: Message) -> PreviewResult:
    """Read the result of a preview."""
    changes = tuple(
        PlannedChange(**{**item, "operation": ResourceOperation(item["operation"])}) for item in data["changes"]
    )
    shown = {name: tuple(each) for name, each in data["shown"].items()}
    summary, graph = ChangeSummary(**data["summary"]), graph_from_json(data["graph"])
    return PreviewResult(changes, summary, graph, shown, tuple(data["incomplete"]))


def refresh_from_json(data: Message) -> RefreshResult:
    """Read the result of a refresh."""
    return RefreshResult(
        changed=tuple(data["changed"]),
        missing=tuple(data["missing"]),
        resources=resources_from_json(data["resources"]),
    )


def destroy_from_json(data: Message) -> DestroyResult:
    """Read the result of a destroy."""
    return DestroyResult(ChangeSummary(**data["summary"]))

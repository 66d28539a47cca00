"""The part ``plan`` of the input: what an engine is told to make, and what it has reported to be there."""

from collections.abc import Iterable, Mapping
from typing import Any

from catalog.environments.models import Environment, Phase
from catalog.gating import GatePoint
from catalog.stacks.graph import ResourceGraph
from catalog.stacks.models import StackResource

_CHANGES = frozenset({GatePoint.ENVIRONMENT_REQUEST, GatePoint.ENVIRONMENT_UPDATE})
"""Where what is asked for counts, whatever is there."""


def environment_plan(
    environment: Environment, point: GatePoint | None, graph: ResourceGraph | None, known: Iterable[StackResource]
) -> dict[str, Any]:
    """Return the plan of an environment.

    Where it is about to change, these are the resources of the program, with ``create`` and ``delete`` by what the last
    deployment left, and what is there as ``deployed``. Where it stands as it was asked for, it is the graph that the
    engine reported. ``source`` says which of the two it is. ``known`` is the stack's inventory.
    """
    stands = environment.phase is Phase.READY and environment.observed_generation == environment.generation
    if graph is not None and stands and point not in _CHANGES:
        return graph.as_plan()
    plan = _program(environment)
    there = {(each.type, each.name) for each in known}
    for each in plan["resources"]:
        if (each["type"], each["name"]) not in there:
            each["operation"] = "create"
        there.discard((each["type"], each["name"]))
    gone = [
        {"type": kind, "name": name, "provider": kind.partition(":")[0], "operation": "delete"}
        for kind, name in sorted(there)
    ]
    deployed = {} if graph is None else {"deployed": graph.as_plan()}
    return {"source": "program", **plan, "resources": [*plan["resources"], *gone], **deployed}


def previewed_plan(preview: Mapping[str, Any], known: Mapping[str, Any]) -> dict[str, Any]:
    """Return the plan as the engine previews it, beside what it has deployed before, where that is known."""
    return {**preview, **({"deployed": known["deployed"]} if "deployed" in known else {})}


def _program(environment: Environment) -> dict[str, Any]:
    """Return the resources that the environment's blueprint asks for, as the engine will be told.

    Wiring such as ``${inputs.size}`` stays as it is written: values are not known before the engine runs.
    """
    spec: Mapping[str, Any] = environment.spec.get("environment", {})
    components: Mapping[str, Any] = spec.get("components", {})
    source = {"repository": environment.repository, "commit": environment.head_sha}
    processes = [
        _resource(
            environment, "Process", name, {key: value for key, value in _inner(component).items() if key != "type"}
        )
        for name, component in components.items()
    ]
    resources = [
        _resource(environment, "Checkout", "checkout", source),
        *processes,
        _resource(environment, "Route", "route", {"host": environment.hostname}),
    ]
    return {"resources": resources, "outputs": sorted(spec.get("outputs", {}))}


def _resource(environment: Environment, kind: str, name: str, inputs: Mapping[str, Any]) -> dict[str, Any]:
    return {"type": f"slipway:{environment.target}:{kind}", "name": name, "provider": "slipway", "inputs": dict(inputs)}


def _inner(component: Any) -> Mapping[str, Any]:
    return component if isinstance(component, Mapping) else {}

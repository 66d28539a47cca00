"""From a blueprint and a deploy plan to the program of a stack: data in, data out, nothing of a publisher is run."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from catalog.assets.blueprint_spec import ProcessComponent
from catalog.assets.durations import parse_duration
from catalog.assets.wiring import Reference, parse_wiring, references
from catalog.environments.service import DeployPlan
from workers.engine import ComponentProgram, ProgramResource, StackProgram
from workers.engine.references import references as program_references
from workers.environment_parts import PartPackage

CHECKOUT = "checkout"
ROUTE = "route"
LOOPBACK = "127.0.0.1"


def environment_program(
    plan: DeployPlan, mirror: Path, directory: Path, packages: Mapping[str, PartPackage]
) -> StackProgram:
    """Return the program that makes the plan's environment on the local target.

    ``mirror`` is the bare repository that holds the commit, ``directory`` the environment's own folder, ``packages``
    what its components of packages come from. The public address leads to the component that the output ``url`` refers
    to, once every component is there and healthy.
    """
    wiring = _Wiring(plan)
    checkout = _checkout(plan, mirror, directory)
    components = plan.spec.environment.processes
    processes = [_process(plan, wiring, name, component) for name, component in components.items()]
    parts = _parts(plan, wiring, packages)
    route = ProgramResource(
        name=ROUTE,
        type="slipway:local:Route",
        inputs={"host": plan.hostname, "port": f"${{{wiring.public}.port}}"},
        depends_on=(*(each.name for each in processes), *(each.name for each in parts)),
    )
    outputs = {name: wiring.text(value) for name, value in plan.spec.environment.outputs.items()}
    return StackProgram(resources=(checkout, *processes, route), outputs=outputs, parts=parts)


def sleeping_program(
    plan: DeployPlan, mirror: Path, directory: Path, packages: Mapping[str, PartPackage], wakes: int
) -> StackProgram:
    """Return the program of the plan's environment while it sleeps: no process, and its files where they are.

    Components of packages stay with what they hold, but for those that take something of a process: they go with it,
    and are made anew. The public address leads to the port ``wakes``, where the portal wakes what is visited.
    """
    route = ProgramResource(name=ROUTE, type="slipway:local:Route", inputs={"host": plan.hostname, "port": wakes})
    parts = {each.name: each for each in _parts(plan, _Wiring(plan), packages)}
    gone = set(plan.spec.environment.processes)
    # Parts that take something of a process, of those, and so on.
    while more := {name for name, each in parts.items() if name not in gone and gone & _needed_by(each)}:
        gone |= more
    kept = tuple(each for name, each in parts.items() if name not in gone)
    return StackProgram(resources=(_checkout(plan, mirror, directory), route), parts=kept)


def _needed_by(part: ComponentProgram) -> set[str]:
    return {each.resource for each in program_references(dict(part.inputs))}


def _parts(plan: DeployPlan, wiring: "_Wiring", packages: Mapping[str, PartPackage]) -> tuple[ComponentProgram, ...]:
    return tuple(
        ComponentProgram(
            wheel=str(packages[name].wheel),
            component=component.component or "",
            name=name,
            inputs=wiring.document(component.inputs),
            secret_inputs=packages[name].secret_inputs,
            providers=packages[name].providers,
        )
        for name, component in plan.spec.environment.packaged.items()
    )


def _checkout(plan: DeployPlan, mirror: Path, directory: Path) -> ProgramResource:
    return ProgramResource(
        name=CHECKOUT,
        type="slipway:local:Checkout",
        inputs={
            "repository": str(mirror),
            "commit": plan.head_sha,
            "directory": str(directory / plan.head_sha[:16]),
        },
    )


def _process(plan: DeployPlan, wiring: "_Wiring", name: str, component: ProcessComponent) -> ProgramResource:
    inputs: dict[str, Any] = {
        "environment_id": str(plan.environment_id),
        "name": name,
        "directory": f"${{{CHECKOUT}.directory}}",
        "env": {variable: wiring.text(value) for variable, value in component.env.items()},
        "limits": component.limits.model_dump(),
    }
    if component.command is not None:
        inputs["command"] = _escaped(component.command)
    else:
        inputs["procfile_entry"] = component.procfile or "web"
    if component.health is not None:
        timeout = parse_duration(component.health.timeout).total_seconds()
        inputs["health"] = {"path": wiring.text(component.health.path), "timeout_seconds": timeout}
    return ProgramResource(name=name, type="slipway:local:Process", inputs=inputs, secret_inputs=("env",))


class _Wiring:
    """Turns a blueprint's references into values, or into references of the engine where only it knows them."""

    def __init__(self, plan: DeployPlan) -> None:
        self._plan = plan
        named = [each.root for each in references(plan.spec.environment.outputs["url"])]
        components = list(plan.spec.environment.processes)
        self.public = next((name for name in named if name in components), components[0])

    def text(self, text: str) -> str:
        return "".join(
            self._value(part) if isinstance(part, Reference) else _escaped(part) for part in parse_wiring(text)
        )

    def document(self, value: Any) -> Any:
        """Return what is passed to a component; a text that is one reference and nothing else keeps its type."""
        if isinstance(value, Mapping):
            return {name: self.document(each) for name, each in value.items()}
        if isinstance(value, list):
            return [self.document(each) for each in value]
        parts = parse_wiring(value) if isinstance(value, str) else ()
        if len(parts) == 1 and isinstance(parts[0], Reference):
            path = parts[0].path
            if path[0] == "inputs":
                return _escaped_in(_look_up(self._plan.inputs, path[1:]))
            if path == ("source", "pull_request"):
                return self._plan.pull_request.number
        return self.text(value) if isinstance(value, str) else value

    def _value(self, reference: Reference) -> str:
        plan = self._plan
        root, key = reference.path[0], reference.path[1]
        if root == "inputs":
            return _escaped(_as_text(_look_up(plan.inputs, reference.path[1:])))
        if root == "source":
            source = {
                "revision": plan.head_sha,
                "repository": plan.repository,
                "pull_request": plan.pull_request.number,
            }
            return _escaped(str(source[key]))
        if root == "environment":
            return _escaped({"name": plan.name, "url": plan.url.rstrip("/")}[key])
        return self._of_component(root, reference)

    def _of_component(self, root: str, reference: Reference) -> str:
        key = reference.path[1]
        if root in self._plan.spec.environment.packaged:
            return f"${{{root}.{reference.path[2]}}}"
        if key == "host":
            return LOOPBACK
        if key == "url":
            return _escaped(self._plan.url) if root == self.public else f"http://{LOOPBACK}:${{{root}.port}}/"
        return f"${{{root}.port}}"


def _look_up(values: dict[str, Any], path: tuple[str, ...]) -> Any:
    found: Any = values
    for key in path:
        # An optional input that was not given reads as empty text, as in a shell.
        found = found.get(key, "") if isinstance(found, dict) else ""
    return found


def _as_text(value: Any) -> str:
    return value if isinstance(value, str) else json.dumps(value)


def _escaped_in(value: Any) -> Any:
    if isinstance(value, Mapping):
        return {name: _escaped_in(each) for name, each in value.items()}
    if isinstance(value, list):
        return [_escaped_in(each) for each in value]
    return _escaped(value) if isinstance(value, str) else value


def _escaped(text: str) -> str:
    return text.replace("${", "$${")

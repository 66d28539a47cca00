"""From a blueprint and a deploy plan to the program of a stack: data in, data out, nothing of a publisher is run."""

import json
from pathlib import Path
from typing import Any

from catalog.assets.blueprint_spec import ProcessComponent
from catalog.assets.durations import parse_duration
from catalog.assets.wiring import Reference, parse_wiring, references
from catalog.environments.service import DeployPlan
from workers.engine import ProgramResource, StackProgram

CHECKOUT = "checkout"
ROUTE = "route"
LOOPBACK = "127.0.0.1"


def environment_program(plan: DeployPlan, mirror: Path, directory: Path) -> StackProgram:
    """Return the program that makes the plan's environment on the local target.

    ``mirror`` is the bare repository that holds the commit, ``directory`` the environment's own folder. The public
    address leads to the component that the output ``url`` refers to, once every component is healthy.
    """
    wiring = _Wiring(plan)
    checkout = _checkout(plan, mirror, directory)
    components = plan.spec.environment.processes
    processes = [_process(plan, wiring, name, component) for name, component in components.items()]
    route = ProgramResource(
        name=ROUTE,
        type="slipway:local:Route",
        inputs={"host": plan.hostname, "port": f"${{{wiring.public}.port}}"},
        depends_on=tuple(process.name for process in processes),
    )
    outputs = {name: wiring.text(value) for name, value in plan.spec.environment.outputs.items()}
    return StackProgram(resources=(checkout, *processes, route), outputs=outputs)


def sleeping_program(plan: DeployPlan, mirror: Path, directory: Path, wakes: int) -> StackProgram:
    """Return the program of the plan's environment while it sleeps: no process, and its files where they are.

    The public address leads to the port ``wakes``, where the portal wakes what is visited.
    """
    route = ProgramResource(name=ROUTE, type="slipway:local:Route", inputs={"host": plan.hostname, "port": wakes})
    return StackProgram(resources=(_checkout(plan, mirror, directory), route))


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
        if key == "host":
            return LOOPBACK
        if key == "url":
            return _escaped(plan.url) if root == self.public else f"http://{LOOPBACK}:${{{root}.port}}/"
        return f"${{{root}.port}}"


def _look_up(values: dict[str, Any], path: tuple[str, ...]) -> Any:
    found: Any = values
    for key in path:
        # An optional input that was not given reads as empty text, as in a shell.
        found = found.get(key, "") if isinstance(found, dict) else ""
    return found


def _as_text(value: Any) -> str:
    return value if isinstance(value, str) else json.dumps(value)


def _escaped(text: str) -> str:
    return text.replace("${", "$${")

"""Components of publishers among a program's resources: each runs in the sandbox once what it takes is there.

All of them make resources in the one stack, so what they share ends there: the stack is the program's, each has a door
of its own, and what one made hangs together with the rest by dependencies that the door writes (``PartMonitor``).
"""

import asyncio
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import pulumi
from pulumi.resource import DependencyResource
from pulumi.runtime import rpc
from pulumi.runtime.settings import get_monitor, get_root_resource, is_dry_run

from catalog.stacks.graph import texts_in
from workers.engine import ComponentProgram
from workers.engine.components.language import See, door, run_in_sandbox
from workers.engine.components.part_monitor import Declare, PartMonitor, Processes
from workers.engine.program import MakePart, Outputs
from workers.engine.state import SECRET_TEXT

SHORTEST_SECRET = 4
"""Secrets of fewer characters are not looked for in what components say: they stand everywhere by chance."""


@dataclass(frozen=True)
class _Told:
    """What a component told when it came to its end: outputs as the protocol has them, and the URNs of what it made.

    ``is_complete`` is false where a preview could not run it to its end, because something is not known yet.
    """

    outputs: Mapping[str, Any]
    made: tuple[str, ...]
    is_complete: bool


@dataclass(frozen=True)
class _Given:
    """What a component takes, as far as that is known, and the URNs of what it comes from."""

    inputs: dict[str, Any]
    secret: list[str]
    unknown: list[str]
    needs: list[str]


def part_maker(
    seconds: float, should_stop: Callable[[], bool], declare: Declare, taken: frozenset[str], see: See
) -> MakePart:
    """Return what makes components among a program's resources; each may run for ``seconds``.

    ``declare`` is told of each process before the engine is, which makes no others on the local target. ``taken``
    are the names of the program's own resources, which are no names for processes of parts.
    """

    def make(component: ComponentProgram, inputs: Outputs, local: Outputs) -> _SandboxedPart:
        return _SandboxedPart(component, inputs, local, _Run(seconds, should_stop, declare, taken, see))

    return make


@dataclass(frozen=True)
class _Run:
    seconds: float
    should_stop: Callable[[], bool]
    declare: Declare
    taken: frozenset[str]
    see: See


class _SandboxedPart:
    """One component; it begins by itself as soon as its inputs are there."""

    def __init__(self, component: ComponentProgram, inputs: Outputs, local: Outputs, run: _Run) -> None:
        self._component = component
        self._inputs = inputs
        self._local = local
        self._how = run
        self._task = asyncio.ensure_future(self._run())

    def output(self, name: str) -> pulumi.Output[Any]:
        """Return what it tells by that name, with what it made as that which it comes from."""

        async def value() -> Any:
            told = await self._task
            found = told.outputs.get(name)
            if found is None and told.is_complete and not is_dry_run():
                raise pulumi.RunError(f"{self._component.name} told no output {name}")
            return None if found is None else _whole(rpc.unwrap_rpc_secret(found))

        async def known() -> bool:
            told = await self._task
            return name in told.outputs and not rpc.contains_unknowns(told.outputs[name])

        async def secret() -> bool:
            return rpc.is_rpc_secret((await self._task).outputs.get(name))

        async def comes_from() -> set[pulumi.Resource]:
            return set(await self.resources())

        return pulumi.Output(comes_from(), value(), known(), secret())

    async def resources(self) -> list[pulumi.Resource]:
        """Return what it made; raise ``pulumi.RunError`` with the reason where it did not come to its end."""
        return [DependencyResource(urn) for urn in (await self._task).made]

    async def _run(self) -> _Told:
        given = await _given(self._inputs, self._component.secret_inputs)
        root = get_root_resource()
        stack = None if root is None else await root.urn.future()
        if stack is None:
            raise pulumi.RunError("there is no stack to make components in")
        monitor = PartMonitor(
            get_monitor(),
            self._component.providers,
            stack,
            given.needs,
            await self._processes(),
            self._component.foreseen,
        )
        told = {
            "project": pulumi.get_project(),
            "stack": pulumi.get_stack(),
            "preview": is_dry_run(),
            "inputs": given.inputs,
            "secret_inputs": given.secret,
            "unknown_inputs": given.unknown,
        }
        problem = await asyncio.to_thread(self._in_sandbox, monitor, told)
        self._how.see(self._component.name, monitor.shown, is_complete=not problem)
        problem = problem or monitor.left_out()
        if problem and not (given.unknown and not monitor.refused):
            raise pulumi.RunError(f"{self._component.name}: {_concealed(problem, given)}")
        # What is not known yet may be needed to go on: then a preview has to do with what came before.
        outputs = {} if problem else rpc.deserialize_properties(monitor.outputs, keep_unknowns=True)
        return _Told(outputs, tuple(monitor.made), is_complete=not problem)

    async def _processes(self) -> Processes | None:
        if not self._local:
            return None
        local = await _given(self._local, ())
        fixed = {**local.inputs, **dict.fromkeys(local.unknown)}
        return Processes(self._component.name, fixed, local.needs, self._how.declare, self._how.taken)

    def _in_sandbox(self, monitor: PartMonitor, told: Mapping[str, Any]) -> str:
        with door(monitor) as socket:
            how = self._how
            problem = run_in_sandbox(self._component, told, socket, how.seconds, how.should_stop)
        return monitor.refused or problem


async def _given(inputs: Outputs, secret_inputs: tuple[str, ...]) -> _Given:
    given = _Given({}, [], [], [])
    resources: set[pulumi.Resource] = set()
    for name, output in inputs.items():
        resources |= await output.resources()
        if name in secret_inputs or await output.is_secret():
            given.secret.append(name)
        if await output.is_known():
            given.inputs[name] = _whole(await output.future())
        else:
            given.unknown.append(name)
    urns = [await each.urn.future() for each in resources]
    given.needs.extend(sorted({urn for urn in urns if urn is not None}))
    return given


def _concealed(problem: str, given: _Given) -> str:
    """Return what a component complained of without the secrets that it was given."""
    hidden = {
        each for name in given.secret for each in texts_in(given.inputs.get(name)) if len(each) >= SHORTEST_SECRET
    }
    for each in sorted(hidden, key=len, reverse=True):
        problem = problem.replace(each, SECRET_TEXT)
    return problem


def _whole(value: Any) -> Any:
    """Return JSON data with whole numbers as such: the protocol knows fractions alone."""
    if isinstance(value, dict):
        return {name: _whole(each) for name, each in value.items()}
    if isinstance(value, list):
        return [_whole(each) for each in value]
    return int(value) if isinstance(value, float) and value.is_integer() else value

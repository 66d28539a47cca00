"""Turns a program that is data into resources of the engine; runs in the child process alone."""

import asyncio
import json
from collections.abc import Awaitable, Callable, Mapping
from typing import Any, Protocol
from urllib.parse import quote

import pulumi

from workers.engine import ComponentProgram, ProgramLookup, ProgramResource, StackProgram
from workers.engine.references import Reference, in_order, outputs_of, split


class Part(Protocol):
    """A component that is being made among a program's resources."""

    def output(self, name: str) -> pulumi.Output[Any]:
        """Return what it tells by that name."""
        ...

    async def resources(self) -> list[pulumi.Resource]:
        """Return what it made, once it came to its end; raise ``pulumi.RunError`` where it did not."""
        ...


Outputs = Mapping[str, "pulumi.Output[Any]"]
MakePart = Callable[[ComponentProgram, Outputs, Outputs], Part]
"""What makes a component, given what it takes and what its processes get."""
IN_URLS = "_in_urls"
Made = Mapping[str, pulumi.CustomResource | Part]


def build(program: StackProgram, make_part: MakePart | None = None) -> Callable[[], Awaitable[None]]:
    """Return the inline program that declares the resources, has the parts made and exports the outputs."""
    ordered = in_order(program)

    async def run() -> None:
        made: dict[str, pulumi.CustomResource | Part] = {}
        parts: list[Part] = []
        for each in ordered:
            if isinstance(each, ProgramResource):
                made[each.name] = _declare(each, outputs_of(program, each.name), made)
            elif isinstance(each, ProgramLookup):
                made[each.name] = _Answer(each, made)
            elif make_part is not None:
                parts.append(make_part(each, _outputs(each.inputs, made), _outputs(each.local, made)))
                made[each.name] = parts[-1]
        for name, value in program.outputs.items():
            resolved = _resolve(value, made)
            pulumi.export(name, pulumi.Output.secret(resolved) if name in program.secret_outputs else resolved)
        await asyncio.gather(*(each.resources() for each in parts))

    return run


class _Answer:
    """What a provider answers to a lookup: secret, and known once what it was asked about is there."""

    def __init__(self, lookup: ProgramLookup, made: Made) -> None:
        asked = {name: _resolve(value, made) for name, value in lookup.inputs.items()}
        self._name = lookup.name
        self._answer = pulumi.Output.secret(pulumi.runtime.invoke_output(lookup.function, asked))

    def output(self, name: str) -> pulumi.Output[Any]:
        """Return what was answered under a name; with ``_in_urls`` as it stands in an address."""

        def find(answer: Any) -> Any:
            own = name.removesuffix(IN_URLS)
            if not isinstance(answer, Mapping) or answer.get(own) is None:
                raise pulumi.RunError(f"what was asked as {self._name} was answered without {own}")
            return quote(str(answer[own]), safe="") if own != name else answer[own]

        return self._answer.apply(find)

    async def resources(self) -> list[pulumi.Resource]:
        """Return nothing: none is made."""
        return []


def _outputs(values: Mapping[str, Any], made: Made) -> Outputs:
    return {name: pulumi.Output.from_input(_resolve(value, made)) for name, value in values.items()}


def _declare(resource: ProgramResource, referred: set[str], made: Made) -> pulumi.CustomResource:
    inputs = {
        name: pulumi.Output.secret(_resolve(value, made)) if name in resource.secret_inputs else _resolve(value, made)
        for name, value in resource.inputs.items()
    }
    # An output becomes an attribute only where it is declared, and an input without a value declares it.
    declared = dict.fromkeys(referred - inputs.keys() - {"id", "urn"})
    options = pulumi.ResourceOptions(depends_on=_needed([made[name] for name in resource.depends_on]))
    return pulumi.CustomResource(resource.type, resource.name, {**inputs, **declared}, options)


def _needed(each: list[pulumi.CustomResource | Part]) -> Any:
    """Return the resources that another waits for; of a component all that it made, once that is known."""
    resources = [one for one in each if isinstance(one, pulumi.CustomResource)]
    parts = [one for one in each if not isinstance(one, pulumi.CustomResource)]
    if not parts:
        return resources

    async def known() -> list[pulumi.Resource]:
        of_parts = await asyncio.gather(*(part.resources() for part in parts))
        return [*resources, *(one for found in of_parts for one in found)]

    return pulumi.Output.from_input(known())


def _resolve(value: Any, made: Made) -> Any:
    """Replace references inside JSON data by the outputs they name."""
    if isinstance(value, Mapping):
        return {name: _resolve(item, made) for name, item in value.items()}
    if isinstance(value, list | tuple):
        return [_resolve(item, made) for item in value]
    if not isinstance(value, str):
        return value
    parts = [_output(made, part) if isinstance(part, Reference) else part for part in split(value)]
    if not parts:
        return ""
    if len(parts) == 1:
        return parts[0]
    return pulumi.Output.all(*parts).apply(lambda values: "".join(_text(item) for item in values))


def _output(made: Made, reference: Reference) -> pulumi.Output[Any]:
    output = _whole_output(made, reference)
    return output.apply(lambda value: _inside(value, reference)) if reference.path else output


def _inside(value: Any, reference: Reference) -> Any:
    for step in reference.path:
        if isinstance(value, Mapping) and step in value:
            value = value[step]
        elif isinstance(value, list) and step.isdecimal() and int(step) < len(value):
            value = value[int(step)]
        else:
            raise pulumi.RunError(f"{reference.output} of {reference.resource} holds no {step}")
    return value


def _whole_output(made: Made, reference: Reference) -> pulumi.Output[Any]:
    found = made[reference.resource]
    if not isinstance(found, pulumi.CustomResource):
        return found.output(reference.output)
    output: pulumi.Output[Any] = getattr(found, reference.output)

    def known(value: Any) -> Any:
        if value is None:
            raise pulumi.RunError(f"the resource {reference.resource} has no output {reference.output}")
        return int(value) if isinstance(value, float) and value.is_integer() else value

    return output.apply(known)


def _text(value: Any) -> str:
    if isinstance(value, bool | list | dict):
        return json.dumps(value)
    return str(value)

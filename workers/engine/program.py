"""Turns a program that is data into resources of the engine; runs in the child process alone."""

from collections.abc import Callable, Mapping
from typing import Any

import pulumi

from workers.engine import ProgramResource, StackProgram
from workers.engine.references import Reference, in_order, outputs_of, split


def build(program: StackProgram) -> Callable[[], None]:
    """Return the inline program that declares the resources and exports the outputs."""
    ordered = in_order(program)

    def run() -> None:
        made: dict[str, pulumi.CustomResource] = {}
        for resource in ordered:
            made[resource.name] = _declare(resource, outputs_of(program, resource.name), made)
        for name, value in program.outputs.items():
            resolved = _resolve(value, made)
            pulumi.export(name, pulumi.Output.secret(resolved) if name in program.secret_outputs else resolved)

    return run


def _declare(
    resource: ProgramResource, referred: set[str], made: Mapping[str, pulumi.CustomResource]
) -> pulumi.CustomResource:
    inputs = {
        name: pulumi.Output.secret(_resolve(value, made)) if name in resource.secret_inputs else _resolve(value, made)
        for name, value in resource.inputs.items()
    }
    # An output becomes an attribute only where it is declared, and an input without a value declares it.
    declared = dict.fromkeys(referred - inputs.keys() - {"id", "urn"})
    options = pulumi.ResourceOptions(depends_on=[made[name] for name in resource.depends_on])
    return pulumi.CustomResource(resource.type, resource.name, {**inputs, **declared}, options)


def _resolve(value: Any, made: Mapping[str, pulumi.CustomResource]) -> Any:
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


def _output(made: Mapping[str, pulumi.CustomResource], reference: Reference) -> pulumi.Output[Any]:
    output: pulumi.Output[Any] = getattr(made[reference.resource], reference.output)

    def known(value: Any) -> Any:
        if value is None:
            raise pulumi.RunError(f"the resource {reference.resource} has no output {reference.output}")
        return int(value) if isinstance(value, float) and value.is_integer() else value

    return output.apply(known)


def _text(value: Any) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    return str(value)

"""References between the resources of a program, and the order and the mistakes that follow from them."""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from graphlib import CycleError, TopologicalSorter
from typing import Any

from workers.engine import ComponentProgram, EngineError, ErrorKind, ProgramLookup, ProgramResource, StackProgram

_PART = re.compile(r"\$\$\{|\$\{([^}]*)\}")
_REFERENCE = re.compile(r"([A-Za-z0-9_-]+)\.([A-Za-z_][A-Za-z0-9_]*)((?:\.(?:[A-Za-z_][A-Za-z0-9_-]*|[0-9]+))*)")
_NAME = re.compile(r"[A-Za-z0-9_-]{1,100}")
_TYPE = re.compile(r"[A-Za-z0-9_.-]+:[A-Za-z0-9_./-]*:[A-Za-z0-9_.-]+")


Declared = ProgramResource | ComponentProgram | ProgramLookup


@dataclass(frozen=True, slots=True)
class Reference:
    """One output of one resource, or of one component; ``path`` leads to what is meant inside of it."""

    resource: str
    output: str
    path: tuple[str, ...] = ()


def split(text: str) -> list[str | Reference]:
    """Cut a string into literal text and references; raise `EngineError` for what is neither."""
    parts: list[str | Reference] = []
    end = 0
    for match in _PART.finditer(text):
        parts.append(text[end : match.start()])
        end = match.end()
        if match[1] is None:
            parts.append("${")
            continue
        reference = _REFERENCE.fullmatch(match[1])
        if reference is None:
            raise _mistake(f"{match[0]!r} is not a reference of the form ${{resource.output}}")
        parts.append(Reference(reference[1], reference[2], tuple(reference[3].split(".")[1:])))
    parts.append(text[end:])
    return [part for part in parts if part != ""]


def escaped(text: str) -> str:
    """Return literal text as a program writes it."""
    return text.replace("${", "$${")


def references(value: Any) -> Iterator[Reference]:
    """Yield every reference inside JSON data."""
    if isinstance(value, str):
        yield from (part for part in split(value) if isinstance(part, Reference))
    elif isinstance(value, Mapping):
        for item in value.values():
            yield from references(item)
    elif isinstance(value, list | tuple):
        for item in value:
            yield from references(item)


def in_order(program: StackProgram) -> list[Declared]:
    """Return resources and parts so that each comes after those it needs; raise `EngineError` for what cannot work."""
    declared: tuple[Declared, ...] = (*program.resources, *program.parts, *program.lookups)
    by_name = {each.name: each for each in declared}
    if len(by_name) != len(declared):
        raise _mistake("two resources have the same name")
    needs = {each.name: _needs(each) for each in declared}
    for name, needed in needs.items():
        for other in needed:
            if other not in by_name:
                raise _mistake(f"it refers to {other!r}, which is not in the program", name)
    for reference in references(dict(program.outputs)):
        if reference.resource not in by_name:
            raise _mistake(f"an output refers to {reference.resource!r}, which is not in the program")
    try:
        return [by_name[name] for name in TopologicalSorter(needs).static_order()]
    except CycleError as error:
        raise _mistake(f"the resources need each other in a circle: {' -> '.join(error.args[1])}") from error


def _needs(resource: Declared) -> list[str]:
    if not _NAME.fullmatch(resource.name):
        raise _mistake(f"{resource.name!r} is not a name: letters, digits, '_' and '-', at most 100", resource.name)
    if isinstance(resource, ComponentProgram):
        return [reference.resource for reference in references([dict(resource.inputs), dict(resource.local)])]
    kind = resource.function if isinstance(resource, ProgramLookup) else resource.type
    if not _TYPE.fullmatch(kind):
        raise _mistake(f"{kind!r} is not a type of the form package:module:Type", resource.name)
    if isinstance(resource, ProgramLookup):
        return [reference.resource for reference in references(dict(resource.inputs))]
    return [*(reference.resource for reference in references(dict(resource.inputs))), *resource.depends_on]


def outputs_of(program: StackProgram, name: str) -> set[str]:
    """Return the outputs of a resource that anything in the program refers to."""
    declared: tuple[Declared, ...] = (*program.resources, *program.parts, *program.lookups)
    values = [dict(each.inputs) for each in declared] + [dict(each.local) for each in program.parts]
    return {found.output for found in references([*values, dict(program.outputs)]) if found.resource == name}


def _mistake(message: str, resource: str | None = None) -> EngineError:
    return EngineError(ErrorKind.FAILED, f"the program is not valid: {message}", resource=resource)

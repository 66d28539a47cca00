"""The way from a file's text to components: which format, what was found wrong, and one error for all of it."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from graphlib import CycleError, TopologicalSorter
from typing import Any

from pydantic import ValidationError

from catalog.assets.blueprint_spec import (
    COMPONENT_VALUES,
    RESERVED_ROOTS,
    SECRET_VALUES,
    BlueprintSpec,
    EnvironmentSpec,
    ProcessComponent,
    parse_spec,
)
from catalog.assets.findings import Finding
from catalog.assets.located import DocumentRefusedError
from catalog.assets.repository_files.compose import read_compose
from catalog.assets.repository_files.notes import Notes
from catalog.assets.repository_files.procfile import read_procfile
from catalog.assets.repository_files.score import read_score
from catalog.assets.shapes import dotted
from catalog.assets.wiring import Reference, references, texts
from catalog.errors import FieldError, InvalidInputError

_MOST_TOLD = 5
_READERS: Mapping[str, Callable[[bytes, Notes], dict[str, Any]]] = {
    "compose": read_compose,
    "score": read_score,
    "procfile": read_procfile,
}


class SourceRefusedError(InvalidInputError):
    """A file of a repository that holds what is not understood; the text names file, line, trouble and fix."""

    code = "repository_file_refused"

    def __init__(self, findings: Sequence[Finding]) -> None:
        told = [f"{each.path}:{each.line or 1}: {each.message} {each.fix}" for each in findings[:_MOST_TOLD]]
        more = len(findings) - len(told)
        rest = [f"And {more} more."] if more > 0 else []
        fields = [FieldError(f"/{each.path}", f"line {each.line or 1}: {each.message}") for each in findings]
        super().__init__(" ".join([*told, *rest]), fields)
        self.findings = tuple(findings)


def components_of(form: str, path: str, data: bytes) -> dict[str, Any]:
    """Return the components that a file describes, as a manifest writes them; ``form`` is a key of its formats.

    Raises ``SourceRefusedError`` for what cannot be read, is not understood, or is not allowed.
    """
    notes = Notes(path)
    try:
        made = _READERS[form](data, notes)
    except DocumentRefusedError as refused:
        raise SourceRefusedError([refused.finding]) from None
    if notes.findings:
        raise SourceRefusedError(notes.findings)
    if not made:
        fix = "Describe at least one service."
        raise SourceRefusedError([Finding("nothing-described", path, 1, "The file describes nothing that runs.", fix)])
    return made


def with_components(spec: BlueprintSpec, found: Mapping[str, Any]) -> BlueprintSpec:
    """Return a blueprint's spec with the components that the file of its environment describes, and without the file.

    Where the blueprint has one of the same name, that counts. Raises ``SourceRefusedError`` where the whole does not
    fit together.
    """
    environment = spec.environment
    path = "" if environment.file is None else environment.file.path
    raw = spec.model_dump(mode="json", by_alias=True, exclude_unset=True)
    kept = {key: value for key, value in raw["environment"].items() if key != "from"}
    whole = {**kept, "components": {**found, **kept.get("components", {})}}
    try:
        made = parse_spec({"spec": {**raw, "environment": whole}})
    except ValidationError as error:
        told = [
            Finding("not-understood", path, 1, f"{dotted(each['loc'][2:])}: {each['msg']}.", "Correct it.")
            for each in error.errors(include_url=False)
        ]
        raise SourceRefusedError(told) from None
    wrong = [*_loose(made.environment, path), *_shown(made.environment, path)]
    if wrong:
        raise SourceRefusedError(wrong)
    return made


def _taken(environment: EnvironmentSpec) -> Iterator[tuple[str, Reference]]:
    """Yield the references of what is passed to components, each with the component that gets it."""
    for name, process in environment.processes.items():
        health = () if process.health is None else (process.health.path,)
        yield from ((name, each) for text in (*process.env.values(), *health) for each in references(text))
    for name, part in environment.parts.items():
        yield from ((name, each) for text in texts(part.inputs) for each in references(text))


def _shown(environment: EnvironmentSpec, path: str) -> Iterator[Finding]:
    """Yield health paths with what is secret."""
    for name, process in environment.processes.items():
        for reference in references("" if process.health is None else process.health.path):
            backing = environment.backing.get(reference.root)
            if backing is not None and reference.path[1] in SECRET_VALUES[backing.type]:
                message = f"The health path of {name} would show {reference}, which is secret."
                yield Finding("wiring", path, 1, message, "Pass it in env.")


def _loose(environment: EnvironmentSpec, path: str) -> Iterator[Finding]:
    """Yield references that lead to nothing, and components that wait for each other."""
    sorter: TopologicalSorter[str] = TopologicalSorter()
    for name, process in environment.processes.items():
        used = [each for text in process.env.values() for each in references(text)]
        named = {each.root for each in used if each.root in environment.components} | set(process.depends_on)
        sorter.add(name, *sorted(named))
        for missing in sorted(set(process.depends_on) - environment.components.keys()):
            yield Finding("depends-on", path, 1, f"{name} depends on {missing}, which is not there.", "Remove it.")
    yield from _wrongly_taken(environment, path)
    yield from _wrongly_told(environment, path)
    try:
        sorter.prepare()
    except CycleError as cycle:
        circle = " needs ".join(reversed(cycle.args[1]))
        yield Finding("component-cycle", path, 1, f"The services wait for each other: {circle}.", "Break the circle.")


def _wrongly_taken(environment: EnvironmentSpec, path: str) -> Iterator[Finding]:
    if not environment.processes:
        yield Finding(
            "no-process", path, 1, "Nothing of it runs an application.", "Describe a service of the application."
        )
    for name, reference in _taken(environment):
        component = environment.components.get(reference.root)
        if component is None and reference.root not in RESERVED_ROOTS:
            message = f"{name} takes something from {reference.root}, which is not there."
            yield Finding("wiring", path, 1, message, f"There are {', '.join(environment.components)}.")
        elif component is not None and reference.path[1] not in COMPONENT_VALUES.get(component.type, reference.path):
            message = f"{name} takes {reference}, and {reference.root} is a {component.type} that has no such value."
            yield Finding("wiring", path, 1, message, f"There are {', '.join(COMPONENT_VALUES[component.type])}.")


def _wrongly_told(environment: EnvironmentSpec, path: str) -> Iterator[Finding]:
    for output, text in environment.outputs.items():
        for reference in references(text):
            component = environment.components.get(reference.root)
            known = () if component is None else COMPONENT_VALUES.get(component.type, ())
            if component is None and reference.root not in {"inputs", "source", "environment"}:
                message = f"The output {output} refers to {reference.root}, which the file does not describe."
                yield Finding("wiring", path, 1, message, f"There are {', '.join(environment.components)}.")
            elif component is not None and reference.path[1] not in known:
                message = f"The output {output} refers to {reference}, which does not exist."
                yield Finding("wiring", path, 1, message, f"There are {', '.join(known)}.")
            elif component is not None and not isinstance(component, ProcessComponent):
                message = f"The output {output} would show what is behind the application."
                yield Finding("wiring", path, 1, message, "Show the address of a process.")

"""Blueprints made of other assets: what is passed between them has the right type, and blueprints join into one.

Everything here is text and schemas. Joining copies a part's components under names of their own and writes into their
texts what the whole passes to them, so that whoever makes an environment meets processes and components of packages.
"""

import json
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from pydantic import ValidationError

from catalog.assets.blueprint_spec import ALWAYS_SECRET, MOST_COMPONENTS, SECRET_VALUES, BlueprintSpec, Part, parse_spec
from catalog.assets.compatibility.normal import kinds_of, parts_of
from catalog.assets.findings import printable
from catalog.assets.located import Place
from catalog.assets.shapes import dotted, suggestion
from catalog.assets.wired_types import BUILT_IN, OF_COMPONENT, TEXT, Schema, at, misfits, missing, plain, type_of
from catalog.assets.wiring import Reference, parse_wiring, references, texts

COMPONENTS: Place = ("spec", "environment", "components")
DEEPEST = 5
"""How deep blueprints may stand in each other."""


class PartsError(ValueError):
    """Blueprints that cannot be joined; the message is a sentence for people."""


@dataclass(frozen=True)
class PackageComponent:
    """One component of a component package, with the JSON Schemas of what it takes and tells."""

    label: str
    asset: str
    name: str
    input_schema: Schema
    output_schema: Schema

    @property
    def outputs(self) -> Collection[str]:
        """The names of what it tells."""
        return dict(plain(self.output_schema).get("properties", {}))


@dataclass(frozen=True)
class Blueprint:
    """A blueprint with everything that it is made of: ``parts`` by the name of the component."""

    label: str
    manifest: Mapping[str, Any]
    input_schema: Schema = field(default_factory=dict)
    output_schema: Schema = field(default_factory=dict)
    parts: Mapping[str, "Blueprint | PackageComponent"] = field(default_factory=dict)

    @property
    def spec(self) -> BlueprintSpec:
        """What it says of environments."""
        return parse_spec(self.manifest)

    @property
    def outputs(self) -> Collection[str]:
        """The names of what its environment tells."""
        return self.spec.environment.outputs

    @property
    def blueprints(self) -> "Mapping[str, Blueprint]":
        """Those of its parts that are blueprints."""
        return {name: each for name, each in self.parts.items() if isinstance(each, Blueprint)}


@dataclass(frozen=True)
class Misfit:
    """Something that is passed and not taken, or taken and not there; ``place`` is in the manifest of the whole."""

    place: Place
    message: str
    fix: str


def check_parts(whole: Blueprint) -> Iterator[Misfit]:
    """Yield where what is wired into parts, or out of them, does not have the type that the other side's schema says.

    Every reference must be known to exist already, but for those to outputs of parts. What cannot be shown to fit does
    not fit, as everywhere in the compatibility gate.
    """
    spec = whole.spec
    for name, component in spec.environment.parts.items():
        yield from _passed(whole, spec, name, component)
    for place, text in _wired(spec):
        for reference in references(text):
            part = whole.parts.get(reference.root)
            if part is not None:
                yield from _told(part, reference, place)


def _told(part: Blueprint | PackageComponent, reference: Reference, place: Place) -> Iterator[Misfit]:
    name, *inside = reference.path[2:]
    if name not in part.outputs:
        fix = suggestion(name, sorted(part.outputs))
        yield Misfit(place, f"{dotted(place)}: {part.label} has no output {name}.", fix)
    elif inside:
        step = missing(plain(part.output_schema)["properties"][name], inside)
        if step is not None:
            message = f"{dotted(place)}: {name} of {part.label} does not always hold {step}."
            yield Misfit(place, message, "Refer to what its schema requires in every object on the way.")


def _passed(whole: Blueprint, spec: BlueprintSpec, name: str, component: Part) -> Iterator[Misfit]:
    part = whole.parts[name]
    place: Place = (*COMPONENTS, name, "inputs")
    taken = plain(part.input_schema or {"type": "object", "additionalProperties": False})
    known = [*taken.get("properties", {})]
    unknown = [each for each in component.inputs if each not in known]
    for each in unknown:
        yield Misfit((*place, each), f"{part.label} has no input {printable(each[:80])}.", suggestion(each, known))
    given = {key: value for key, value in component.inputs.items() if key not in unknown}
    schema = plain(whole.input_schema)
    for key, value in given.items():
        yield from _secrecy(part, (spec, schema), (*place, key), value, taken["properties"][key])
    for gap in misfits(type_of(given, lambda reference: _schema_of(whole, spec, schema, reference)), taken):
        steps = tuple(step.replace("~1", "/").replace("~0", "~") for step in gap.pointer.split("/")[1:])
        if gap.what == "leaving it out" and len(steps) == 1:
            yield Misfit(place, f"{part.label} needs the input {steps[0]}.", f"Add {steps[0]}.")
            continue
        could = "could be" if gap.certain else "cannot be shown not to be"
        message = f"{dotted((*place, *steps))}: {part.label} does not take what this {could}: {gap.what}."
        yield Misfit((*place, *steps), message, "Pass what its inputs.schema.json takes, or narrow your own input.")


def _secrecy(
    part: Blueprint | PackageComponent,
    known: tuple[BlueprintSpec, Schema],
    place: Place,
    value: Any,
    wanted: Mapping[str, Any],
) -> Iterator[Misfit]:
    keeps = wanted.get("writeOnly") is True
    used = [each for text in texts(value) for each in references(text)]
    for reference in used:
        if not keeps and _is_secret(reference, *known):
            message = f"{dotted(place)}: {reference} is secret, and {part.label} would show it."
            yield Misfit(place, message, "Pass secrets to inputs that are writeOnly.")
    if keeps and not used:
        message = f"{dotted(place)}: a secret would stand in the manifest for everybody to read."
        yield Misfit(place, message, "Take it as an input of your own that is writeOnly, and pass that.")


def _is_secret(reference: Reference, spec: BlueprintSpec, schema: Schema) -> bool:
    if reference.root == "inputs":
        found = at(schema, reference.path[1:])
        return found is not None and found[1]
    if reference.root == "secrets":
        return True
    if spec.environment.file is not None and reference.root not in spec.environment.components:
        return reference.path[1] in ALWAYS_SECRET
    backing = spec.environment.backing.get(reference.root)
    return backing is not None and reference.path[1] in SECRET_VALUES[backing.type]


def _schema_of(whole: Blueprint, spec: BlueprintSpec, inputs: Schema, reference: Reference) -> Schema:
    root, name = reference.path[:2]
    if root == "inputs":
        found = at(inputs, reference.path[1:])
        return TEXT if found is None else found[0]
    part = whole.parts.get(root)
    if part is not None:
        told = at(plain(part.output_schema), reference.path[2:])
        if isinstance(part, PackageComponent):
            return TEXT if told is None else told[0]
        # Whatever an output of a blueprint is called, it arrives as text.
        return told[0] if told is not None and kinds_of(parts_of(told[0])) == {"string"} else TEXT
    if root in spec.environment.components:
        return OF_COMPONENT.get(name, TEXT)
    return BUILT_IN.get((root, name), TEXT)


def _wired(spec: BlueprintSpec) -> Iterator[tuple[Place, str]]:
    environment = spec.environment
    for name, process in environment.processes.items():
        for variable, text in process.env.items():
            yield (*COMPONENTS, name, "env", variable), text
        if process.health is not None:
            yield (*COMPONENTS, name, "health", "path"), process.health.path
    for name, component in environment.parts.items():
        for key, value in component.inputs.items():
            yield from (((*COMPONENTS, name, "inputs", key), text) for text in texts(value))
    for name, text in environment.outputs.items():
        yield ("spec", "environment", "outputs", name), text


def join(whole: Blueprint) -> dict[str, Any]:
    """Return the spec of a blueprint with its parts written out: processes, components of packages, and their wiring.

    Raises ``PartsError`` where the whole has too many components, two of one name, or stands in itself.
    """
    joined = _Joint(whole, 0).spec()
    try:
        parse_spec({"spec": joined})
    except ValidationError:
        message = (
            f"Joined with its parts, the environment has more than {MOST_COMPONENTS} components, or names longer than "
            "31 characters."
        )
        raise PartsError(message) from None
    return joined


def addresses_of_its_own(whole: Blueprint) -> list[str]:
    """Return the names of repositories whose address whoever makes an environment does not give.

    An address is given where it is an input as a whole, with no default. Raises ``PartsError`` as ``join`` does.
    """
    schema = plain(whole.input_schema)
    found = _Joint(whole, 0).repositories()
    return sorted(name for name, each in found.items() if not _is_given(each.get("repository", ""), schema))


def _is_given(text: str, schema: Schema) -> bool:
    parts = parse_wiring(text)
    if len(parts) != 1 or not isinstance(parts[0], Reference) or parts[0].root != "inputs":
        return False
    return not _has_default(schema, parts[0].path[-1])


def _has_default(schema: Any, name: str) -> bool:
    """Tell whether anything in a schema gives an input of that name a value; rather too often than not."""
    if isinstance(schema, list):
        return any(_has_default(each, name) for each in schema)
    if not isinstance(schema, Mapping):
        return False
    properties = schema.get("properties")
    own = properties.get(name) if isinstance(properties, Mapping) else None
    if "default" in _names_in(own) or ("default" in schema and name in _names_in(schema["default"])):
        return True
    return any(_has_default(each, name) for each in schema.values())


def _names_in(document: Any) -> Iterator[str]:
    if isinstance(document, Mapping):
        for name, each in document.items():
            yield name
            yield from _names_in(each)
    elif isinstance(document, list):
        for each in document:
            yield from _names_in(each)


class _Joint:
    """The joining of one blueprint; texts are those of the whole, but for references that only the whole around knows.

    ``given`` is what stands for ``${inputs.x}``: the document that was passed, None for the outermost.
    """

    def __init__(self, blueprint: Blueprint, depth: int, prefix: str = "", given: Any = None) -> None:
        if depth > DEEPEST:
            raise PartsError("The blueprints stand in each other too deep.")
        if depth and blueprint.manifest["spec"]["environment"].get("from"):
            raise PartsError(f"{blueprint.label} is made of what a file of the repository says, and can be no part.")
        self._blueprint = blueprint
        self._depth = depth
        self._prefix = prefix
        self._given = given
        self._raw: Mapping[str, Any] = blueprint.manifest["spec"]["environment"]
        self._joints: dict[str, _Joint] = {}
        self._open: set[str] = set()

    def spec(self) -> dict[str, Any]:
        whole = dict(self._blueprint.manifest["spec"])
        origin = {"from": self._raw["from"]} if self._raw.get("from") else {}
        others = self.repositories()
        origin |= {"repositories": others} if others else {}
        return {**whole, "environment": {**origin, "components": self.components(), "outputs": self.outputs()}}

    def repositories(self) -> dict[str, Any]:
        made = {
            f"{self._prefix}{name}": {key: self._text(text) for key, text in each.items()}
            for name, each in self._raw.get("repositories", {}).items()
        }
        for name in self._blueprint.blueprints:
            made |= self._part(name).repositories()
        return made

    def components(self) -> dict[str, Any]:
        made: dict[str, Any] = {}
        for name, component in self._raw.get("components", {}).items():
            part = self._blueprint.parts.get(name)
            if isinstance(part, PackageComponent):
                found = {f"{self._prefix}{name}": self._component(part, component)}
            elif part is not None:
                found = self._part(name).components()
            else:
                found = {f"{self._prefix}{name}": self._process(component)}
            twice = sorted(found.keys() & made.keys())
            if twice:
                raise PartsError(f"Two components would be called {twice[0]}. Give the part another name.")
            made.update(found)
        return made

    def outputs(self) -> dict[str, str]:
        return {name: self._text(text) for name, text in self._raw["outputs"].items()}

    def output(self, name: str) -> str:
        return self._text(self._raw["outputs"].get(name, ""))

    def _process(self, component: Mapping[str, Any]) -> dict[str, Any]:
        made = dict(component)
        if "env" in made:
            made["env"] = {variable: self._text(text) for variable, text in made["env"].items()}
        if made.get("repository"):
            made["repository"] = f"{self._prefix}{made['repository']}"
        if "dependsOn" in made:
            made["dependsOn"] = [name for each in made["dependsOn"] for name in self._named(each)]
        if made.get("health"):
            made["health"] = {**made["health"], "path": self._text(made["health"].get("path", "/"))}
        return made

    def _component(self, part: PackageComponent, component: Mapping[str, Any]) -> dict[str, Any]:
        given = self._document(component.get("inputs", {}))
        return {"type": "component", "uses": part.asset, "component": part.name, "inputs": given}

    def _named(self, name: str) -> Iterator[str]:
        """Yield what a component is called in the whole; a blueprint is everything that it is made of."""
        if name in self._blueprint.blueprints:
            yield from self._part(name).components()
        else:
            yield f"{self._prefix}{name}"

    def _part(self, name: str) -> "_Joint":
        if name not in self._joints:
            if name in self._open:
                raise PartsError(f"{name} waits for itself.")
            self._open.add(name)
            given = self._document(self._raw["components"][name].get("inputs", {}))
            blueprint = self._blueprint.blueprints[name]
            self._joints[name] = _Joint(blueprint, self._depth + 1, f"{self._prefix}{name}-", given)
        return self._joints[name]

    def _document(self, value: Any) -> Any:
        """Return what is passed, with its texts as texts of the whole."""
        if isinstance(value, str):
            parts = parse_wiring(value)
            if len(parts) == 1 and isinstance(parts[0], Reference) and parts[0].root == "inputs":
                return self._passed_on(parts[0])
            return self._text(value)
        if isinstance(value, Mapping):
            return {name: self._document(each) for name, each in value.items()}
        return [self._document(each) for each in value] if isinstance(value, list) else value

    def _passed_on(self, reference: Reference) -> Any:
        return str(reference) if self._given is None else self._input(reference.path[1:])

    def _text(self, text: str) -> str:
        return "".join(
            self._value(part) if isinstance(part, Reference) else part.replace("${", "$${")
            for part in parse_wiring(text)
        )

    def _value(self, reference: Reference) -> str:
        root = reference.root
        if root == "inputs":
            return _as_text(self._passed_on(reference))
        if root in self._blueprint.blueprints:
            return self._part(root).output(reference.path[2])
        if root in self._raw.get("components", {}):
            return str(Reference((f"{self._prefix}{root}", *reference.path[1:])))
        return str(reference)

    def _input(self, path: tuple[str, ...]) -> Any:
        """Return what was passed for an input, or its default; a reference to an object is followed into it."""
        found, schema = self._given, self._blueprint.input_schema
        for index, step in enumerate(path):
            if isinstance(found, str):
                parts = parse_wiring(found)
                inner = parts[0] if len(parts) == 1 and isinstance(parts[0], Reference) else None
                if inner is not None and inner.root != "inputs":
                    raise PartsError(f"{inner} is passed as a whole, and a part takes something out of it.")
                return "" if inner is None else str(Reference((*inner.path, *path[index:])))
            schema = schema.get("properties", {}).get(step, {})
            found = found.get(step, _quoted(schema.get("default", ""))) if isinstance(found, Mapping) else ""
        return found


def _quoted(value: Any) -> Any:
    """Return a default as a text of wiring: what looks like a reference in it is none."""
    if isinstance(value, str):
        return value.replace("${", "$${")
    if isinstance(value, Mapping):
        return {name: _quoted(each) for name, each in value.items()}
    return [_quoted(each) for each in value] if isinstance(value, list) else value


def _as_text(value: Any) -> str:
    if isinstance(value, str):
        return value
    return json.dumps(value).replace("${", "$${")

"""What a blueprint says of an environment, checked at publishing: components, wiring, order, outputs and times."""

import re
from collections.abc import Iterator, Mapping, Sequence
from datetime import timedelta
from graphlib import CycleError, TopologicalSorter
from typing import Any

from catalog.assets.blueprint_spec import (
    ALWAYS_SECRET,
    COMPONENT_VALUES,
    ENVIRONMENT_VALUES,
    LONGEST_HEALTH_TIMEOUT,
    RESERVED_ROOTS,
    RESERVED_VARIABLES,
    SECRET_VALUES,
    SOURCE_VALUES,
    Backing,
    BlueprintSpec,
    Component,
    PackagedComponent,
    Part,
    PostgresComponent,
    ProcessComponent,
)
from catalog.assets.compatibility.normal import kinds_of, parts_of
from catalog.assets.durations import parse_duration
from catalog.assets.findings import Finding
from catalog.assets.located import Place
from catalog.assets.package import Package
from catalog.assets.shapes import dotted, suggestion
from catalog.assets.wired_types import plain, problem_of
from catalog.assets.wiring import Reference, parse_wiring, references, texts

_KINDS = {"blueprint": "deployment-blueprint", "component": "component-package"}
"""What kind of asset a part of each type is."""
_COMPONENTS: Place = ("spec", "environment", "components")
_OUTPUTS: Place = ("spec", "environment", "outputs")
_SHORTEST_LIFE = timedelta(minutes=1)
_SECRET = re.compile(r"[A-Za-z_][A-Za-z0-9_]{0,62}")


def check_environment(package: Package, spec: BlueprintSpec) -> Iterator[Finding]:
    """Yield what is wrong with components, their wiring and order, outputs and times."""
    checks = _Checks(package, spec)
    yield from checks.names()
    yield from checks.repositories()
    yield from checks.processes()
    yield from checks.backing()
    yield from checks.parts()
    yield from checks.wiring()
    yield from checks.order()
    yield from checks.address()
    yield from checks.life()


class _Checks:
    """The checks of one blueprint, each reporting all it finds."""

    def __init__(self, package: Package, spec: BlueprintSpec) -> None:
        self.package = package
        self.spec = spec
        self.components = spec.environment.components
        self.open = spec.environment.file is not None
        """Whether there are components that only the repository knows."""

    def names(self) -> Iterator[Finding]:
        if not self.components and self.spec.environment.file is None:
            message = "The environment has no components."
            yield self.package.finding("component-missing", _COMPONENTS, message, "Add one, or say from which file.")
        for name in self.components:
            if name in RESERVED_ROOTS:
                message = f"A component cannot be called {name}, because ${{{name}.x}} means something else."
                yield self.package.finding("component-name", (*_COMPONENTS, name), message, "Give it another name.")

    def repositories(self) -> Iterator[Finding]:
        known = self.spec.environment.repositories
        for name, other in known.items():
            place = ("spec", "environment", "repositories", name)
            if other.commit is not None:
                message = f"{dotted((*place, 'commit'))} is written down when an environment is requested."
                yield self.package.finding("repository", (*place, "commit"), message, "Write it as ref.")
            for key, text in (("repository", other.repository), ("ref", other.ref)):
                yield from self._references(text, (*place, key), shown=True)
                for reference in references(text):
                    if reference.root != "inputs":
                        message = f"{dotted((*place, key))}: {reference} is not known when it is looked for."
                        yield self.package.finding("wiring", (*place, key), message, "Refer to inputs alone.")
        for name, component in self.spec.environment.processes.items():
            if component.repository is not None and component.repository not in known:
                message = f"{dotted((*_COMPONENTS, name))} comes from {component.repository}, which is no repository."
                fix = suggestion(component.repository, [*known])
                yield self.package.finding("repository", (*_COMPONENTS, name, "repository"), message, fix)

    def processes(self) -> Iterator[Finding]:
        for name, component in self.spec.environment.processes.items():
            place = (*_COMPONENTS, name)
            nothing = component.procfile is None and component.command is None and component.image is None
            if nothing or (component.procfile is not None and component.command is not None):
                message = f"{dotted(place)} needs either procfile or command."
                fix = "Write procfile: web to run an entry of the repository's Procfile."
                yield self.package.finding("process-command", place, message, fix)
            if component.command is not None and any(f"${{{root}." in component.command for root in RESERVED_ROOTS):
                message = "A command is given to the shell as it stands and holds no references."
                fix = 'Pass the value in env and write it as a shell variable, such as "$GREETING".'
                yield self.package.finding("command-reference", (*place, "command"), message, fix)
            for variable in component.env:
                if variable in RESERVED_VARIABLES:
                    message = f"{variable} is set by the process host."
                    yield self.package.finding("reserved-variable", (*place, "env", variable), message, "Remove it.")
            for index, other in enumerate(component.depends_on):
                if (other not in self.components and not self.open) or other == name:
                    message = f"{dotted(place)} depends on {other}, which is no other component."
                    fix = suggestion(other, [each for each in self.components if each != name])
                    yield self.package.finding("depends-on", (*place, "dependsOn", index), message, fix)
            yield from self._health(place, component)

    def _health(self, place: Place, component: ProcessComponent) -> Iterator[Finding]:
        if component.health is None:
            return
        ways = sorted(component.health.model_fields_set & {"path", "tcp", "command", "running"})
        if len(ways) > 1:
            message = f"{dotted((*place, 'health'))} asks in several ways: {' and '.join(ways)}."
            yield self.package.finding("health-way", (*place, "health"), message, "Keep one of them.")
        if not component.health.path.startswith(("/", "${inputs.")):
            message = "A health path begins with a slash."
            yield self.package.finding("health-path", (*place, "health", "path"), message, "Write one such as /health.")
        timeout = parse_duration(component.health.timeout)
        if not timedelta(seconds=1) <= timeout <= LONGEST_HEALTH_TIMEOUT:
            message = "A health timeout lies between one second and ten minutes."
            yield self.package.finding("health-timeout", (*place, "health", "timeout"), message, "Write PT60S.")

    def backing(self) -> Iterator[Finding]:
        for name, component in self.spec.environment.backing.items():
            seed = component.seed if isinstance(component, PostgresComponent) else None
            if seed is not None and (seed.sql is None) == (seed.command is None):
                place = (*_COMPONENTS, name, "seed")
                message = f"{dotted(place)} needs either sql or command."
                yield self.package.finding(
                    "seed", place, message, "Write sql: db/seed.sql for a file of the repository."
                )

    def parts(self) -> Iterator[Finding]:
        """Check what can be checked of parts without the blueprints that they are; the rest is for `check_parts`."""
        aliases = {each.alias: each for each in self.package.manifest.dependencies if each.alias is not None}
        for name, component in self.spec.environment.parts.items():
            place = (*_COMPONENTS, name)
            dependency = aliases.get(component.uses)
            if dependency is None:
                message = f"{dotted(place)} uses {component.uses}, which is the alias of no dependency."
                fix = suggestion(component.uses, [*aliases])
                yield self.package.finding("part-unknown", (*place, "uses"), message, fix)
            elif dependency.kind != _KINDS[component.type] or dependency.optional:
                message = f"{dotted(place)} uses {dependency.asset}, which is no needed {_KINDS[component.type]}."
                fix = (
                    f"A part is a {_KINDS[component.type]} that is always there: correct its kind, leave optional out."
                )
                yield self.package.finding("part-kind", (*place, "uses"), message, fix)
            problem = problem_of(component.inputs)
            if problem is not None:
                yield self.package.finding("wiring", (*place, "inputs"), f"{dotted(place)}: {problem}", "Correct it.")

    def wiring(self) -> Iterator[Finding]:
        for name, component in self.spec.environment.processes.items():
            place = (*_COMPONENTS, name)
            for variable, text in component.env.items():
                yield from self._references(text, (*place, "env", variable), within=name)
            if component.image is not None:
                yield from self._image(place, component.image)
            if component.health is not None:
                yield from self._references(component.health.path, (*place, "health", "path"), within=name, shown=True)
        for name, part in self.spec.environment.parts.items():
            for key, value in part.inputs.items() if problem_of(part.inputs) is None else ():
                for text in texts(value):
                    whole = len(parse_wiring(text)) == 1
                    place = (*_COMPONENTS, name, "inputs", key)
                    yield from self._references(text, place, within=name, whole=whole)
        for name, text in self.spec.environment.outputs.items():
            yield from self._references(text, (*_OUTPUTS, name), shown=True)

    def _references(
        self, text: str, place: Place, within: str = "", *, shown: bool = False, whole: bool = False
    ) -> Iterator[Finding]:
        for reference in references(text):
            problem = self._problem(reference, within, shown=shown, whole=whole)
            if problem is not None:
                yield self.package.finding("wiring", place, f"{dotted(place)}: {problem[0]}", problem[1])

    def _problem(self, reference: Reference, within: str, *, shown: bool, whole: bool) -> tuple[str, str] | None:
        root = reference.root
        if root == "inputs":
            return input_problem(reference, self.package.input_schema, shown=shown, whole=whole)
        if root == "secrets":
            return _secret_problem(reference, shown=shown)
        if root == within:
            return (f"{reference} refers to the component itself.", "The process has PORT and HOST already.")
        component = self.components.get(root)
        if isinstance(component, Part):
            # What a component of a package tells may be an object; every output of a blueprint is a text.
            longest = len(reference.path) if isinstance(component, PackagedComponent) else 3
            is_output = 3 <= len(reference.path) <= longest and reference.path[1] == "outputs"
            fix = f"Write ${{{root}.outputs.url}}, with the name of one of its outputs."
            return None if is_output else (f"{reference} does not exist.", fix)
        return self._value_problem(reference, component, shown=shown)

    def _value_problem(
        self, reference: Reference, component: ProcessComponent | Backing | None, *, shown: bool
    ) -> tuple[str, str] | None:
        root, name = reference.path[:2]
        built_in = {"source": SOURCE_VALUES, "environment": ENVIRONMENT_VALUES}
        hidden: Sequence[str] = ()
        if component is not None:
            known, hidden = COMPONENT_VALUES[component.type], SECRET_VALUES[component.type]
        elif root in built_in:
            known = built_in[root]
        elif self.open:
            # A component that only the repository knows; what it is shows when the file is read.
            known, hidden = tuple({value for values in COMPONENT_VALUES.values() for value in values}), [*ALWAYS_SECRET]
        else:
            names = [*RESERVED_ROOTS, *self.components]
            return (f"{reference} names no component and nothing built in.", suggestion(root, names))
        if len(reference.path) > 2 or name not in known:
            return (f"{reference} does not exist.", suggestion(name, known))
        if shown and name in hidden:
            return (f"{reference} is secret and would be shown here.", "Pass secrets in env only.")
        return None

    def _image(self, place: Place, image: str) -> Iterator[Finding]:
        """Check the name of an image, which is known before anything runs."""
        yield from self._references(image, (*place, "image"), shown=True)
        for reference in references(image):
            if reference.root not in {"inputs", "source"}:
                message = f"{dotted(place)}: an image is chosen before anything runs, so {reference} is not known."
                fix = "Refer to inputs and source alone, as in registry.example.com/web:${source.revision}."
                yield self.package.finding("wiring", (*place, "image"), message, fix)

    def order(self) -> Iterator[Finding]:
        sorter: TopologicalSorter[str] = TopologicalSorter()
        for name, component in self.components.items():
            roots = {each.root for text in _texts_of(component) for each in references(text)}
            roots |= set(component.depends_on) if isinstance(component, ProcessComponent) else set()
            sorter.add(name, *(roots & self.components.keys() - {name}))
        try:
            sorter.prepare()
        except CycleError as cycle:
            circle = " needs ".join(reversed(cycle.args[1]))
            message = f"The components wait for each other: {circle}."
            yield self.package.finding(
                "component-cycle", _COMPONENTS, message, "Remove one of the references, or of dependsOn."
            )

    def address(self) -> Iterator[Finding]:
        outputs = self.spec.environment.outputs
        if "url" not in outputs:
            fix = f"Add url: ${{{next(iter(self.components), 'web')}.url}}."
            yield self.package.finding("output-url", _OUTPUTS, "The output url is missing.", fix)
        shown = {
            each.root
            for each in references(outputs.get("url", ""))
            if each.path[1:] in (("url",), ("outputs", "url"))
            # What a component of a package tells is an address of its own, to which nothing is routed.
            and not isinstance(self.components.get(each.root), PackagedComponent | Backing)
            and (self.open or each.root in self.components)
        }
        if "url" in outputs and len(shown) != 1:
            message = "The output url shows the address of one component, which is the one that is routed."
            fix = f"Write url: ${{{next(iter(self.components), 'web')}.url}}."
            yield self.package.finding("output-url", (*_OUTPUTS, "url"), message, fix)
        properties = self.package.output_schema.get("properties", {})
        for name in self.package.output_schema.get("required", ()):
            if name not in outputs:
                message = f"outputs.schema.json requires {name}, which is no output."
                yield self.package.finding("output-missing", _OUTPUTS, message, "Add it, or do not require it.")
        for name in outputs if properties else ():
            if name not in properties:
                message = f"The output {name} is not in outputs.schema.json."
                yield self.package.finding("output-unknown", (*_OUTPUTS, name), message, "Describe it there.")

            elif "string" not in kinds_of(parts_of(plain(self.package.output_schema)["properties"][name])):
                message = f"outputs.schema.json says that {name} is no text, and every output is one."
                yield self.package.finding("output-type", (*_OUTPUTS, name), message, "Write type: string there.")

    def life(self) -> Iterator[Finding]:
        if not _SHORTEST_LIFE <= self.spec.default_ttl <= self.spec.maximum_ttl:
            message = "The default time to live lies between one minute and the maximum."
            yield self.package.finding("ttl", ("spec", "ttl"), message, "Write default: P3D and maximum: P14D.")


def _secret_problem(reference: Reference, *, shown: bool) -> tuple[str, str] | None:
    if len(reference.path) != 2 or not _SECRET.fullmatch(reference.path[1]):
        return (f"{reference} names no secret.", "Write ${secrets.NAME}, with letters, digits and underscores.")
    return (f"{reference} would be shown here.", "Pass secrets in env only.") if shown else None


def _texts_of(component: Component) -> Iterator[str]:
    """Yield the texts by which a component waits for others."""
    if isinstance(component, Part):
        yield from texts(component.inputs) if problem_of(component.inputs) is None else ()
    elif isinstance(component, ProcessComponent):
        yield from component.env.values()


def input_problem(
    reference: Reference, schema: Mapping[str, Any], *, shown: bool, whole: bool = False
) -> tuple[str, str] | None:
    """Return what is wrong with a reference to an input; where it is the ``whole`` text it may be of any type."""
    node = schema
    for step in reference.path[1:]:
        properties = node.get("properties", {})
        if not isinstance(properties.get(step), dict):
            return (f"{reference} is not in inputs.schema.json.", suggestion(step, list(properties)))
        if step not in node.get("required", ()) and "default" not in properties[step]:
            return (f"{reference} may have no value.", f"Give {step} a default in inputs.schema.json, or require it.")
        node = properties[step]
    if not whole and node.get("type") not in {"string", "integer", "number", "boolean"} and "enum" not in node:
        return (f"{reference} is not a single value.", "Refer to a text, a number or a true/false value.")
    if shown and node.get("writeOnly") is True:
        return (f"{reference} is secret (writeOnly) and would be shown here.", "Pass secrets in env only.")
    return None

"""From a blueprint and a deploy plan to the program of a stack: data in, data out, nothing of a publisher is run.

The blueprint becomes a description that is the same for every target, and the target makes a program of it.
"""

import json
from collections.abc import Iterable, Mapping
from dataclasses import replace
from typing import Any

from catalog.assets.blueprint_spec import SECRET_VALUES, Backing, Health, PostgresComponent, ProcessComponent
from catalog.assets.durations import parse_duration
from catalog.assets.offers import needs_of
from catalog.assets.wiring import Reference, parse_wiring, references, texts
from catalog.environments.service import DeployPlan
from catalog.providers.targets import provider
from catalog.providers.targets.offers import lacking
from workers.engine import ComponentProgram, StackProgram, processes_of
from workers.engine.references import escaped
from workers.environment_parts import PartPackage
from workers.targets import (
    BackingService,
    Description,
    Place,
    Probe,
    ProgramTarget,
    SeedData,
    Service,
    UnfitError,
    program_target,
)
from workers.targets.local import resource_of


def environment_program(plan: DeployPlan, place: Place, packages: Mapping[str, PartPackage]) -> StackProgram:
    """Return the program that makes the plan's environment at its target.

    ``packages`` is what its components of packages come from. The public address leads to the component that the output
    ``url`` refers to, once every component is there and healthy. Raises ``UnfitError`` where the target cannot run it.
    """
    target = program_target(plan.target)
    # Asked before as well, of what the blueprint says; a file of the repository may say more.
    problem = lacking(provider(plan.target), needs_of(plan.spec))
    if problem:
        raise UnfitError(problem)
    return target.program(describe(plan, target, packages), place)


def parts_asleep(plan: DeployPlan, present: Iterable[Mapping[str, Any]]) -> set[str]:
    """Return the components of packages that stay while the plan's environment sleeps, with what they hold.

    Those that run something, or take something of a process, go with it, and are made anew. ``present`` are the
    resources of its stack.
    """
    target = program_target(plan.target)
    parts = plan.spec.environment.packaged
    gone = {*plan.spec.environment.processes, *plan.spec.environment.backing}
    running = {str(each["name"]) for each in present if each["type"] in target.applications} - gone
    gone |= {part for part in parts if any(each.startswith(processes_of(part)) for each in running)}
    return _without(plan, gone)


def sleeping_program(
    plan: DeployPlan,
    place: Place,
    packages: Mapping[str, PartPackage],
    present: Iterable[Mapping[str, Any]],
    *,
    with_files: bool = True,
) -> StackProgram:
    """Return the program of the plan's environment while it sleeps: nothing runs, and its files are where they are.

    Nothing of what ran is wired: what it took may be there no more, and it has to stop all the same. Of the components
    that stay (``parts_asleep``) those go that have no package, or cannot be told any more what they were told.
    """
    target = program_target(plan.target)
    if target.keeps_servers and not with_files and plan.spec.environment.file is not None:
        message = f"What {plan.spec.environment.file.path} describes is not known: the commit cannot be had any more."
        raise UnfitError(f"{message} Its servers would go, with what they hold. Bring the commit back, or destroy it.")
    wiring = _Wiring(plan, target)
    told = {
        name
        for name in packages.keys() & parts_asleep(plan, present)
        if wiring.can_tell(plan.spec.environment.packaged[name].inputs)
    }
    kept = _without(plan, plan.spec.environment.packaged.keys() - told)
    asleep = replace(
        _outside(plan, wiring),
        parts=_parts(plan, wiring, {name: each for name, each in packages.items() if name in kept}),
        with_files=with_files,
    )
    return target.sleeping(asleep, place)


def _without(plan: DeployPlan, gone: set[str]) -> set[str]:
    """Return the parts that take nothing of what is gone, nor of parts that do, and so on."""
    parts = {
        name: {each.root for text in texts(part.inputs) for each in references(text)}
        for name, part in plan.spec.environment.packaged.items()
    }
    while more := {name for name, needed in parts.items() if name not in gone and gone & needed}:
        gone = gone | more
    return parts.keys() - gone


def _outside(plan: DeployPlan, wiring: "_Wiring") -> Description:
    """Return what an environment is called, is made from, and is reached by: what stays while nothing of it runs."""
    return Description(
        tenant_id=plan.tenant_id,
        environment_id=plan.environment_id,
        name=plan.name,
        hostname=plan.hostname,
        url=wiring.url,
        repository=plan.repository,
        revision=plan.head_sha,
        services=tuple(_bare(wiring, name, each) for name, each in plan.spec.environment.processes.items()),
        public=wiring.public,
        outputs={},
        backing=tuple(
            BackingService(name, each.type, plan.credentials[name], each.limits)
            for name, each in plan.spec.environment.backing.items()
            if name in plan.credentials
        ),
        commits={name: each.commit or "" for name, each in plan.spec.environment.repositories.items()},
        repositories={name: each.repository for name, each in plan.spec.environment.repositories.items()},
    )


def describe(plan: DeployPlan, target: ProgramTarget, packages: Mapping[str, PartPackage]) -> Description:
    """Return what the plan's environment shall consist of; the target only says where its services are found."""
    _hold_back(plan, packages)
    wiring = _Wiring(plan, target)
    components = plan.spec.environment.processes
    return replace(
        _outside(plan, wiring),
        services=tuple(_service(wiring, name, component) for name, component in components.items()),
        outputs={name: wiring.text(value) for name, value in plan.spec.environment.outputs.items()},
        parts=_parts(plan, wiring, packages),
        backing=tuple(_backing(wiring, name, each) for name, each in plan.spec.environment.backing.items()),
    )


def _hold_back(plan: DeployPlan, packages: Mapping[str, PartPackage]) -> None:
    """Raise ``UnfitError`` where a component would show a password: publishing does not know what a file describes."""
    for name, component in plan.spec.environment.packaged.items():
        shown = {key: each for key, each in component.inputs.items() if key not in packages[name].secret_inputs}
        for key, value in shown.items():
            for reference in (each for text in texts(value) for each in references(text)):
                backing = plan.spec.environment.backing.get(reference.root)
                if backing is not None and reference.path[1] in SECRET_VALUES[backing.type]:
                    message = f"{name} would show {reference} in its input {key}, which is not secret."
                    raise UnfitError(f"{message} Pass it to an input that is writeOnly, or in the env of a process.")


def _parts(plan: DeployPlan, wiring: "_Wiring", packages: Mapping[str, PartPackage]) -> tuple[ComponentProgram, ...]:
    return tuple(
        ComponentProgram(
            wheel=str(packages[name].wheel),
            component=component.component or "",
            name=resource_of(name),
            inputs=wiring.document(component.inputs),
            secret_inputs=packages[name].secret_inputs,
            providers=packages[name].providers,
        )
        for name, component in plan.spec.environment.packaged.items()
        if name in packages
    )


def _bare(wiring: "_Wiring", name: str, component: ProcessComponent) -> Service:
    """Return what a service is made from, without what it is told."""
    health = component.health
    return Service(
        name=name,
        image=None if component.image is None else wiring.plain(component.image),
        probe=None if health is None or "${" in health.path else _probe(wiring, health),
        limits=component.limits,
        directory=component.directory,
        repository=component.repository,
    )


def _service(wiring: "_Wiring", name: str, component: ProcessComponent) -> Service:
    return Service(
        name=name,
        command=component.command,
        procfile=component.procfile,
        image=None if component.image is None else wiring.plain(component.image),
        env={variable: wiring.text(value) for variable, value in component.env.items()},
        probe=None if component.health is None else _probe(wiring, component.health),
        limits=component.limits,
        directory=component.directory,
        depends_on=tuple(dict.fromkeys((*component.depends_on, *wiring.named(component)))),
        repository=component.repository,
    )


def _probe(wiring: "_Wiring", health: Health) -> Probe:
    seconds = parse_duration(health.timeout).total_seconds()
    if health.way == "http":
        return Probe(wiring.text(health.path), seconds)
    running = 0.0 if health.running is None else parse_duration(health.running).total_seconds()
    return Probe("", seconds, command=health.command or "", running_seconds=running)


def _backing(wiring: "_Wiring", name: str, component: Backing) -> BackingService:
    seed = component.seed if isinstance(component, PostgresComponent) else None
    return BackingService(
        name=name,
        kind=component.type,
        password=wiring.password(name),
        limits=component.limits,
        seed=None if seed is None else SeedData(seed.sql, seed.command, wiring.client_of(name)),
    )


class _Wiring:
    """Turns a blueprint's references into values, or into references of the engine where only it knows them."""

    def __init__(self, plan: DeployPlan, target: ProgramTarget) -> None:
        self._plan = plan
        self._target = target
        named = [each.root for each in references(plan.spec.environment.outputs["url"])]
        components = list(plan.spec.environment.processes)
        self.public = next((name for name in named if name in components), next(iter(components), ""))
        self.url = target.public_url(self.public, plan.url)

    def text(self, text: str) -> str:
        """Return a text as the engine is to read it."""
        return "".join(
            self._value(part) if isinstance(part, Reference) else escaped(part) for part in parse_wiring(text)
        )

    def can_tell(self, value: Any) -> bool:
        """Tell whether everything that a component is passed is there (still)."""
        try:
            self.document(value)
        except UnfitError:
            return False
        return True

    def named(self, component: ProcessComponent) -> tuple[str, ...]:
        """Return the other components that one refers to, but for their public address: that leads nowhere yet."""
        texts = [*component.env.values(), "" if component.health is None else component.health.path]
        found = [each for text in texts for each in references(text)]
        there = self._plan.spec.environment.components
        return tuple(
            dict.fromkeys(each.root for each in found if each.root in there and each.path != (self.public, "url"))
        )

    def plain(self, text: str) -> str:
        """Return a text that is known before the engine runs."""
        return "".join(self._known(part) if isinstance(part, Reference) else part for part in parse_wiring(text))

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
        root, key = reference.path[0], reference.path[1]
        if root in {"inputs", "source"}:
            return escaped(self._known(reference))
        if root == "environment":
            return escaped(self._plan.name) if key == "name" else self.url.removesuffix("/")
        if root in self._plan.spec.environment.packaged:
            return f"${{{'.'.join((resource_of(root), *reference.path[2:]))}}}"
        if root == "secrets":
            return escaped(self._secret(key))
        return self._of_component(root, key)

    def _of_component(self, name: str, key: str) -> str:
        if key == "url" and name == self.public:
            return self.url
        backing = self._plan.spec.environment.backing.get(name)
        if backing is not None:
            return self._of_backing(name, backing.type, key)
        return str(getattr(self._target.address(name), key))

    def _secret(self, name: str) -> str:
        if name not in self._plan.secrets:
            raise UnfitError(f"There is no secret {name} any more. Set it: slipway secret set {name}")
        return self._plan.secrets[name]

    def password(self, name: str) -> str:
        """Return the password of what stands behind the services."""
        return self._plan.credentials[name]

    def client_of(self, name: str) -> dict[str, str]:
        """Return the variables by which programs of PostgreSQL, and others, find a database."""
        values = {
            "DATABASE_URL": "url",
            "PGHOST": "host",
            "PGPORT": "port",
            "PGUSER": "user",
            "PGPASSWORD": "password",
            "PGDATABASE": "database",
        }
        return {variable: self._of_backing(name, "postgres", key) for variable, key in values.items()}

    def _of_backing(self, name: str, kind: str, key: str) -> str:
        return self._target.server(name, kind, self.password(name))[key]

    def _known(self, reference: Reference) -> str:
        plan = self._plan
        if reference.path[0] == "inputs":
            return _as_text(_look_up(plan.inputs, reference.path[1:]))
        source = {"revision": plan.head_sha, "repository": plan.repository, "pull_request": plan.pull_request.number}
        return str(source[reference.path[1]])


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
    return escaped(value) if isinstance(value, str) else value

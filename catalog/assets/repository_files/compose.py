"""``docker-compose.yml``: the part of the Compose format that says what an application consists of.

The format is that of the Compose Specification. Left out on purpose: what reaches into the machine (mounts, privileges,
devices, networks of the host), values of the machine's environment, and other files.
"""

import re
import shlex
from collections.abc import Mapping
from datetime import timedelta
from typing import Any

from catalog.assets.durations import format_duration
from catalog.assets.located import Bounds, Place, load_yaml
from catalog.assets.repository_files.addresses import wired
from catalog.assets.repository_files.duration import seconds_of
from catalog.assets.repository_files.notes import VARIABLE, Notes, literal
from catalog.assets.repository_files.procfile import STILL_RUNS
from catalog.assets.shapes import dotted

BOUNDS = Bounds(size=64 * 1024, depth=16, aliases=20, nodes=5_000)
_TOP = ("services", "version", "name", "volumes")
_SERVICE = (
    *(
        "build",
        "command",
        "depends_on",
        "deploy",
        "environment",
        "expose",
        "healthcheck",
        "image",
        "mem_limit",
        "ports",
    ),
    *("volumes", "restart", "labels", "container_name", "init", "stop_grace_period", "tty", "stdin_open"),
)
_NO_MACHINE = "An environment reaches into no machine; remove it."
_WHY = {
    **dict.fromkeys(
        ("privileged", "cap_add", "devices", "network_mode", "pid", "ipc", "userns_mode", "security_opt"), _NO_MACHINE
    ),
    "env_file": "Write the variables into environment, or into env of the blueprint's component.",
    "networks": "Remove it: all services of an environment find each other by name.",
    "secrets": "Name a secret of the tenant in the blueprint: env: {TOKEN: ${secrets.TOKEN}}.",
    "extends": "Write the service out: only one file is read.",
    "include": "Write the services out: only one file is read.",
    "profiles": "Remove it: everything in the file belongs to the environment.",
}
_BACKING = {"postgres": "postgres", "postgresql": "postgres", "redis": "redis", "valkey": "redis"}
_IMAGE = re.compile(r"(?:[a-z0-9.-]+(?::[0-9]+)?/)*(?P<name>[a-z0-9._-]+)(?:[:@].*)?")
_LONGEST_HEALTH = 600


def read_compose(data: bytes, notes: Notes) -> dict[str, Any]:
    """Return a component for each service; what is not understood is noted."""
    notes.document = load_yaml(data, notes.path, BOUNDS)
    whole = notes.mapping(notes.document.value, ())
    notes.known(whole, (), _TOP, _WHY)
    services = {
        name: notes.mapping(service, ("services", name))
        for name, service in notes.mapping(whole.get("services"), ("services",)).items()
        if notes.is_name(name, ("services", name))
    }
    kinds = {name: _kind(service, notes, ("services", name)) for name, service in services.items()}
    _check_volumes(whole, notes)
    return {name: _Service(name, service, kinds, notes).component() for name, service in services.items()}


def _kind(service: Mapping[str, Any], notes: Notes, place: Place) -> str:
    image = service.get("image")
    if "build" in service or image is None:
        return "process"
    match = _IMAGE.fullmatch(notes.text(image, (*place, "image")))
    return "process" if match is None else _BACKING.get(match["name"], "process")


def _check_volumes(whole: Mapping[str, Any], notes: Notes) -> None:
    for name, volume in notes.mapping(whole.get("volumes"), ("volumes",)).items():
        if volume not in (None, {}):
            fix = "Leave it empty: an environment has volumes of its own."
            notes.refuse(("volumes", name), f"{dotted(('volumes', name))} says more than its name.", fix)


class _Service:
    """The reading of one service."""

    def __init__(self, name: str, service: Mapping[str, Any], kinds: Mapping[str, str], notes: Notes) -> None:
        self._name = name
        self._service = service
        self._kinds = kinds
        self._notes = notes
        self._place: Place = ("services", name)

    def component(self) -> dict[str, Any]:
        notes, service = self._notes, self._service
        notes.known(service, self._place, _SERVICE, _WHY)
        self._refuse_mounts()
        env = self._env()
        made: dict[str, Any] = {"type": self._kinds[self._name], **self._limits()}
        if made["type"] != "process":
            if "command" in service:
                fix = "Remove it: the environment starts its own."
                notes.refuse((*self._place, "command"), f"{self._name} is a {made['type']} and takes no command.", fix)
            return made
        made.update(self._source())
        made["env"] = {name: wired(text, self._others()) for name, text in env.items()}
        made["dependsOn"] = self._depends_on()
        made["health"] = self._health()
        return made

    def _others(self) -> dict[str, str]:
        return {name: kind for name, kind in self._kinds.items() if name != self._name}

    def _plain(self, value: Any, place: Place) -> str:
        """Return a text in which nothing is to be filled in from the machine's environment; ``$$`` is a dollar."""
        text = self._notes.text(value, place)
        if "$" in text.replace("$$", ""):
            fix = "No value of the machine is filled in: write the value, or $$ for a dollar sign."
            self._notes.refuse(place, f"{dotted(place)} takes a value from the machine's environment.", fix, "outside")
        return text.replace("$$", "$")

    def _env(self) -> dict[str, str]:
        given, place = self._service.get("environment"), (*self._place, "environment")
        pairs: list[tuple[str, Any, Place]] = []
        if isinstance(given, list):
            for each, where in self._notes.entries(given, place):
                name, equals, value = self._notes.text(each, where).partition("=")
                pairs.append((name, value if equals else None, where))
        else:
            pairs = [(name, each, (*place, name)) for name, each in self._notes.mapping(given, place).items()]
        found: dict[str, str] = {}
        for name, value, where in pairs:
            if value is None:
                fix = "Write its value: none is taken from the machine's environment."
                self._notes.refuse(where, f"{dotted(where)} has no value.", fix, "outside")
            elif not VARIABLE.fullmatch(name):
                self._notes.refuse(where, f"{dotted(where)} is no name of a variable.", "Use letters, digits and _.")
            elif name not in {"PORT", "HOST", "HOME", "TMPDIR"}:
                # Those four are the target's to say.
                found[name] = self._plain(value, where)
        return found

    def _source(self) -> dict[str, Any]:
        notes, service = self._notes, self._service
        made: dict[str, Any] = {}
        build, place = service.get("build"), (*self._place, "build")
        if isinstance(build, Mapping):
            fix = {"dockerfile": "Name it Dockerfile: only that is looked for."}
            names = ("context", "dockerfile") if build.get("dockerfile") == "Dockerfile" else ("context",)
            notes.known(build, place, names, fix)
            build, place = build.get("context", "."), (*place, "context")
        if build is not None:
            folder = notes.folder(self._plain(build, place), place)
            made.update({} if folder is None else {"directory": folder})
        elif "image" in service:
            made["image"] = literal(self._plain(service["image"], (*self._place, "image")))
        else:
            notes.refuse(self._place, f"{dotted(self._place)} says neither build nor image.", "Add build: .")
        command, place = service.get("command"), (*self._place, "command")
        if isinstance(command, list):
            words = [self._plain(each, where) for each, where in notes.entries(command, place)]
            made["command"] = notes.command(shlex.join(words), place)
        elif command is not None:
            made["command"] = notes.command(self._plain(command, place), place)
        elif "image" not in made:
            made["procfile"] = self._name
        return made

    def _depends_on(self) -> list[str]:
        given, place = self._service.get("depends_on"), (*self._place, "depends_on")
        named: list[tuple[str, Place]] = []
        if isinstance(given, Mapping):
            for name, how in given.items():
                condition = self._notes.mapping(how, (*place, name)).get("condition", "service_started")
                if condition not in {"service_started", "service_healthy"}:
                    fix = "Write service_healthy; what has to run once belongs to the service's command or a seed."
                    where = (*place, name, "condition")
                    self._notes.refuse(where, f"{dotted(where)} is not understood.", fix)
                named.append((name, (*place, name)))
        else:
            named = [(self._notes.text(each, where), where) for each, where in self._notes.entries(given, place)]
        for name, where in named:
            if name not in self._kinds or name == self._name:
                self._notes.refuse(where, f"{dotted(where)} is no other service.", "Name a service of this file.")
        return list(dict.fromkeys(name for name, _place in named if name in self._kinds and name != self._name))

    def _health(self) -> dict[str, Any]:
        given, place = self._service.get("healthcheck"), (*self._place, "healthcheck")
        check = self._notes.mapping(given, place)
        names = ("test", "interval", "timeout", "retries", "start_period", "start_interval", "disable")
        self._notes.known(check, place, names, {})
        command = self._test(check.get("test"), (*place, "test"))
        if command is None or check.get("disable") is True:
            return (
                {"tcp": True} if self._service.get("ports") or self._service.get("expose") else {"running": STILL_RUNS}
            )
        timing = {key: seconds_of(check.get(key), default) for key, default in (("interval", 30), ("start_period", 0))}
        for key, value in timing.items():
            if value is None:
                self._notes.refuse((*place, key), f"{dotted((*place, key))} is no duration.", "Write one such as 10s.")
        retries = check.get("retries", 3)
        tries = retries if isinstance(retries, int) and not isinstance(retries, bool) else 3
        whole = (timing["start_period"] or 0) + (timing["interval"] or 0) * max(1, min(tries, 100))
        return {"command": command, "timeout": format_duration(_bounded(whole))}

    def _test(self, test: Any, place: Place) -> str | None:
        if test is None:
            return None
        if isinstance(test, str):
            return self._notes.command(self._plain(test, place), place)
        words = [self._plain(each, where) for each, where in self._notes.entries(test, place)]
        if words[:1] == ["NONE"]:
            return None
        if words[:1] == ["CMD"] and len(words) > 1:
            return self._notes.command(shlex.join(words[1:]), place)
        if words[:1] == ["CMD-SHELL"] and len(words) == 2:
            return self._notes.command(words[1], place)
        self._notes.refuse(
            place, f"{dotted(place)} is no test.", 'Write ["CMD-SHELL", "curl -f http://localhost:$$PORT/"].'
        )
        return None

    def _limits(self) -> dict[str, Any]:
        place: Place = (*self._place, "deploy")
        deploy = self._notes.mapping(self._service.get("deploy"), place)
        self._notes.known(deploy, place, ("resources",), {})
        resources = self._notes.mapping(deploy.get("resources"), (*place, "resources"))
        self._notes.known(resources, (*place, "resources"), ("limits",), {})
        limits = self._notes.mapping(resources.get("limits"), (*place, "resources", "limits"))
        self._notes.known(limits, (*place, "resources", "limits"), ("memory",), {})
        memory, where = limits.get("memory"), (*place, "resources", "limits", "memory")
        if memory is None:
            memory, where = self._service.get("mem_limit"), (*self._place, "mem_limit")
        if memory is None:
            return {}
        return {"limits": {"memoryMb": self._notes.megabytes(self._notes.text(memory, where), where)}}

    def _refuse_mounts(self) -> None:
        backing = self._kinds[self._name] != "process"
        for each, where in self._notes.entries(self._service.get("volumes"), (*self._place, "volumes")):
            source = each.get("source", "") if isinstance(each, Mapping) else str(each).partition(":")[0]
            if backing and isinstance(source, str) and re.fullmatch(r"[A-Za-z0-9_][A-Za-z0-9_.-]*", source):
                continue
            fix = "Remove it: a process has its commit's files, and keeps data in a database."
            if backing:
                fix = "Write a named volume; a database begins with the seed of the blueprint's component."
            self._notes.refuse(where, f"{dotted(where)} mounts something of the machine or is kept.", fix, "outside")


def _bounded(seconds: float) -> timedelta:
    return timedelta(seconds=int(min(_LONGEST_HEALTH, max(1, seconds))))

"""``score.yaml``: one workload with its containers and the resources that it needs.

The format is that of the Score specification, ``score.dev/v1b1``.
"""

import re
import shlex
from collections.abc import Mapping
from typing import Any

from catalog.assets.located import Bounds, Place, load_yaml
from catalog.assets.repository_files.notes import VARIABLE, Notes, literal
from catalog.assets.repository_files.procfile import STILL_RUNS
from catalog.assets.shapes import dotted, suggestion

BOUNDS = Bounds(size=64 * 1024, depth=16, aliases=20, nodes=5_000)
_BACKING = {"postgres": "postgres", "postgres-instance": "postgres", "redis": "redis", "s3": "objects"}
_VALUES: Mapping[str, Mapping[str, str]] = {
    "postgres": {
        **{name: name for name in ("host", "port", "password", "database", "url")},
        "name": "database",
        "username": "user",
    },
    "redis": {name: name for name in ("host", "port", "password", "url")},
    "objects": {
        **{name: name for name in ("bucket", "region", "access_key", "secret_key")},
        "endpoint": "url",
        "access_key_id": "access_key",
    },
}
_PLACEHOLDER = re.compile(r"\$\$|\$\{([^}]*)\}|\$")
_PROBES = ("readinessProbe", "livenessProbe")


def read_score(data: bytes, notes: Notes) -> dict[str, Any]:
    """Return a component for each container and each resource; what is not understood is noted."""
    notes.document = load_yaml(data, notes.path, BOUNDS)
    whole = notes.mapping(notes.document.value, ())
    notes.known(whole, (), ("apiVersion", "metadata", "service", "containers", "resources"), {})
    if whole.get("apiVersion") != "score.dev/v1b1":
        notes.refuse(
            ("apiVersion",), "The version of the format is not understood.", "Write apiVersion: score.dev/v1b1."
        )
    reader = _Workload(whole, notes)
    return {**reader.resources(), **reader.containers()}


class _Workload:
    """The reading of one workload."""

    def __init__(self, whole: Mapping[str, Any], notes: Notes) -> None:
        self._notes = notes
        self._whole = whole
        metadata = notes.mapping(whole.get("metadata"), ("metadata",))
        self._name = notes.text(metadata.get("name", ""), ("metadata", "name"))
        self._kinds: dict[str, str] = {}
        service = notes.mapping(whole.get("service"), ("service",))
        notes.known(service, ("service",), ("ports",), {})
        self._listens = bool(notes.mapping(service.get("ports"), ("service", "ports")))

    def resources(self) -> dict[str, Any]:
        place: Place = ("resources",)
        for name, given in self._notes.mapping(self._whole.get("resources"), place).items():
            where = (*place, name)
            resource = self._notes.mapping(given, where)
            self._notes.known(resource, where, ("type", "metadata", "id", "class"), {})
            kind = str(resource.get("type"))
            if kind not in _BACKING:
                fix = suggestion(kind, sorted(_BACKING))
                self._notes.refuse((*where, "type"), f"{dotted((*where, 'type'))} is not known here.", fix)
            elif self._notes.is_name(name, where):
                self._kinds[name] = _BACKING[kind]
        return {name: {"type": kind} for name, kind in self._kinds.items()}

    def containers(self) -> dict[str, Any]:
        made: dict[str, Any] = {}
        for name, given in self._notes.mapping(self._whole.get("containers"), ("containers",)).items():
            place: Place = ("containers", name)
            if name in self._kinds:
                self._notes.refuse(place, f"{name} is a resource as well.", "Give one of them another name.")
            if self._notes.is_name(name, place):
                made[name] = self._container(self._notes.mapping(given, place), place, alone=not made)
        return made

    def _container(self, container: Mapping[str, Any], place: Place, *, alone: bool) -> dict[str, Any]:
        notes = self._notes
        why = {
            "files": "Put the file into the repository.",
            "volumes": "Remove it: an environment mounts nothing of the machine.",
        }
        known = ("image", "command", "args", "variables", "resources", *_PROBES)
        notes.known(container, place, known, why)
        made: dict[str, Any] = {"type": "process", "env": self._variables(container, place)}
        words = [
            self._literal(each, where)
            for part in ("command", "args")
            for each, where in notes.entries(container.get(part), (*place, part))
        ]
        image = notes.text(container.get("image", "."), (*place, "image"))
        if image != ".":
            made["image"] = literal(image)
        if words:
            made["command"] = notes.command(shlex.join(words), place)
        elif image == ".":
            made["procfile"] = "web" if alone else re.sub(r"[^A-Za-z0-9_-]", "-", str(place[-1]))
        made["health"] = self._health(container, place)
        memory = self._memory(container, place)
        return {**made, **({} if memory is None else {"limits": {"memoryMb": memory}})}

    def _variables(self, container: Mapping[str, Any], place: Place) -> dict[str, str]:
        where: Place = (*place, "variables")
        found = {}
        for name, value in self._notes.mapping(container.get("variables"), where).items():
            if not VARIABLE.fullmatch(name):
                self._notes.refuse(
                    (*where, name), f"{dotted((*where, name))} is no name.", "Use letters, digits and _."
                )
            elif name not in {"PORT", "HOST", "HOME", "TMPDIR"}:
                found[name] = self._filled(self._notes.text(value, (*where, name)), (*where, name))
        return found

    def _health(self, container: Mapping[str, Any], place: Place) -> dict[str, Any]:
        for name in _PROBES:
            where: Place = (*place, name)
            probe = self._notes.mapping(container.get(name), where)
            self._notes.known(probe, where, ("httpGet", "exec"), {})
            if "httpGet" in probe:
                get = self._notes.mapping(probe["httpGet"], (*where, "httpGet"))
                self._notes.known(get, (*where, "httpGet"), ("path", "port", "scheme"), {})
                return {"path": literal(self._notes.text(get.get("path", "/"), (*where, "httpGet", "path")))}
            if "exec" in probe:
                run = self._notes.mapping(probe["exec"], (*where, "exec"))
                words = [
                    self._literal(each, at) for each, at in self._notes.entries(run.get("command"), (*where, "exec"))
                ]
                return {"command": self._notes.command(shlex.join(words), where)}
        return {"tcp": True} if self._listens else {"running": STILL_RUNS}

    def _memory(self, container: Mapping[str, Any], place: Place) -> int | None:
        resources = self._notes.mapping(container.get("resources"), (*place, "resources"))
        limits = self._notes.mapping(resources.get("limits"), (*place, "resources", "limits"))
        where: Place = (*place, "resources", "limits", "memory")
        memory = limits.get("memory")
        return None if memory is None else self._notes.megabytes(self._notes.text(memory, where), where)

    def _literal(self, value: Any, place: Place) -> str:
        text = self._notes.text(value, place)
        if "${" in text.replace("$$", ""):
            self._notes.refuse(place, f"{dotted(place)} holds a placeholder.", "Pass the value in variables.")
        return text.replace("$$", "$")

    def _filled(self, text: str, place: Place) -> str:
        """Return a value with placeholders as wiring; ``$$`` is a dollar."""
        made, plain, end = "", "", 0
        for match in _PLACEHOLDER.finditer(text):
            plain += text[end : match.start()]
            end = match.end()
            if match[1] is None:
                plain += "$"
                continue
            if plain.endswith("$"):
                message = f"{dotted(place)} has a dollar sign right before a placeholder."
                self._notes.refuse(place, message, "Put the two into variables of their own.")
            made += literal(plain) + self._value(match[1], place)
            plain = ""
        return made + literal(plain + text[end:])

    def _value(self, placeholder: str, place: Place) -> str:
        path = placeholder.split(".")
        if path == ["metadata", "name"]:
            return literal(self._name)
        if len(path) == 3 and path[0] == "resources" and path[1] in self._kinds:
            known = _VALUES[self._kinds[path[1]]]
            if path[2] in known:
                return f"${{{path[1]}.{known[path[2]]}}}"
        message = f"{dotted(place)} takes a value that is not known."
        self._notes.refuse(place, message, "Refer to one such as ${resources.db.host}.", "outside")
        return ""

"""GitHub's own OpenAPI description, held against each request and answer; its examples are the answers' stuff."""

import copy
import fcntl
import hashlib
import json
import re
import subprocess
import tempfile
from functools import cache
from pathlib import Path
from typing import Any
from urllib.parse import unquote

from openapi_schema_validator import OAS30Validator
from referencing import Registry
from referencing.jsonschema import DRAFT4

from portal.build_static import npm_command

ROOT = Path(__file__).resolve().parents[4]
DESCRIPTION = ROOT / "node_modules/@octokit/openapi/generated/api.github.com.json"
EXAMPLES = ROOT / "node_modules/@octokit/webhooks-examples/api.github.com/index.json"
_BASE = "urn:github"


def ensure_descriptions() -> None:
    """Install what package-lock.json names for tests, once for all processes that run them."""
    lock = Path(tempfile.gettempdir()) / f"slipway-npm-{hashlib.sha256(str(ROOT).encode()).hexdigest()[:16]}.lock"
    with lock.open("w") as handle:
        fcntl.flock(handle, fcntl.LOCK_EX)
        if not (DESCRIPTION.exists() and EXAMPLES.exists()):
            command = [*npm_command(), "ci", "--no-progress"]
            done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
            assert done.returncode == 0, f"npm ci failed: {done.stderr}"
            for large in DESCRIPTION.parent.glob("*.json"):
                if large != DESCRIPTION:  # 380 MB of other servers and of references written out
                    large.unlink()


class Operation:
    """One operation of the description."""

    def __init__(self, verb: str, template: str, data: dict[str, Any], shared: list[Any]) -> None:
        self.name = f"{verb} {template}"
        self.data = data
        self.parameters = [_resolved(each) for each in (*shared, *data.get("parameters", ()))]
        pattern = re.sub(r"\\\{(\w+)\\\}", r"(?P<\1>[^/]+)", re.escape(template))
        for greedy in ("ref", "basehead", "path"):
            pattern = pattern.replace(f"(?P<{greedy}>[^/]+)", f"(?P<{greedy}>.+)")
        self.pattern = re.compile(pattern)
        self.literal = len(re.sub(r"\{\w+\}", "", template))

    def check_request(self, path: dict[str, str], query: dict[str, str], body: Any) -> list[str]:
        """Return what is wrong with a request."""
        wrong = []
        known = {each["name"]: each for each in self.parameters if each["in"] == "query"}
        wrong += [f"{self.name}: unknown parameter {name}" for name in query if name not in known]
        for each in self.parameters:
            given = {"path": path, "query": query}.get(each["in"], {}).get(each["name"])
            if given is not None:
                kind = _resolved(each["schema"]).get("type")
                value = int(given) if kind == "integer" and given.lstrip("-").isdigit() else given
                wrong += self._errors(each["schema"], value, f"parameter {each['name']}")
            elif each.get("required") and each["in"] in {"path", "query"}:
                wrong.append(f"{self.name}: parameter {each['name']} is missing")
        described = _resolved(self.data.get("requestBody", {})).get("content", {}).get("application/json")
        if body is not None and described is None:
            wrong.append(f"{self.name}: takes no body")
        elif described is not None and (body is not None or self.data["requestBody"].get("required")):
            wrong += self._errors(described["schema"], body, "request")
            known_names = _resolved(described["schema"]).get("properties")
            if known_names and isinstance(body, dict):
                wrong += [f"{self.name}: unknown field {name}" for name in body if name not in known_names]
        return wrong

    def check_answer(self, status: int, body: Any, media: str = "application/json") -> list[str]:
        """Return what is wrong with an answer; statuses that every operation may have are let pass."""
        described = self.data["responses"].get(str(status))
        if described is None:
            return [] if status in {304, 401, 403, 404, 429} else [f"{self.name}: no answer {status} is described"]
        content = _resolved(described).get("content", {})
        if not content:
            return [] if body is None else [f"{self.name}: {status} has no body"]
        if media not in content:
            return [f"{self.name}: {status} is no {media}"]
        return self._errors(content[media]["schema"], body, f"answer {status}")

    def example(self, status: int) -> Any:
        """Return the description's own example of an answer, to be changed at will."""
        content = _resolved(self.data["responses"][str(status)])["content"]["application/json"]
        examples = [_resolved(each) for each in content["examples"].values()]
        return copy.deepcopy(examples[0]["value"])

    def _errors(self, schema: Any, value: Any, what: str) -> list[str]:
        pointer = schema if "$ref" in schema else None
        wanted = {"$ref": f"{_BASE}{pointer['$ref']}"} if pointer else _absolute(schema)
        validator = OAS30Validator(wanted, registry=_registry())
        found = sorted(validator.iter_errors(value), key=lambda each: list(map(str, each.path)))
        return [f"{self.name}: {what} {each.json_path}: {each.message[:300]}" for each in found]


def find(verb: str, path: str) -> tuple[Operation, dict[str, str]]:
    """Return the operation of a request and the values in its path; the most literal template wins."""
    fitting = [(each, match) for each in _operations()[verb] if (match := each.pattern.fullmatch(path))]
    assert fitting, f"GitHub describes no {verb} {path}"
    operation, match = max(fitting, key=lambda each: each[0].literal)
    return operation, {name: unquote(value) for name, value in match.groupdict().items()}


def operation(verb: str, template: str) -> Operation:
    """Return an operation by its template."""
    return next(each for each in _operations()[verb] if each.name == f"{verb} {template}")


@cache
def _description() -> dict[str, Any]:
    data: dict[str, Any] = json.loads(DESCRIPTION.read_text("utf-8"))
    return data


@cache
def _registry() -> Any:
    whole = {"components": _absolute(_description()["components"])}
    return Registry().with_resource(_BASE, DRAFT4.create_resource(whole))


@cache
def _operations() -> dict[str, list[Operation]]:
    found: dict[str, list[Operation]] = {verb.upper(): [] for verb in ("get", "post", "patch", "put", "delete")}
    for template, verbs in _description()["paths"].items():
        shared = verbs.get("parameters", [])
        for verb, data in verbs.items():
            if verb.upper() in found and template.startswith(("/repos/{owner}/{repo}", "/app", "/user")):
                found[verb.upper()].append(Operation(verb.upper(), template, data, shared))
    return found


def _resolved(data: Any) -> Any:
    while "$ref" in data:
        target: Any = _description()
        for part in data["$ref"].removeprefix("#/").split("/"):
            target = target[part]
        data = target
    return data


def _absolute(schema: Any) -> Any:
    """Return a schema whose references are absolute, and in which two habits of the description are said as meant.

    A nullable enumeration takes null without listing it; alternatives of "oneOf" overlap, so that its own examples
    fit several.
    """
    if isinstance(schema, dict):
        told = {
            "anyOf" if name == "oneOf" and isinstance(value, list) else name: (
                f"{_BASE}{value}" if name == "$ref" and isinstance(value, str) else _absolute(value)
            )
            for name, value in schema.items()
            if name != "discriminator"
        }
        if told.get("nullable") is True and isinstance(told.get("enum"), list):
            told["enum"] = [*told["enum"], None]
        return told
    return [_absolute(each) for each in schema] if isinstance(schema, list) else schema

"""From the Pulumi package schema of components to what forms, pages and the compatibility check use.

The schema comes out of the sandbox, where a publisher's code ran: it is read as a stranger's document, and whatever
is not of the expected shape becomes a ``ValueError``.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from catalog.assets.findings import storable
from catalog.assets.inputs import secret_pointers

ARTIFACT = "pulumi-schema.json"
"""The name under which the schema is kept beside a version."""
MOST_COMPONENTS = 100
_MOST_TYPES = 1000
_DEPTH = 20
_LONGEST_TEXT = 4000
_LOCAL = "#/types/"
_DRAFT = "https://json-schema.org/draft/2020-12/schema"
_SIMPLE = {"string", "integer", "number", "boolean"}
_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]{0,79}")
_WORDS = re.compile(r"(?<=[a-z0-9])(?=[A-Z])|(?<=[A-Z])(?=[A-Z][a-z])|_")


@dataclass(frozen=True)
class Property:
    """One input or output: ``kind`` says its type in words, such as ``list of texts``."""

    name: str
    kind: str
    is_required: bool
    description: str


@dataclass(frozen=True)
class Component:
    """One component with its inputs and outputs, required ones first; ``token`` is what programs name it by."""

    name: str
    token: str
    description: str
    inputs: tuple[Property, ...]
    outputs: tuple[Property, ...]


@dataclass(frozen=True)
class NamedType:
    """A type that properties refer to: an object with properties, or an enumeration with values."""

    name: str
    description: str
    properties: tuple[Property, ...]
    values: tuple[str, ...]


@dataclass(frozen=True)
class Reference:
    """Everything that a reference page of a component package shows; ``package`` is the schema's own name."""

    package: str
    components: tuple[Component, ...]
    types: tuple[NamedType, ...]
    dependencies: tuple[str, ...]


def reference(schema: Mapping[str, Any]) -> Reference:
    """Return what a reference page shows; raise ``ValueError`` for a document that is no package schema."""
    types = _types(schema)
    components = tuple(
        Component(
            name=name,
            token=token,
            description=_text(resource.get("description")),
            inputs=_properties(resource, "inputProperties", "requiredInputs"),
            outputs=_properties(resource, "properties", "required"),
        )
        for name, (token, resource) in sorted(_components(schema).items())
    )
    named = tuple(
        NamedType(
            name=name,
            description=_text(each.get("description")),
            properties=_properties(each, "properties", "required"),
            values=tuple(_text(str(value.get("value"))) for value in each.get("enum") or ()),
        )
        for name, each in sorted(types.items())
    )
    needs = tuple(
        sorted(_text(f"{each.get('name')} {each.get('version') or ''}".strip()) for each in schema["dependencies"])
        if isinstance(schema.get("dependencies"), list)
        else ()
    )
    return Reference(_text(schema.get("name")), components, named, needs)


def input_schemas(schema: Mapping[str, Any]) -> dict[str, dict[str, Any]]:
    """Return the JSON Schema (2020-12) of each component's inputs, by the component's name."""
    types = _types(schema)
    return {
        name: _object(resource, "inputProperties", "requiredInputs", types, name)
        for name, (_, resource) in sorted(_components(schema).items())
    }


def output_schemas(schema: Mapping[str, Any]) -> dict[str, dict[str, Any]]:
    """Return the JSON Schema of each component's outputs, by the component's name."""
    types = _types(schema)
    return {
        name: _object(resource, "properties", "required", types, name)
        for name, (_, resource) in sorted(_components(schema).items())
    }


def joined(schemas: Mapping[str, Mapping[str, Any]]) -> dict[str, Any]:
    """Return one schema for a package: that of its only component, else an object with one property for each."""
    if len(schemas) == 1:
        return dict(next(iter(schemas.values())))
    parts = {name: {key: part for key, part in each.items() if key != "$schema"} for name, each in schemas.items()}
    # References lead into the definitions of the whole, so each component's types get a name of their own there.
    definitions: dict[str, Any] = {}
    for name, part in parts.items():
        for defined, body in part.pop("$defs", {}).items():
            definitions[f"{name}.{defined}"] = _moved(body, name)
        parts[name] = _moved(part, name)
    whole = {"$schema": _DRAFT, "type": "object", "properties": parts, "additionalProperties": False}
    return {**whole, "$defs": definitions} if definitions else whole


def with_secrets(schema: Mapping[str, Any], whole: Mapping[str, Any], component: str | None) -> dict[str, Any]:
    """Return a component's input schema with those inputs marked that the package's own schema says to be secret.

    A wheel cannot say which of its inputs are. ``whole`` describes the inputs of the package, those of ``component``
    below its name, or all of its only one.
    """
    own = whole if component is None else whole.get("properties", {}).get(component, {})
    secret = {name for name, each in own.get("properties", {}).items() if isinstance(each, dict) and is_secret(each)}
    properties = {
        name: {**each, "writeOnly": True} if name in secret else each for name, each in schema["properties"].items()
    }
    return {**schema, "properties": properties}


def is_secret(schema: Mapping[str, Any]) -> bool:
    """Tell whether an input is secret, or something in it."""
    return schema.get("writeOnly") is True or any(True for _ in secret_pointers(schema))


def _moved(value: Any, prefix: str) -> Any:
    if isinstance(value, dict):
        found = {key: _moved(part, prefix) for key, part in value.items()}
        if isinstance(found.get("$ref"), str):
            found["$ref"] = found["$ref"].replace("#/$defs/", f"#/$defs/{prefix}.")
        return found
    return [_moved(each, prefix) for each in value] if isinstance(value, list) else value


def _components(schema: Mapping[str, Any]) -> dict[str, tuple[str, Mapping[str, Any]]]:
    resources = schema.get("resources")
    if not isinstance(resources, dict) or len(resources) > MOST_COMPONENTS:
        raise ValueError(f"a package has between 0 and {MOST_COMPONENTS} components")
    found: dict[str, tuple[str, Mapping[str, Any]]] = {}
    for token, resource in resources.items():
        name = token.rpartition(":")[2]
        if _NAME.fullmatch(name) is None or not isinstance(resource, dict):
            raise ValueError("a component has no name")
        found[name] = (_text(token), resource)
    return found


def _types(schema: Mapping[str, Any]) -> dict[str, Mapping[str, Any]]:
    types = schema.get("types") or {}
    if not isinstance(types, dict) or len(types) > _MOST_TYPES:
        raise ValueError(f"a package has at most {_MOST_TYPES} types")
    found: dict[str, Mapping[str, Any]] = {}
    for token, each in types.items():
        name = token.rpartition(":")[2]
        if _NAME.fullmatch(name) is None or not isinstance(each, dict):
            raise ValueError("a type has no name")
        found[name] = each
    return found


def _named(part: Mapping[str, Any], key: str) -> dict[str, Mapping[str, Any]]:
    properties = part.get(key) or {}
    if not isinstance(properties, dict) or not all(
        _NAME.fullmatch(name) and isinstance(each, dict) for name, each in properties.items()
    ):
        raise ValueError("a property has no name")
    return properties


def _required(part: Mapping[str, Any], key: str, names: Mapping[str, Any]) -> list[str]:
    wanted = part.get(key) or []
    return sorted(name for name in names if isinstance(wanted, list) and name in wanted)


def _properties(part: Mapping[str, Any], key: str, required_key: str) -> tuple[Property, ...]:
    properties = _named(part, key)
    required = _required(part, required_key, properties)
    found = [
        Property(name, _kind(each, 0), name in required, _text(each.get("description")))
        for name, each in properties.items()
    ]
    return tuple(sorted(found, key=lambda each: (not each.is_required, each.name)))


def _kind(part: Mapping[str, Any], depth: int) -> str:
    words = {"string": "text", "integer": "whole number", "number": "number", "boolean": "true or false"}
    target = part.get("$ref")
    if isinstance(target, str):
        return _text(_target_name(target))
    kind = part.get("type")
    if kind in words:
        return words[str(kind)]
    inner = part.get("items") if kind == "array" else part.get("additionalProperties")
    of = _kind(inner, depth + 1) if isinstance(inner, dict) and depth < _DEPTH else "anything"
    return f"list of {of}" if kind == "array" else f"map of {of}" if kind == "object" else "anything"


def _target_name(target: str) -> str:
    if target.startswith("pulumi.json#/"):
        return {"Any": "anything", "Asset": "file", "Archive": "archive"}.get(target.rpartition("/")[2], "anything")
    return target.rpartition("/")[2].rpartition(":")[2].replace("%2F", "/")


def _object(
    part: Mapping[str, Any], key: str, required_key: str, types: Mapping[str, Mapping[str, Any]], title: str
) -> dict[str, Any]:
    used: dict[str, Any] = {}
    body = _body(part, key, required_key, types, used)
    body["properties"] = {
        name: _concealed(body["properties"][name]) if each.get("secret") is True else body["properties"][name]
        for name, each in _named(part, key).items()
    }
    description = _text(part.get("description"))
    whole = {"$schema": _DRAFT, "title": title, **({"description": description} if description else {}), **body}
    return {**whole, "$defs": dict(sorted(used.items()))} if used else whole


def _concealed(schema: Mapping[str, Any]) -> dict[str, Any]:
    """Return the schema of a secret: as it is where it is one value, and else as one that is not looked into."""
    kept = {name: each for name, each in schema.items() if name in {"title", "description"}}
    return {**(schema if schema.get("type") in _SIMPLE else kept), "writeOnly": True}


def _body(
    part: Mapping[str, Any],
    key: str,
    required_key: str,
    types: Mapping[str, Mapping[str, Any]],
    used: dict[str, Any],
) -> dict[str, Any]:
    properties = _named(part, key)
    body: dict[str, Any] = {
        "type": "object",
        "properties": {name: _schema(each, name, types, used, 0) for name, each in properties.items()},
        "additionalProperties": False,
    }
    required = _required(part, required_key, properties)
    return {**body, "required": required} if required else body


def _schema(
    part: Mapping[str, Any], name: str, types: Mapping[str, Mapping[str, Any]], used: dict[str, Any], depth: int
) -> dict[str, Any]:
    if depth > _DEPTH:
        raise ValueError("the types nest too deep")
    described: dict[str, Any] = {"title": _title(name)} if name else {}
    if text := _text(part.get("description")):
        described["description"] = text
    target = part.get("$ref")
    if isinstance(target, str):
        return {**described, **_referred(target, types, used)}
    kind = part.get("type")
    if kind in _SIMPLE:
        return {**described, "type": kind}
    if kind in {"array", "object"}:
        inner = part.get("items" if kind == "array" else "additionalProperties")
        of = _schema(inner, "", types, used, depth + 1) if isinstance(inner, dict) else {}
        return {**described, "type": kind, "items" if kind == "array" else "additionalProperties": of}
    return described


def _referred(target: str, types: Mapping[str, Mapping[str, Any]], used: dict[str, Any]) -> dict[str, Any]:
    name = _target_name(target)
    if not target.startswith(_LOCAL):
        # A resource of another package is named by its id, a file by its path; of anything else nothing is known.
        return {"type": "string"} if "#/resources/" in target or name in {"file", "archive"} else {}
    if name not in types:
        raise ValueError(f"there is no type {name}")
    if name not in used:
        used[name] = {}  # so that a type may refer to itself
        each = types[name]
        if each.get("enum"):
            values = [value.get("value") for value in each["enum"] if isinstance(value, dict)]
            used[name] = {"title": _title(name), "enum": values}
        else:
            used[name] = {"title": _title(name), **_body(each, "properties", "required", types, used)}
    return {"$ref": f"#/$defs/{name}"}


def _title(name: str) -> str:
    words = " ".join(word for word in _WORDS.split(name) if word)
    return words[:1].upper() + words[1:].lower() if not words.isupper() else words


def _text(value: Any) -> str:
    return storable(" ".join(value.split())[:_LONGEST_TEXT]) if isinstance(value, str) else ""

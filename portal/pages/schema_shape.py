"""A JSON Schema 2020-12 read as the shape of a form: references resolved, branches merged, one kind per node."""

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Literal

Schema = Mapping[str, Any]
ShapeKind = Literal["group", "text", "number", "boolean", "choice", "choices", "lines", "pairs", "json"]

_BRANCHES = ("then", "else")
TRUE_WORDS = frozenset({"true", "on", "1", "yes"})
_LONG_TEXT = 200
_DEPTH_LIMIT = 8


@dataclass(frozen=True)
class Shape:
    """One node of a form: ``path`` holds its property names from the root, ``schema`` is free of references.

    ``item`` is the type of the members of ``lines`` and ``pairs``; ``options`` are the values of a choice, with labels.
    """

    path: tuple[str, ...]
    kind: ShapeKind
    schema: Schema
    is_required: bool
    children: tuple["Shape", ...] = ()
    options: tuple[tuple[Any, str], ...] = ()
    item: str = "string"

    @property
    def pointer(self) -> str:
        """Return the JSON pointer of this node from the root of the form's value."""
        return pointer_of(self.path)

    def walk(self) -> Iterator["Shape"]:
        """Yield this node and all below it."""
        yield self
        for child in self.children:
            yield from child.walk()


def pointer_of(path: tuple[str, ...]) -> str:
    """Return the JSON pointer (RFC 6901) for a path of property names."""
    return "".join("/" + part.replace("~", "~0").replace("/", "~1") for part in path)


def shape_of(schema: Schema) -> Shape:
    """Return the shape of the form for ``schema``, whose root is an object."""
    return _shape(schema, schema, (), is_required=True)


def _resolve(root: Schema, schema: Schema, depth: int = 0) -> dict[str, Any]:
    """Return ``schema`` with local references replaced and ``allOf`` merged in; what is written beside wins."""
    merged: dict[str, Any] = {}
    reference = schema.get("$ref")
    if isinstance(reference, str) and reference.startswith("#") and depth < _DEPTH_LIMIT:
        merged = _resolve(root, _at(root, reference[1:]), depth + 1)
    for part in schema.get("allOf", ()):
        if isinstance(part, Mapping) and depth < _DEPTH_LIMIT:
            merged = _join(merged, _resolve(root, part, depth + 1))
    own = {key: value for key, value in schema.items() if key not in {"$ref", "allOf"}}
    return _join(merged, own)


def _at(root: Schema, pointer: str) -> Schema:
    node: Any = root
    for part in pointer.strip("/").split("/") if pointer.strip("/") else []:
        name = part.replace("~1", "/").replace("~0", "~")
        node = node.get(name, {}) if isinstance(node, Mapping) else {}
    return node if isinstance(node, Mapping) else {}


def _join(first: dict[str, Any], second: Mapping[str, Any]) -> dict[str, Any]:
    joined = {**first, **second}
    if "properties" in first and "properties" in second:
        joined["properties"] = {**first["properties"], **second["properties"]}
    if "required" in first and "required" in second:
        joined["required"] = [*first["required"], *second["required"]]
    return joined


def _parts(root: Schema, schema: Schema) -> Iterator[Schema]:
    """Yield the schema, what it refers to and what its ``allOf`` holds, each by itself."""
    yield schema
    if isinstance(reference := schema.get("$ref"), str) and reference.startswith("#"):
        yield _resolve(root, _at(root, reference[1:]))
    yield from (_resolve(root, part) for part in schema.get("allOf", ()) if isinstance(part, Mapping))


def _conditional_properties(root: Schema, schema: Schema) -> dict[str, Any]:
    """Return the properties that only a condition brings in; the form offers them as optional."""
    found: dict[str, Any] = {}
    for part in _parts(root, schema):
        branches = [part.get(name) for name in _BRANCHES]
        branches += list(part.get("dependentSchemas", {}).values())
        for branch in branches:
            if isinstance(branch, Mapping):
                found.update(_resolve(root, branch).get("properties", {}))
    return found


def _shape(root: Schema, schema: Any, path: tuple[str, ...], *, is_required: bool) -> Shape:
    if not isinstance(schema, Mapping):
        return Shape(path, "json", {}, is_required)
    node = _resolve(root, schema)
    properties = {**_conditional_properties(root, schema), **node.get("properties", {})}
    if properties:
        node["properties"] = {**node.get("properties", {}), **properties}
    kind, options, item = _kind(root, node, path)
    children: tuple[Shape, ...] = ()
    if kind == "group":
        required = set(node.get("required", ()))
        children = tuple(
            _shape(root, sub, (*path, name), is_required=name in required) for name, sub in node["properties"].items()
        )
    return Shape(path, kind, node, is_required, children, options, item)


def _types(node: Schema) -> list[str]:
    given = node.get("type")
    names = given if isinstance(given, list) else [given] if given else []
    return [name for name in names if name != "null"]


def _options(root: Schema, node: Schema) -> tuple[tuple[Any, str], ...]:
    if "enum" in node:
        return tuple((value, _option_label(value)) for value in node["enum"] if value is not None)
    if "const" in node:
        return ((node["const"], _option_label(node["const"])),)
    variants = node.get("oneOf") or node.get("anyOf") or ()
    resolved = [_resolve(root, variant) for variant in variants if isinstance(variant, Mapping)]
    if resolved and all("const" in variant for variant in resolved):
        return tuple(
            (variant["const"], variant.get("title") or _option_label(variant["const"])) for variant in resolved
        )
    return ()


def _option_label(value: object) -> str:
    if isinstance(value, bool):
        return "Yes" if value else "No"
    return str(value)


def _kind(root: Schema, node: Schema, path: tuple[str, ...]) -> tuple[ShapeKind, tuple[tuple[Any, str], ...], str]:
    options = _options(root, node)
    scalars = all(isinstance(value, str | int | float | bool) for value, _ in options)
    types = _types(node)
    kind: ShapeKind = "json"
    item = "string"
    if options and scalars:
        kind = "choice"
    elif len(path) > _DEPTH_LIMIT or ("properties" not in node and (node.get("oneOf") or node.get("anyOf"))):
        kind = "json"
    elif types == ["object"] or (not types and "properties" in node):
        kind, item = _object_kind(root, node)
    elif types == ["array"]:
        kind, options, item = _array_kind(root, node)
    elif types == ["boolean"]:
        kind = "boolean"
    elif types and set(types) <= {"integer", "number"}:
        kind, item = "number", types[0]
    elif types == ["string"]:
        kind = "text"
    return kind, options, item


def _object_kind(root: Schema, node: Schema) -> tuple[ShapeKind, str]:
    if node.get("properties"):
        return "group", "string"
    members = node.get("additionalProperties")
    types = _types(_resolve(root, members)) if isinstance(members, Mapping) else []
    if len(types) == 1 and types[0] in {"string", "integer", "number", "boolean"}:
        return "pairs", types[0]
    return "json", "string"


def _array_kind(root: Schema, node: Schema) -> tuple[ShapeKind, tuple[tuple[Any, str], ...], str]:
    members = node.get("items")
    member = _resolve(root, members) if isinstance(members, Mapping) else {}
    options = _options(root, member)
    types = _types(member)
    if options:
        return "choices", options, "string"
    if len(types) == 1 and types[0] in {"string", "integer", "number"}:
        return "lines", (), types[0]
    return "json", (), "string"


def is_long_text(schema: Schema) -> bool:
    """Tell whether a text deserves several lines."""
    return int(schema.get("maxLength", 0)) > _LONG_TEXT or schema.get("contentMediaType") is not None


def scalar_text(value: Any) -> str:
    """Return a scalar as a form sends it."""
    return value if isinstance(value, str) else json.dumps(value)

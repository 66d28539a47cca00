"""A JSON Schema 2020-12 read as the shape of a form: references resolved, branches merged, one kind per node."""

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Literal

from catalog.forms.effective import (
    BRANCHES,
    CONCEALED,
    ENTRIES,
    FITTING,
    NULLABLE,
    Entries,
    effective,
    entry_schema,
    member_schema,
    rest_schema,
    unmarked,
)
from catalog.forms.pointers import pointer_to

Schema = Mapping[str, Any]
Submitted = Mapping[str, Sequence[str]]
ShapeKind = Literal[
    "group", "text", "number", "boolean", "choice", "choices", "lines", "rows", "entries", "alternatives", "json"
]

_BRANCHES = ("then", "else")
TRUE_WORDS = frozenset({"true", "on", "1", "yes"})
_LONG_TEXT = 200
_DEPTH_LIMIT = 8


@dataclass(frozen=True)
class Shape:
    """One node of a form: ``path`` holds its steps from the root of the value, ``schema`` is free of references.

    ``field`` is the same way in the names of fields, where the members of a mapping have numbers, not keys. ``item`` is
    the type of numbers and of the members of ``lines``; ``options`` are the values of a choice, with labels. The
    children of ``rows`` and ``entries`` are the members that are there; those of ``alternatives`` each one of them,
    of which ``fitting`` is the one that the value fits.
    """

    path: tuple[str, ...]
    kind: ShapeKind
    schema: Schema
    is_required: bool
    children: tuple["Shape", ...] = ()
    options: tuple[tuple[Any, str], ...] = ()
    item: str = "string"
    field: str = ""
    fitting: int | None = None

    @property
    def pointer(self) -> str:
        """Return the JSON pointer of this node from the root of the form's value."""
        return pointer_to(self.path)

    @property
    def is_nullable(self) -> bool:
        """Tell whether null may stand here."""
        given = self.schema.get("type")
        is_named = isinstance(given, list) and "null" in given
        return is_named or NULLABLE in self.schema or None in self.schema.get("enum", ())

    @property
    def is_rest(self) -> bool:
        """Tell whether this stands for what a group takes beside its fields."""
        return self.kind == "entries" and bool(self.schema.get("properties"))

    @property
    def key(self) -> str:
        """Return the last step to this node, "" for the root."""
        return self.path[-1] if self.path else ""

    def walk(self) -> Iterator["Shape"]:
        """Yield this node and all below it."""
        yield self
        for child in self.children:
            yield from child.walk()

    def entry(self, place: int) -> "Shape":
        """Return the row of a list at a place, an empty one where there is none yet."""
        if place < len(self.children):
            return self.children[place]
        return _entry(self.schema, entry_schema(self.schema, place), self, str(place))

    def member(self, place: int, key: str) -> "Shape":
        """Return the row of a mapping with a number, as it is for a key."""
        if place < len(self.children) and self.children[place].key == key:
            return self.children[place]
        return _entry(self.schema, member_schema(self.schema, key), self, key, f"~{place}")


def shape_of(schema: Schema) -> Shape:
    """Return the shape of everything that ``schema``, whose root is an object, may ask for under any condition."""
    bare = unmarked(schema)
    return _shape(bare, bare, (), None, is_required=True, field="")


def shape_for(schema: Schema, value: Any) -> Shape:
    """Return the shape of the form for ``schema`` that holds ``value``: what is asked for now, and nothing else."""
    now = effective(schema, value)
    return _shape(now, now, (), value, is_required=True, field="")


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


def _shape(  # what a node is made of
    root: Schema, schema: Any, path: tuple[str, ...], value: Any, *, is_required: bool, field: str
) -> Shape:
    if not isinstance(schema, Mapping):
        return Shape(path, "json", {}, is_required, field=field)
    node = _resolve(root, schema)
    properties = {**_conditional_properties(root, schema), **node.get("properties", {})}
    if properties:
        node["properties"] = {**node.get("properties", {}), **properties}
    kind, options, item = _kind(root, node, path, value)
    made = Shape(path, kind, node, is_required, (), options, item, field, node.get(FITTING))
    return replace(made, children=tuple(_children(root, made, value)))


def _children(root: Schema, made: Shape, value: Any) -> Iterator[Shape]:
    node = made.schema
    if made.kind == "group":
        yield from _fields(root, made, value)
    elif made.kind == "rows":
        members = value if isinstance(value, list) else []
        for at, (part, each) in enumerate(zip(node.get(ENTRIES, ()), members, strict=False)):
            yield _entry(root, part, made, str(at), value=each)
    elif made.kind == "entries":
        parts = node.get(ENTRIES, ()) if isinstance(value, Mapping) else ()
        held = [each for _, each in value.rows] if isinstance(value, Entries) else [value[key] for key, _ in parts]
        for at, ((key, part), each) in enumerate(zip(parts, held, strict=True)):
            yield _entry(root, part, made, key, f"~{at}", each)
    elif made.kind == "alternatives":
        for part in node.get(BRANCHES, ()):
            yield _shape(root, part, made.path, value, is_required=True, field=made.field)


def _fields(root: Schema, made: Shape, value: Any) -> Iterator[Shape]:
    node = made.schema
    required = set(node.get("required", ()))
    for name, part in node["properties"].items():
        if part is False or (isinstance(part, Mapping) and (part.get("not") == {} or CONCEALED in part)):
            continue
        inner = value.get(name) if isinstance(value, Mapping) else None
        field = made.field + pointer_to((name,))
        yield _shape(root, part, (*made.path, name), inner, is_required=name in required, field=field)
    if node.get(ENTRIES) or _wants_more(root, node, made.path):
        rest = Shape(made.path, "entries", node, is_required=False, field=made.field)
        yield replace(rest, children=tuple(_children(root, rest, value)))


def _entry(  # what a row is made of
    root: Schema, schema: Any, owner: Shape, key: str, step: str = "", value: Any = None
) -> Shape:
    field = f"{owner.field}/{step or key}"
    return _shape(root, schema, (*owner.path, key), value, is_required=True, field=field)


def _wants_more(root: Schema, node: Schema, path: tuple[str, ...]) -> bool:
    """Tell whether a schema has a word for members that ``properties`` do not name."""
    members = [*node.get("patternProperties", {}).values(), rest_schema(node)]
    return any(isinstance(each, Mapping) and _is_shaped(root, each, path) for each in members)


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


def _kind(  # one question after the other
    root: Schema, node: Schema, path: tuple[str, ...], value: Any
) -> tuple[ShapeKind, tuple[tuple[Any, str], ...], str]:
    options = _options(root, node)
    scalars = all(isinstance(value, str | int | float | bool) for value, _ in options)
    types = _types(node)
    kind: ShapeKind = "json"
    item = "string"
    if options and scalars:
        kind = "choice"
    elif len(path) > _DEPTH_LIMIT:
        kind = "json"
    elif BRANCHES in node:
        kind = "alternatives"
    elif types == ["object"] or (not types and "properties" in node):
        kind = "group" if node.get("properties") else "entries" if _wants_more(root, node, path) else "json"
    elif types == ["array"]:
        kind, options, item = _array_kind(root, node, path, value)
    elif types == ["boolean"]:
        kind = "boolean"
    elif types and set(types) <= {"integer", "number"}:
        kind, item = "number", types[0]
    elif types == ["string"]:
        kind = "text"
    return kind, options, item


def _array_kind(
    root: Schema, node: Schema, path: tuple[str, ...], value: Any
) -> tuple[ShapeKind, tuple[tuple[Any, str], ...], str]:
    members = node.get("items")
    member = _resolve(root, members) if isinstance(members, Mapping) else {}
    options = _options(root, member)
    types = _types(member)
    if "prefixItems" in node:
        return "rows", (), "string"
    if options:
        return "choices", options, "string"
    if len(types) == 1 and types[0] in {"string", "integer", "number"} and BRANCHES not in member:
        return ("lines" if _fits_lines(value, types[0]) else "rows"), (), types[0]
    return ("rows" if _is_shaped(root, member, path) else "json"), (), "string"


def _is_shaped(root: Schema, schema: Schema, path: tuple[str, ...]) -> bool:
    """Tell whether there is a better control for a member below ``path`` than a field for JSON."""
    return _kind(root, _resolve(root, schema), (*path, ""), None)[0] != "json"


def _fits_lines(value: Any, item: str) -> bool:
    """Tell whether a list comes back from one line for each entry as it went there."""
    if not isinstance(value, list) or item != "string":
        return True
    return all(
        isinstance(each, str) and each and each == each.strip() and each.splitlines() == [each] for each in value
    )


def is_long_text(schema: Schema) -> bool:
    """Tell whether a text deserves several lines."""
    return int(schema.get("maxLength", 0)) > _LONG_TEXT or schema.get("contentMediaType") is not None


def scalar_text(value: Any) -> str:
    """Return a scalar as a form sends it."""
    return value if isinstance(value, str) else json.dumps(value)

"""What sort of value a wired text or document can have, as a JSON Schema, so that it can be held against another's."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from catalog.assets.compatibility.inclusion import Filling, Gap, Inclusion, TooLargeError
from catalog.assets.compatibility.normal import bare, kinds_of, parts_of, written_out
from catalog.assets.wiring import Reference, WiringError, parse_wiring, texts

Schema = Mapping[str, Any]
SchemaOf = Callable[[Reference], Schema]
TEXT: Schema = {"type": "string"}
BUILT_IN: Mapping[tuple[str, str], Schema] = {
    ("source", "revision"): {"type": "string", "pattern": "^[0-9a-f]{40,64}$"},
    ("source", "repository"): TEXT,
    ("source", "pull_request"): {"type": "integer", "minimum": 1},
    ("environment", "name"): TEXT,
    ("environment", "url"): {"type": "string", "format": "uri"},
}
"""What ``${source.x}`` and ``${environment.x}`` can be."""
OF_COMPONENT: Mapping[str, Schema] = {
    "url": {"type": "string", "format": "uri"},
    "port": {"type": "integer", "minimum": 1, "maximum": 65_535},
}
"""What ``${component.x}`` can be, where it is more than a text."""


def problem_of(value: Any) -> str | None:
    """Return what is wrong with the references in a document, None where they can all be read."""
    for text in texts(value):
        try:
            parse_wiring(text)
        except WiringError as error:
            return str(error)
    return None


def at(schema: Schema, path: tuple[str, ...]) -> tuple[Schema, bool] | None:
    """Return the schema of a property of a property, and whether it or something around it is secret (writeOnly).

    ``schema`` is written out (see `plain`). None where there is no such property.
    """
    node: Any = schema
    is_secret = False
    for step in path:
        found = [each["properties"][step] for each in parts_of(node) if step in each.get("properties", {})]
        if not found:
            return None
        node = found[0]
        is_secret = is_secret or node.get("writeOnly") is True
    return node, is_secret


def missing(schema: Schema, path: Sequence[str]) -> str | None:
    """Return the first step of a path that a value of ``schema`` need not have, None where every value has them all.

    ``schema`` is written out (see `plain`).
    """
    node: Any = schema
    for step in path:
        parts = parts_of(node)
        found = [each["properties"][step] for each in parts if step in each.get("properties", {})]
        if not found or kinds_of(parts) != {"object"} or not any(step in each.get("required", ()) for each in parts):
            return step
        node = found[0]
    return None


def plain(schema: Schema) -> dict[str, Any]:
    """Return a whole schema with its references written out, so that its parts stand for themselves."""
    return written_out(schema, schema)


def type_of(value: Any, schema_of: SchemaOf) -> dict[str, Any]:
    """Return a schema that every value has which a wired document can become; references stand for ``schema_of``.

    A text that is one reference and nothing else has that reference's type; one with several parts is a text.
    """
    if isinstance(value, str):
        parts = parse_wiring(value)
        if len(parts) == 1 and isinstance(parts[0], Reference):
            return dict(schema_of(parts[0]))
        if any(isinstance(part, Reference) for part in parts):
            return dict(TEXT)
        return {"const": "".join(str(part) for part in parts)}
    if isinstance(value, Mapping):
        properties = {name: type_of(each, schema_of) for name, each in value.items()}
        made = {"type": "object", "properties": properties, "additionalProperties": {"not": {}}}
        return {**made, "required": sorted(properties)}
    if isinstance(value, list):
        items = [type_of(each, schema_of) for each in value]
        sizes = {"minItems": len(items), "maxItems": len(items)}
        return {"type": "array", **sizes, **({"prefixItems": items} if items else {})}
    return {"const": value}


def misfits(given: Schema, wanted: Schema) -> list[Gap]:
    """Return the sorts of values of ``given`` that ``wanted`` does not take, defaults of ``wanted`` filled in."""
    # A default of ``given`` is filled in where it comes from, so what is passed is never left out.
    narrow = bare(given)
    try:
        return Inclusion().gaps(parts_of(narrow), parts_of(bare(wanted)), "", Filling(narrow, wanted))
    except TooLargeError:
        return [Gap("", "too much to be compared", certain=False)]

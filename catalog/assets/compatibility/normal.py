"""Schemas brought into one form before they are compared: references written out, conjunctions flat, no annotations."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

ANNOTATIONS = frozenset(
    {"$schema", "$id", "$comment", "$defs", "title", "description", "default", "examples", "deprecated"}
    | {"readOnly", "writeOnly"}
)
"""Keywords that no value fails by; a default does not either, because it is filled in before values are checked."""

SINGLE = (
    *("not", "if", "then", "else", "items", "contains", "additionalProperties", "propertyNames"),
    *("unevaluatedItems", "unevaluatedProperties", "contentSchema"),
)
LISTS = ("allOf", "anyOf", "oneOf", "prefixItems")
NAMED = ("properties", "patternProperties", "dependentSchemas")
NEVER: Mapping[str, Any] = {"not": {}}
"""A schema that nothing fits, as ``false`` is."""

Part = Mapping[str, Any]
Parts = tuple[Part, ...]


def written_out(schema: Any, root: Mapping[str, Any]) -> dict[str, Any]:
    """Return a schema with every reference replaced by what it leads to; publishing has refused endless ones."""
    if isinstance(schema, bool):
        return {} if schema else dict(NEVER)
    made: dict[str, Any] = {}
    for keyword, value in schema.items():
        if keyword == "$ref":
            continue
        if keyword in SINGLE:
            made[keyword] = written_out(value, root)
        elif keyword in LISTS:
            made[keyword] = [written_out(each, root) for each in value]
        elif keyword in NAMED:
            made[keyword] = {name: written_out(each, root) for name, each in value.items()}
        elif keyword != "$defs":
            made[keyword] = value
    if "$ref" in schema:
        made["allOf"] = [written_out(_target(root, schema["$ref"]), root), *made.get("allOf", ())]
    return made


def bare(schema: Part) -> dict[str, Any]:
    """Return a schema that was written out, without its annotations."""
    made: dict[str, Any] = {}
    for keyword, value in schema.items():
        if keyword in ANNOTATIONS:
            continue
        if keyword in SINGLE:
            made[keyword] = bare(value)
        elif keyword in LISTS:
            made[keyword] = [bare(each) for each in value]
        elif keyword in NAMED:
            made[keyword] = {name: bare(each) for name, each in value.items()}
        else:
            made[keyword] = value
    return made


def parts_of(*schemas: Part) -> Parts:
    """Return the conjuncts of schemas that all hold, each without ``allOf``; empty ones are left out."""
    return tuple(part for schema in schemas for part in _flat(schema) if part)


def _flat(schema: Part) -> Iterator[Part]:
    yield {keyword: value for keyword, value in schema.items() if keyword != "allOf"}
    for each in schema.get("allOf", ()):
        yield from _flat(each)


def is_never(parts: Parts) -> bool:
    """Tell whether a conjunct is the schema that nothing fits."""
    return any(part.get("not") == {} for part in parts)


def nested(schema: Part) -> Iterator[tuple[str, Part]]:
    """Yield every direct part of a schema with the keyword that holds it."""
    for keyword, value in schema.items():
        if keyword in SINGLE:
            yield keyword, value
        elif keyword in LISTS:
            yield from ((keyword, each) for each in value)
        elif keyword in NAMED:
            yield from ((keyword, each) for each in value.values())


def _target(root: Mapping[str, Any], reference: str) -> Any:
    name = reference.removeprefix("#/$defs/").replace("~1", "/").replace("~0", "~")
    return root.get("$defs", {}).get(name, {})


KINDS = frozenset({"null", "boolean", "integer", "fraction", "string", "array", "object"})
"""The types of values, numbers divided into whole ones and others, so that each value has exactly one."""


def kinds_of(parts: Parts) -> frozenset[str]:
    """Return the types that every conjunct allows."""
    found = KINDS
    for part in parts:
        if "type" in part:
            found &= _kinds(part["type"])
    return found


def _kinds(written: str | Sequence[str]) -> frozenset[str]:
    names = [written] if isinstance(written, str) else written
    found: set[str] = set()
    for name in names:
        found |= {"integer", "fraction"} if name == "number" else {name}
    return frozenset(found)


def kind_names(kinds: frozenset[str]) -> str:
    """Return types as people call them."""
    names = set(kinds)
    if {"integer", "fraction"} <= names:
        names = names - {"integer", "fraction"} | {"number"}
    texts = {
        "null": "null",
        "boolean": "true or false",
        "integer": "a whole number",
        "fraction": "a number that is not whole",
        "number": "a number",
        "string": "a text",
        "array": "a list",
        "object": "an object",
    }
    return " or ".join(texts[name] for name in sorted(names))

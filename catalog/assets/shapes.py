"""Typed shapes over documents that a stranger wrote: every mistake becomes a finding with its line."""

import difflib
import json
from collections.abc import Iterator, Sequence
from typing import Any, TypeVar

from pydantic import BaseModel, ConfigDict, ValidationError
from pydantic.alias_generators import to_camel
from pydantic_core import ErrorDetails

from catalog.assets.findings import Finding
from catalog.assets.located import Located, Place


class Shape(BaseModel):
    """The base of every part of a manifest: camelCase names, nothing unknown, nothing converted."""

    model_config = ConfigDict(alias_generator=to_camel, extra="forbid", frozen=True, populate_by_name=False)


S = TypeVar("S", bound=Shape)


def read_shape(shape: type[S], document: Located, path: str, at: Place = ()) -> tuple[S | None, tuple[Finding, ...]]:
    """Read the part of ``document`` at ``at`` as ``shape``; None with the findings where it does not fit."""
    part = document.value
    for step in at:
        part = part[step]
    try:
        # Through JSON, because strict reading of JSON accepts a text for an enum or a list for a tuple.
        return shape.model_validate_json(json.dumps(part), strict=True), ()
    except ValidationError as error:
        schema = shape.model_json_schema()
        return None, tuple(_finding(each, schema, document, path, at) for each in error.errors(include_url=False))


def _finding(error: ErrorDetails, schema: dict[str, Any], document: Located, path: str, at: Place) -> Finding:
    place = at + _real_place(error["loc"], schema)
    line = document.line(place)
    name = dotted(place)
    kind = error["type"]
    if kind == "extra_forbidden":
        known = _fields_at(schema, error["loc"][:-1])
        return Finding("unknown-field", path, line, f"{name} is not a known field.", suggestion(str(place[-1]), known))
    if kind == "missing":
        return Finding("missing-field", path, line, f"{name} is missing.", "Add it.")
    if kind == "literal_error":
        expected = error.get("ctx", {}).get("expected", "")
        return Finding("field-value", path, line, f"{name} has an unknown value.", f"Write one of {expected}.")
    if kind == "value_error":
        message = error["msg"].removeprefix("Value error, ")
        reason, _, fix = message.partition(". ")
        return Finding("field-value", path, line, f"{name}: {reason.removesuffix('.')}.", fix or "Correct it.")
    if kind == "string_type" and isinstance(error["input"], int | float | bool):
        return Finding("field-type", path, line, f"{name} is not a text.", "Write it in quotes.")
    rule = "field-type" if kind.endswith("_type") else "field-value"
    return Finding(rule, path, line, f"{name}: {error['msg']}.", "Correct it.")


def dotted(place: Sequence[str | int]) -> str:
    """Return a place as people write it: ``metadata.links[0].url``."""
    text = ""
    for step in place:
        text += f"[{step}]" if isinstance(step, int) else f".{step}" if text else step
    return text or "The document"


def suggestion(name: str, known: Sequence[str]) -> str:
    """Return the fix for an unknown name: the one it was perhaps meant to be, or what there is."""
    close = difflib.get_close_matches(name, known, n=1, cutoff=0.6) or [
        each for each in known if each.lower().replace("_", "") == name.lower().replace("_", "").replace("-", "")
    ]
    if close:
        return f'Did you mean "{close[0]}"?'
    return f"Remove it, or use one of: {', '.join(sorted(known))}." if known else "Remove it."


def _real_place(place: Sequence[str | int], schema: dict[str, Any]) -> Place:
    """Return an error's place without the steps that are names of alternatives and not parts of the document."""
    return tuple(step for step, is_real in _steps(place, schema) if is_real)


def _fields_at(schema: dict[str, Any], place: Sequence[str | int]) -> list[str]:
    node: dict[str, Any] = schema
    for step in place:
        node = _child(_resolved(node, schema), step, schema)
    return list(_resolved(node, schema).get("properties", {}))


def _steps(place: Sequence[str | int], schema: dict[str, Any]) -> Iterator[tuple[str | int, bool]]:
    node = schema
    for index, step in enumerate(place):
        resolved = _resolved(node, schema)
        is_tag = (
            isinstance(step, str)
            and "oneOf" in resolved
            and step in resolved.get("discriminator", {}).get("mapping", {})
        )
        # A wrong key of a mapping is reported as the key and then "[key]".
        yield step, not (is_tag or (step == "[key]" and index == len(place) - 1))
        node = _child(resolved, step, schema)


def _child(node: dict[str, Any], step: str | int, schema: dict[str, Any]) -> dict[str, Any]:
    if isinstance(step, int):
        child = node.get("items", {})
    elif step in node.get("properties", {}):
        child = node["properties"][step]
    elif step in node.get("discriminator", {}).get("mapping", {}):
        child = {"$ref": node["discriminator"]["mapping"][step]}
    else:
        patterned = node.get("patternProperties", {})
        child = next(iter(patterned.values()), node.get("additionalProperties", {}))
    return _resolved(child, schema) if isinstance(child, dict) else {}


def _resolved(node: dict[str, Any], schema: dict[str, Any]) -> dict[str, Any]:
    if "anyOf" in node:  # an optional part: the alternative that is not null
        node = next((each for each in node["anyOf"] if each.get("type") != "null"), node)
    reference = node.get("$ref")
    if isinstance(reference, str):
        found: dict[str, Any] = schema["$defs"][reference.rpartition("/")[2]]
        return found
    return node

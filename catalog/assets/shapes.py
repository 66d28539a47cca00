"""Typed shapes over documents that a stranger wrote: every mistake becomes a finding with its line."""

import difflib
import json
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, TypeVar

from pydantic import BaseModel, ConfigDict, ValidationError
from pydantic.alias_generators import to_camel
from pydantic_core import ErrorDetails

from catalog.assets.findings import Finding, printable
from catalog.assets.located import Located, Place
from catalog.assets.references import NAME_PATTERN


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
        errors = error.errors(include_url=False)
        return None, tuple(_finding(each, schema, document, path, at) for each in errors if not _follows(each, errors))


def _follows(error: ErrorDetails, errors: Sequence[ErrorDetails]) -> bool:
    """Tell whether a list is too short only because entries of it are wrong, which is reported already."""
    place = error["loc"]
    return error["type"] == "too_short" and any(each["loc"][:-1] == place for each in errors if each["loc"])


def _finding(error: ErrorDetails, schema: dict[str, Any], document: Located, path: str, at: Place) -> Finding:
    place = at + _real_place(error["loc"], schema)
    if error["type"] == "union_tag_invalid":
        place += (str(error["ctx"]["discriminator"]).strip("'"),)
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
    message, fix = _SENTENCES.get(kind, ("{name}: {reason}.", "Correct it."))
    details = {"name": name, "reason": error["msg"], **error.get("ctx", {})}
    if details.get("pattern") == NAME_PATTERN:
        fix = "Use lower-case letters, digits and inner dashes."
    return Finding(rule, path, line, message.format_map(details), fix.format_map(details))


# What is wrong and the fix, by pydantic's type of error; the names in braces are those of its context.
_SENTENCES: Mapping[str, tuple[str, str]] = {
    "string_type": ("{name} is not a text.", "Write a text."),
    "bool_type": ("{name} is neither true nor false.", "Write true or false."),
    "int_type": ("{name} is not a whole number.", "Write a whole number."),
    "tuple_type": ("{name} is not a list.", "Write a list."),
    "dict_type": ("{name} is not a mapping.", "Write names and values."),
    "model_type": ("{name} is not a mapping.", "Write names and values."),
    "string_too_short": ("{name} is empty.", "Write a text."),
    "string_too_long": ("{name} is longer than {max_length} characters.", "Make it shorter."),
    "string_pattern_mismatch": ("{name} does not have the form of such a value.", "Write what matches {pattern}"),
    "union_tag_invalid": ("{name} has an unknown value.", "Write one of {expected_tags}."),
    "union_tag_not_found": ("{name} does not say its type.", "Add type."),
    "too_short": ("{name} has too few entries.", "Write at least {min_length}."),
    "too_long": ("{name} has too many entries.", "Write at most {max_length}."),
    "greater_than_equal": ("{name} is too small.", "Write at least {ge}."),
    "less_than_equal": ("{name} is too large.", "Write at most {le}."),
}


def dotted(place: Sequence[str | int]) -> str:
    """Return a place as people write it: ``metadata.links[0].url``."""
    text = ""
    for step in place:
        name = f"[{step}]" if isinstance(step, int) else printable(step[:80])
        text += f".{name}" if text and isinstance(step, str) else name
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

"""Schemas that both hold, as one."""

from collections.abc import Mapping, Sequence
from typing import Any

Schema = Mapping[str, Any]


def alternatives_of(schema: Schema) -> Sequence[Schema]:
    """Return the alternatives of ``oneOf``, else of ``anyOf``, none where there are no schemas to choose from."""
    found = schema.get("oneOf") or schema.get("anyOf") or ()
    return found if isinstance(found, list) and all(isinstance(each, Mapping) for each in found) else ()


def joined(first: dict[str, Any], second: Mapping[str, Any]) -> dict[str, Any]:
    """Return two schemas that both hold as one; of what only describes, the first word counts."""
    made = {**second, **first}
    if "properties" in first and "properties" in second:
        names = [*first["properties"], *(name for name in second["properties"] if name not in first["properties"])]
        made["properties"] = {
            name: _both(first["properties"].get(name), second["properties"].get(name)) for name in names
        }
    if "required" in first and "required" in second:
        made["required"] = list(dict.fromkeys([*first["required"], *second["required"]]))
    if "patternProperties" in first and "patternProperties" in second:
        made["patternProperties"] = {**second["patternProperties"], **first["patternProperties"]}
    if "enum" in first and "enum" in second:
        made["enum"] = [each for each in first["enum"] if each in second["enum"]]
    if "type" in first and "type" in second:
        both = [each for each in types_of(first) if each in types_of(second)]
        made["type"] = both[0] if len(both) == 1 else both or first["type"]
    for keyword, narrower in (("minimum", max), ("minLength", max), ("maximum", min), ("maxLength", min)):
        if keyword in first and keyword in second:
            made[keyword] = narrower(first[keyword], second[keyword])
    return made


def types_of(schema: Schema) -> list[Any]:
    """Return the types that a schema allows, none where it names none."""
    given = schema.get("type", [])
    return given if isinstance(given, list) else [given]


def _both(first: Any, second: Any) -> Any:
    if first is False or second is False:
        return False
    if first is None or second is None:
        return second if first is None else first
    if isinstance(first, Mapping) and isinstance(second, Mapping):
        return side_by_side(first, second)
    return first if second is True else second


def side_by_side(first: Mapping[str, Any], second: Mapping[str, Any]) -> dict[str, Any]:
    """Return two schemas of one property side by side; a choice by constants takes the place of a list of values."""
    if any("const" in each for each in alternatives_of(second)):
        return {**{key: each for key, each in first.items() if key not in {"enum", "const"}}, **second}
    return {"allOf": [dict(first), dict(second)]}

"""Texts as the types that a schema wants, for doors where everything is typed as text."""

import json
import re
from collections.abc import Collection, Mapping
from typing import Any

from catalog.forms.effective import effective, filled

INTEGER = re.compile(r"[+-]?[0-9]{1,30}")
"""A whole number as people write it."""
NUMBER = re.compile(r"[+-]?([0-9]{1,30}\.?[0-9]{0,30}|\.[0-9]{1,30})([eE][+-]?[0-9]{1,2})?")
"""A number as people write it."""
_TRUE, _FALSE = frozenset({"true", "yes", "on"}), frozenset({"false", "no", "off"})


def coerced(schema: Mapping[str, Any], value: Mapping[str, Any], names: Collection[str]) -> dict[str, Any]:
    """Return ``value`` with the texts of the named properties as what ``schema`` wants in the branches that hold.

    A text stays one where the schema takes a text, and where it cannot be read as what is wanted: the validator has the
    better message. Conditions are decided by what is read so far, so that one text may open what another one is for.
    """
    made = dict(value)
    for _ in range(len(names) + 1):
        before = repr(made)
        properties = effective(schema, filled(schema, made)).get("properties", {})
        for name in names:
            if isinstance(value.get(name), str):
                made[name] = read_text(properties.get(name), value[name])
        if repr(made) == before:
            break
    return made


def read_text(schema: Any, text: str) -> Any:
    """Return a text as what one effective schema wants, the text itself where it wants none or cannot be read."""
    if not isinstance(schema, Mapping):
        return text
    options = _options(schema)
    if options:
        return next((each for each in options if _as_text(each) == text), text)
    given = schema.get("type", [])
    for name in given if isinstance(given, list) else [given]:
        found, value = _read(str(name), schema, text)
        if found:
            return value
    return text


def _options(schema: Mapping[str, Any]) -> list[Any]:
    if "const" in schema:
        return [schema["const"]]
    if "enum" in schema:
        return list(schema["enum"])
    parts = schema.get("oneOf") or schema.get("anyOf") or ()
    return [each["const"] for each in parts] if parts and all("const" in each for each in parts) else []


def _as_text(value: Any) -> str:
    return value if isinstance(value, str) else json.dumps(value)


def _read(name: str, schema: Mapping[str, Any], text: str) -> tuple[bool, Any]:
    """Read a text as a type; tell whether it is one."""
    if name in {"array", "object"}:
        return _read_parts(name, schema, text)
    if name in {"integer", "number"}:
        is_whole = INTEGER.fullmatch(text) is not None
        is_read = is_whole or (name == "number" and NUMBER.fullmatch(text) is not None)
        return is_read, (int(text) if is_whole else float(text)) if is_read else None
    if name == "boolean":
        return text.lower() in _TRUE | _FALSE, text.lower() in _TRUE
    return name == "string" or (name == "null" and text == "null"), text if name == "string" else None


def _read_parts(name: str, schema: Mapping[str, Any], text: str) -> tuple[bool, Any]:
    """Read a list or a mapping: JSON, or the entries of a list with commas between them."""
    if text.lstrip().startswith("[" if name == "array" else "{"):
        try:
            return True, json.loads(text)
        except (ValueError, RecursionError):
            return False, None
    if name == "array":
        entries = [each.strip() for each in text.split(",") if each.strip()]
        return True, [read_text(schema.get("items"), each) for each in entries]
    return False, None

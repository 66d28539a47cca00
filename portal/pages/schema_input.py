"""Reading what a form sent as the value that its JSON Schema describes."""

import json
import re
from collections.abc import Callable, Sequence
from typing import Any

from catalog.errors import FieldError
from portal.pages.schema_form import Submitted
from portal.pages.schema_shape import TRUE_WORDS, Schema, Shape, scalar_text, shape_of

_ABSENT = object()
_INTEGER = re.compile(r"[+-]?[0-9]{1,30}")
_NUMBER = re.compile(r"[+-]?([0-9]{1,30}\.?[0-9]{0,30}|\.[0-9]{1,30})([eE][+-]?[0-9]{1,2})?")


def read_form(
    schema: Schema, submitted: Submitted, prefix: str = "inputs"
) -> tuple[dict[str, Any], tuple[FieldError, ...]]:
    """Return the value that was sent for ``schema`` and what could not be read as the type that the schema wants.

    An empty field is an absent property, so that the schema's own ``required`` and defaults decide about it.
    """
    errors: list[FieldError] = []
    value = _read(shape_of(schema), submitted, prefix, errors)
    return (value if isinstance(value, dict) else {}), tuple(errors)


def _read(shape: Shape, submitted: Submitted, prefix: str, errors: list[FieldError]) -> Any:
    if shape.kind == "group":
        members = {child.path[-1]: _read(child, submitted, prefix, errors) for child in shape.children}
        given = {name: value for name, value in members.items() if value is not _ABSENT}
        return given if given or shape.is_required else _ABSENT
    name = prefix + shape.pointer
    try:
        return _value(shape, submitted.get(name, ()))
    except ValueError as error:
        errors.append(FieldError("/" + name, str(error)))
        return _ABSENT


def _value(shape: Shape, sent: Sequence[str]) -> Any:
    text = sent[-1] if sent else ""
    if shape.kind == "choices":
        return [value for value, _ in shape.options if scalar_text(value) in sent] or _ABSENT
    return _READERS[shape.kind](shape, text) if text.strip() else _ABSENT


def _boolean(_shape: Shape, text: str) -> bool:
    return text.strip().lower() in TRUE_WORDS


def _choice(shape: Shape, text: str) -> Any:
    # A value outside the choices is passed on as it is: the schema's validator has the better message.
    return next((value for value, _ in shape.options if scalar_text(value) == text), text)


def _lines(shape: Shape, text: str) -> list[Any]:
    lines = [line.strip() for line in text.splitlines() if line.strip()]
    return [_scalar(shape.item, line, f"Line {number}") for number, line in enumerate(lines, 1)]


def _pairs(shape: Shape, text: str) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for number, line in enumerate(text.splitlines(), 1):
        key, equals, value = line.strip().partition("=")
        if not key and not equals:
            continue
        if not equals or not key.strip():
            message = f"Line {number} must read NAME=value."
            raise ValueError(message)
        found[key.strip()] = _scalar(shape.item, value.strip(), f"The value on line {number}")
    return found


def _number(shape: Shape, text: str) -> int | float:
    number: int | float = _scalar(shape.item, text.strip(), "This")
    return number


def _json(_shape: Shape, text: str) -> Any:
    try:
        return json.loads(text)
    except json.JSONDecodeError as error:
        message = f"This must be JSON: {error.msg} on line {error.lineno}, column {error.colno}."
        raise ValueError(message) from None


def _text(_shape: Shape, text: str) -> str:
    return text.replace("\r\n", "\n")


_READERS: dict[str, Callable[[Shape, str], Any]] = {
    "boolean": _boolean,
    "choice": _choice,
    "lines": _lines,
    "pairs": _pairs,
    "number": _number,
    "json": _json,
    "text": _text,
}


def _scalar(item: str, text: str, place: str) -> Any:
    if item == "integer":
        if not _INTEGER.fullmatch(text):
            message = f"{place} must be a whole number, such as 3."
            raise ValueError(message)
        return int(text)
    if item == "number":
        if not _NUMBER.fullmatch(text):
            message = f"{place} must be a number, such as 3 or 0.5."
            raise ValueError(message)
        return int(text) if _INTEGER.fullmatch(text) else float(text)
    return text.lower() in TRUE_WORDS if item == "boolean" else text

"""Reading what a form sent as the value that its JSON Schema describes."""

import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any, NoReturn

from catalog.errors import FieldError
from catalog.forms.coercion import INTEGER, NUMBER
from catalog.forms.effective import Entries, filled
from catalog.forms.pointers import pointer_to
from catalog.forms.validation import MOST_STEPS, shared_budget
from portal.pages.schema_shape import TRUE_WORDS, Schema, Shape, Submitted, scalar_text, shape_for

ROWS = "/~rows"
"""What follows the name of a list or a mapping in the field that says how many rows were shown."""
KEY = "/~key"
"""What follows the name of a row of a mapping in the field that holds its key."""
CHOSEN = "/~as"
"""What follows a name in the field that says which of several alternatives was chosen."""
MOST_ROWS = 1_000
"""How many rows one form may send, all lists together."""

_ROUNDS = 20
_EMPTY_ROW = "This row is empty. Fill it in, or remove it."


class _Absent:
    """Stands for a property that was not given."""


_ABSENT = _Absent()


@dataclass(frozen=True)
class Settled:
    """What was sent for a schema: ``value`` as it was typed, ``shape`` of the form that it opens, unreadable fields."""

    shape: Shape
    value: Any
    errors: tuple[FieldError, ...]


def read_form(
    schema: Schema, submitted: Submitted, prefix: str = "inputs"
) -> tuple[dict[str, Any], tuple[FieldError, ...]]:
    """Return the value that was sent for ``schema`` and what could not be read as the type that the schema wants.

    An empty field is an absent property, so that the schema's own ``required`` and defaults decide about it. Fields of
    branches that the value does not open are left out.
    """
    settled = settle(schema, submitted, prefix)
    value = _plain(settled.value)
    return (value if isinstance(value, dict) else {}), settled.errors


def settle(schema: Schema, submitted: Submitted, prefix: str = "inputs") -> Settled:
    """Read what was sent until what it opens and what is read of that agree."""
    value: Any = {}
    reader = _Reader(submitted, prefix)
    with shared_budget(10 * MOST_STEPS):
        shape = shape_for(schema, filled(schema, value))
        for _ in range(_ROUNDS):
            reader = _Reader(submitted, prefix)
            read = reader.read(shape)
            read = {} if read is _ABSENT else read
            if repr(read) == repr(value):
                break
            value = read
            shape = shape_for(schema, filled(schema, value))
    return Settled(shape, value, tuple(reader.errors))


def _plain(value: Any) -> Any:
    if isinstance(value, dict):
        return {
            name: _plain(each) for name, each in value.items() if not (isinstance(each, Entries) and each.is_nothing)
        }
    return [_plain(each) for each in value] if isinstance(value, list) else value


@dataclass
class _Reader:
    """Reads one form as a shape says."""

    submitted: Submitted
    prefix: str
    errors: list[FieldError] = field(default_factory=list)
    rows: int = 0

    def read(self, shape: Shape) -> Any:
        """Return the value of one node, ``_ABSENT`` where nothing was given."""
        if shape.schema.get("readOnly") is True:
            return _ABSENT
        value = self._read(shape)
        is_told = shape.is_required or "default" in shape.schema
        return None if value is _ABSENT and shape.is_nullable and is_told and shape.kind != "group" else value

    def _read(self, shape: Shape) -> Any:
        name = self.prefix + shape.field
        if shape.kind == "group":
            return self._group(shape)
        if shape.kind == "entries":
            return self._entries(shape)
        if shape.kind == "rows" or (shape.kind == "lines" and name + ROWS in self.submitted):
            return self._list(shape)
        if shape.kind == "alternatives":
            return self._alternative(shape)
        try:
            return _value(shape, self.submitted.get(name, ()))
        except ValueError as error:
            self._refuse(shape.path, str(error))
            return _ABSENT

    def _refuse(self, path: Sequence[str], detail: str) -> None:
        self.errors.append(FieldError("/" + self.prefix + pointer_to(path), detail))

    def _group(self, shape: Shape) -> Any:
        fields = [child for child in shape.children if child.field != shape.field]
        members = {child.key: self.read(child) for child in fields}
        given = {name: value for name, value in members.items() if value is not _ABSENT}
        for child in shape.children:
            if child.field == shape.field:
                rest = self._entries(child)
                is_nothing = not given and not shape.is_required and bool(getattr(rest, "is_nothing", True))
                given = given if rest is _ABSENT else Entries(rest.rows, given, is_nothing=is_nothing)
        return given if given or shape.is_required or isinstance(given, Entries) else _ABSENT

    def _count(self, name: str) -> int:
        """Return how many rows were sent; what is beyond all measure is cut off and told."""
        text = self._last(name + ROWS)
        count = min(int(text), MOST_ROWS + 1) if text.isdecimal() and len(text) < 6 else 0
        self.rows += count
        if self.rows > MOST_ROWS:
            self.errors.append(FieldError(f"/{name}", f"A form takes at most {MOST_ROWS} rows."))
            return 0
        return count

    def _last(self, name: str) -> str:
        sent = self.submitted.get(name, ())
        return sent[-1] if sent else ""

    def _list(self, shape: Shape) -> Any:
        found = []
        for place in range(self._count(self.prefix + shape.field)):
            row = shape.entry(place)
            before = len(self.errors)
            value = self.read(row)
            if value is _ABSENT and row.kind == "text":
                value = ""
            elif value is _ABSENT and len(self.errors) == before:
                self._refuse(row.path, _EMPTY_ROW)
            found.append(None if value is _ABSENT else value)
        return found if found or shape.is_required or "default" in shape.schema else _ABSENT

    def _entries(self, shape: Shape) -> Any:
        rows: list[tuple[str, Any]] = []
        name = self.prefix + shape.field
        known = shape.schema.get("properties", {})
        for place in range(self._count(name)):
            key = self._last(f"{name}/~{place}{KEY}").strip()
            row = shape.member(place, key)
            before = len(self.errors)
            value = self.read(row)
            is_empty = value is _ABSENT or (row.kind == "group" and not value)
            wrong = "Give it a name." if not key else ""
            wrong = "This name is there twice." if any(each == key for each, _ in rows) and key else wrong
            wrong = "This has a field of its own." if key in known else wrong
            if not key and is_empty and len(self.errors) == before:
                rows.append(("", None))
                continue
            if wrong:
                self._refuse([*shape.path, key], wrong)
            if value is _ABSENT and row.kind == "text":
                value = ""
            elif value is _ABSENT and len(self.errors) == before:
                self._refuse(row.path, _EMPTY_ROW)
            rows.append((key, None if value is _ABSENT else value))
        is_told = shape.is_required or "default" in shape.schema
        is_nothing = not is_told and not any(key for key, _ in rows)
        return Entries(rows, is_nothing=is_nothing) if rows or is_told else _ABSENT

    def _alternative(self, shape: Shape) -> Any:
        name = self.prefix + shape.field + CHOSEN
        chosen = shape.fitting
        if name in self.submitted:
            text = self._last(name)
            chosen = int(text) if text.isdecimal() and len(text) < 4 else None
        if chosen is None or chosen >= len(shape.children):
            return _ABSENT
        return self.read(shape.children[chosen])


def _value(shape: Shape, sent: Sequence[str]) -> Any:
    text = sent[-1] if sent else ""
    if shape.kind == "choices":
        chosen = [value for value, _ in shape.options if scalar_text(value) in sent]
        return chosen if chosen or "default" in shape.schema else _ABSENT
    return _READERS[shape.kind](shape, text) if text.strip() else _ABSENT


def _boolean(_shape: Shape, text: str) -> bool:
    return text.strip().lower() in TRUE_WORDS


def _choice(shape: Shape, text: str) -> Any:
    # A value outside the choices is passed on as it is: the schema's validator has the better message.
    return next((value for value, _ in shape.options if scalar_text(value) == text), text)


def _lines(shape: Shape, text: str) -> list[Any]:
    lines = [line.strip() for line in text.splitlines() if line.strip()]
    return [read_scalar(shape.item, line, f"Line {number}") for number, line in enumerate(lines, 1)]


def _number(shape: Shape, text: str) -> int | float:
    number: int | float = read_scalar(shape.item, text.strip(), "This")
    return number


def _json(_shape: Shape, text: str) -> Any:
    try:
        return json.loads(text, parse_constant=_refuse_constant)
    except json.JSONDecodeError as error:
        message = f"This must be JSON: {error.msg} on line {error.lineno}, column {error.colno}."
        raise ValueError(message) from None
    except RecursionError:
        message = "This is nested too deeply."
        raise ValueError(message) from None


def _refuse_constant(name: str) -> NoReturn:
    message = f"This must be JSON, which has no {name}."
    raise ValueError(message)


def _text(_shape: Shape, text: str) -> str:
    return text.replace("\r\n", "\n")


_READERS: dict[str, Callable[[Shape, str], Any]] = {
    "boolean": _boolean,
    "choice": _choice,
    "lines": _lines,
    "number": _number,
    "json": _json,
    "text": _text,
}


def read_scalar(item: str, text: str, place: str) -> Any:
    """Return a text as the type that it stands for; raise ``ValueError`` with what to write where it is none."""
    if item == "integer":
        if not INTEGER.fullmatch(text):
            message = f"{place} must be a whole number, such as 3."
            raise ValueError(message)
        return int(text)
    if item == "number":
        if not NUMBER.fullmatch(text):
            message = f"{place} must be a number, such as 3 or 0.5."
            raise ValueError(message)
        return int(text) if INTEGER.fullmatch(text) else float(text)
    return text.lower() in TRUE_WORDS if item == "boolean" else text

"""Values of Rego in Python, and their text: JSON, plus sets and keys that are not strings.

null, booleans and strings are themselves, numbers are ``int`` or ``Decimal`` (the exact text is kept), arrays are
lists, objects are dicts whose keys are ``str`` or ``Key``, and sets are ``RegoSet``. Order and equality are OPA's
(``v1/ast/compare.go``): null < booleans < numbers < strings < arrays < objects < sets.
"""

import json
import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from decimal import Decimal
from functools import cached_property
from json.decoder import scanstring  # type: ignore[attr-defined]  # in C, and part of the module for 15 years
from typing import Any

MOST_DEPTH = 400
_MOST_DIGITS = 4000
_MOST_EXPONENT = 1000
_NUMBER = re.compile(r"-?(?:(?:0|[1-9]\d*)(\.\d+)?|(\.\d+))([eE][+-]?\d+)?")
_ATOMS = {"n": ("null", None), "t": ("true", True), "f": ("false", False)}


class ValueRefusedError(ValueError):
    """A value is too deep, a number too large, or a text no value."""


class RegoSet:
    """A set: its members in OPA's order, each once."""

    __slots__ = ("__dict__", "items")

    def __init__(self, members: Iterable[Any] = ()) -> None:
        unique = {order(member): member for member in members}
        self.items: tuple[Any, ...] = tuple(unique[key] for key in sorted(unique))

    @cached_property
    def keys(self) -> frozenset[Any]:
        """The order keys of the members, to look one up."""
        return frozenset(order(member) for member in self.items)

    def __contains__(self, value: object) -> bool:
        return order(value) in self.keys

    def __iter__(self) -> Iterator[Any]:
        return iter(self.items)

    def __len__(self) -> int:
        return len(self.items)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, RegoSet) and self.keys == other.keys

    def __hash__(self) -> int:
        return hash(self.keys)

    def __repr__(self) -> str:
        return f"RegoSet({list(self.items)!r})"


@dataclass(frozen=True, eq=False)
class Key:
    """A key of an object that is not a string."""

    value: Any

    @cached_property
    def order(self) -> Any:
        """The order key of the value."""
        return order(self.value)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Key) and self.order == other.order

    def __hash__(self) -> int:
        return hash(self.order)


def as_key(value: Any) -> str | Key:
    """Return the value as a key of a dict."""
    return value if isinstance(value, str) else Key(value)


def from_key(key: str | Key) -> Any:
    """Return the value that is a key of a dict."""
    return key if isinstance(key, str) else key.value


def is_number(value: Any) -> bool:
    """Tell whether a value is a number, which a boolean is not."""
    return isinstance(value, int | Decimal | float) and not isinstance(value, bool)


def entries(value: Mapping[Any, Any]) -> list[tuple[Any, Any]]:
    """Return the keys and values of an object, in the order of the keys."""
    return sorted(((from_key(key), item) for key, item in value.items()), key=lambda entry: order(entry[0]))


def order(value: Any) -> tuple[Any, ...]:  # noqa: PLR0911  # one line for each type
    """Return what OPA's order of values compares; equal values have equal keys, which can be hashed."""
    if isinstance(value, str):
        return (3, value)
    if value is None:
        return (0,)
    if isinstance(value, bool):
        return (1, value)
    if isinstance(value, int | Decimal | float):
        return (2, Decimal(str(value)) if isinstance(value, float) else value)
    if isinstance(value, list | tuple):
        return (5, *map(order, value))
    if isinstance(value, RegoSet):
        return (7, *map(order, value.items))
    if isinstance(value, Mapping):
        return (6, *((order(key), order(item)) for key, item in entries(value)))
    raise ValueRefusedError(f"{type(value).__name__} is no value of a policy")


def equal(left: Any, right: Any) -> bool:
    """Tell whether two values are the same, 1 and 1.0 included."""
    return order(left) == order(right)


def parse(text: str) -> Any:
    """Return the value that a text of OPA's WebAssembly stands for; raise ``ValueRefusedError`` where it is none."""
    try:
        return json.loads(text, parse_float=_decimal, parse_int=_integer, parse_constant=_no_constant)
    except ValueRefusedError:
        raise
    except RecursionError:
        raise ValueRefusedError("the value is nested too deeply") from None
    except ValueError:
        try:
            value, end = _Reader(text).value(0, 0)
        except json.JSONDecodeError as error:
            raise ValueRefusedError(f"a string is not valid: {error.msg}") from None
        if end != len(text):
            raise ValueRefusedError("there is text after the value") from None
        return value


def dump(value: Any) -> str:
    """Return the text that OPA's WebAssembly reads as this value."""
    parts: list[str] = []
    _dump(value, parts, 0)
    return "".join(parts)


def to_json(value: Any) -> Any:
    """Return the value as OPA answers it in JSON: sets are sorted arrays, other keys become their text."""
    if isinstance(value, list):
        return [to_json(item) for item in value]
    if isinstance(value, RegoSet):
        return [to_json(item) for item in value.items]
    if isinstance(value, dict):
        return {_json_key(key): to_json(item) for key, item in value.items()}
    if isinstance(value, Decimal):
        if value == value.to_integral_value() and value.adjusted() < 300:
            return int(value)
        number = float(value)
        if number in (float("inf"), float("-inf")):
            raise ValueRefusedError("the number is too large")
        return number
    return value


def as_json_text(value: Any, *, indent: str = "", prefix: str = "", lines: bool = False) -> str:
    """Return the value as JSON with sorted keys and exact numbers, compact or on lines, as Go marshals it."""
    parts: list[str] = []
    _marshal(value, parts, (prefix, indent) if lines else None, 0)
    return "".join(parts)


def number_text(value: Decimal | float) -> str:
    """Return a number as JSON has it."""
    if isinstance(value, int):
        if value.bit_length() > 3.3 * _MOST_DIGITS:
            raise ValueRefusedError("the number has too many digits")
        return str(value)
    return str(value).replace("E", "e")


def _json_key(key: str | Key) -> str:
    return key if isinstance(key, str) else as_json_text(key.value)


def _decimal(text: str) -> Decimal:
    exponent = re.search(r"[eE]([+-]?\d+)$", text)
    if len(text) > _MOST_DIGITS or (exponent and (len(exponent[1]) > 6 or abs(int(exponent[1])) > _MOST_EXPONENT)):
        raise ValueRefusedError("the number is too large")
    return Decimal(text)


def _integer(text: str) -> int:
    if len(text) > _MOST_DIGITS:
        raise ValueRefusedError("the number has too many digits")
    return int(text)


def _no_constant(text: str) -> None:
    raise ValueRefusedError(f"{text} is no number")


def _dump(value: Any, parts: list[str], depth: int) -> None:
    if depth > MOST_DEPTH:
        raise ValueRefusedError("the value is nested too deeply")
    if isinstance(value, str):
        parts.append(json.dumps(value, ensure_ascii=False))
    elif value is None or isinstance(value, bool):
        parts.append(json.dumps(value))
    elif isinstance(value, int | Decimal | float):
        parts.append(number_text(value))
    elif isinstance(value, list | tuple):
        _join("[", value, "]", parts, depth)
    elif isinstance(value, RegoSet):
        if value.items:
            _join("{", value.items, "}", parts, depth)
        else:
            parts.append("set()")
    elif isinstance(value, dict):
        parts.append("{")
        for index, (key, item) in enumerate(value.items()):
            parts.append("," if index else "")
            _dump(from_key(key), parts, depth + 1)
            parts.append(":")
            _dump(item, parts, depth + 1)
        parts.append("}")
    else:
        raise ValueRefusedError(f"{type(value).__name__} is no value of a policy")


def _join(start: str, items: Iterable[Any], end: str, parts: list[str], depth: int) -> None:
    parts.append(start)
    for index, item in enumerate(items):
        parts.append("," if index else "")
        _dump(item, parts, depth + 1)
    parts.append(end)


def _marshal(value: Any, parts: list[str], lines: tuple[str, str] | None, depth: int) -> None:
    if depth > MOST_DEPTH:
        raise ValueRefusedError("the value is nested too deeply")
    prefix, indent = lines or ("", "")
    pretty = lines is not None
    if isinstance(value, dict):
        members = sorted(((_json_key(key), item) for key, item in value.items()), key=lambda row: row[0])
        rows: list[tuple[str, Any]] = [(go_quoted(key) + (": " if pretty else ":"), item) for key, item in members]
        brackets = "{}"
    elif isinstance(value, list | tuple | RegoSet):
        rows = [("", item) for item in value]
        brackets = "[]"
    else:
        if isinstance(value, str):
            parts.append(go_quoted(value))
        elif value is None or isinstance(value, bool):
            parts.append(json.dumps(value))
        else:
            parts.append(number_text(value))
        return
    parts.append(brackets[0])
    for index, (label, item) in enumerate(rows):
        parts.append("," if index else "")
        parts.append(f"\n{prefix}{indent * (depth + 1)}" if pretty else "")
        parts.append(label)
        _marshal(item, parts, lines, depth + 1)
    parts.append(f"\n{prefix}{indent * depth}" if pretty and rows else "")
    parts.append(brackets[1])


_GO_ESCAPES = str.maketrans(
    {"<": "\\u003c", ">": "\\u003e", "&": "\\u0026", "\u2028": "\\u2028", "\u2029": "\\u2029", "\x7f": "\x7f"}
)


def go_quoted(text: str) -> str:
    """Return the text as Go's ``encoding/json`` quotes it, with ``<``, ``>`` and ``&`` as escapes."""
    return json.dumps(text, ensure_ascii=False).translate(_GO_ESCAPES)


class _Reader:
    """Reads what JSON cannot say; a recursive descent with a bound on its depth."""

    def __init__(self, text: str) -> None:
        self.text = text

    def value(self, at: int, depth: int) -> tuple[Any, int]:
        if depth > MOST_DEPTH:
            raise ValueRefusedError("the value is nested too deeply")
        at = self._space(at)
        head = self.text[at : at + 1]
        if head == '"':
            string, end = scanstring(self.text, at + 1)
            return string, end
        if head == "[":
            return self._members(at + 1, "]", depth, [])
        if head == "{":
            return self._braces(at + 1, depth)
        if self.text.startswith("set()", at):
            return RegoSet(), at + 5
        word, atom = _ATOMS.get(head, ("\0", None))
        if self.text.startswith(word, at):
            return atom, at + len(word)
        match = _NUMBER.match(self.text, at)
        if match is None:
            raise ValueRefusedError(f"there is no value at character {at}")
        return (_decimal(match[0]) if match[1] or match[2] or match[3] else _integer(match[0])), match.end()

    def _members(self, at: int, end: str, depth: int, found: list[Any]) -> tuple[list[Any], int]:
        at = self._space(at)
        if not found and self.text.startswith(end, at):
            return found, at + 1
        while True:
            if found:
                if self.text.startswith(end, at):
                    return found, at + 1
                at = self._expect(",", at)
            item, at = self.value(at, depth + 1)
            found.append(item)
            at = self._space(at)

    def _braces(self, at: int, depth: int) -> tuple[Any, int]:
        at = self._space(at)
        if self.text.startswith("}", at):
            return {}, at + 1
        key, at = self.value(at, depth + 1)
        at = self._space(at)
        if not self.text.startswith(":", at):
            members, end = self._members(at, "}", depth, [key])
            return RegoSet(members), end
        found: dict[str | Key, Any] = {}
        while True:
            found[as_key(key)], at = self.value(self._expect(":", at), depth + 1)
            at = self._space(at)
            if self.text.startswith("}", at):
                return found, at + 1
            key, at = self.value(self._expect(",", at), depth + 1)
            at = self._space(at)

    def _expect(self, char: str, at: int) -> int:
        if not self.text.startswith(char, at):
            raise ValueRefusedError(f"{char!r} is missing at character {at}")
        return at + 1

    def _space(self, at: int) -> int:
        while self.text[at : at + 1] in (" ", "\n", "\t", "\r"):
            at += 1
        return at

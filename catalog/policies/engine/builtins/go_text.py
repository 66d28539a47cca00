"""Text as Go quotes it (``strconv.Quote``), and values as OPA prints them (``ast.Value.String``)."""

from decimal import Decimal
from typing import Any

from catalog.policies.engine.values import RegoSet, entries, number_text

_ESCAPES = {
    "\a": "\\a",
    "\b": "\\b",
    "\f": "\\f",
    "\n": "\\n",
    "\r": "\\r",
    "\t": "\\t",
    "\v": "\\v",
    "\\": "\\\\",
}


def go_quote(text: str, *, ascii_only: bool = False) -> str:
    """Return the text in double quotes, what cannot be printed as escapes of Go."""
    return '"' + "".join(_escaped(char, '"', ascii_only=ascii_only) for char in text) + '"'


def go_quote_rune(char: str, *, ascii_only: bool = False) -> str:
    """Return one character in single quotes."""
    return "'" + _escaped(char, "'", ascii_only=ascii_only) + "'"


def rego_text(value: Any) -> str:  # noqa: PLR0911  # one line for each type
    """Return the value as OPA prints it: ``{"a": [1, {2, 3}]}``."""
    if isinstance(value, str):
        return go_quote(value)
    if value is None:
        return "null"
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, int | Decimal | float):
        return number_text(value)
    if isinstance(value, list):
        return "[" + ", ".join(map(rego_text, value)) + "]"
    if isinstance(value, RegoSet):
        return "{" + ", ".join(map(rego_text, value.items)) + "}" if value.items else "set()"
    return "{" + ", ".join(f"{rego_text(key)}: {rego_text(item)}" for key, item in entries(value)) + "}"


def _escaped(char: str, quote: str, *, ascii_only: bool) -> str:
    if char == quote:
        return "\\" + char
    if char in _ESCAPES:
        return _ESCAPES[char]
    if char.isprintable() and (char.isascii() or not ascii_only):
        return char
    point = ord(char)
    if point < 0x80:
        return f"\\x{point:02x}"
    return f"\\u{point:04x}" if point < 0x10000 else f"\\U{point:08x}"

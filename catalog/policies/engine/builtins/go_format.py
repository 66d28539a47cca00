"""Go's ``fmt.Sprintf`` for the arguments that OPA passes to it: int64, float64, big integers and text.

Semantics: the documentation of Go's package ``fmt`` and OPA's ``v1/topdown/strings.go``.
"""

from dataclasses import dataclass, replace
from decimal import Decimal
from typing import Any

from catalog.policies.engine.builtins.calls import BuiltinError
from catalog.policies.engine.builtins.go_numbers import format_float
from catalog.policies.engine.builtins.go_text import go_quote, go_quote_rune, rego_text
from catalog.policies.engine.values import is_number, number_text

MOST_TEXT = 1024 * 1024
_MOST_WIDTH = 1_000_000
_INT64 = range(-(2**63), 2**63)
_FLAGS = "+-# 0"
_BASES = {"b": 2, "o": 8, "O": 8, "d": 10, "x": 16, "X": 16}


@dataclass(frozen=True)
class _Directive:
    """One ``%...`` of a format, without its verb."""

    flags: frozenset[str] = frozenset()
    width: int | None = None
    precision: int | None = None

    def has(self, flag: str) -> bool:
        return flag in self.flags

    def pad(self, text: str, *, zero: bool = False) -> str:
        missing = (self.width or 0) - len(text)
        if missing <= 0:
            return text
        if self.has("-"):
            return text + " " * missing
        if zero and self.has("0"):
            sign = text[:1] if text[:1] in ("+", "-", " ") else ""
            return sign + "0" * missing + text[len(sign) :]
        return " " * missing + text


def sprintf(template: str, values: list[Any]) -> str:
    """Return ``fmt.Sprintf(template, values...)`` with Go's own marks for what does not fit."""
    return _Printer(template, [_argument(value) for value in values]).run()


def _argument(value: Any) -> int | float | str:
    if not is_number(value):
        return value if isinstance(value, str) else rego_text(value)
    if isinstance(value, Decimal):
        number = float(value)
        too_large = number in (float("inf"), float("-inf"))
        return number_text(value).replace("e+", "e") if too_large else number
    return value  # type: ignore[no-any-return]


class _Printer:
    """Goes through a format once; ``_at`` is the place in it, ``_next`` the argument that comes next."""

    def __init__(self, template: str, arguments: list[int | float | str]) -> None:
        self._template = template
        self._arguments = arguments
        self._at = 0
        self._next = 0
        self._reordered = False
        self._bad_index = False
        self._parts: list[str] = []
        self._size = 0

    def run(self) -> str:
        while (start := self._template.find("%", self._at)) >= 0:
            self._put(self._template[self._at : start])
            self._at = start + 1
            self._put(self._directive())
        self._put(self._template[self._at :])
        if not self._reordered and self._next < len(self._arguments):
            extra = ", ".join(f"{_type(each)}={_plain(each)}" for each in self._arguments[self._next :])
            self._put(f"%!(EXTRA {extra})")
        return "".join(self._parts)

    def _put(self, text: str) -> None:
        self._size += len(text)
        if self._size > MOST_TEXT:
            raise BuiltinError("the text is too long")
        self._parts.append(text)

    def _directive(self) -> str:
        self._bad_index = False
        problems = ""
        flags: set[str] = set()
        while (char := self._template[self._at : self._at + 1]) and char in _FLAGS:
            flags.add(char)
            self._at += 1
        self._index()
        width, bad = self._size_given(after_index=True)
        problems += "%!(BADWIDTH)" if bad else ""
        if width is not None and width < 0:
            flags.add("-")
            width = -width
        precision = None
        if self._template[self._at : self._at + 1] == ".":
            self._at += 1
            self._index()
            precision, bad = self._size_given(after_index=False)
            problems += "%!(BADPREC)" if bad else ""
            precision = None if bad else precision
        self._index()
        verb = self._template[self._at : self._at + 1]
        if not verb:
            return problems + "%!(NOVERB)"
        self._at += 1
        return problems + self._verb(verb, _Directive(frozenset(flags), width, precision))

    def _verb(self, verb: str, directive: _Directive) -> str:
        if verb == "%":
            return "%"
        if self._bad_index:
            return f"%!{verb}(BADINDEX)"
        if self._next >= len(self._arguments):
            return f"%!{verb}(MISSING)"
        value = self._arguments[self._next]
        self._next += 1
        return _format(verb, directive, value)

    def _size_given(self, *, after_index: bool) -> tuple[int | None, bool]:
        """Return a width or precision, and whether it was bad."""
        if self._template[self._at : self._at + 1] == "*":
            self._at += 1
            value = self._arguments[self._next] if self._next < len(self._arguments) else None
            self._next += 1
            if isinstance(value, int) and abs(value) <= _MOST_WIDTH and (after_index or value >= 0):
                return value, False
            return None, True
        end = self._at
        while self._template[end : end + 1] and self._template[end] in "0123456789":
            end += 1
        digits = self._template[self._at : end]
        self._at = end
        if not digits:
            return (None if after_index else 0), False
        number = int(digits[:9])
        return (None, True) if number > _MOST_WIDTH or len(digits) > 9 else (number, False)

    def _index(self) -> None:
        """Read ``[n]``, which says which argument comes next."""
        if self._template[self._at : self._at + 1] != "[":
            return
        self._reordered = True
        end = self._template.find("]", self._at)
        if end < 0:
            self._bad_index = True
            self._at += 1
            return
        digits = self._template[self._at + 1 : end]
        self._at = end + 1
        if digits.isascii() and digits.isdigit() and len(digits) < 7 and 1 <= int(digits) <= len(self._arguments):
            self._next = int(digits) - 1
        else:
            self._bad_index = True


def _format(verb: str, directive: _Directive, value: float | str) -> str:
    if verb == "T":
        return directive.pad(_type(value))
    if verb == "p":
        return _bad(verb, value)
    if isinstance(value, str):
        return _text(verb, directive, value)
    if isinstance(value, float):
        return _float(verb, directive, value)
    return _integer(verb, directive, value)


def _type(value: float | str) -> str:
    if isinstance(value, str):
        return "string"
    return "float64" if isinstance(value, float) else "int64" if value in _INT64 else "*big.Int"


def _plain(value: float | str) -> str:
    return value if isinstance(value, str) else _format("v", _Directive(), value)


def _bad(verb: str, value: float | str) -> str:
    shown = f"{value}" if isinstance(value, int) and value not in _INT64 else _plain(value)
    name = "big.Int" if isinstance(value, int) and value not in _INT64 else _type(value)
    return f"%!{verb}({name}={shown})"


def _text(verb: str, directive: _Directive, value: str) -> str:
    if verb in "sv":
        quoted = verb == "v" and directive.has("#")
        return directive.pad(go_quote(value) if quoted else value[: directive.precision], zero=not quoted)
    if verb == "q":
        cut = value[: directive.precision]
        if directive.has("#") and "`" not in cut and all(c == "\t" or (c.isprintable() and c != "\ufeff") for c in cut):
            return directive.pad(f"`{cut}`", zero=True)
        return directive.pad(go_quote(cut, ascii_only=directive.has("+")), zero=True)
    if verb in "xX":
        data = value.encode("utf-8", "surrogatepass")[: directive.precision]
        digits = [f"{byte:02x}" if verb == "x" else f"{byte:02X}" for byte in data]
        prefix = f"0{verb}" if directive.has("#") and digits else ""
        if directive.has(" "):
            return directive.pad(" ".join(prefix + pair for pair in digits), zero=True)
        return directive.pad(prefix + "".join(digits), zero=True)
    return _bad(verb, value)


def _integer(verb: str, directive: _Directive, value: int) -> str:
    big = value not in _INT64
    if verb == "v" or (verb == "s" and big):
        verb = "d"
    if verb in _BASES:
        return _digits(verb, directive, value)
    if big:
        return _bad(verb, value)
    if verb == "c":
        return directive.pad(_rune(value), zero=True)
    if verb == "q":
        return directive.pad(go_quote_rune(_rune(value), ascii_only=directive.has("+")), zero=True)
    if verb == "U":
        shown = f"U+{value & (2**64 - 1):0{max(directive.precision or 0, 4)}X}"
        if directive.has("#") and _rune(value).isprintable():
            shown += f" '{_rune(value)}'"
        return replace(directive, flags=directive.flags - {"0"}).pad(shown)
    return _bad(verb, value)


def _rune(value: int) -> str:
    return chr(value) if 0 <= value <= 0x10FFFF and not 0xD800 <= value <= 0xDFFF else "\ufffd"


def _digits(verb: str, directive: _Directive, value: int) -> str:
    if directive.precision == 0 and value == 0:
        return directive.pad("")
    base = _BASES[verb]
    magnitude = abs(value)
    digits = {2: f"{magnitude:b}", 8: f"{magnitude:o}", 16: f"{magnitude:x}"}.get(base) or decimal_text(magnitude)
    digits = digits.upper() if verb == "X" else digits
    sign = "-" if value < 0 else "+" if directive.has("+") else " " if directive.has(" ") else ""
    digits = digits.zfill(directive.precision or 0)
    prefix = ""
    if directive.has("#"):
        prefix = {"b": "0b", "x": "0x", "X": "0X", "o": "" if digits[0] == "0" else "0"}.get(verb, "")
    prefix = "0o" if verb == "O" else prefix
    if directive.has("0") and not directive.has("-") and directive.precision is None and directive.width:
        digits = digits.zfill(directive.width - len(sign))
    return replace(directive, flags=directive.flags - {"0"}).pad(sign + prefix + digits)


def decimal_text(value: int) -> str:
    """Return the decimal digits of a whole number; one with too many is an error."""
    if value.bit_length() > 13_000:
        raise BuiltinError("the number has too many digits")
    return str(value)


def _float(verb: str, directive: _Directive, value: float) -> str:
    kind = "g" if verb == "v" else verb
    if kind not in "eEfFgGxX":
        return _bad(verb, value)
    precision = directive.precision
    if precision is None and kind in "eEfF":
        precision = 6
    shown = format_float(value, kind.replace("F", "f"), precision)
    if directive.has("+") and shown[0] != "-":
        shown = "+" + shown
    elif directive.has(" ") and shown[0] != "-":
        shown = " " + shown
    return directive.pad(shown, zero=True)

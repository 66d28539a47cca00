"""``units.parse``, ``units.parse_bytes``, and numbers that are drawn or counted."""

import re
from decimal import Decimal
from fractions import Fraction
from typing import Any

from catalog.policies.engine.builtins.calls import BuiltinError, Recorded, Table, integer, into
from catalog.policies.engine.builtins.calls import text as string

FUNCTIONS: Table = {}

_AMOUNT = re.compile(r"([+-]?(?:\d+\.?\d*|\.\d+)(?:[eE][+-]?\d+)?)(.*)", re.ASCII | re.DOTALL)
_MOST_EXPONENT = 400
_MOST_ITEMS = 100_000
_PREFIXES = "kmgtpe"


@into(FUNCTIONS, "units.parse")
def parse(value: Any) -> int | Decimal:
    """Read an amount such as ``10M``, ``1.5Gi`` or ``200m`` (milli)."""
    amount, unit = _split(string(value).replace('"', ""))
    unit = unit[:1] + unit[1:].lower()
    if unit == "m":
        # The number nearest to 0.001 that a float64 can hold, as in OPA.
        result = amount * Fraction(0.001)
    elif unit == "" or (unit[0].lower() in _PREFIXES and unit[1:] in ("", "i")):
        result = amount * _factor(unit.lower())
    else:
        raise BuiltinError(f"unit {unit} not recognized")
    if result.denominator == 1:
        return int(result)
    scaled = result * 10**10
    rounded = (abs(scaled.numerator) * 2 + scaled.denominator) // (2 * scaled.denominator)
    sign = "-" if result < 0 else ""
    return Decimal(f"{sign}{rounded // 10**10}.{rounded % 10**10:010d}")


@into(FUNCTIONS, "units.parse_bytes")
def parse_bytes(value: Any) -> int:
    """Read a number of bytes such as ``10KB`` (thousands) or ``1.5GiB`` (1024)."""
    amount, unit = _split(string(value).lower().replace('"', ""))
    if unit and (unit[0] not in _PREFIXES or unit[1:] not in ("", "b", "i", "ib")):
        raise BuiltinError(f"byte unit {unit} not recognized")
    return int(amount * _factor(unit.removesuffix("b")))


@into(FUNCTIONS, "numbers.range_step", weight=50)
def range_step(first: Any, last: Any, step: Any) -> list[int]:
    """Count from the first number to the last, both ways."""
    start, end, width = integer(first), integer(last, 2), integer(step, 3)
    if width <= 0:
        raise BuiltinError("step must be a positive integer")
    if abs(end - start) // width >= _MOST_ITEMS:
        raise BuiltinError("there are too many numbers")
    return list(range(start, end + 1, width)) if start <= end else list(range(start, end - 1, -width))


@into(FUNCTIONS, "rand.intn", recorded=True)
def rand_intn(recorded: Recorded, name: Any, most: Any) -> int:
    """Draw a number below ``most``: the same for the same name in one evaluation, and when it is repeated."""
    below = abs(integer(most, 2))
    if below == 0:
        return 0
    return int.from_bytes(recorded.drawn("rand.intn", f"{string(name)}-{below}")) % below


def _split(text: str) -> tuple[Fraction, str]:
    if " " in text:
        raise BuiltinError("spaces not allowed in resource strings")
    match = _AMOUNT.fullmatch(text)
    if match is None:
        raise BuiltinError("no amount provided")
    exponent = re.search(r"[eE]([+-]?\d+)$", match[1])
    if len(match[1]) > 1000 or (exponent and (len(exponent[1]) > 5 or abs(int(exponent[1])) > _MOST_EXPONENT)):
        raise BuiltinError("exponent too large")
    if match[2][:1] == ".":
        raise BuiltinError("could not parse amount to a number")
    return Fraction(Decimal(match[1])), match[2]


def _factor(unit: str) -> int:
    if not unit:
        return 1
    return int((1024 if unit.endswith("i") else 1000) ** (_PREFIXES.index(unit[0]) + 1))

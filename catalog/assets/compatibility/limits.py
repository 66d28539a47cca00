"""Bounds of numbers and sizes, compared exactly."""

from fractions import Fraction
from math import ceil, floor
from typing import Any

from catalog.assets.compatibility.normal import Parts

BOUNDS = ("minimum", "exclusiveMinimum", "maximum", "exclusiveMaximum", "multipleOf")
_NUMBERS = frozenset({"integer", "fraction"})


def numeric_gap(keyword: str, narrow: Parts, bound: Any, kinds: frozenset[str]) -> str | None:
    """Return which numbers of the narrow schema lie outside a bound of the wide one, None where none does."""
    if not kinds & _NUMBERS:
        return None
    whole = "fraction" not in kinds
    wanted = Fraction(bound)
    if keyword == "multipleOf":
        steps = [Fraction(part["multipleOf"]) for part in narrow if "multipleOf" in part] + (
            [Fraction(1)] if whole else []
        )
        is_exact = wanted.denominator == 1 or any(each == wanted for each in steps)
        proven = is_exact and any((each / wanted).denominator == 1 for each in steps)
        return None if proven else f"a number that is not a multiple of {bound}"
    if keyword in {"minimum", "exclusiveMinimum"}:
        limit = _lower(narrow, whole=whole)
        needed = _inside(wanted, keyword == "exclusiveMinimum", whole=whole, upwards=True)
        return None if limit is not None and limit >= needed else f"a number below {bound}"
    upper = _upper(narrow, whole=whole)
    needed = _inside(wanted, keyword == "exclusiveMaximum", whole=whole, upwards=False)
    return None if upper is not None and upper <= needed else f"a number above {bound}"


def _inside(bound: Fraction, strict: bool, *, whole: bool, upwards: bool) -> tuple[Fraction, int]:  # noqa: FBT001  # a value of the keyword
    """Return the first number inside a bound; the second part orders a strict bound beyond the bound itself."""
    if whole:
        if upwards:
            return Fraction(floor(bound) + 1 if strict else ceil(bound)), 0
        return Fraction(ceil(bound) - 1 if strict else floor(bound)), 0
    return bound, (1 if upwards else -1) if strict else 0


def _lower(parts: Parts, *, whole: bool) -> tuple[Fraction, int] | None:
    found = [
        _inside(Fraction(part[keyword]), keyword == "exclusiveMinimum", whole=whole, upwards=True)
        for part in parts
        for keyword in ("minimum", "exclusiveMinimum")
        if keyword in part
    ]
    return max(found, default=None)


def _upper(parts: Parts, *, whole: bool) -> tuple[Fraction, int] | None:
    found = [
        _inside(Fraction(part[keyword]), keyword == "exclusiveMaximum", whole=whole, upwards=False)
        for part in parts
        for keyword in ("maximum", "exclusiveMaximum")
        if keyword in part
    ]
    return min(found, default=None)


_SIZES = {
    "minLength": "a text shorter than {}",
    "maxLength": "a text longer than {}",
    "minItems": "a list with fewer than {} entries",
    "maxItems": "a list with more than {} entries",
    "minProperties": "an object with fewer than {} properties",
    "maxProperties": "an object with more than {} properties",
}


def size_gap(keyword: str, narrow: Parts, bound: Any) -> str | None:
    """Return which sizes of the narrow schema lie outside a bound of the wide one, None where none does."""
    bounds = [part[keyword] for part in narrow if keyword in part]
    if keyword.startswith("min"):
        proven = bound <= 0 or max(bounds, default=0) >= bound
    else:
        proven = bool(bounds) and min(bounds) <= bound
    return None if proven else _SIZES[keyword].format(bound)

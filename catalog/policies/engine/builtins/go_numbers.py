"""Floating-point numbers as Go's ``strconv.FormatFloat`` writes them."""

from decimal import Decimal

_SHORTEST = 6
_MOST_PRECISION = 1100


def format_float(value: float, kind: str, precision: int | None) -> str:
    """Return the number as ``e``, ``E``, ``f``, ``g``, ``G``, ``x`` or ``X``; no precision means the shortest."""
    if kind in "xX":
        return _hexadecimal(value, kind)
    if precision is not None:
        precision = min(precision, _MOST_PRECISION)
    if kind == "f":
        return f"{value:.{precision}f}" if precision is not None else _positional(value)
    if kind in "eE":
        scientific = repr_scientific(value) if precision is None else f"{value:.{precision}e}"
        return _spelled(scientific, kind)
    letter = "e" if kind == "g" else "E"
    if precision is None:
        scientific = repr_scientific(value)
        exponent = int(scientific.partition("e")[2])
        return _spelled(scientific, letter) if exponent < -4 or exponent >= _SHORTEST else _positional(value)
    precision = precision or 1
    mantissa, _, power = f"{value:.{precision - 1}e}".partition("e")
    mantissa = mantissa.rstrip("0").rstrip(".") if "." in mantissa else mantissa
    exponent = int(power)
    digits = len(mantissa.lstrip("-").replace(".", ""))
    limit = digits if precision > digits >= exponent + 1 else precision
    if exponent < -4 or exponent >= limit:
        return _spelled(f"{mantissa}e{exponent}", letter)
    text = f"{value:.{max(precision - 1 - exponent, 0)}f}"
    return text.rstrip("0").rstrip(".") if "." in text else text


def repr_scientific(value: float) -> str:
    """Return the shortest digits that read as the same number, as ``1.5e-5``."""
    if value == 0:
        return "-0e0" if str(value).startswith("-") else "0e0"
    sign, digits, _exponent = Decimal(repr(value)).normalize().as_tuple()
    first, rest = str(digits[0]), "".join(map(str, digits[1:]))
    power = Decimal(repr(value)).adjusted()
    return f"{'-' if sign else ''}{first}{'.' if rest else ''}{rest}e{power}"


def _positional(value: float) -> str:
    return f"{Decimal(repr(value)):f}".removesuffix(".0")


def _spelled(scientific: str, letter: str) -> str:
    mantissa, _, exponent = scientific.partition("e")
    power = int(exponent)
    return f"{mantissa}{letter}{'-' if power < 0 else '+'}{abs(power):02d}"


def _hexadecimal(value: float, kind: str) -> str:
    mantissa, _, exponent = value.hex().partition("p")
    mantissa = mantissa.rstrip("0").rstrip(".") if "." in mantissa else mantissa
    mantissa = mantissa if mantissa.endswith(("x0", "x1")) or "." in mantissa else mantissa + "0"
    power = int(exponent)
    text = f"{mantissa}p{'-' if power < 0 else '+'}{abs(power):02d}"
    return text.upper() if kind == "X" else text

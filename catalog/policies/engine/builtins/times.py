"""The functions on time; a time is nanoseconds since 1970, in UTC unless a zone stands beside it."""

import re
from datetime import UTC, datetime, timedelta, tzinfo
from decimal import Decimal
from fractions import Fraction
from typing import Any
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from catalog.policies.engine.builtins.calls import BuiltinError, Recorded, Table, array, integer, into, number
from catalog.policies.engine.builtins.calls import text as string
from catalog.policies.engine.builtins.go_layout import NAMED, WEEKDAYS, format_time, parse_time

FUNCTIONS: Table = {}

_SECOND = 1_000_000_000
_INT64 = range(-(2**63), 2**63)
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_UNITS = {
    "ns": 1,
    "us": 1000,
    "\u00b5s": 1000,
    "\u03bcs": 1000,
    "ms": 1_000_000,
    "s": _SECOND,
    "m": 60 * _SECOND,
    "h": 3600 * _SECOND,
    "d": 24 * 3600 * _SECOND,
    "w": 7 * 24 * 3600 * _SECOND,
    "y": 365 * 24 * 3600 * _SECOND,
}
_DURATION_PART = re.compile(r"(\d{1,20}(?:\.\d{0,30})?|\.\d{1,30})(ns|us|\u00b5s|\u03bcs|ms|s|m|h|d|w|y)", re.ASCII)


@into(FUNCTIONS, "time.now_ns", recorded=True)
def now_ns(recorded: Recorded) -> int:
    """Return the time that was recorded with the evaluation."""
    return recorded.now_ns


@into(FUNCTIONS, "time.parse_ns")
def parse_ns(layout: Any, value: Any) -> int:
    """Read a time by a layout of Go, or by the name of one."""
    return _in_range(parse_time(NAMED.get(string(layout), layout), string(value, 2)))


@into(FUNCTIONS, "time.parse_rfc3339_ns")
def parse_rfc3339_ns(value: Any) -> int:
    """Read a time of RFC 3339."""
    return _in_range(parse_time(NAMED["RFC3339"], string(value)))


@into(FUNCTIONS, "time.parse_duration_ns")
def parse_duration_ns(value: Any) -> int:
    """Read a duration such as ``1h30m`` or ``7d``."""
    given = string(value)
    sign = -1 if given.startswith("-") else 1
    rest = given[1:] if given[:1] in ("-", "+") else given
    if rest == "0":
        return 0
    total, at = Fraction(0), 0
    while at < len(rest):
        match = _DURATION_PART.match(rest, at)
        if match is None:
            raise BuiltinError(f'time: invalid duration "{given}"')
        total += Fraction(Decimal(match[1])) * _UNITS[match[2]]
        at = match.end()
    if not rest or sign * int(total) not in _INT64:
        raise BuiltinError(f'time: invalid duration "{given}"')
    return sign * int(total)


@into(FUNCTIONS, "time.format")
def format_ns(value: Any) -> str:
    """Write a time in its zone; without a layout as RFC 3339 with nanoseconds."""
    local, nanosecond, layout = _time(value)
    return format_time(NAMED.get(layout, layout) or NAMED["RFC3339Nano"], local, nanosecond)


@into(FUNCTIONS, "time.date")
def date(value: Any) -> list[int]:
    """Return year, month and day."""
    local, _nanosecond, _layout = _time(value)
    return [local.year, local.month, local.day]


@into(FUNCTIONS, "time.clock")
def clock(value: Any) -> list[int]:
    """Return hour, minute and second."""
    local, _nanosecond, _layout = _time(value)
    return [local.hour, local.minute, local.second]


@into(FUNCTIONS, "time.weekday")
def weekday(value: Any) -> str:
    """Return the name of the day."""
    return WEEKDAYS[_time(value)[0].weekday()]


@into(FUNCTIONS, "time.add_date")
def add_date(value: Any, years: Any, months: Any, days: Any) -> int:
    """Add to the date in its zone; the 31st of a short month runs over into the next."""
    local, nanosecond, _layout = _time(value)
    month = local.month - 1 + integer(months, 3)
    year = local.year + integer(years, 2) + month // 12
    if not 1 < year < 9999 or abs(integer(days, 4)) > 10_000_000:
        raise BuiltinError("time outside of valid range")
    start = datetime(year, month % 12 + 1, 1, local.hour, local.minute, local.second)  # noqa: DTZ001  # until the end
    moved = (start + timedelta(days=local.day - 1 + integer(days, 4))).replace(tzinfo=local.tzinfo)
    return _in_range(_seconds(moved) * _SECOND + nanosecond)


@into(FUNCTIONS, "time.diff")
def diff(left: Any, right: Any) -> list[int]:
    """Return the difference as years, months, days, hours, minutes and seconds, whichever time is later."""
    one, two = _time(left)[0], _time(right)[0]
    two = two.astimezone(one.tzinfo)
    start, end = (two, one) if one.astimezone(UTC) > two.astimezone(UTC) else (one, two)
    parts = [
        end.year - start.year,
        end.month - start.month,
        end.day - start.day,
        end.hour - start.hour,
        end.minute - start.minute,
        end.second - start.second,
    ]
    first = start.replace(day=1, tzinfo=None)
    days = ((first + timedelta(days=32)).replace(day=1) - first).days
    for place, size in ((5, 60), (4, 60), (3, 24), (2, days), (1, 12)):
        if parts[place] < 0:
            parts[place] += size
            parts[place - 1] -= 1
    return parts


def _time(value: Any) -> tuple[datetime, int, str]:
    """Return the local time to the second, the nanoseconds of the second, and the layout."""
    zone: tzinfo = UTC
    layout = ""
    if isinstance(value, list):
        if not value:
            raise BuiltinError("operand 1 must be either number (ns) or [number (ns), string (tz)]")
        zone = _zone(string(value[1])) if len(array(value)) > 1 else UTC
        layout = string(value[2]) if len(value) > 2 else ""
        value = value[0]
    nanoseconds = number(value)
    if not isinstance(nanoseconds, int) or nanoseconds not in _INT64:
        raise BuiltinError("timestamp too big")
    seconds, rest = divmod(nanoseconds, _SECOND)
    return (_EPOCH + timedelta(seconds=seconds)).astimezone(zone), rest, layout


def _zone(name: str) -> tzinfo:
    # The zone of the machine means nothing for a decision that is to be repeated elsewhere.
    if name in ("", "UTC", "Local"):
        return UTC
    try:
        return ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError, OSError):
        raise BuiltinError(f"unknown time zone {name}") from None


def _seconds(local: datetime) -> int:
    passed = local.astimezone(UTC) - _EPOCH
    return passed.days * 86400 + passed.seconds


def _in_range(nanoseconds: int) -> int:
    if nanoseconds not in _INT64:
        raise BuiltinError("time outside of valid range")
    return nanoseconds

"""Times written and read by Go's layouts ("2006-01-02T15:04:05Z07:00"); semantics of Go's package ``time``."""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Final

from catalog.policies.engine.builtins.calls import BuiltinError

MONTHS: Final = (
    "January",
    "February",
    "March",
    "April",
    "May",
    "June",
    "July",
    "August",
    "September",
    "October",
    "November",
    "December",
)
WEEKDAYS: Final = ("Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday")
NAMED: Final = {
    "ANSIC": "Mon Jan _2 15:04:05 2006",
    "UnixDate": "Mon Jan _2 15:04:05 MST 2006",
    "RubyDate": "Mon Jan 02 15:04:05 -0700 2006",
    "RFC822": "02 Jan 06 15:04 MST",
    "RFC822Z": "02 Jan 06 15:04 -0700",
    "RFC850": "Monday, 02-Jan-06 15:04:05 MST",
    "RFC1123": "Mon, 02 Jan 2006 15:04:05 MST",
    "RFC1123Z": "Mon, 02 Jan 2006 15:04:05 -0700",
    "RFC3339": "2006-01-02T15:04:05Z07:00",
    "RFC3339Nano": "2006-01-02T15:04:05.999999999Z07:00",
}
"""The layouts that go by a name."""

_TOKEN = re.compile(
    r"January|Jan(?![a-z])|Monday|Mon(?![a-z])|MST|002|0[1-6]|15|1|2006|2|_(?=2006)|__2|_2|3|4|5|PM|pm"
    r"|[-Z]07(?:00(?:00)?|:00(?::00)?)?|[.,](?:0+|9+)(?!\d)"
)
_OFFSET = re.compile(r"([+-])(\d\d)(?::?(\d\d))?(?::?(\d\d))?")
_ZONE = re.compile(r"GMT(?:[+-]\d{1,2})?|(?:ChST|MeST)|[A-Z]{5}|[A-Z]{4}|[A-Z]{3}|[+-]\d\d(?:\d\d)?")


@dataclass
class Moment:
    """What a text said about a time, part by part."""

    year: int = 0
    month: int = 1
    day: int = 1
    year_day: int = 0
    hour: int = 0
    minute: int = 0
    second: int = 0
    nanosecond: int = 0
    afternoon: bool | None = None
    offset: int = 0

    def nanoseconds(self) -> int:
        """Return nanoseconds since 1970; raise ``BuiltinError`` for a day that is not there."""
        hour = self.hour
        if self.afternoon is not None:
            hour = hour + 12 if self.afternoon and hour < 12 else 0 if not self.afternoon and hour == 12 else hour
        # Year 0 is a leap year that datetime does not know; 400 years later every day is the same.
        shift = 400 if self.year == 0 else 0
        try:
            if self.year_day:
                start = datetime(self.year + shift, 1, 1, tzinfo=UTC) + timedelta(days=self.year_day - 1)
                if start.year != self.year + shift:
                    raise BuiltinError("day-of-year out of range")
            else:
                start = datetime(self.year + shift, self.month, self.day, tzinfo=UTC)
        except ValueError:
            raise BuiltinError("day out of range") from None
        days = (start - datetime(1970, 1, 1, tzinfo=UTC)).days - (146097 if shift else 0)
        seconds = ((days * 24 + hour) * 60 + self.minute) * 60 + self.second - self.offset
        return seconds * 1_000_000_000 + self.nanosecond


def pieces(layout: str) -> Iterator[tuple[str, str]]:
    """Yield the text before each element of a layout, and the element; the last element is empty."""
    at = literal = 0
    while match := _TOKEN.search(layout, at):
        at = match.end()
        if match[0] == "_":
            continue
        yield layout[literal : match.start()], match[0]
        literal = at
    yield layout[literal:], ""


def format_time(layout: str, local: datetime, nanosecond: int) -> str:
    """Write a time; ``local`` is aware of its zone, ``nanosecond`` is the part of the second."""
    parts: list[str] = []
    for text, element in pieces(layout):
        parts.append(text)
        parts.append(_written(element, local, nanosecond) if element else "")
    return "".join(parts)


def _written(element: str, local: datetime, nanosecond: int) -> str:
    if element[0] in ".,":
        digits = f"{nanosecond:09d}"[: len(element) - 1].ljust(len(element) - 1, "0")
        if element[1] == "9":
            digits = digits.rstrip("0")
        return element[0] + digits if digits else ""
    if element[0] in "-Z":
        return _offset_text(element, local)
    hour12 = local.hour % 12 or 12
    simple = {
        "January": MONTHS[local.month - 1],
        "Jan": MONTHS[local.month - 1][:3],
        "Monday": WEEKDAYS[local.weekday()],
        "Mon": WEEKDAYS[local.weekday()][:3],
        "01": f"{local.month:02d}",
        "1": str(local.month),
        "02": f"{local.day:02d}",
        "_2": f"{local.day:2d}",
        "2": str(local.day),
        "002": f"{local.timetuple().tm_yday:03d}",
        "__2": f"{local.timetuple().tm_yday:3d}",
        "06": f"{local.year % 100:02d}",
        "2006": f"{local.year:04d}",
        "15": f"{local.hour:02d}",
        "03": f"{hour12:02d}",
        "3": str(hour12),
        "04": f"{local.minute:02d}",
        "4": str(local.minute),
        "05": f"{local.second:02d}",
        "5": str(local.second),
        "PM": "PM" if local.hour >= 12 else "AM",
        "pm": "pm" if local.hour >= 12 else "am",
        "MST": _zone_name(local),
    }
    return simple[element]


def _zone_name(local: datetime) -> str:
    name = local.tzname() or "UTC"
    if name[0] not in "+-":
        return name
    seconds = int((local.utcoffset() or timedelta()).total_seconds())
    hours, minutes = divmod(abs(seconds) // 60, 60)
    return f"{'-' if seconds < 0 else '+'}{hours:02d}{f'{minutes:02d}' if minutes else ''}"


def _offset_text(element: str, local: datetime) -> str:
    seconds = int((local.utcoffset() or timedelta()).total_seconds())
    if element[0] == "Z" and seconds == 0:
        return "Z"
    minutes, rest = divmod(abs(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    colon = ":" if ":" in element else ""
    numbers = element[1:].replace(":", "")
    text = f"{'-' if seconds < 0 else '+'}{hours:02d}"
    text += f"{colon}{minutes:02d}" if len(numbers) >= 4 else ""
    return text + (f"{colon}{rest:02d}" if len(numbers) >= 6 else "")


def parse_time(layout: str, value: str) -> int:
    """Read a time and return nanoseconds since 1970; raise ``BuiltinError`` where the text does not fit the layout."""
    reader = _Reader(layout, value)
    return reader.read().nanoseconds()


class _Reader:
    """Reads a text along a layout."""

    def __init__(self, layout: str, value: str) -> None:
        self._pieces = list(pieces(layout))
        self._rest = value
        self._error = BuiltinError(f'parsing time "{value}" as "{layout}": it does not fit')
        self._found = Moment()

    def read(self) -> Moment:
        for index, (text, element) in enumerate(self._pieces):
            self._literal(text)
            if element:
                following = self._pieces[index + 1][1]
                self._element(element, fraction_follows=following[:1] in {".", ","} and not self._pieces[index + 1][0])
        if self._rest:
            raise self._error
        return self._found

    def _literal(self, text: str) -> None:
        while text:
            if text[0] == " ":
                if self._rest and self._rest[0] != " ":
                    raise self._error
                text, self._rest = text.lstrip(" "), self._rest.lstrip(" ")
            elif self._rest[:1] == text[0]:
                text, self._rest = text[1:], self._rest[1:]
            else:
                raise self._error

    def _element(self, element: str, *, fraction_follows: bool) -> None:  # noqa: C901, PLR0912  # one branch for each
        found = self._found
        if element[0] in ".,":
            self._fraction(element)
        elif element[0] in "-Z":
            self._offset(element)
        elif element == "2006":
            found.year = int(self._take(r"\d{4}"))
        elif element == "06":
            year = int(self._take(r"\d\d"))
            found.year = year + (1900 if year >= 69 else 2000)
        elif element in ("January", "Jan"):
            found.month = 1 + self._name(MONTHS, len(element) == 3)
        elif element in ("Monday", "Mon"):
            self._name(WEEKDAYS, len(element) == 3)
        elif element in ("01", "1"):
            found.month = self._number(element, 1, 12)
        elif element in ("02", "2", "_2"):
            if element == "_2":
                self._rest = self._rest.removeprefix(" ")
            found.day = int(self._take(r"\d\d" if element == "02" else r"\d\d?"))
        elif element in ("002", "__2"):
            self._rest = re.sub("^ {1,2}", "", self._rest) if element == "__2" else self._rest
            found.year_day = int(self._take(r"\d{3}" if element == "002" else r"\d{1,3}"))
            if not found.year_day:
                raise self._error
        elif element == "15":
            found.hour = self._number("1", 0, 23)
        elif element in ("03", "3"):
            found.hour = self._number(element, 0, 12)
        elif element in ("04", "4"):
            found.minute = self._number(element, 0, 59)
        elif element in ("05", "5"):
            found.second = self._number(element, 0, 59)
            if not fraction_follows and re.match(r"[.,]\d", self._rest):
                self._fraction(".9")
        elif element in ("PM", "pm"):
            found.afternoon = self._take("AM|PM" if element == "PM" else "am|pm").lower() == "pm"
        else:
            self._zone()

    def _take(self, pattern: str) -> str:
        match = re.match(pattern, self._rest, re.ASCII)
        if match is None:
            raise self._error
        self._rest = self._rest[match.end() :]
        return match[0]

    def _number(self, element: str, least: int, most: int) -> int:
        number = int(self._take(r"\d\d" if element[0] == "0" else r"\d\d?"))
        if not least <= number <= most:
            raise self._error
        return number

    def _name(self, names: tuple[str, ...], short: bool) -> int:  # noqa: FBT001  # a property of names
        for index, name in enumerate(names):
            wanted = name[:3] if short else name
            if self._rest[: len(wanted)].lower() == wanted.lower():
                self._rest = self._rest[len(wanted) :]
                return index
        raise self._error

    def _fraction(self, element: str) -> None:
        if element[1] == "0":
            digits = self._take(rf"[.,]\d{{{len(element) - 1}}}")[1:]
        elif re.match(r"[.,]\d", self._rest):
            digits = self._take(r"[.,]\d+")[1:]
        else:
            return
        self._found.nanosecond = int(digits[:9].ljust(9, "0"))

    def _offset(self, element: str) -> None:
        if element[0] == "Z" and self._rest.startswith("Z"):
            self._rest = self._rest[1:]
            return
        numbers = element[1:].replace(":", "")
        colon = ":" if ":" in element else ""
        pattern = r"[+-]\d\d" + rf"{colon}\d\d" * (len(numbers) // 2 - 1)
        match = _OFFSET.match(self._take(pattern))
        if match is None or int(match[2]) > 24 or int(match[3] or 0) > 60 or int(match[4] or 0) > 60:
            raise self._error
        seconds = (int(match[2]) * 60 + int(match[3] or 0)) * 60 + int(match[4] or 0)
        self._found.offset = -seconds if match[1] == "-" else seconds

    def _zone(self) -> None:
        match = _ZONE.match(self._rest)
        if match is None:
            raise self._error
        name = match[0]
        if len(name) == 5 and name[0] not in "G+-" and not name.endswith("T"):
            raise self._error
        self._rest = self._rest[len(name) :]
        if name.startswith("GMT") and len(name) > 3:
            self._found.offset = int(name[3:]) * 3600

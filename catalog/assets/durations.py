"""Durations in ISO 8601, as manifests and requests write them."""

import re
from datetime import timedelta
from typing import Annotated

from pydantic import AfterValidator, Field, StringConstraints

_DURATION = re.compile(
    r"P(?=.)(?:(?P<weeks>[0-9]{1,4})W)?(?:(?P<days>[0-9]{1,4})D)?"
    r"(?:T(?=.)(?:(?P<hours>[0-9]{1,5})H)?(?:(?P<minutes>[0-9]{1,6})M)?(?:(?P<seconds>[0-9]{1,8})S)?)?"
)


def parse_duration(text: str) -> timedelta:
    """Read a duration of weeks, days, hours, minutes and seconds, such as ``P3D`` or ``PT1H30M``.

    Raises ``ValueError`` for anything else; years and months are refused, because their length differs.
    """
    match = _DURATION.fullmatch(text)
    if match is None:
        raise ValueError("This is not a duration. Write one such as P3D, PT4H or PT30S (no years or months).")
    return timedelta(**{unit: int(number) for unit, number in match.groupdict(default="0").items()})


def format_duration(duration: timedelta) -> str:
    """Return a duration of whole seconds as ISO 8601, with days, hours, minutes and seconds as needed."""
    seconds = int(duration.total_seconds())
    if seconds == 0:
        return "PT0S"
    days, rest = divmod(seconds, 86_400)
    hours, rest = divmod(rest, 3_600)
    minutes, rest = divmod(rest, 60)
    time = "".join(f"{number}{unit}" for number, unit in ((hours, "H"), (minutes, "M"), (rest, "S")) if number)
    return "P" + (f"{days}D" if days else "") + (f"T{time}" if time else "")


def words_of(duration: timedelta) -> str:
    """Return a duration as people say it, such as ``3 days`` or ``1 day and 12 hours``."""
    left = int(duration.total_seconds())
    said = []
    for name, length in (("day", 86_400), ("hour", 3_600), ("minute", 60), ("second", 1)):
        number, left = divmod(left, length)
        if number:
            said.append(f"{number} {name}" + ("" if number == 1 else "s"))
    return " and ".join([", ".join(said[:-1]), said[-1]] if len(said) > 1 else said) or "no time"


def _checked(text: str) -> str:
    parse_duration(text)
    return text


DurationText = Annotated[
    str, StringConstraints(max_length=40), AfterValidator(_checked), Field(json_schema_extra={"format": "duration"})
]
"""A duration as manifests hold it."""

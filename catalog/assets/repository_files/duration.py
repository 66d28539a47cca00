"""Durations as Compose files write them: ``1m30s``, ``500ms``, or a number of seconds."""

import re
from typing import Any

_PART = re.compile(r"([0-9]{1,9}(?:\.[0-9]{1,9})?)(us|ms|s|m|h)")
_UNITS = {"us": 1e-6, "ms": 1e-3, "s": 1.0, "m": 60.0, "h": 3600.0}


def seconds_of(value: Any, default: float) -> float | None:
    """Return a duration in seconds, ``default`` where there is none, None where it is no duration."""
    if value is None:
        return default
    if isinstance(value, int) and not isinstance(value, bool):
        return float(value) if value >= 0 else None
    if not isinstance(value, str) or not re.fullmatch(rf"(?:{_PART.pattern})+", value):
        return None
    return sum(float(match[1]) * _UNITS[match[2]] for match in _PART.finditer(value))

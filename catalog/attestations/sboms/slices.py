"""Walking a JSON text value by value: exact slices of it, and never more than one value in memory.

The text has been checked already (``strict_json``): it is valid, bounded in depth, and gives no name twice.
"""

import json
import re
from collections.abc import Iterator
from typing import Any

_SPACE = re.compile(r"[ \t\n\r]*")
_TOKEN = re.compile(r'"(?:[^"\\]|\\.)*"|[\[\]{}]', re.DOTALL)
_SCALAR = re.compile(r"[^,\]}\s]+")
_DECODER = json.JSONDecoder()


def members(text: str, at: int = 0) -> Iterator[tuple[str, int, int]]:
    """Yield name, start and end of each value of the object at ``at``; nothing where there is no object."""
    at = _skip(text, at)
    if text[at : at + 1] != "{":
        return
    at = _skip(text, at + 1)
    while text[at : at + 1] not in {"}", ""}:
        name, at = _DECODER.raw_decode(text, at)
        start = _skip(text, _skip(text, at) + 1)  # beyond the colon
        at = end_of(text, start)
        yield name, start, at
        at = _next(text, at)


def elements(text: str, at: int = 0) -> Iterator[tuple[int, int]]:
    """Yield start and end of each value of the array at ``at``; nothing where there is no array."""
    at = _skip(text, at)
    if text[at : at + 1] != "[":
        return
    at = _skip(text, at + 1)
    while text[at : at + 1] not in {"]", ""}:
        end = end_of(text, at)
        yield at, end
        at = _next(text, end)


def value(text: str, start: int) -> Any:
    """Return the value that begins at ``start``."""
    return _DECODER.raw_decode(text, start)[0]


def member(text: str, name: str, at: int = 0) -> tuple[int, int] | None:
    """Return start and end of one value of the object at ``at``, None where there is none of that name."""
    return next(((start, end) for found, start, end in members(text, at) if found == name), None)


def end_of(text: str, start: int) -> int:
    """Return where the value that begins at ``start`` ends, without building it."""
    if text[start] not in '"[{':
        scalar = _SCALAR.match(text, start)
        return start if scalar is None else scalar.end()
    depth = 0
    for token in _TOKEN.finditer(text, start):
        first = text[token.start()]
        if first in "[{":
            depth += 1
        elif first in "]}":
            depth -= 1
        if depth == 0:
            return token.end()
    return len(text)


def _skip(text: str, at: int) -> int:
    space = _SPACE.match(text, at)
    return at if space is None else space.end()


def _next(text: str, at: int) -> int:
    """Return where the next member or element begins, or the bracket that ends them."""
    at = _skip(text, at)
    return _skip(text, at + 1) if text[at : at + 1] == "," else at

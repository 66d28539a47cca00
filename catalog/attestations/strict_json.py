"""JSON of strangers: bounded in depth and size, each name once, no numbers that JSON does not have."""

import json
import re
from collections.abc import Sequence
from typing import Any, NoReturn

from catalog.attestations.errors import AttestationRejectedError, Reason

DEEPEST = 100
"""How many arrays and objects may stand inside each other."""

_STRING = re.compile(rb'"[^"\\]*(?:\\.[^"\\]*)*"', re.DOTALL)
_BRACKETS = b"[]{}"
_REST = bytes(each for each in range(256) if each not in _BRACKETS)


def read_json(data: bytes, what: str) -> Any:
    """Return the JSON value in ``data``; ``what`` names it in messages.

    Raises ``AttestationRejectedError`` for what is no JSON (RFC 8259, in UTF-8), for a name that an object gives
    twice (readers would differ about which one counts), and for more than 100 levels. The depth is found before
    anything is parsed, so that no parser's stack is at risk.
    """
    if _depth(data) > DEEPEST:
        raise AttestationRejectedError(
            Reason.TOO_DEEP, f"{what} nests more than {DEEPEST} levels deep, which nothing sensible does."
        )
    try:
        return json.loads(data.decode(), object_pairs_hook=_distinct, parse_constant=_no_constant)
    except (ValueError, RecursionError) as error:
        # The decoder's own messages may quote what they read; a line and column do not.
        place = f" at line {error.lineno}, column {error.colno}" if isinstance(error, json.JSONDecodeError) else ""
        cause = f": {error}" if isinstance(error, _DuplicateError) else ""
        raise AttestationRejectedError(Reason.MALFORMED, f"{what} is not valid JSON{place}{cause}.") from None


class _DuplicateError(ValueError):
    pass


def _distinct(pairs: Sequence[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) != len(pairs):
        raise _DuplicateError("an object gives the same name twice")
    return found


def _no_constant(name: str) -> NoReturn:
    raise ValueError(name)


def _depth(data: bytes) -> int:
    """Return how deep arrays and objects stand inside each other, or as many as there are, where that is few enough."""
    most = data.count(b"[") + data.count(b"{")
    if most <= DEEPEST:
        return most
    deepest = depth = 0
    for each in _STRING.sub(b"", data).translate(None, _REST):
        if each in b"[{":
            depth += 1
            deepest = max(deepest, depth)
        else:
            depth -= 1
    return deepest

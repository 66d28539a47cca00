"""The text side of a search: words, the cursor at which a page begins, and names that were perhaps meant."""

import base64
import json
import re
from collections.abc import Iterable
from contextlib import suppress
from dataclasses import dataclass

from catalog.assets.findings import storable
from catalog.errors import FieldError, InvalidInputError

FILTERS = ("kind", "namespace", "archetype", "cloud", "license", "trust", "state", "installed")
"""What a search can be narrowed by; each is a facet that is counted with the other filters as they are."""

NO_WORD = ":"
"""What stands for a text without words: nothing is ever found by it."""

_MOST_WORDS = 10
_HIGHEST_SCORE = 2**62
_LONGEST_NAME = 63
_SHORTEST_GUESS = 3


def words_of(q: str) -> list[str]:
    """Return the words of ``q`` in lower case, each of which may be the beginning of one; ten at the most."""
    return re.findall(r"[^\W_]+", q.lower())[:_MOST_WORDS]


@dataclass(frozen=True)
class Position:
    """Where an asset stands in a result: by score, the highest first, then by name.

    By relevance the score is a rank (3 is the exact name), by newness the moment of its last change in microseconds
    since 1970, by installs the step that their number has reached, by name always 0.
    """

    score: int
    name: str
    namespace: str
    sort: str = "relevance"

    def cursor(self) -> str:
        """Return the position as a cursor."""
        data = json.dumps([self.score, self.name, self.namespace, self.sort])
        return base64.urlsafe_b64encode(data.encode()).decode().rstrip("=")


FIRST = Position(_HIGHEST_SCORE, "", "")
"""Before everything."""


def position(cursor: str | None, sort: str = "relevance") -> Position:
    """Read a cursor; raise ``InvalidInputError`` where it is none of ours, or of another order."""
    if cursor is None:
        return FIRST
    found: object = None
    with suppress(ValueError, RecursionError):
        found = json.loads(base64.urlsafe_b64decode(cursor + "=" * (-len(cursor) % 4)))
    if isinstance(found, list) and len(found) == 4:
        score, name, namespace, order = found
        is_score = type(score) is int and 0 <= score < _HIGHEST_SCORE
        if is_score and _is_name(name) and _is_name(namespace) and order == sort:
            return Position(score, name, namespace, sort)
    detail = "The cursor is not one that a search gave. Leave it out to begin at the first page."
    raise InvalidInputError(detail, [FieldError("/cursor", detail)])


def _is_name(text: object) -> bool:
    return isinstance(text, str) and 0 < len(text) <= _LONGEST_NAME and storable(text) == text


def similar_query(q: str) -> str | None:
    """Return a ``tsquery`` of the three-letter pieces of names like ``q``, None where it is too short to guess.

    A slip of one letter, or two that are swapped, leaves one third of a name whole, so each third alone is asked for.
    ``?`` stands for the scope of the tenant; ``p`` is everybody's.
    """
    wanted = _plain(q)
    if len(wanted) < _SHORTEST_GUESS:
        return None
    padded = f"  {wanted} "
    pieces = list(dict.fromkeys(padded[place : place + 3] for place in range(len(padded) - 2)))
    size = -(-len(pieces) // 3)
    thirds = [pieces[place : place + size] for place in range(0, len(pieces), size)]
    return " | ".join(
        "(" + " & ".join(f"'{scope}3:{piece}'" for piece in third) + ")" for scope in ("p", "?") for third in thirds
    )


def closest(q: str, names: Iterable[tuple[str, str]], most: int = 3) -> list[str]:
    """Return those of ``names`` (namespace and name) that are a few letters from ``q``, the closest first."""
    wanted = _plain(q)
    allowed = 1 + len(wanted) // 5
    scored = sorted({(_distance(wanted, name, allowed), f"{namespace}/{name}") for namespace, name in names})
    return [path for distance, path in scored if distance <= allowed][:most]


def _plain(q: str) -> str:
    """Return the part of ``q`` that could be a name: its last path segment, words joined by dashes."""
    return "-".join(re.findall(r"[a-z0-9]+", q.lower().rpartition("/")[2]))[:_LONGEST_NAME]


def _distance(one: str, other: str, allowed: int) -> int:
    """Return how many letters to add, drop, change or swap with their neighbour, ``allowed`` + 1 where it is more.

    The restricted Damerau-Levenshtein distance (optimal string alignment), row by row.
    """
    if abs(len(one) - len(other)) > allowed:
        return allowed + 1
    before: list[int] = []
    row = list(range(len(other) + 1))
    for i, letter in enumerate(one, start=1):
        following = [i]
        for j, theirs in enumerate(other, start=1):
            best = min(row[j] + 1, following[-1] + 1, row[j - 1] + (letter != theirs))
            if i > 1 and j > 1 and letter == other[j - 2] and one[i - 2] == theirs:
                best = min(best, before[j - 2] + 1)
            following.append(best)
        before, row = row, following
        if min(row) > allowed:
            return allowed + 1
    return row[-1]

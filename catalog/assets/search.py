"""The text side of a search: words, and the cursor at which a page begins."""

import base64
import json
import re
from dataclasses import dataclass
from decimal import Decimal, InvalidOperation

from catalog.assets.findings import storable
from catalog.errors import FieldError, InvalidInputError

_MOST_WORDS = 10


def words_query(q: str) -> str | None:
    """Return the ``to_tsquery`` text in which every word of ``q`` may be the beginning of one; None without words."""
    words = re.findall(r"\w+", q.lower())[:_MOST_WORDS]
    return " & ".join(f"'{word}':*" for word in words) or None


@dataclass(frozen=True)
class Position:
    """Where an asset stands in a result: exact name first, then by rank, then by name."""

    exact: int
    rank: Decimal
    name: str
    namespace: str

    def cursor(self) -> str:
        """Return the position as a cursor."""
        data = json.dumps([self.exact, str(self.rank), self.name, self.namespace])
        return base64.urlsafe_b64encode(data.encode()).decode().rstrip("=")


def _is_plain(found: Position) -> bool:
    return all(storable(text) == text for text in (found.name, found.namespace))


def position(cursor: str) -> Position:
    """Read a cursor; raise ``InvalidInputError`` where it is none of ours."""
    try:
        exact, rank, name, namespace = json.loads(base64.urlsafe_b64decode(cursor + "=" * (-len(cursor) % 4)))
        found = Position(int(exact), Decimal(str(rank)), str(name), str(namespace))
    except (ValueError, TypeError, InvalidOperation, RecursionError):
        found = None
    if found is None or not found.rank.is_finite() or found.exact not in {0, 1} or not _is_plain(found):
        detail = "The cursor is not one that a search gave. Leave it out to begin at the first page."
        raise InvalidInputError(detail, [FieldError("/cursor", detail)])
    return found

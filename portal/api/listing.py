"""Lists: a limit, an opaque cursor, and the link to what comes next."""

import base64
import binascii
import json
from collections.abc import Callable, Sequence
from datetime import datetime
from typing import Annotated, Any, TypeVar
from urllib.parse import parse_qsl, urlencode
from uuid import UUID

from litestar.params import QueryParameter
from pydantic import BaseModel

from catalog.assets.errors import InvalidVersionError
from catalog.assets.versions import VersionNumber, parse_version
from catalog.errors import FieldError, InvalidInputError
from portal.boundary import WebRequest
from portal.idempotency import Answer

T = TypeVar("T")
L = TypeVar("L", bound=BaseModel)

LARGEST = 2**63 - 1
"""The largest number that the database can hold."""

Limit = Annotated[int, QueryParameter(ge=1, le=200, description="How many at the most.")]
Cursor = Annotated[
    str | None,
    QueryParameter(max_length=500, description="Where the page before ended: its next_cursor, unchanged."),
]


def page(request: WebRequest, content: L, next_cursor: str | None) -> Answer[L]:
    """Return the answer for one page; where there is more, a Link header leads to it."""
    headers = {} if next_cursor is None else {"Link": next_link(request, next_cursor)}
    return Answer(content, headers=headers)


def next_link(request: WebRequest, next_cursor: str) -> str:
    """Return the Link header that leads to the page after the one that was asked for."""
    query = [(k, v) for k, v in parse_qsl(request.url.query, keep_blank_values=True) if k != "cursor"]
    target = f"{request.url.path}?{urlencode([*query, ('cursor', next_cursor)])}"
    return f'<{target}>; rel="next"'


def cut(rows: Sequence[T], limit: int, key: Callable[[T], Sequence[object]]) -> tuple[Sequence[T], str | None]:
    """Return the rows of a page and the cursor to the next, given one row more than the page holds."""
    if len(rows) <= limit:
        return rows, None
    return rows[:limit], write_cursor(key(rows[limit - 1]))


def write_cursor(parts: Sequence[object]) -> str:
    """Return values that name a place in an order as an opaque cursor."""
    texts = [part.isoformat() if isinstance(part, datetime) else str(part) for part in parts]
    return base64.urlsafe_b64encode(json.dumps(texts).encode()).decode().rstrip("=")


def moment_and_id(cursor: str | None) -> tuple[datetime, UUID] | None:
    """Return the place that a cursor over time and id names; raise ``InvalidInputError`` for any other text."""
    if cursor is None:
        return None
    try:
        moment, identifier = _read(cursor)
        at = datetime.fromisoformat(moment)
        if at.tzinfo is None:
            raise _invalid()
        return at, UUID(identifier)
    except ValueError:
        raise _invalid() from None


def version_place(cursor: str | None) -> VersionNumber | None:
    """Return the version that a cursor over versions names; raise ``InvalidInputError`` for any other text."""
    if cursor is None:
        return None
    try:
        (text,) = _read(cursor)
        return parse_version(text)
    except (ValueError, InvalidVersionError):
        raise _invalid() from None


def asset_place(cursor: str | None) -> tuple[str, str] | None:
    """Return namespace and name that a cursor over assets names; raise ``InvalidInputError`` for any other text."""
    if cursor is None:
        return None
    try:
        namespace, name = _read(cursor)
    except ValueError:
        raise _invalid() from None
    if "\0" in namespace + name:
        raise _invalid()
    return namespace, name


def number(cursor: str | None) -> int | None:
    """Return the place that a cursor over numbers names; raise ``InvalidInputError`` for any other text."""
    if cursor is None:
        return None
    try:
        (text,) = _read(cursor)
        place = int(text)
    except ValueError:
        raise _invalid() from None
    if not 0 <= place <= LARGEST:
        raise _invalid()
    return place


def _read(cursor: str) -> list[str]:
    try:
        found: Any = json.loads(base64.urlsafe_b64decode(cursor + "=" * (-len(cursor) % 4)))
    except (binascii.Error, UnicodeDecodeError) as error:
        raise ValueError(cursor) from error
    if not isinstance(found, list) or not all(isinstance(part, str) for part in found):
        raise ValueError(cursor)
    return found


def _invalid() -> InvalidInputError:
    fix = "Use the cursor exactly as the page before gave it, or leave it out to begin again."
    return InvalidInputError("The cursor is not one of ours.", [FieldError("/cursor", fix)])

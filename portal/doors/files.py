"""Handing out bytes whose digest is known: whole, in part, or not again."""

import re
from typing import Any

from litestar import Response

from portal.boundary import WebRequest
from portal.idempotency import Answer

FOR_EVER = "private, max-age=31536000, immutable"
"""The address of a file holds its digest, so what is there never changes; private, because it takes a token."""
_RANGE = re.compile(r"bytes=(?:([0-9]{1,18})-([0-9]{0,18})|-([0-9]{1,18}))")


def hand_out(request: WebRequest, data: bytes, tag: str, media_type: str, headers: dict[str, str]) -> Response[Any]:
    """Return a file, or the one range of it that is asked for (RFC 9110); several ranges at once give the whole."""
    fixed = {**headers, "ETag": f'"{tag}"', "Accept-Ranges": "bytes"}
    wanted = request.headers.get("range")
    if wanted is None or request.headers.get("if-range", f'"{tag}"') != f'"{tag}"':
        return Answer(data, media_type=media_type, headers=fixed)
    match = _RANGE.fullmatch(wanted.strip())
    if match is None:
        return Answer(data, media_type=media_type, headers=fixed)
    first, last = _bounds(match, len(data))
    if first > last:
        return Response(b"", status_code=416, headers={**fixed, "Content-Range": f"bytes */{len(data)}"})
    fixed["Content-Range"] = f"bytes {first}-{last}/{len(data)}"
    return Response(data[first : last + 1], status_code=206, media_type=media_type, headers=fixed)


def _bounds(match: re.Match[str], size: int) -> tuple[int, int]:
    start, end, suffix = match.groups()
    if suffix is not None:
        return max(0, size - int(suffix)), size - 1 if int(suffix) else -1
    return int(start), min(int(end), size - 1) if end else size - 1

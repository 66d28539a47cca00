"""Reading server-sent events, as the HTML standard describes them."""

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

# Of all that Unicode calls a line break these alone end a line here; the others may stand inside data.
_LINE_END = re.compile(r"\r\n|\n|\r(?!$)")


@dataclass(frozen=True)
class ServerEvent:
    """One event: ``id`` is what ``Last-Event-ID`` takes ("" where none was ever given), ``data`` its text."""

    type: str
    data: str
    id: str


def parse_events(chunks: Iterable[str]) -> Iterator[ServerEvent]:
    """Yield the events of a stream of text; one that the stream broke off in is left out."""
    kind, data, identifier = "", list[str](), ""
    for line in _lines(chunks):
        if not line:
            if data:
                yield ServerEvent(kind or "message", "\n".join(data), identifier)
            kind, data = "", []
            continue
        field, _, value = line.partition(":")
        value = value.removeprefix(" ")
        if field == "event":
            kind = value
        elif field == "data":
            data.append(value)
        elif field == "id" and "\0" not in value:
            identifier = value


def _lines(chunks: Iterable[str]) -> Iterator[str]:
    """Yield every complete line; a carriage return at the end of a chunk waits for what may follow it."""
    rest = ""
    for chunk in chunks:
        *complete, rest = _LINE_END.split(rest + chunk)
        yield from complete

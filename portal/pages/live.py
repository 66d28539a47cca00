"""Pages that follow what happens: their fragments as server-sent events, each sent when it has changed."""

import asyncio
from collections.abc import AsyncGenerator, Callable
from dataclasses import dataclass
from time import monotonic
from uuid import UUID

from litestar.response import Stream
from sqlalchemy.exc import OperationalError
from sqlalchemy.exc import TimeoutError as NoConnectionError
from sqlmodel import Session

from catalog.db import Database
from catalog.errors import NotFoundError
from catalog.tenancy import Principal
from portal.boundary import WebRequest
from portal.pages.forms import renderer_of
from portal.pages.render import Page
from portal.streams import LONGEST_SECONDS, OperationStreams, Silence, encode, message
from portal.threads import Threads

MOVING_SECONDS = 1.0
RESTING_SECONDS = 3.0
_BREATH_SECONDS = 0.1
_SILENCE_SECONDS = 10.0
EVENT_STREAM = "text/event-stream"


@dataclass(frozen=True)
class Moment:
    """A page as it is now: which operation tells of its next change, and whether any change is to come."""

    page: Page
    operation_id: UUID | None
    is_moving: bool
    is_over: bool = False


Look = Callable[[Session], Moment]


async def follow_page(request: WebRequest, principal: Principal, look: Look) -> Stream:
    """Return the stream of the page that ``look`` reads; errors of the first look are answered as such."""
    database: Database = request.app.state.database
    threads: Threads = request.app.state.threads

    def now() -> Moment:
        with database.tenant_session(principal.tenant_id) as session:
            return look(session)

    first = await threads.run(now)
    headers = {"Cache-Control": "no-store", "X-Accel-Buffering": "no"}
    return Stream(_events(request, first, now), media_type=EVENT_STREAM, headers=headers)


async def _events(request: WebRequest, moment: Moment, now: Callable[[], Moment]) -> AsyncGenerator[bytes, None]:
    streams: OperationStreams = request.app.state.streams
    threads: Threads = request.app.state.threads
    renderer = renderer_of(request)
    shell = renderer.shell(request)
    sent: dict[str, str] = {}
    started = spoke = monotonic()
    yield b"retry: 1000\n\n"
    while monotonic() - started < LONGEST_SECONDS:
        for element_id in moment.page.fragments:
            html = renderer.fragment(moment.page, shell, element_id)
            if sent.get(element_id) != html:
                sent[element_id] = html
                spoke = monotonic()
                yield message(element_id, html)
        if moment.is_over:
            yield message("end", "")
            return
        if monotonic() - spoke >= _SILENCE_SECONDS:
            spoke = monotonic()
            yield encode(Silence())
        seconds = MOVING_SECONDS if moment.is_moving else RESTING_SECONDS
        if not await streams.wait(moment.operation_id, seconds):
            return
        # A talkative application must not make every follower read the database for each of its lines.
        await asyncio.sleep(_BREATH_SECONDS)
        try:
            moment = await threads.run(now)
        except (OperationalError, NoConnectionError):
            continue
        except NotFoundError:
            yield message("end", "")
            return

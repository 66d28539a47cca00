"""What the applications of an environment write, as it is written."""

import json
from collections.abc import AsyncGenerator, Awaitable, Callable
from functools import partial
from time import monotonic
from typing import Annotated
from uuid import UUID

from litestar import get
from litestar.openapi.datastructures import ResponseSpec
from litestar.openapi.spec import Example
from litestar.params import FromPath, HeaderParameter, QueryParameter
from litestar.response import Stream
from sqlalchemy.exc import OperationalError
from sqlalchemy.exc import TimeoutError as NoConnectionError

from catalog.db import Database
from catalog.environments.models import Phase
from catalog.environments.service import EphemeralEnvironmentService
from catalog.errors import QuotaExceededError, UnavailableError
from catalog.providers.targets import LogPiece, LogTail
from catalog.settings import Settings
from portal.api.documentation import problems
from portal.auth.guards import requires
from portal.boundary import AppSettings, Caller, WebRequest
from portal.streams import LONGEST_SECONDS, OperationStreams, Silence, encode
from portal.threads import Threads

TAGS = ["environments"]
READ = [requires("environments:read")]
EVENT_STREAM = "text/event-stream"
LOOK_SECONDS = 1.0
LONGEST_LOOK_SECONDS = 5.0
MOST_FOLLOWERS = 20
"""How many streams of logs one tenant has open at one of the portal's processes."""
SILENCE_SECONDS = 10.0
_LINES = (
    'id: eyJ3ZWIuM2YiOjEyfQ==\nevent: log\ndata: {"component": "web", "lines": ["up on 20117"]}\n\n'
    'event: end\ndata: {"phase": "destroyed"}\n\n'
)


@get(
    "/environments/{environment_id:uuid}/logs/events",
    operation_id="follow_environment_logs",
    summary="Follow an environment's log",
    tags=TAGS,
    guards=READ,
    media_type=EVENT_STREAM,
    responses={
        200: ResponseSpec(
            data_container=str,
            media_type=EVENT_STREAM,
            description="Server-sent events: log with the new lines of one component, end once it is destroyed.",
            generate_examples=False,
            examples=[Example(summary="The end of a stream", value=_LINES)],
        ),
        **problems(401, 403, 404, 422, 429),
    },
)
async def follow_environment_logs(
    request: WebRequest,
    environment_id: FromPath[UUID],
    settings: AppSettings,
    principal: Caller,
    component: Annotated[str | None, QueryParameter(max_length=80, description="This component alone.")] = None,
    last_event_id: Annotated[
        str | None,
        HeaderParameter(name="Last-Event-ID", max_length=4000, description="Go on after this place of the stream."),
    ] = None,
) -> Stream:
    """Stream what components write, from near the end of their logs or after Last-Event-ID.

    At most 32 KiB of each component are sent at once; what comes faster than that for long is left out. Where the
    target tells the ends of logs alone, each event has the whole of that (``"whole": true``).
    """
    database: Database = request.app.state.database
    threads: Threads = request.app.state.threads

    def look(position: str) -> tuple[Phase, LogPiece | None]:
        return _look(settings, database, principal.tenant_id, environment_id, position)

    streams: OperationStreams = request.app.state.streams
    if streams.followers_of_logs[principal.tenant_id] >= MOST_FOLLOWERS:
        raise QuotaExceededError(f"{MOST_FOLLOWERS} logs are followed already. Close a page that follows one.")
    await threads.run(partial(look, last_event_id or ""))

    async def looked(position: str) -> tuple[Phase, LogPiece | None]:
        try:
            return await threads.run(partial(look, position))
        except (OperationalError, NoConnectionError, UnavailableError):
            return Phase.UNKNOWN, None

    async def events() -> AsyncGenerator[bytes, None]:
        streams.followers_of_logs[principal.tenant_id] += 1
        try:
            async for event in _told(streams, looked, component, last_event_id or ""):
                yield event
        finally:
            streams.followers_of_logs[principal.tenant_id] -= 1

    headers = {"Cache-Control": "no-store", "X-Accel-Buffering": "no"}
    return Stream(events(), media_type=EVENT_STREAM, headers=headers)


async def _told(
    streams: OperationStreams,
    looked: Callable[[str], Awaitable[tuple[Phase, LogPiece | None]]],
    component: str | None,
    position: str,
) -> AsyncGenerator[bytes, None]:
    started = spoke = monotonic()
    pause = LOOK_SECONDS
    yield b"retry: 1000\n\n"
    while monotonic() - started < LONGEST_SECONDS:
        phase, piece = await looked(position)
        tails = [each for each in (() if piece is None else piece.tails) if component in (None, each.component)]
        # Where little is written, looking less often finds it soon enough.
        pause = LOOK_SECONDS if tails else min(pause * 1.5, LONGEST_LOOK_SECONDS)
        if piece is not None:
            for index, tail in enumerate(tails):
                # The place is told with the last of them, so that a stream that breaks leaves none out.
                spoke, is_last = monotonic(), index == len(tails) - 1
                yield _event(tail, piece, piece.position if is_last else "")
            position = piece.position
        if phase is Phase.DESTROYED:
            yield f"event: end\ndata: {json.dumps({'phase': phase.value})}\n\n".encode()
            return
        if monotonic() - spoke >= SILENCE_SECONDS:
            spoke = monotonic()
            yield encode(Silence())
        if not await streams.wait(None, pause):
            return


def _look(
    settings: Settings, database: Database, tenant_id: UUID, environment_id: UUID, position: str
) -> tuple[Phase, LogPiece]:
    with database.tenant_session(tenant_id) as session:
        service = EphemeralEnvironmentService(session, settings)
        # The phase first: a final one promises that what is read after it is all there will be.
        phase = service.get(tenant_id, environment_id).phase
        read = service.log_reader(tenant_id, environment_id)
    # Only now: a target that is slow to answer would keep a connection of the pool.
    return phase, read(position)


def _event(tail: LogTail, piece: LogPiece, identifier: str) -> bytes:
    data = {"component": tail.component, "lines": list(tail.lines), **({"whole": True} if piece.is_whole else {})}
    head = f"id: {identifier}\n" if identifier else ""
    return f"{head}event: log\ndata: {json.dumps(data)}\n\n".encode()


ROUTES = (follow_environment_logs,)

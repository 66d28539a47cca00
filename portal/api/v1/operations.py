"""Operations: every long action, its steps, and its live stream."""

from collections.abc import AsyncGenerator
from typing import Annotated
from uuid import UUID

from litestar import get
from litestar.openapi.datastructures import ResponseSpec
from litestar.openapi.spec import Example
from litestar.params import FromPath, HeaderParameter, QueryParameter
from litestar.response import Stream
from pydantic import BaseModel

from catalog.operations.models import OperationRead
from catalog.operations.service import OperationService, read
from portal.api.documentation import CONDITIONAL, problems
from portal.api.listing import LARGEST, Cursor, Limit, cut, moment_and_id, page
from portal.auth.guards import PUBLISHING, requires
from portal.boundary import AppDatabase, AppThreads, Caller, OpenSession, WebRequest
from portal.idempotency import Answer
from portal.streams import OperationStreams, encode

TAGS = ["operations"]
READ = [requires("operations:read")]
EVENT_STREAM = "text/event-stream"
_LINES = """id: 17
event: step
data: {"at": "2026-11-23T12:00:02Z", "step": {"name": "source", "state": "succeeded"}, "progress": 25}

event: end
data: {"state": "succeeded"}

"""


class OperationList(BaseModel):
    """One page of operations, newest first."""

    items: list[OperationRead]
    next_cursor: str | None


@get(
    "/operations",
    operation_id="list_operations",
    summary="List operations",
    tags=TAGS,
    guards=READ,
    responses={**CONDITIONAL, **problems(401, 403, 422)},
    sync_to_thread=True,
)
def list_operations(
    request: WebRequest,
    session: OpenSession,
    principal: Caller,
    subject: Annotated[
        str | None,
        QueryParameter(max_length=200, description="Only those of one subject, such as environments/<id>."),
    ] = None,
    limit: Limit = 50,
    cursor: Cursor = None,
) -> Answer[OperationList]:
    """Return the tenant's operations, newest first."""
    before = moment_and_id(cursor)
    rows = OperationService(session).recent(principal.tenant_id, subject, limit + 1, before)
    found, following = cut(rows, limit, lambda each: (each.created_at, each.id))
    content = OperationList(items=[read(each) for each in found], next_cursor=following)
    return page(request, content, following)


@get(
    "/operations/{operation_id:uuid}",
    operation_id="get_operation",
    summary="Get one operation",
    tags=TAGS,
    guards=READ,
    opt={PUBLISHING: True},
    responses={**CONDITIONAL, **problems(401, 403, 404)},
    sync_to_thread=True,
)
def get_operation(operation_id: FromPath[UUID], session: OpenSession, principal: Caller) -> OperationRead:
    """Return an operation with its steps, its progress in percent, and why it failed where it did."""
    return read(OperationService(session).get(principal.tenant_id, operation_id))


@get(
    "/operations/{operation_id:uuid}/events",
    operation_id="follow_operation",
    summary="Follow one operation",
    tags=TAGS,
    guards=READ,
    opt={PUBLISHING: True},
    media_type=EVENT_STREAM,
    responses={
        200: ResponseSpec(
            data_container=str,
            media_type=EVENT_STREAM,
            description="Server-sent events: state, step and log as they happen, end at the end.",
            generate_examples=False,
            examples=[Example(summary="The end of a stream", value=_LINES)],
        ),
        **problems(401, 403, 404, 422),
    },
)
async def follow_operation(
    request: WebRequest,
    operation_id: FromPath[UUID],
    principal: Caller,
    database: AppDatabase,
    threads: AppThreads,
    last_event_id: Annotated[
        int | None,
        HeaderParameter(name="Last-Event-ID", ge=0, description="Go on after this line of the stream."),
    ] = None,
) -> Stream:
    """Stream an operation as server-sent events, from its beginning or after Last-Event-ID, until it is final."""

    def check() -> None:
        with database.tenant_session(principal.tenant_id) as session:
            OperationService(session).get(principal.tenant_id, operation_id)

    await threads.run(check)
    streams: OperationStreams = request.app.state.streams

    start = min(last_event_id or 0, LARGEST)

    async def lines() -> AsyncGenerator[bytes, None]:
        yield b"retry: 1000\n\n"
        async for told in streams.follow(principal.tenant_id, operation_id, start):
            yield encode(told)

    headers = {"Cache-Control": "no-store", "X-Accel-Buffering": "no"}
    return Stream(lines(), media_type=EVENT_STREAM, headers=headers)

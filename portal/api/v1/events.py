"""Events as CloudEvents, and the deliveries that nobody could carry out."""

from typing import Annotated

from litestar import get, post
from litestar.params import FromPath, QueryParameter
from pydantic import BaseModel, Field

from catalog.deliveries.service import DeadLetterRead, DeliveryService
from catalog.events.envelope import Envelope
from catalog.events.service import EventService
from portal.api.documentation import CONDITIONAL, REPLAYED, problems
from portal.api.listing import Cursor, Limit, cut, number, page, write_cursor
from portal.auth.guards import requires
from portal.boundary import Caller, OpenSession, WebRequest
from portal.idempotency import Answer

TAGS = ["events"]


class EventList(BaseModel):
    """Events in the order of their recording; ``after`` is what to ask with for those that follow, now or later."""

    items: list[Envelope]
    after: int = Field(examples=[42])
    next_cursor: str | None


class DeadLetterList(BaseModel):
    """One page of deliveries that were given up, newest first."""

    items: list[DeadLetterRead]
    next_cursor: str | None


class Replayed(BaseModel):
    """The delivery is on its way again."""

    id: int
    replayed: bool = True


@get(
    "/events",
    operation_id="list_events",
    summary="Read events",
    tags=TAGS,
    guards=[requires("events:read")],
    responses={**CONDITIONAL, **problems(401, 403, 422)},
    sync_to_thread=True,
)
def list_events(  # noqa: PLR0913, PLR0917  # most are query parameters
    request: WebRequest,
    session: OpenSession,
    principal: Caller,
    after: Annotated[int, QueryParameter(ge=0, description="Only events after this one; 0 is the beginning.")] = 0,
    subject: Annotated[str | None, QueryParameter(max_length=200, description="Only events of one subject.")] = None,
    event_type: Annotated[
        list[str] | None, QueryParameter(name="type", description="Only events of these CloudEvents types.")
    ] = None,
    limit: Limit = 100,
    cursor: Cursor = None,
) -> Answer[EventList]:
    """Return events as CloudEvents 1.0, oldest first. A reader who keeps ``after`` misses nothing."""
    start = number(cursor) or after
    service = EventService(session)
    found = service.after(principal.tenant_id, start, limit, subject=subject, types=event_type or ())
    following = write_cursor((found.cursor,)) if len(found.events) == limit else None
    content = EventList(items=list(found.events), after=found.cursor, next_cursor=following)
    return page(request, content, following)


@get(
    "/dead-letters",
    operation_id="list_dead_letters",
    summary="List dead letters",
    tags=TAGS,
    guards=[requires("events:read")],
    responses={**CONDITIONAL, **problems(401, 403, 422)},
    sync_to_thread=True,
)
def list_dead_letters(
    request: WebRequest, session: OpenSession, principal: Caller, limit: Limit = 50, cursor: Cursor = None
) -> Answer[DeadLetterList]:
    """Return the deliveries that were tried as often as they may be, newest first, each with its reason."""
    rows = DeliveryService(session).dead_letters(principal.tenant_id, limit + 1, number(cursor))
    found, following = cut(rows, limit, lambda each: (each.id,))
    return page(request, DeadLetterList(items=list(found), next_cursor=following), following)


@post(
    "/dead-letters/{delivery_id:int}/replay",
    operation_id="replay_dead_letter",
    summary="Try a dead letter again",
    tags=TAGS,
    guards=[requires("events:write")],
    status_code=202,
    responses=problems(401, 403, 404, 409, 422),
    response_headers=REPLAYED,
    sync_to_thread=True,
)
def replay_dead_letter(delivery_id: FromPath[int], session: OpenSession, principal: Caller) -> Replayed:
    """Send a delivery once more, after whatever else waits for its subject."""
    DeliveryService(session).replay(principal, delivery_id)
    return Replayed(id=delivery_id)

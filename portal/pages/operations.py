"""The pages of operations: one long action with its steps, and the deliveries that gave up."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import ClassVar
from uuid import UUID

from litestar import Response, get, post
from litestar.params import FromPath
from litestar.response import Redirect, Stream
from sqlmodel import Session

from catalog.deliveries.service import DeadLetterRead, DeliveryService
from catalog.operations.models import OperationRead, OperationState
from catalog.operations.service import OperationService, read
from portal.auth.guards import requires
from portal.boundary import Caller, OpenSession, WebRequest
from portal.pages.forms import renderer_of
from portal.pages.live import EVENT_STREAM, Moment, follow_page
from portal.pages.render import Page, redirect

READ = [requires("operations:read")]
MOST_LETTERS = 200


@dataclass(frozen=True)
class OperationPage(Page):
    """One long action; ``log`` holds the last lines it wrote."""

    template: ClassVar[str] = "operations/show.html"
    fragments: ClassVar[Mapping[str, str]] = {"operation-status": "operations/_status.html"}

    operation: OperationRead
    log: Sequence[str] = ()

    @property
    def is_moving(self) -> bool:
        """Tell whether the operation still works."""
        return self.operation.state in {OperationState.PENDING, OperationState.RUNNING}

    @property
    def title(self) -> str:
        """Return the kind of the operation as a sentence, such as ``Environment deploy``."""
        return self.operation.kind.replace(".", " ").replace("_", " ").capitalize()

    @property
    def subject_href(self) -> str:
        """Return the address of what the operation works on, "" where it has no page."""
        area = self.operation.subject.partition("/")[0]
        has_page = area == "environments" or (area == "installs" and self.operation.subject != "installs/new")
        return f"/{self.operation.subject}" if has_page else ""


@dataclass(frozen=True)
class DeadLettersPage(Page):
    """The tenant's deliveries that gave up and wait for a person."""

    template: ClassVar[str] = "operations/dead_letters.html"

    deliveries: Sequence[DeadLetterRead]
    may_replay: bool


@get("/operations/{operation_id:uuid}", guards=READ, sync_to_thread=True)
def show_operation(
    request: WebRequest, operation_id: FromPath[UUID], session: OpenSession, principal: Caller
) -> Response[str]:
    """Show one operation."""
    page = OperationPage(read(OperationService(session).get(principal.tenant_id, operation_id)))
    return renderer_of(request).respond(request, page)


@get("/operations/{operation_id:uuid}/stream", guards=READ, media_type=EVENT_STREAM)
async def follow_operation(request: WebRequest, operation_id: FromPath[UUID], principal: Caller) -> Stream:
    """Stream the page's fragments as they change, until the operation is final."""

    def look(session: Session) -> Moment:
        page = OperationPage(read(OperationService(session).get(principal.tenant_id, operation_id)))
        return Moment(page, operation_id, is_moving=page.is_moving, is_over=not page.is_moving)

    return await follow_page(request, principal, look)


@get("/operations/dead-letters", guards=[requires("events:read")], sync_to_thread=True)
def show_dead_letters(request: WebRequest, session: OpenSession, principal: Caller) -> Response[str]:
    """Show the newest deliveries that gave up."""
    letters = DeliveryService(session).dead_letters(principal.tenant_id, MOST_LETTERS)
    page = DeadLettersPage(letters, may_replay=principal.may("events:write"))
    return renderer_of(request).respond(request, page)


@post("/operations/dead-letters/{delivery_id:int}/replay", guards=[requires("events:write")], sync_to_thread=True)
def replay_dead_letter(delivery_id: FromPath[int], session: OpenSession, principal: Caller) -> Redirect:
    """Send a delivery once more."""
    DeliveryService(session).replay(principal, delivery_id)
    return redirect("/operations/dead-letters", "delivery-replayed")


ROUTES = (show_dead_letters, replay_dead_letter, show_operation, follow_operation)

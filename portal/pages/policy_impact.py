"""The pages of impact: what a bundle would have stopped, asked before anybody activates it."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import ClassVar
from uuid import UUID

from litestar import Response, get, post
from litestar.params import FromPath
from litestar.response import Redirect, Stream
from sqlmodel import Session

from catalog.assets.models import SearchQuery
from catalog.assets.service import AssetService
from catalog.errors import InvalidInputError
from catalog.gates import ImpactDesk
from catalog.operations.models import OperationRead
from catalog.operations.service import OperationService
from catalog.operations.service import read as read_operation
from catalog.policies.shapes import AskImpact, ImpactRead
from catalog.settings import Settings
from catalog.tenancy import Principal
from portal.auth.guards import requires
from portal.boundary import AppSettings, Caller, OpenSession, WebRequest
from portal.pages.forms import SentForm, Text, last_values, renderer_of, sent_fields
from portal.pages.live import EVENT_STREAM, Moment, follow_page
from portal.pages.policies import LEVELS, FormPage, bundle_options, read_body, scope_of
from portal.pages.render import Page, redirect

READ = [requires("policies:read")]
WRITE = [requires("policies:write")]


@dataclass(frozen=True)
class ImpactListPage(FormPage):
    """The latest assessments, and the form that asks for another."""

    template: ClassVar[str] = "policies/impacts.html"

    impacts: Sequence[ImpactRead]
    bundles: Sequence[tuple[str, str]]
    may_ask: bool
    levels: Sequence[tuple[str, str]] = LEVELS


@dataclass(frozen=True)
class ImpactPage(Page):
    """One assessment: how many, which, and why; while a worker looks, how far it is."""

    template: ClassVar[str] = "policies/impact.html"
    fragments: ClassVar[Mapping[str, str]] = {"policy-impact-report": "policies/_impact_report.html"}

    impact: ImpactRead
    operation: OperationRead

    @property
    def is_moving(self) -> bool:
        """Tell whether a worker still looks."""
        return self.operation.state in {"pending", "running"}


@get("/policies/impact", guards=READ, sync_to_thread=True)
def list_impacts(
    request: WebRequest, session: OpenSession, settings: AppSettings, principal: Caller, bundle: Text = None
) -> Response[str]:
    """Show the latest assessments; ``bundle`` fills in the form."""
    return renderer_of(request).respond(request, _list(session, settings, principal, {"bundle": bundle or ""}))


@post("/policies/impact", guards=WRITE, sync_to_thread=True)
def assess(
    request: WebRequest, data: SentForm, session: OpenSession, settings: AppSettings, principal: Caller
) -> Response[str] | Redirect:
    """Ask what a bundle would have stopped, and go to the page that says."""
    values = last_values(sent_fields(data))
    body = {"bundle": values.get("bundle", ""), "level": values.get("level", ""), "scope": scope_of(values)}
    asked, errors = read_body(AskImpact, body)
    if isinstance(asked, AskImpact):
        try:
            impact = ImpactDesk(session, settings).request(principal, asked)
        except InvalidInputError as error:
            session.rollback()
            errors = error.errors
        else:
            return redirect(f"/policies/impact/{impact.id}", "impact-asked")
    page = _list(session, settings, principal, values)
    page = ImpactListPage(page.impacts, page.bundles, page.may_ask, values=values, errors=errors)
    return renderer_of(request).respond(request, page, status_code=422)


@get("/policies/impact/{impact_id:uuid}", guards=READ, sync_to_thread=True)
def show_impact(
    request: WebRequest, impact_id: FromPath[UUID], session: OpenSession, settings: AppSettings, principal: Caller
) -> Response[str]:
    """Show one assessment."""
    return renderer_of(request).respond(request, _load(session, settings, principal, impact_id))


@get("/policies/impact/{impact_id:uuid}/stream", guards=READ, media_type=EVENT_STREAM)
async def follow_impact(
    request: WebRequest, impact_id: FromPath[UUID], settings: AppSettings, principal: Caller
) -> Stream:
    """Stream the report as it grows, until it is written."""

    def look(session: Session) -> Moment:
        page = _load(session, settings, principal, impact_id)
        return Moment(page, page.operation.id, is_moving=page.is_moving, is_over=not page.is_moving)

    return await follow_page(request, principal, look)


def _load(session: Session, settings: Settings, principal: Principal, impact_id: UUID) -> ImpactPage:
    impact = ImpactDesk(session, settings).impact(principal.tenant_id, impact_id)
    operation = OperationService(session).get(principal.tenant_id, impact.operation_id)
    return ImpactPage(impact, read_operation(operation))


def _list(session: Session, settings: Settings, principal: Principal, values: Mapping[str, str]) -> ImpactListPage:
    query = SearchQuery(kind="policy-bundle", limit=100)
    found = AssetService(session).search(principal.tenant_id, query).items
    return ImpactListPage(
        impacts=ImpactDesk(session, settings).impacts(principal.tenant_id),
        bundles=bundle_options(found),
        may_ask=principal.may("policies:write"),
        values=values,
    )


ROUTES = (list_impacts, assess, show_impact, follow_impact)

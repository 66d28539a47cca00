"""The page of a tenant's own catalog: what administrators adopt, bind to a range, or hide from their members."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import ClassVar

from litestar import Response, get, post
from litestar.response import Redirect
from pydantic import ValidationError
from sqlmodel import Session

from catalog.assets.curation.models import Catalog, DecideCatalog, DecideEntry
from catalog.assets.references import parse_reference
from catalog.assets.service import AssetService
from catalog.errors import ConflictError, FieldError, NotFoundError, SlipwayError
from catalog.tenancy import Principal
from portal.auth.guards import requires
from portal.boundary import Caller, OpenSession, WebRequest
from portal.pages.forms import FormErrors, SentForm, Text, last_values, renderer_of, sent_fields
from portal.pages.render import Page, redirect

READ = [requires("assets:read")]
ADMIN = [requires("assets:admin")]
DECISIONS = (
    ("adopt", "Adopt it", "Members may choose it: every version, or those of the range below."),
    ("hide", "Hide it", "It is in no list and no request gets it. What runs from it already goes on."),
)
LABELS = {"asset": "Asset", "allowed": "Allowed versions", "reason": "Reason", "decision": "Decision"}


@dataclass(frozen=True)
class CatalogPage(FormErrors, Page):
    """The tenant's decisions, and the form for another."""

    template: ClassVar[str] = "catalog/index.html"
    labels: ClassVar[Mapping[str, str]] = LABELS

    catalog: Catalog
    may_decide: bool
    values: Mapping[str, str] = field(default_factory=dict)
    errors: Sequence[FieldError] = ()
    decisions: tuple[tuple[str, str, str], ...] = DECISIONS

    def value(self, name: str) -> str:
        """Return what a field shows."""
        return self.values.get(name, "adopt" if name == "decision" else "")


def _page(
    session: Session, principal: Principal, values: Mapping[str, str], errors: Sequence[FieldError] = ()
) -> CatalogPage:
    catalog = AssetService(session).catalog(principal.tenant_id)
    return CatalogPage(catalog, principal.may("assets:admin"), values, errors)


@get("/catalog", guards=READ, sync_to_thread=True)
def show_catalog(request: WebRequest, session: OpenSession, principal: Caller, asset: Text = None) -> Response[str]:
    """Show what the tenant decided; ``asset`` fills the form with what holds for one."""
    page = _page(session, principal, {"asset": asset or ""})
    for each in page.catalog.entries:
        if f"{each.namespace}/{each.name}" == asset:
            decision = "hide" if each.hidden else "adopt"
            values = {"asset": asset, "decision": decision, "allowed": each.allowed, "reason": each.reason}
            page = CatalogPage(page.catalog, page.may_decide, values)
    return renderer_of(request).respond(request, page)


@post("/catalog/mode", guards=ADMIN, sync_to_thread=True)
def change_mode(data: SentForm, session: OpenSession, principal: Caller) -> Redirect:
    """Open the catalog to everything that may be seen, or to what was adopted alone."""
    is_curated = last_values(sent_fields(data)).get("mode") == "curated"
    AssetService(session).decide_catalog(principal, DecideCatalog(is_curated=is_curated))
    return redirect("/catalog", "catalog-changed")


@post("/catalog/entries", guards=ADMIN, sync_to_thread=True)
def decide(request: WebRequest, data: SentForm, session: OpenSession, principal: Caller) -> Response[str] | Redirect:
    """Decide about one asset, or show the form again with what is wrong in it."""
    values = {name: text.strip() for name, text in last_values(sent_fields(data)).items() if name in LABELS}
    try:
        reference = parse_reference(values.get("asset", ""), "/asset")
        wanted = DecideEntry(
            hidden=values.get("decision") == "hide", allowed=values.get("allowed", ""), reason=values.get("reason", "")
        )
        AssetService(session).decide(principal, reference.namespace, reference.name, wanted)
    except (ValidationError, SlipwayError) as error:
        session.rollback()
        page = _page(session, principal, values, _errors(error))
        return renderer_of(request).respond(request, page, status_code=422)
    return redirect("/catalog", "catalog-changed")


@post("/catalog/forget", guards=ADMIN, sync_to_thread=True)
def forget(data: SentForm, session: OpenSession, principal: Caller) -> Redirect:
    """Take back what was decided about one asset."""
    reference = parse_reference(last_values(sent_fields(data)).get("asset", ""), "/asset")
    AssetService(session).forget(principal, reference.namespace, reference.name)
    return redirect("/catalog", "catalog-changed")


def _errors(error: ValidationError | SlipwayError) -> list[FieldError]:
    if isinstance(error, ValidationError):
        return [FieldError(f"/{each['loc'][0]}", "It is too long.") for each in error.errors()]
    if error.errors:
        return list(error.errors)
    if isinstance(error, NotFoundError | ConflictError):
        return [FieldError("/asset", error.detail)]
    raise error


ROUTES = (show_catalog, change_mode, decide, forget)

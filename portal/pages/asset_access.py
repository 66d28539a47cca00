"""The page on which a publisher says who may see an asset."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import ClassVar

from litestar import Response, get, post
from litestar.params import FromPath
from litestar.response import Redirect
from pydantic import ValidationError
from sqlmodel import Session

from catalog.assets.curation.models import ShareAsset, Sharing
from catalog.assets.models import AssetRead
from catalog.assets.service import AssetService
from catalog.errors import ForbiddenError, InvalidInputError
from catalog.tenancy import Principal
from portal.auth.guards import requires
from portal.boundary import Caller, OpenSession, WebRequest
from portal.pages.forms import SentForm, last_values, renderer_of, sent_fields
from portal.pages.render import Page, redirect

WRITE = [requires("assets:write")]
CHOICES = (
    ("private", "Only your tenant", "Nobody else finds it, and its address answers as if it did not exist."),
    ("shared", "Named tenants", "Those you name see it as you do; nobody else learns of it."),
    ("public", "Everybody", "Every tenant of this Slipway finds it in the marketplace."),
)


@dataclass(frozen=True)
class AccessPage(Page):
    """Who may see an asset; ``values`` are what was sent and could not be taken."""

    template: ClassVar[str] = "assets/access.html"

    asset: AssetRead
    sharing: Sharing
    values: Mapping[str, str] = field(default_factory=dict)
    errors: Mapping[str, str] = field(default_factory=dict)
    choices: tuple[tuple[str, str, str], ...] = CHOICES

    @property
    def path(self) -> str:
        """Return ``namespace/name``."""
        return f"{self.asset.namespace}/{self.asset.name}"

    @property
    def visibility(self) -> str:
        """Return the choice that the form shows."""
        return self.values.get("visibility", self.sharing.visibility.value)

    @property
    def tenants(self) -> str:
        """Return the names that the form shows, one in each line."""
        return self.values.get("tenants", "\n".join(self.sharing.tenants))


def _page(session: Session, principal: Principal, namespace: str, name: str) -> AccessPage:
    service = AssetService(session)
    asset = service.get(principal.tenant_id, namespace, name)
    if not asset.owned:
        raise ForbiddenError(f"{namespace}/{name} belongs to another publisher.")
    return AccessPage(asset, service.sharing(principal.tenant_id, namespace, name))


@get("/assets/{namespace:str}/{name:str}/access", guards=WRITE, sync_to_thread=True)
def show_access(
    request: WebRequest, namespace: FromPath[str], name: FromPath[str], session: OpenSession, principal: Caller
) -> Response[str]:
    """Show who may see an asset of the tenant's own."""
    return renderer_of(request).respond(request, _page(session, principal, namespace, name))


@post("/assets/{namespace:str}/{name:str}/access", guards=WRITE, sync_to_thread=True)
def change_access(
    request: WebRequest,
    namespace: FromPath[str],
    name: FromPath[str],
    data: SentForm,
    session: OpenSession,
    principal: Caller,
) -> Response[str] | Redirect:
    """Change who may see it, or show the form again with what is wrong in it."""
    values = last_values(sent_fields(data))
    page = _page(session, principal, namespace, name)
    names = values.get("tenants", "").replace(",", " ").split()
    errors: dict[str, str] = {}
    try:
        wanted = ShareAsset.model_validate({"visibility": values.get("visibility", ""), "tenants": names})
        AssetService(session).share(principal, namespace, name, wanted)
    except ValidationError:
        errors = {"visibility": "Choose one of them, and name 200 tenants at the most."}
    except InvalidInputError as error:
        wrong = sorted({names[int(each.pointer.rpartition("/")[2])] for each in error.errors})
        errors = {"tenants": f"{', '.join(wrong)[:200]}: write names of tenants, in lower case."}
    if errors:
        session.rollback()
        shown = AccessPage(page.asset, page.sharing, values, errors)
        return renderer_of(request).respond(request, shown, status_code=422)
    return redirect(f"/assets/{page.path}", "access-changed")


ROUTES = (show_access, change_access)

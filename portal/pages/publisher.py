"""The page of one publisher: its assets, how it is verified, and what is measured without naming anybody."""

from dataclasses import dataclass, field
from typing import ClassVar

from litestar import Response, get
from litestar.params import FromPath

from catalog.assets.service import AssetService
from catalog.assets.usage.models import PublisherRead
from portal.auth.guards import requires
from portal.boundary import AppSettings, Caller, OpenSession, WebRequest
from portal.pages.forms import renderer_of
from portal.pages.render import Page
from portal.pages.security_marks import Affected, affected_assets


@dataclass(frozen=True)
class PublisherPage(Page):
    """A publisher as the reader sees it; ``feed_href`` is "" for who may not read feeds."""

    template: ClassVar[str] = "publishers/show.html"

    publisher: PublisherRead
    feed_href: str = ""
    affected: Affected = field(default_factory=dict)

    @property
    def is_curated(self) -> bool:
        """Tell whether its assets come with Slipway itself."""
        return any(each.trust == "curated" for each in self.publisher.assets)


@get("/assets/{namespace:str}", guards=[requires("assets:read")], sync_to_thread=True)
def show_publisher(
    request: WebRequest, namespace: FromPath[str], session: OpenSession, settings: AppSettings, principal: Caller
) -> Response[str]:
    """Show a publisher with those of its assets that the reader may choose."""
    found = AssetService(session).publisher(principal.tenant_id, namespace)
    affected = affected_assets(session, settings, principal, found.assets)
    feed = f"/t/{principal.tenant_name}/feeds/publishers/{namespace}" if principal.may("feeds:read") else ""
    return renderer_of(request).respond(request, PublisherPage(found, feed, affected))


ROUTES = (show_publisher,)

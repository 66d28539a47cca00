"""The pages of the marketplace: search with facets, and one asset in one of its versions."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Annotated, Any, ClassVar
from uuid import UUID

from litestar import Response, get
from litestar.params import FromPath, QueryParameter

from catalog.assets.life import moves_from
from catalog.assets.models import AssetRead, SearchQuery, SearchResult
from catalog.assets.searches.models import SavedQuery
from catalog.assets.service import LATEST, AssetService
from catalog.errors import NotFoundError
from catalog.overlays.service import OverlayService
from catalog.tenancy import Principal
from portal.affected import affected_by
from portal.auth.guards import requires
from portal.boundary import AppSettings, Caller, OpenSession, WebRequest
from portal.pages.asset_life import VERBS
from portal.pages.asset_page import TABS, VERSIONS_AT_ONCE, AssetPage
from portal.pages.attestations import evidence_about
from portal.pages.dependency_tree import DependencyTree, dependency_tree
from portal.pages.forms import Text, renderer_of
from portal.pages.reference import component_reference
from portal.pages.render import Page
from portal.pages.sboms import materials_of
from portal.pages.search_words import FACETS, SORTS, search_address, value_label
from portal.pages.security_marks import Affected, affected_assets, affecting
from portal.pages.using import uses

Link = tuple[str, str, int, bool]


@dataclass(frozen=True)
class MarketplacePage(Page):
    """One page of search results with the counts of every filter; ``affected`` are those with a security notice."""

    template: ClassVar[str] = "assets/index.html"
    fragments: ClassVar[Mapping[str, str]] = {"asset-results": "assets/_results.html"}

    query: SearchQuery
    result: SearchResult
    may_publish: bool
    tenant: str = ""
    may_read_feeds: bool = False
    affected: Affected = field(default_factory=dict)

    def href(self, **changes: str | None) -> str:
        """Return the address of this search with other filters; a value of None takes a filter away."""
        return search_address("/assets", {**self.kept, **changes})

    @property
    def kept(self) -> Mapping[str, str]:
        """Return what was given of the search, for its addresses and for keeping it."""
        return SavedQuery.of(self.query).given()

    @property
    def feed_href(self) -> str:
        """Return the address of this search's feed, "" for who may not read feeds."""
        if not self.may_read_feeds:
            return ""
        given = {name: value for name, value in self.kept.items() if name != "sort"}
        return search_address(f"/t/{self.tenant}/feeds/search", given)

    @property
    def sorts(self) -> list[tuple[str, str, bool]]:
        """Return name, address and whether it holds, of each order."""
        return [
            (name, self.href(sort=None if key == "relevance" else key), key == self.query.sort)
            for key, name in SORTS.items()
        ]

    @property
    def filters(self) -> dict[str, str | None]:
        """Return the filters and the order in force, for the form to keep."""
        return {name: value for name, value in self.kept.items() if name != "q"}

    @property
    def facets(self) -> list[tuple[str, list[Link]]]:
        """Return title and values of each facet that has any; a chosen value's address takes it away again."""
        groups = []
        for name, title in FACETS.items():
            counts = self.result.facets.get(name, [])
            links = [
                (
                    value_label(name, each.value),
                    self.href(**{name: None if each.selected else each.value}),
                    each.count,
                    each.selected,
                )
                for each in counts
            ]
            if links:
                groups.append((title, links))
        return groups

    @property
    def chips(self) -> list[tuple[str, str]]:
        """Return text and removing address of each filter in force."""
        found = []
        for name, title in FACETS.items():
            if value := getattr(self.query, name):
                found.append((f"{title}: {value_label(name, value)}", self.href(**{name: None})))
        return found

    @property
    def ways_out(self) -> list[tuple[str, str, int]]:
        """Return what to leave out where nothing was found: text, address and how many there are then."""
        texts = {"q": "Without the words", **{name: f"Without {title.lower()}" for name, title in FACETS.items()}}
        return [
            (
                f"{texts.get(hint.remove, 'Without')} “{value_label(hint.remove, hint.value)}”",
                self.href(**{hint.remove: None}),
                hint.count,
            )
            for hint in self.result.hints
        ]

    @property
    def suggestions(self) -> list[tuple[str, str]]:
        """Return the names that the words were perhaps meant to be, each with the address of its page."""
        return [(path, f"/assets/{path}") for path in self.result.suggestions]

    @property
    def next_href(self) -> str:
        """Return the address of the next page, "" at the end."""
        return self.href(cursor=self.result.next_cursor) if self.result.next_cursor else ""

    @property
    def previous_href(self) -> str:
        """Return the address of the first page, "" when this is it: cursors only lead forward."""
        return self.href() if self.query.cursor else ""


READ = [requires("assets:read")]


@get("/assets", guards=READ, sync_to_thread=True)
def show_marketplace(  # noqa: PLR0913, PLR0917  # each is a query parameter of its own
    request: WebRequest,
    session: OpenSession,
    settings: AppSettings,
    principal: Caller,
    q: Text = None,
    kind: Text = None,
    namespace: Text = None,
    archetype: Text = None,
    cloud: Text = None,
    trust: Text = None,
    license_id: Annotated[str | None, QueryParameter(name="license", required=False, max_length=200)] = None,
    state_of_latest: Annotated[str | None, QueryParameter(name="state", required=False, max_length=200)] = None,
    installed: Text = None,
    sort: Text = None,
    cursor: Text = None,
) -> Response[str]:
    """Show what the caller may see, searched and filtered; an empty field of the form is no filter."""
    query = SearchQuery(
        q=(q or "")[:200],
        kind=kind or None,
        namespace=namespace or None,
        archetype=archetype or None,
        cloud=cloud or None,
        trust=trust or None,
        license=license_id or None,
        state=state_of_latest or None,
        installed=installed or None,
        sort=sort if sort in SORTS else "relevance",  # type: ignore[arg-type]
        cursor=cursor or None,
    )
    found = AssetService(session).search(principal.tenant_id, query)
    page = MarketplacePage(
        query,
        found,
        may_publish=principal.may("assets:write"),
        tenant=principal.tenant_name,
        may_read_feeds=principal.may("feeds:read"),
        affected=affected_assets(session, settings, principal, found.items),
    )
    return renderer_of(request).respond(request, page)


@get("/assets/{namespace:str}/{name:str}", guards=READ, sync_to_thread=True)
def show_asset(  # noqa: PLR0913, PLR0917  # most are query parameters or the unit of work
    request: WebRequest,
    namespace: FromPath[str],
    name: FromPath[str],
    session: OpenSession,
    settings: AppSettings,
    principal: Caller,
    version: Text = None,
    tab: Text = None,
    first: Annotated[int, QueryParameter(required=False, ge=0, le=1_000_000)] = 0,
) -> Response[str]:
    """Show one asset: the version that is asked for, else the one that stands for it, else the newest there is."""
    if tab is not None and tab not in TABS:
        raise NotFoundError(f"The page of an asset has no part {tab}.")
    service = AssetService(session)
    offer = service.offer(principal.tenant_id, namespace, name)
    asset = service.get(principal.tenant_id, namespace, name)
    versions = service.versions(principal.tenant_id, namespace, name, limit=VERSIONS_AT_ONCE + 1)
    has_more = len(versions) > VERSIONS_AT_ONCE
    count = service.count_versions(principal.tenant_id, namespace, name) if has_more else len(versions)
    newest = offer.latest or (versions[0].version if versions else LATEST)
    shown = service.get_version(principal.tenant_id, namespace, name, version or newest)
    tree = dependency_tree(service, principal.tenant_id, shown) if tab == "dependencies" else DependencyTree()
    subject = f"{namespace}/{name}@{shown.version}"
    is_latest = shown.version == asset.latest_version
    is_users, is_versions = tab == "used-by", tab == "versions"
    page = AssetPage(
        asset,
        shown,
        versions,
        tab or "overview",
        reference=component_reference(settings, service, principal, shown) if tab == "reference" else None,
        may_request=principal.may("environments:write"),
        may_install=principal.may("installs:write"),
        tree=tree,
        uses=uses(shown, settings.base_url, principal.tenant_name, is_latest=is_latest),
        evidence=evidence_about(session, settings, principal, subject) if tab == "security" else None,
        materials=materials_of(session, settings, principal, subject) if tab == "security" else None,
        used_by=affected_by(session, settings, principal, (namespace, name), shown.version) if is_users else None,
        history=service.history(principal.tenant_id, shown) if is_versions else (),
        measured=service.measured(principal.tenant_id, namespace, name),
        moves=moves_from(shown.state, VERBS) if shown.owned and principal.may("assets:write") else (),
        **_place(service, principal.tenant_id, asset, count, first if is_versions else 0),
        may_share=asset.owned and principal.may("assets:write"),
        may_curate=not asset.owned and principal.may("assets:admin"),
        totals=service.totals(principal.tenant_id, namespace, name),
        feed_href=asset_feed(principal, namespace, name),
        may_narrow=principal.may("assets:admin"),
        refusal=offer.refusal(shown.version),
        vulnerabilities=affecting(session, settings, principal, shown.blob_digest),
        fitted=OverlayService(session).over(principal.tenant_id, shown),
    )
    return renderer_of(request).respond(request, page)


def _place(service: AssetService, tenant_id: UUID, asset: AssetRead, count: int, first: int) -> dict[str, Any]:
    """Return which page of the list of versions is shown, with its versions where it is not the first."""
    if not 0 < first < count:
        return {"count": count}
    older = service.versions(tenant_id, asset.namespace, asset.name, first=first, limit=VERSIONS_AT_ONCE + 1)
    return {"count": count, "first": first, "older": older}


def asset_feed(principal: Principal, namespace: str, name: str) -> str:
    """Return the address of an asset's feed, "" for who may not read feeds."""
    if not principal.may("feeds:read"):
        return ""
    return f"/t/{principal.tenant_name}/feeds/assets/{namespace}/{name}"


ROUTES = (show_marketplace, show_asset)

"""The page of saved searches and feeds: run, rename and delete searches, and the tokens of feed readers."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import ClassVar
from urllib.parse import urlencode
from uuid import UUID

from litestar import Response, get, post
from litestar.params import FromPath
from litestar.response import Redirect
from pydantic import ValidationError
from sqlmodel import Session

from catalog.assets.searches.models import RenameSearch, SavedQuery, SavedSearchRead, SaveSearch
from catalog.assets.service import AssetService
from catalog.errors import SlipwayError
from catalog.settings import Settings
from catalog.tenancy import Principal
from catalog.tenants.models import NewToken, TokenRead
from catalog.tenants.service import TenantService, read_token
from portal.auth.guards import requires
from portal.boundary import AppSettings, Caller, OpenSession, WebRequest
from portal.pages.forms import SentForm, last_values, renderer_of, sent_fields
from portal.pages.render import Page, redirect
from portal.pages.search_words import search_words

READ = [requires("assets:read")]


@dataclass(frozen=True)
class SearchesPage(Page):
    """The caller's saved searches, the feeds there are, and the tokens that read them; ``created`` is shown once.

    ``unsaved`` is what was sent of a search that could not be kept, so that it can be sent again.
    """

    template: ClassVar[str] = "searches/index.html"

    searches: Sequence[SavedSearchRead]
    tokens: Sequence[TokenRead]
    door: str
    may_make_tokens: bool
    created: NewToken | None = None
    problem: str = ""
    unsaved: Mapping[str, str] = field(default_factory=dict)

    @property
    def feeds(self) -> list[tuple[str, str]]:
        """Return title and address of the feeds that everybody has."""
        return [
            ("Versions deprecated, yanked, revoked or restored", f"{self.door}/changes"),
            ("The same, of what your tenant runs alone", f"{self.door}/changes?installed=yes"),
            ("Everything that is published", f"{self.door}/search"),
        ]

    def words(self, search: SavedSearchRead) -> str:
        """Return what a search looks for, in words."""
        return search_words(search.query)

    def href(self, search: SavedSearchRead) -> str:
        """Return the address of a saved search's feed."""
        return f"{self.door}/searches/{search.id}"


def feeds_door(settings: Settings, principal: Principal) -> str:
    """Return the address below which a tenant's feeds are."""
    return f"{settings.base_url}/t/{principal.tenant_name}/feeds"


def _page(
    session: Session, settings: Settings, principal: Principal, problem: str = "", created: NewToken | None = None
) -> SearchesPage:
    return SearchesPage(
        AssetService(session).saved_searches(principal),
        [read_token(each) for each in TenantService(session).feed_tokens(principal)],
        feeds_door(settings, principal),
        principal.may("feeds:read"),
        created,
        problem,
    )


@get("/searches", guards=READ, sync_to_thread=True)
def show_searches(request: WebRequest, session: OpenSession, settings: AppSettings, principal: Caller) -> Response[str]:
    """Show what the caller keeps."""
    return renderer_of(request).respond(request, _page(session, settings, principal))


@post("/searches", guards=READ, sync_to_thread=True)
def save_search(
    request: WebRequest, data: SentForm, session: OpenSession, settings: AppSettings, principal: Caller
) -> Response[str] | Redirect:
    """Keep a search that was made on the page of the marketplace."""
    values = last_values(sent_fields(data))
    given = {name: text for name, text in values.items() if name in SavedQuery.model_fields and text}
    try:
        query = SavedQuery.model_validate(given)
        name = values.get("name", "").strip() or search_words(query)[:100]
        AssetService(session).save_search(principal, SaveSearch(name=name, query=query))
    except (ValidationError, SlipwayError) as error:
        return _refused(request, session, settings, principal, error, unsaved={**given, "name": values.get("name", "")})
    return redirect("/searches", "search-saved")


@get("/searches/{search_id:uuid}", guards=READ, sync_to_thread=True)
def run_search(search_id: FromPath[UUID], session: OpenSession, principal: Caller) -> Redirect:
    """Go to what a saved search finds, which counts as seen from now on."""
    service = AssetService(session)
    service.run_search(principal, search_id)
    parameters = urlencode(service.saved_search(principal, search_id).query.given())
    return redirect(f"/assets?{parameters}" if parameters else "/assets")


@post("/searches/{search_id:uuid}/rename", guards=READ, sync_to_thread=True)
def rename_search(
    request: WebRequest,
    search_id: FromPath[UUID],
    data: SentForm,
    session: OpenSession,
    settings: AppSettings,
    principal: Caller,
) -> Response[str] | Redirect:
    """Give a search another name."""
    try:
        wanted = RenameSearch(name=last_values(sent_fields(data)).get("name", ""))
        AssetService(session).rename_search(principal, search_id, wanted)
    except (ValidationError, SlipwayError) as error:
        return _refused(request, session, settings, principal, error)
    return redirect("/searches", "search-renamed")


@post("/searches/{search_id:uuid}/delete", guards=READ, sync_to_thread=True)
def delete_search(search_id: FromPath[UUID], session: OpenSession, principal: Caller) -> Redirect:
    """Keep a search no longer."""
    AssetService(session).delete_search(principal, search_id)
    return redirect("/searches", "search-deleted")


@post("/searches/tokens", guards=READ, sync_to_thread=True)
def create_feed_token(
    request: WebRequest, data: SentForm, session: OpenSession, settings: AppSettings, principal: Caller
) -> Response[str]:
    """Make a token for a feed reader and show it, this one time."""
    name = last_values(sent_fields(data)).get("name", "")
    try:
        created = TenantService(session).create_feed_token(principal, name)
    except SlipwayError as error:
        return _refused(request, session, settings, principal, error)
    page = _page(session, settings, principal, created=created)
    return renderer_of(request).respond(request, page, status_code=201)


@post("/searches/tokens/{token_id:uuid}/revoke", guards=READ, sync_to_thread=True)
def revoke_feed_token(token_id: FromPath[UUID], session: OpenSession, principal: Caller) -> Redirect:
    """Let a feed reader read no longer."""
    TenantService(session).revoke_feed_token(principal, token_id)
    return redirect("/searches", "token-revoked")


def _refused(
    request: WebRequest,
    session: Session,
    settings: Settings,
    principal: Principal,
    error: ValidationError | SlipwayError,
    unsaved: Mapping[str, str] | None = None,
) -> Response[str]:
    if isinstance(error, SlipwayError) and error.status == 404:
        raise error
    session.rollback()
    text = "Give it a name of at most 100 characters." if isinstance(error, ValidationError) else error.detail
    page = replace(_page(session, settings, principal, text), unsaved=unsaved or {})
    return renderer_of(request).respond(request, page, status_code=422)


ROUTES = (
    show_searches,
    save_search,
    create_feed_token,
    revoke_feed_token,
    run_search,
    rename_search,
    delete_search,
)

"""Saved searches, publishers as others see them, and the tokens of feed readers."""

from typing import Annotated, Any
from uuid import UUID

from litestar import delete, get, post, put
from litestar.params import FromPath, JSONBody, QueryParameter
from pydantic import BaseModel

from catalog.assets.models import SearchResult
from catalog.assets.searches.models import RenameSearch, SavedSearchRead, SaveSearch
from catalog.assets.service import AssetService
from catalog.assets.usage.models import PublisherRead
from catalog.tenants.models import NewToken, TokenRead
from catalog.tenants.service import TenantService, read_token
from portal.api.documentation import CONDITIONAL, REPLAYED, problems
from portal.api.listing import page
from portal.auth.guards import requires
from portal.boundary import Caller, OpenSession, WebRequest
from portal.idempotency import Answer

TAGS = ["searches"]
# A token that reads feeds alone holds no scope of assets, so it can neither search nor make another like itself.
COMMON: dict[str, Any] = {"tags": TAGS, "guards": [requires("assets:read")], "sync_to_thread": True}
READ: dict[str, Any] = {**COMMON, "responses": {**CONDITIONAL, **problems(401, 403, 404, 422)}}
WRITE: dict[str, Any] = {**COMMON, "responses": problems(401, 403, 404, 409, 413, 415, 422, 429)}


class SavedSearchList(BaseModel):
    """The caller's saved searches, by name."""

    items: list[SavedSearchRead]


class FeedTokenList(BaseModel):
    """The caller's tokens that read feeds alone, newest first, without their secrets."""

    items: list[TokenRead]


class CreateFeedToken(BaseModel):
    """What a feed reader's token is called."""

    name: str


@get("/searches", operation_id="list_saved_searches", summary="List saved searches", **READ)
def list_searches(session: OpenSession, principal: Caller) -> SavedSearchList:
    """Return what the caller keeps, each with how much is new or changed since it was last run."""
    return SavedSearchList(items=AssetService(session).saved_searches(principal))


@post("/searches", operation_id="save_search", summary="Save a search", response_headers=REPLAYED, **WRITE)
def save_search(data: JSONBody[SaveSearch], session: OpenSession, principal: Caller) -> SavedSearchRead:
    """Keep a search under a name: a member's own, or the tenant's where a token stands for no member."""
    return AssetService(session).save_search(principal, data)


@get("/searches/{search_id:uuid}", operation_id="get_saved_search", summary="Get a saved search", **READ)
def get_search(search_id: FromPath[UUID], session: OpenSession, principal: Caller) -> SavedSearchRead:
    """Return one saved search."""
    return AssetService(session).saved_search(principal, search_id)


@get("/searches/{search_id:uuid}/results", operation_id="run_saved_search", summary="Run a saved search", **READ)
def run_search(
    request: WebRequest,
    search_id: FromPath[UUID],
    session: OpenSession,
    principal: Caller,
    cursor: Annotated[str | None, QueryParameter(max_length=500)] = None,
) -> Answer[SearchResult]:
    """Return one page of what it finds; everything that it finds counts as seen from now on."""
    found = AssetService(session).run_search(principal, search_id, cursor)
    return page(request, found, found.next_cursor)


@put("/searches/{search_id:uuid}", operation_id="rename_saved_search", summary="Rename a saved search", **WRITE)
def rename_search(
    search_id: FromPath[UUID], data: JSONBody[RenameSearch], session: OpenSession, principal: Caller
) -> SavedSearchRead:
    """Give a saved search another name."""
    return AssetService(session).rename_search(principal, search_id, data)


@delete("/searches/{search_id:uuid}", operation_id="delete_saved_search", summary="Delete a saved search", **WRITE)
def delete_search(search_id: FromPath[UUID], session: OpenSession, principal: Caller) -> None:
    """Keep a search no longer."""
    AssetService(session).delete_search(principal, search_id)


@get("/namespaces/{name:str}", operation_id="get_publisher", summary="Get a publisher", **READ)
def get_publisher(name: FromPath[str], session: OpenSession, principal: Caller) -> PublisherRead:
    """Return a publisher with what of it the caller may choose, and totals in steps that name nobody."""
    return AssetService(session).publisher(principal.tenant_id, name)


@get("/feed-tokens", operation_id="list_feed_tokens", summary="List tokens of feed readers", **READ)
def list_feed_tokens(session: OpenSession, principal: Caller) -> FeedTokenList:
    """Return the caller's own tokens that read feeds alone."""
    return FeedTokenList(items=[read_token(each) for each in TenantService(session).feed_tokens(principal)])


@post("/feed-tokens", operation_id="create_feed_token", summary="Make a token for a feed reader",
      response_headers=REPLAYED, **WRITE)  # fmt: skip
def create_feed_token(data: JSONBody[CreateFeedToken], session: OpenSession, principal: Caller) -> NewToken:
    """Make a token that reads feeds and does nothing else. Its secret is in this answer and nowhere else."""
    return TenantService(session).create_feed_token(principal, data.name)


@delete("/feed-tokens/{token_id:uuid}", operation_id="revoke_feed_token", summary="Revoke a feed reader's token",
        **WRITE)  # fmt: skip
def revoke_feed_token(token_id: FromPath[UUID], session: OpenSession, principal: Caller) -> None:
    """Revoke one of the caller's own tokens that read feeds: it stops working at once."""
    TenantService(session).revoke_feed_token(principal, token_id)


ROUTES = (
    list_searches,
    save_search,
    get_search,
    run_search,
    rename_search,
    delete_search,
    get_publisher,
    list_feed_tokens,
    create_feed_token,
    revoke_feed_token,
)

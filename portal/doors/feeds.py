"""Feeds: what was published and what has changed, for feed readers, with a token that can read feeds alone."""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime, parsedate_to_datetime
from typing import Annotated, Any
from uuid import UUID

from litestar import Response
from litestar.handlers import HTTPRouteHandler
from litestar.params import FromPath, QueryParameter
from pydantic import ValidationError

from catalog.assets.feeds.models import Feed
from catalog.assets.searches.models import SavedQuery
from catalog.assets.service import AssetService
from catalog.clock import now
from catalog.errors import InvalidInputError
from portal.atom import MEDIA_TYPE, render_atom
from portal.boundary import AppSettings, Caller, OpenSession, WebRequest
from portal.doors.reading import read_route
from portal.doors.tenancy import check_tenant
from portal.idempotency import Answer

Filter = Annotated[str | None, QueryParameter(required=False, max_length=200)]
# A second change within the second that a date can tell apart must not be missed.
_SETTLED = timedelta(seconds=2)


def _feed(path: str, name: str, summary: str) -> Callable[[Callable[..., Any]], HTTPRouteHandler]:
    return read_route(f"/feeds{path}", name, summary, MEDIA_TYPE, scope="feeds:read")


@_feed("/assets/{namespace:str}/{name:str}", "feed_of_asset", "The feed of an asset")
def feed_of_asset(
    request: WebRequest,
    tenant: FromPath[str],
    namespace: FromPath[str],
    name: FromPath[str],
    session: OpenSession,
    settings: AppSettings,
    principal: Caller,
) -> Response[Any]:
    """Return the versions that were published of an asset, and the steps in their lives."""
    check_tenant(principal, tenant)
    found = AssetService(session).asset_feed(principal.tenant_id, namespace, name)
    return _answer(request, found, settings.base_url)


@_feed("/publishers/{namespace:str}", "feed_of_publisher", "The feed of a publisher")
def feed_of_publisher(
    request: WebRequest,
    tenant: FromPath[str],
    namespace: FromPath[str],
    session: OpenSession,
    settings: AppSettings,
    principal: Caller,
) -> Response[Any]:
    """Return what was published under a namespace and what has changed of it."""
    check_tenant(principal, tenant)
    found = AssetService(session).publisher_feed(principal.tenant_id, namespace)
    return _answer(request, found, settings.base_url)


@_feed("/changes", "feed_of_changes", "The feed of changed states")
def feed_of_changes(
    request: WebRequest,
    tenant: FromPath[str],
    session: OpenSession,
    settings: AppSettings,
    principal: Caller,
    installed: Filter = None,
) -> Response[Any]:
    """Return which versions were deprecated, yanked, revoked, quarantined, archived or restored.

    With ``installed=yes`` only those that the tenant runs.
    """
    check_tenant(principal, tenant)
    found = AssetService(session).changes_feed(principal.tenant_id, installed=installed == "yes")
    return _answer(request, found, settings.base_url)


@_feed("/searches/{search_id:uuid}", "feed_of_saved_search", "The feed of a saved search")
def feed_of_saved_search(
    request: WebRequest,
    tenant: FromPath[str],
    search_id: FromPath[UUID],
    session: OpenSession,
    settings: AppSettings,
    principal: Caller,
) -> Response[Any]:
    """Return what was published that a saved search finds; reading it does not make it seen."""
    check_tenant(principal, tenant)
    service = AssetService(session)
    saved = service.saved_search(principal, search_id)
    found = service.search_feed(principal.tenant_id, saved.query, saved)
    return _answer(request, found, settings.base_url)


@_feed("/search", "feed_of_search", "The feed of a search")
def feed_of_search(  # noqa: PLR0913, PLR0917  # each is a query parameter of its own
    request: WebRequest,
    tenant: FromPath[str],
    session: OpenSession,
    settings: AppSettings,
    principal: Caller,
    q: Filter = None,
    kind: Filter = None,
    namespace: Filter = None,
    archetype: Filter = None,
    cloud: Filter = None,
    license_id: Annotated[str | None, QueryParameter(name="license", required=False, max_length=200)] = None,
    trust: Filter = None,
    state_of_latest: Annotated[str | None, QueryParameter(name="state", required=False, max_length=200)] = None,
    installed: Filter = None,
) -> Response[Any]:
    """Return what was published that a search finds, with the filters of the search itself."""
    check_tenant(principal, tenant)
    try:
        query = SavedQuery(
            q=q or "",
            kind=kind,
            namespace=namespace,
            archetype=archetype,
            cloud=cloud,
            license=license_id,
            trust=trust,
            state=state_of_latest,
            installed=installed,
        )
    except ValidationError:
        raise InvalidInputError("The search cannot be read.") from None
    found = AssetService(session).search_feed(principal.tenant_id, query)
    return _answer(request, found, settings.base_url)


def _answer(request: WebRequest, feed: Feed, base_url: str) -> Response[Any]:
    query = request.url.query
    address = base_url + request.url.path + (f"?{query}" if query else "")
    changed = feed.updated.astimezone(UTC).replace(microsecond=0)
    headers = {"Last-Modified": format_datetime(changed, usegmt=True), "Vary": "Authorization, Cookie"}
    if "if-none-match" not in request.headers and _is_known(request.headers.get("if-modified-since"), changed):
        return Response(b"", status_code=304, media_type="text/plain", headers=headers)
    return Answer(render_atom(feed, address, base_url), media_type=f"{MEDIA_TYPE}; charset=utf-8", headers=headers)


def _is_known(header: str | None, changed: datetime) -> bool:
    """Tell whether who has what was there at a date has everything; an entity tag says so more exactly."""
    if header is None or now() - changed < _SETTLED:
        return False
    try:
        since = parsedate_to_datetime(header)
    except ValueError:
        return False
    return since.tzinfo is not None and since >= changed


ROUTES = (feed_of_asset, feed_of_publisher, feed_of_changes, feed_of_saved_search, feed_of_search)

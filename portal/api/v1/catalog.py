"""Whom an asset is shared with, and a tenant's own catalog: what it adopts, binds to a range, or hides."""

from typing import Any

from litestar import delete, get, put
from litestar.params import FromPath, JSONBody

from catalog.assets.curation.models import Catalog, DecideCatalog, DecideEntry, EntryRead, ShareAsset, Sharing
from catalog.assets.service import AssetService
from portal.api.documentation import CONDITIONAL, problems
from portal.auth.guards import PUBLISHING, requires
from portal.boundary import Caller, OpenSession

TAGS = ["catalog"]
READ = [requires("assets:read")]
WRITE = [requires("assets:write")]
ADMIN = [requires("assets:admin")]
CHANGES: dict[str, Any] = {
    "tags": TAGS,
    "sync_to_thread": True,
    "responses": problems(401, 403, 404, 409, 413, 415, 422),
}


@get(
    "/assets/{namespace:str}/{name:str}/sharing",
    operation_id="get_asset_sharing",
    summary="Say who may see an asset",
    tags=TAGS,
    guards=READ,
    responses={**CONDITIONAL, **problems(401, 403, 404)},
    sync_to_thread=True,
)
def get_sharing(namespace: FromPath[str], name: FromPath[str], session: OpenSession, principal: Caller) -> Sharing:
    """Return who may see an asset; the tenants that it is shared with are for its owner alone."""
    return AssetService(session).sharing(principal.tenant_id, namespace, name)


@put(
    "/assets/{namespace:str}/{name:str}/sharing",
    operation_id="share_asset",
    summary="Change who may see an asset",
    guards=WRITE,
    opt={PUBLISHING: True},
    **CHANGES,
)
def share_asset(
    namespace: FromPath[str],
    name: FromPath[str],
    data: JSONBody[ShareAsset],
    session: OpenSession,
    principal: Caller,
) -> Sharing:
    """Say who may see an asset. A name that no tenant has is taken like any other and gives nobody access."""
    return AssetService(session).share(principal, namespace, name, data)


@get(
    "/catalog",
    operation_id="get_catalog",
    summary="Get the tenant's own catalog",
    tags=TAGS,
    guards=READ,
    responses={**CONDITIONAL, **problems(401, 403)},
    sync_to_thread=True,
)
def get_catalog(session: OpenSession, principal: Caller) -> Catalog:
    """Return what the tenant decided about the assets of others."""
    return AssetService(session).catalog(principal.tenant_id)


@put("/catalog", operation_id="decide_catalog", summary="Open or curate the catalog", guards=ADMIN, **CHANGES)
def decide_catalog(data: JSONBody[DecideCatalog], session: OpenSession, principal: Caller) -> Catalog:
    """Say whether members see everything they may, or the tenant's own and adopted assets alone."""
    return AssetService(session).decide_catalog(principal, data)


@put(
    "/catalog/{namespace:str}/{name:str}",
    operation_id="decide_catalog_entry",
    summary="Adopt, bind or hide an asset",
    guards=ADMIN,
    **CHANGES,
)
def decide_entry(
    namespace: FromPath[str],
    name: FromPath[str],
    data: JSONBody[DecideEntry],
    session: OpenSession,
    principal: Caller,
) -> EntryRead:
    """Adopt an asset of another tenant, allow a range of its versions only, or hide it from one's own members."""
    return AssetService(session).decide(principal, namespace, name, data)


@delete(
    "/catalog/{namespace:str}/{name:str}",
    operation_id="forget_catalog_entry",
    summary="Take a decision back",
    tags=TAGS,
    guards=ADMIN,
    status_code=204,
    responses=problems(401, 403, 404),
    sync_to_thread=True,
)
def forget_entry(namespace: FromPath[str], name: FromPath[str], session: OpenSession, principal: Caller) -> None:
    """Take back what was decided about an asset."""
    AssetService(session).forget(principal, namespace, name)


ROUTES = (get_sharing, share_asset, get_catalog, decide_catalog, decide_entry, forget_entry)

"""Overlays: what a tenant narrows of an asset's inputs, its history, and what members may give to a version."""

from typing import Annotated, Any

from litestar import delete, get, post, put
from litestar.params import FromPath, JSONBody, QueryParameter
from pydantic import BaseModel

from catalog.assets.service import LATEST
from catalog.overlays.models import (
    FitRead,
    NarrowedInputs,
    OverlayChangeList,
    OverlayList,
    OverlayRead,
    SetOverlay,
)
from catalog.overlays.service import OverlayService
from portal.api.documentation import CONDITIONAL, REPLAYED, problems
from portal.api.listing import Cursor, Limit, asset_place, cut, page
from portal.auth.guards import requires
from portal.boundary import Caller, OpenSession, WebRequest
from portal.idempotency import Answer

TAGS = ["overlays"]
READ: dict[str, Any] = {
    "tags": TAGS,
    "guards": [requires("assets:read")],
    "sync_to_thread": True,
    "responses": {**CONDITIONAL, **problems(401, 403, 404)},
}
CHANGES: dict[str, Any] = {"tags": TAGS, "guards": [requires("assets:admin")], "sync_to_thread": True}
WRITE: dict[str, Any] = {**CHANGES, "responses": problems(401, 403, 404, 409, 413, 415, 422)}


class FitList(BaseModel):
    """How rules fit versions, the one they are proven against first."""

    items: list[FitRead]


@get(
    "/overlays",
    operation_id="list_overlays",
    summary="List overlays",
    **{**READ, "responses": {**CONDITIONAL, **problems(401, 403, 404, 422)}},
)
def list_overlays(
    request: WebRequest, session: OpenSession, principal: Caller, limit: Limit = 50, cursor: Cursor = None
) -> Answer[OverlayList]:
    """Return what the tenant narrows, by asset, each with the versions that it does not fit."""
    rows = OverlayService(session).page(principal.tenant_id, asset_place(cursor), limit + 1)
    items, following = cut(rows, limit, lambda each: (each.namespace, each.name))
    return page(request, OverlayList(items=list(items), next_cursor=following), following)


@get(
    "/overlays/{namespace:str}/{name:str}",
    operation_id="get_overlay",
    summary="Get the overlay on an asset",
    **READ,
)
def get_overlay(namespace: FromPath[str], name: FromPath[str], session: OpenSession, principal: Caller) -> OverlayRead:
    """Return the rules and how they fit the newest versions."""
    return OverlayService(session).get(principal.tenant_id, namespace, name)


@put(
    "/overlays/{namespace:str}/{name:str}",
    operation_id="set_overlay",
    summary="Narrow an asset's inputs",
    **WRITE,
)
def set_overlay(
    namespace: FromPath[str],
    name: FromPath[str],
    data: JSONBody[SetOverlay],
    session: OpenSession,
    principal: Caller,
) -> OverlayRead:
    """Replace all rules. What is not shown to allow less than the publisher does is refused with its place."""
    return OverlayService(session).put(principal, namespace, name, data)


@delete(
    "/overlays/{namespace:str}/{name:str}",
    operation_id="remove_overlay",
    summary="Remove an overlay",
    status_code=204,
    responses=problems(401, 403, 404, 409),
    **CHANGES,
)
def remove_overlay(
    namespace: FromPath[str],
    name: FromPath[str],
    session: OpenSession,
    principal: Caller,
    revision: Annotated[int | None, QueryParameter(required=False, ge=0)] = None,
) -> None:
    """Let members give what the publisher lets them; the history stays."""
    OverlayService(session).remove(principal, namespace, name, revision)


@post(
    "/overlays/{namespace:str}/{name:str}/check",
    operation_id="check_overlay",
    summary="Check rules without setting them",
    status_code=200,
    tags=TAGS,
    guards=[requires("assets:read")],
    sync_to_thread=True,
    responses=problems(401, 403, 404, 409, 413, 415, 422, 429),
    response_headers=REPLAYED,
)
def check_overlay(
    namespace: FromPath[str],
    name: FromPath[str],
    data: JSONBody[SetOverlay],
    session: OpenSession,
    principal: Caller,
) -> FitList:
    """Return how rules would fit the newest versions; nothing is written."""
    return FitList(items=OverlayService(session).check(principal.tenant_id, namespace, name, data))


@get(
    "/overlays/{namespace:str}/{name:str}/changes",
    operation_id="list_overlay_changes",
    summary="List the changes of an overlay",
    **READ,
)
def list_changes(
    namespace: FromPath[str], name: FromPath[str], session: OpenSession, principal: Caller
) -> OverlayChangeList:
    """Return who changed the overlay when, and to what, newest first."""
    return OverlayChangeList(items=OverlayService(session).history(principal.tenant_id, namespace, name))


@get(
    "/overlays/{namespace:str}/{name:str}/inputs",
    operation_id="get_narrowed_inputs",
    summary="Get what members may give to a version",
    **READ,
)
def get_inputs(
    namespace: FromPath[str],
    name: FromPath[str],
    session: OpenSession,
    principal: Caller,
    version: Annotated[str, QueryParameter(required=False, max_length=100)] = LATEST,
) -> NarrowedInputs:
    """Return a version's input schema as the tenant narrows it; the publisher's own where nothing is narrowed."""
    return OverlayService(session).narrowed(principal.tenant_id, namespace, name, version)


ROUTES = (list_overlays, get_overlay, set_overlay, remove_overlay, check_overlay, list_changes, get_inputs)

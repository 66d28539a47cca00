"""Releases: what a tenant ships, recorded version by version."""

from typing import Annotated
from uuid import UUID

from litestar import get, post
from litestar.openapi.datastructures import ResponseSpec
from litestar.openapi.spec import Example
from litestar.params import Body, FromPath, QueryParameter
from pydantic import BaseModel

from catalog.environments.service import EphemeralEnvironmentService
from catalog.releases.models import CreateRelease, ReleaseRead, ServiceRead
from catalog.releases.service import ReleaseService, read
from portal.api.documentation import CONDITIONAL, REPLAYED, problems
from portal.api.listing import Cursor, Limit, cut, moment_and_id, page
from portal.auth.guards import requires
from portal.boundary import AppSettings, Caller, OpenSession, WebRequest
from portal.idempotency import API_BASE, Answer

TAGS = ["releases"]
READ = [requires("releases:read")]
WRITE = [requires("releases:write")]

_ASKED = Example(
    summary="An image that a pipeline built",
    value={
        "service": "web",
        "version": "1.4.0",
        "repository": "https://git.example.com/acme/web",
        "commit": "9fceb02d0ae598e95dc970b74767f19372d61af8",
        "pipeline": "https://ci.example.com/runs/118",
        "labels": {"tier": "critical"},
        "artifacts": [{"name": "registry.example.com/acme/web", "type": "oci-image", "digest": f"sha256:{'9f' * 32}"}],
    },
)


class ReleaseList(BaseModel):
    """One page of releases, newest first."""

    items: list[ReleaseRead]
    next_cursor: str | None


class ServiceList(BaseModel):
    """What the tenant ships, by name."""

    items: list[ServiceRead]
    next_cursor: str | None = None


@post(
    "/releases",
    operation_id="create_release",
    summary="Record a release",
    tags=TAGS,
    guards=WRITE,
    status_code=201,
    responses={
        200: ResponseSpec(ReleaseRead, description="Just this was released before", generate_examples=False),
        **problems(401, 403, 409, 413, 415, 422),
    },
    response_headers=REPLAYED,
    sync_to_thread=True,
)
def create_release(
    data: Annotated[CreateRelease, Body(media_type="application/json", examples=[_ASKED])],
    session: OpenSession,
    settings: AppSettings,
    principal: Caller,
) -> Answer[ReleaseRead]:
    """Record a version of a service with its artifacts, where policies let it through."""
    environments = EphemeralEnvironmentService(session, settings)
    release, created = ReleaseService(session).create(principal, data, environments)
    headers = {"Location": f"{API_BASE}/releases/{release.id}"}
    return Answer(read(release), status_code=201 if created else 200, headers=headers)


@get(
    "/releases",
    operation_id="list_releases",
    summary="List releases",
    tags=TAGS,
    guards=READ,
    responses={**CONDITIONAL, **problems(401, 403, 422)},
    sync_to_thread=True,
)
def list_releases(
    request: WebRequest,
    session: OpenSession,
    principal: Caller,
    service: Annotated[str | None, QueryParameter(max_length=63, description="Only those of one service.")] = None,
    limit: Limit = 50,
    cursor: Cursor = None,
) -> Answer[ReleaseList]:
    """Return the tenant's releases, newest first."""
    rows = ReleaseService(session).page(principal.tenant_id, service, moment_and_id(cursor), limit + 1)
    found, following = cut(rows, limit, lambda each: (each.created_at, each.id))
    return page(request, ReleaseList(items=[read(each) for each in found], next_cursor=following), following)


@get(
    "/releases/{release_id:uuid}",
    operation_id="get_release",
    summary="Get one release",
    tags=TAGS,
    guards=READ,
    responses={**CONDITIONAL, **problems(401, 403, 404)},
    sync_to_thread=True,
)
def get_release(release_id: FromPath[UUID], session: OpenSession, principal: Caller) -> ReleaseRead:
    """Return a release: what it consists of, where it came from, and what policies said of it."""
    return read(ReleaseService(session).get(principal.tenant_id, release_id))


@get(
    "/services",
    operation_id="list_services",
    summary="List services",
    tags=TAGS,
    guards=READ,
    responses={**CONDITIONAL, **problems(401, 403)},
    sync_to_thread=True,
)
def list_services(session: OpenSession, principal: Caller) -> ServiceList:
    """Return what the tenant ships, by name."""
    rows = ReleaseService(session).services(principal.tenant_id)
    return ServiceList(items=[ServiceRead.model_validate(each) for each in rows])

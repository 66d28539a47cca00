"""Ephemeral environments: asked for, watched, prolonged, destroyed; and the hook of local repositories."""

from typing import Annotated, Any
from uuid import UUID

from litestar import delete, get, post
from litestar.openapi.spec import Example
from litestar.params import Body, FromPath, JSONBody, QueryParameter
from pydantic import BaseModel

from catalog.environments.models import (
    EnvironmentAccepted,
    EnvironmentRead,
    Explanation,
    Phase,
    RequestEnvironment,
    ScmHook,
)
from catalog.environments.service import EnvironmentAutomation, EphemeralEnvironmentService, read
from portal.api.documentation import ACCEPTED, CONDITIONAL, REPLAYED, problems
from portal.api.listing import Cursor, Limit, cut, moment_and_id, page
from portal.api.v1.environment_answers import accepted, summary
from portal.auth.guards import requires
from portal.boundary import AppSettings, Caller, OpenSession, WebRequest
from portal.idempotency import Answer

TAGS = ["environments"]
READ = [requires("environments:read")]
WRITE = [requires("environments:write")]

_ASKED = Example(
    summary="Pull request 42 of a local repository",
    value={
        "repository": "/home/ann/hello",
        "pull_request": 42,
        "branch": "feature",
        "blueprint": "slipway/preview-web>=1",
        "inputs": {"greeting": "hello"},
        "ttl": "P1D",
    },
)


class EnvironmentList(BaseModel):
    """One page of environments, newest first; their ``resources`` are left out."""

    items: list[EnvironmentRead]
    next_cursor: str | None


class ComponentLog(BaseModel):
    """The last lines of one component, oldest first."""

    component: str
    lines: list[str]


class EnvironmentLogs(BaseModel):
    """The last lines that the environment's application wrote; ``lines`` joins those of all components."""

    lines: list[str]
    components: list[ComponentLog]


class HookAccepted(BaseModel):
    """The environments that the hook was about, as they stand now."""

    environments: list[EnvironmentAccepted]


def _request(
    data: Annotated[RequestEnvironment, Body(media_type="application/json", examples=[_ASKED])],
    session: OpenSession,
    settings: AppSettings,
    principal: Caller,
) -> Answer[EnvironmentAccepted]:
    """Ask for the environment of a pull request; the same pull request again moves the same environment."""
    environment = EphemeralEnvironmentService(session, settings).request(principal, data)
    return accepted(environment, settings)


_REQUEST: dict[str, Any] = {
    "summary": "Ask for an environment",
    "tags": TAGS,
    "guards": WRITE,
    "status_code": 202,
    "responses": problems(401, 403, 409, 413, 415, 422, 429),
    "response_headers": ACCEPTED,
    "sync_to_thread": True,
}
request_environment = post("/environments/ephemeral", operation_id="request_environment", **_REQUEST)(_request)
request_environment_at_root = post("/environments/ephemeral", operation_id="request_environment_at_root", **_REQUEST)(
    _request
)


@get(
    "/environments",
    operation_id="list_environments",
    summary="List environments",
    tags=TAGS,
    guards=READ,
    responses={**CONDITIONAL, **problems(401, 403, 422)},
    sync_to_thread=True,
)
def list_environments(
    request: WebRequest,
    session: OpenSession,
    settings: AppSettings,
    principal: Caller,
    phase: Annotated[list[Phase] | None, QueryParameter(description="Only those in these phases.")] = None,
    limit: Limit = 50,
    cursor: Cursor = None,
) -> Answer[EnvironmentList]:
    """Return the tenant's environments, newest first."""
    service = EphemeralEnvironmentService(session, settings)
    rows = service.page(principal.tenant_id, phase or (), moment_and_id(cursor), limit + 1)
    found, following = cut(rows, limit, lambda each: (each.created_at, each.id))
    places = service.places(principal.tenant_id)
    content = EnvironmentList(items=[read(each, queue=places.get(each.id)) for each in found], next_cursor=following)
    return page(request, content, following)


@get(
    "/environments/{environment_id:uuid}",
    operation_id="get_environment",
    summary="Get one environment",
    tags=TAGS,
    guards=READ,
    responses={**CONDITIONAL, **problems(401, 403, 404)},
    sync_to_thread=True,
)
def get_environment(
    environment_id: FromPath[UUID], session: OpenSession, settings: AppSettings, principal: Caller
) -> EnvironmentRead:
    """Return an environment: its phase, its address, what it is made of, until when, and why it failed if it did."""
    service = EphemeralEnvironmentService(session, settings)
    environment = service.get(principal.tenant_id, environment_id)
    return service.read(environment)


@get(
    "/environments/{environment_id:uuid}/logs",
    operation_id="get_environment_logs",
    summary="Read an environment's log",
    tags=TAGS,
    guards=READ,
    responses=problems(401, 403, 404, 422),
    sync_to_thread=True,
)
def get_environment_logs(
    environment_id: FromPath[UUID],
    session: OpenSession,
    settings: AppSettings,
    principal: Caller,
    lines: Annotated[int, QueryParameter(ge=1, le=1000, description="How many lines of each component.")] = 200,
) -> EnvironmentLogs:
    """Return the end of what the environment's application wrote."""
    tails = EphemeralEnvironmentService(session, settings).log_tails(principal.tenant_id, environment_id, lines)
    components = [ComponentLog(component=each.component, lines=list(each.lines)) for each in tails]
    return EnvironmentLogs(lines=[line for each in components for line in each.lines], components=components)


@get(
    "/environments/explain",
    operation_id="explain_environment",
    summary="Say what a pull request means",
    tags=TAGS,
    guards=READ,
    responses=problems(401, 403, 404, 422, 503),
    sync_to_thread=True,
)
def explain_environment(
    session: OpenSession,
    settings: AppSettings,
    principal: Caller,
    repository: Annotated[str, QueryParameter(min_length=1, max_length=1000, description="Its path or address.")],
    pull_request: Annotated[int, QueryParameter(ge=1, le=2_000_000_000, description="The number.")],
) -> Explanation:
    """Return what follows for the environment of a pull request as it is now, by which rule and why; change nothing."""
    automatic = EnvironmentAutomation(session, settings).explain
    return EphemeralEnvironmentService(session, settings).explain(principal, repository, pull_request, automatic)


@delete(
    "/environments/{environment_id:uuid}",
    operation_id="destroy_environment",
    summary="Destroy an environment",
    tags=TAGS,
    guards=WRITE,
    status_code=202,
    responses=problems(401, 403, 404),
    response_headers=ACCEPTED,
    sync_to_thread=True,
)
def destroy_environment(
    environment_id: FromPath[UUID], session: OpenSession, settings: AppSettings, principal: Caller
) -> Answer[EnvironmentAccepted]:
    """Ask for an environment to be gone with everything that belongs to it; doing so again changes nothing."""
    environment = EphemeralEnvironmentService(session, settings).destroy(principal, environment_id)
    return accepted(environment, settings)


@post(
    "/hooks/git",
    operation_id="receive_git_hook",
    summary="Tell of a change in a repository",
    tags=["hooks"],
    guards=WRITE,
    status_code=202,
    responses=problems(401, 403, 413, 415, 422),
    response_headers=REPLAYED,
    sync_to_thread=True,
)
def receive_git_hook(
    data: JSONBody[ScmHook], session: OpenSession, settings: AppSettings, principal: Caller
) -> HookAccepted:
    """Look at a repository's pull requests now, not at the next poll. It is a hint: the repository decides."""
    found = EphemeralEnvironmentService(session, settings).on_hook(principal, data)
    return HookAccepted(environments=[summary(each, settings) for each in found])

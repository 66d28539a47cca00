"""Ephemeral environments: asked for, watched, prolonged, destroyed; and the hook of local repositories."""

from typing import Annotated, Any
from uuid import UUID

from litestar import delete, get, post
from litestar.openapi.spec import Example
from litestar.params import Body, FromPath, JSONBody, QueryParameter
from pydantic import BaseModel, ConfigDict, Field

from catalog.environments.models import (
    Environment,
    EnvironmentAccepted,
    EnvironmentRead,
    Explanation,
    Phase,
    RequestEnvironment,
    ScmHook,
)
from catalog.environments.service import EphemeralEnvironmentService, address_of, read
from catalog.settings import Settings
from portal.api.documentation import ACCEPTED, CONDITIONAL, REPLAYED, problems
from portal.api.listing import Cursor, Limit, cut, moment_and_id, page
from portal.auth.guards import requires
from portal.boundary import AppSettings, Caller, OpenSession, WebRequest
from portal.idempotency import API_BASE, Answer

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


class Extend(BaseModel):
    """How much longer an environment shall live, as an ISO 8601 duration."""

    model_config = ConfigDict(extra="forbid")

    by: str = Field(examples=["PT8H"], max_length=50)
    reason: str = Field(default="", max_length=500)


class ApproveCommit(BaseModel):
    """The commit of a fork that may be deployed: the full id of the one that waits."""

    model_config = ConfigDict(extra="forbid")

    head_sha: str = Field(pattern=r"^[0-9a-f]{7,64}$", examples=["3f9a1c7e0b5d4c2a8f6e1d0c9b8a7f6e5d4c3b2a"])


class PinEnvironment(BaseModel):
    """For how long an environment is kept as it is, as an ISO 8601 duration, and why."""

    model_config = ConfigDict(extra="forbid", str_strip_whitespace=True)

    by: str = Field(examples=["P2D"], max_length=50)
    reason: str = Field(min_length=1, max_length=500, examples=["Shown to customers on Thursday"])


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
    return _accepted(environment, settings)


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
    content = EnvironmentList(items=[read(each) for each in found], next_cursor=following)
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
    return read(environment, service.resources(environment))


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


@post(
    "/environments/{environment_id:uuid}/extend",
    operation_id="extend_environment",
    summary="Let an environment live longer",
    tags=TAGS,
    guards=WRITE,
    status_code=200,
    responses=problems(401, 403, 404, 409, 413, 415, 422),
    response_headers=REPLAYED,
    sync_to_thread=True,
)
def extend_environment(
    environment_id: FromPath[UUID],
    data: JSONBody[Extend],
    session: OpenSession,
    settings: AppSettings,
    principal: Caller,
) -> EnvironmentRead:
    """Move the expiry of an environment, up to the limit that its blueprint sets."""
    service = EphemeralEnvironmentService(session, settings)
    environment = service.extend(principal, environment_id, data.by, data.reason)
    return read(environment, service.resources(environment))


_CHANGED: dict[str, Any] = {
    "tags": TAGS,
    "guards": WRITE,
    "status_code": 200,
    "response_headers": REPLAYED,
    "sync_to_thread": True,
}
_STARTED: dict[str, Any] = {
    "tags": TAGS,
    "guards": WRITE,
    "status_code": 202,
    "responses": problems(401, 403, 404, 409),
    "response_headers": ACCEPTED,
    "sync_to_thread": True,
}


@post(
    "/environments/{environment_id:uuid}/approve",
    operation_id="approve_environment_commit",
    summary="Approve a commit of a fork",
    responses=problems(401, 403, 404, 409, 413, 415, 422),
    **_CHANGED,
)
def approve_environment(
    environment_id: FromPath[UUID],
    data: JSONBody[ApproveCommit],
    session: OpenSession,
    settings: AppSettings,
    principal: Caller,
) -> EnvironmentRead:
    """Let exactly the commit that waits be deployed; whatever is pushed after it waits again."""
    service = EphemeralEnvironmentService(session, settings)
    environment = service.approve(principal, environment_id, data.head_sha)
    return read(environment, service.resources(environment))


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
    return EphemeralEnvironmentService(session, settings).explain(principal, repository, pull_request)


@post(
    "/environments/{environment_id:uuid}/pin",
    operation_id="pin_environment",
    summary="Keep an environment as it is",
    responses=problems(401, 403, 404, 409, 413, 415, 422),
    **_CHANGED,
)
def pin_environment(
    environment_id: FromPath[UUID],
    data: JSONBody[PinEnvironment],
    session: OpenSession,
    settings: AppSettings,
    principal: Caller,
) -> EnvironmentRead:
    """Let an environment neither sleep nor expire for a while, never beyond its hard limit; it is said who and why."""
    service = EphemeralEnvironmentService(session, settings)
    environment = service.pin(principal, environment_id, data.by, data.reason)
    return read(environment, service.resources(environment))


@post(
    "/environments/{environment_id:uuid}/unpin",
    operation_id="unpin_environment",
    summary="Keep an environment no longer",
    responses=problems(401, 403, 404),
    **_CHANGED,
)
def unpin_environment(
    environment_id: FromPath[UUID], session: OpenSession, settings: AppSettings, principal: Caller
) -> EnvironmentRead:
    """Let an environment sleep and expire again, at the earliest in half an hour."""
    service = EphemeralEnvironmentService(session, settings)
    environment = service.unpin(principal, environment_id)
    return read(environment, service.resources(environment))


@post(
    "/environments/{environment_id:uuid}/sleep",
    operation_id="sleep_environment",
    summary="Put an environment to sleep",
    **_STARTED,
)
def sleep_environment(
    environment_id: FromPath[UUID], session: OpenSession, settings: AppSettings, principal: Caller
) -> Answer[EnvironmentAccepted]:
    """Stop what runs of an environment; its address stays, and a visit wakes it."""
    return _accepted(EphemeralEnvironmentService(session, settings).sleep(principal, environment_id), settings)


@post(
    "/environments/{environment_id:uuid}/wake",
    operation_id="wake_environment",
    summary="Wake an environment",
    **_STARTED,
)
def wake_environment(
    environment_id: FromPath[UUID], session: OpenSession, settings: AppSettings, principal: Caller
) -> Answer[EnvironmentAccepted]:
    """Bring a sleeping environment back as it was; one that is awake stays as it is."""
    return _accepted(EphemeralEnvironmentService(session, settings).wake(principal, environment_id), settings)


@post(
    "/environments/{environment_id:uuid}/rebuild",
    operation_id="rebuild_environment",
    summary="Make an environment again",
    **_STARTED,
)
def rebuild_environment(
    environment_id: FromPath[UUID], session: OpenSession, settings: AppSettings, principal: Caller
) -> Answer[EnvironmentAccepted]:
    """Make an environment again from the same commit; what it has been serves until that is there."""
    return _accepted(EphemeralEnvironmentService(session, settings).rebuild(principal, environment_id), settings)


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
    return _accepted(environment, settings)


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
    return HookAccepted(environments=[_summary(each, settings) for each in found])


def _accepted(environment: Environment, settings: Settings) -> Answer[EnvironmentAccepted]:
    headers = {}
    if environment.operation_id is not None:
        headers["Location"] = f"{API_BASE}/operations/{environment.operation_id}"
    return Answer(_summary(environment, settings), status_code=202, headers=headers)


def _summary(environment: Environment, settings: Settings) -> EnvironmentAccepted:
    return EnvironmentAccepted(
        id=environment.id,
        phase=environment.phase,
        url=address_of(environment, settings),
        expires_at=environment.expires_at,
        operation=environment.operation_id,
    )

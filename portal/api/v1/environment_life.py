"""The life of an environment: prolonged, kept, put to sleep, woken, made again; and commits of forks approved."""

from typing import Any
from uuid import UUID

from litestar import post
from litestar.params import FromPath, JSONBody
from pydantic import BaseModel, ConfigDict, Field

from catalog.environments.models import EnvironmentAccepted, EnvironmentRead
from catalog.environments.service import EphemeralEnvironmentService
from portal.api.documentation import ACCEPTED, REPLAYED, problems
from portal.api.v1.environment_answers import accepted
from portal.auth.guards import requires
from portal.boundary import AppSettings, Caller, OpenSession
from portal.idempotency import Answer

TAGS = ["environments"]
WRITE = [requires("environments:write")]


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
    return service.read(environment)


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
    return service.read(environment)


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
    return service.read(environment)


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
    return service.read(environment)


@post(
    "/environments/{environment_id:uuid}/sleep",
    operation_id="sleep_environment",
    summary="Put an environment to sleep",
    **_STARTED,
)
def sleep_environment(
    environment_id: FromPath[UUID], session: OpenSession, settings: AppSettings, principal: Caller
) -> Answer[EnvironmentAccepted]:
    """Stop what runs of an environment; its address stays, and a visit wakes it where the target can."""
    return accepted(EphemeralEnvironmentService(session, settings).sleep(principal, environment_id), settings)


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
    return accepted(EphemeralEnvironmentService(session, settings).wake(principal, environment_id), settings)


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
    return accepted(EphemeralEnvironmentService(session, settings).rebuild(principal, environment_id), settings)

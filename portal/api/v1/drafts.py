"""Versions that are not out yet: drafts, reviews by a second person, and sessions whose versions come out together."""

from typing import Any
from uuid import UUID

from litestar import Response, delete, get, post, put
from litestar.params import FromPath, JSONBody
from pydantic import BaseModel, ConfigDict, Field

from catalog.assets.models import AssetVersionRead
from catalog.assets.service import AssetService
from catalog.providers.blobs import open_blobs
from catalog.uploads.models import ImportTag, OpenPublishingSession, PublishingSessionRead
from catalog.uploads.service import UploadService
from portal.api.documentation import CONDITIONAL, REPLAYED, problems
from portal.api.v1.publishing import PUBLISHES, PublishedRead, publication_answer
from portal.auth.guards import PUBLISHING, requires
from portal.boundary import AppSettings, AppThreads, Caller, OpenSession, WebRequest
from portal.publishing import Publishing

TAGS = ["assets"]
READ = [requires("assets:read")]
WRITE = [requires("assets:write")]
ADMIN = [requires("assets:admin")]
VERSION = "/assets/{namespace:str}/{name:str}/versions/{version:str}"
METHODS = {"publish": "put_out"}
STEPS: dict[str, Any] = {
    "tags": TAGS,
    "guards": WRITE,
    "status_code": 200,
    "responses": problems(401, 403, 404, 409, 413, 415, 422),
    "response_headers": REPLAYED,
    "sync_to_thread": True,
}
"""What every step of a version or a session declares."""


class Comment(BaseModel):
    """What somebody says about a step, for the record."""

    model_config = ConfigDict(extra="forbid")

    comment: str = Field(default="", max_length=1000)


class ReviewRule(BaseModel):
    """Whether a second person publishes what goes into a namespace."""

    model_config = ConfigDict(extra="forbid")

    review_required: bool


class NamespaceRead(BaseModel):
    """A namespace of the tenant's own."""

    name: str
    review_required: bool


class PublishingSessionList(BaseModel):
    """The tenant's publishing sessions, newest first."""

    items: list[PublishingSessionRead]


@put(
    "/namespaces/{name:str}",
    operation_id="set_namespace_review",
    summary="Ask for reviews",
    tags=TAGS,
    guards=ADMIN,
    responses=problems(401, 403, 404, 413, 415, 422),
    sync_to_thread=True,
)
def set_namespace_review(
    name: FromPath[str], data: JSONBody[ReviewRule], session: OpenSession, principal: Caller
) -> NamespaceRead:
    """Say whether a second person has to publish what goes into a namespace of the tenant's own."""
    AssetService(session).require_review(principal, name, required=data.review_required)
    return NamespaceRead(name=name, review_required=data.review_required)


def _version_step(verb: str, operation_id: str, summary: str, explanation: str) -> Any:
    """Return the route by which a version takes a step before it is out; ``verb`` is the last part of its address."""

    def step(
        namespace: FromPath[str],
        name: FromPath[str],
        version: FromPath[str],
        data: JSONBody[Comment],
        session: OpenSession,
        principal: Caller,
    ) -> AssetVersionRead:
        take = getattr(AssetService(session), METHODS.get(verb, verb))
        taken: AssetVersionRead = take(principal, namespace, name, version, data.comment)
        return taken

    step.__doc__ = explanation
    step.__name__ = operation_id
    return post(f"{VERSION}/{verb}", operation_id=operation_id, summary=summary, **STEPS)(step)


submit_version = _version_step(
    "submit", "submit_asset_version", "Submit a draft for review", "Ask for a second person to publish a draft."
)
withdraw_version = _version_step(
    "withdraw",
    "withdraw_asset_version",
    "Return a version from review",
    "Make a version that waits for review a draft again; the comment says why.",
)
put_version_out = _version_step(
    "publish",
    "put_asset_version_out",
    "Publish a draft, or approve a version",
    "Publish a draft; one in review takes a person who neither uploaded nor submitted it.",
)


@delete(
    VERSION,
    operation_id="discard_asset_version",
    summary="Throw a draft away",
    tags=TAGS,
    guards=WRITE,
    responses=problems(401, 403, 404, 409),
    sync_to_thread=True,
)
def discard_version(
    namespace: FromPath[str], name: FromPath[str], version: FromPath[str], session: OpenSession, principal: Caller
) -> None:
    """Throw a draft away; its number is free again. What was published stays."""
    AssetService(session).discard(principal, namespace, name, version)


@post(
    "/uploads/import",
    operation_id="import_tag",
    summary="Publish from a tag",
    opt={PUBLISHING: True},
    **PUBLISHES,
)
async def import_tag(
    request: WebRequest,
    data: JSONBody[ImportTag],
    session: OpenSession,
    settings: AppSettings,
    threads: AppThreads,
    principal: Caller,
) -> Response[PublishedRead]:
    """Publish what a folder of a repository holds at a tag; repository, tag and commit stay with the version."""
    publishing = Publishing(session, settings, threads, request.app.state.streams)
    return publication_answer(await publishing.import_tag(principal, data))


@post(
    "/uploads/sessions",
    operation_id="open_publishing_session",
    summary="Open a publishing session",
    tags=TAGS,
    guards=WRITE,
    responses=problems(401, 403, 413, 415, 422),
    response_headers=REPLAYED,
    sync_to_thread=True,
)
def open_session(
    data: JSONBody[OpenPublishingSession], session: OpenSession, settings: AppSettings, principal: Caller
) -> PublishingSessionRead:
    """Open a session: archives sent with its id are held, and come out together or not at all."""
    return UploadService(session, open_blobs(settings)).open_session(principal, data)


@get(
    "/uploads/sessions",
    operation_id="list_publishing_sessions",
    summary="List publishing sessions",
    tags=TAGS,
    guards=READ,
    responses={**CONDITIONAL, **problems(401, 403)},
    sync_to_thread=True,
)
def list_sessions(session: OpenSession, settings: AppSettings, principal: Caller) -> PublishingSessionList:
    """Return the tenant's latest sessions with what is in them, newest first."""
    found = UploadService(session, open_blobs(settings)).sessions(principal.tenant_id)
    return PublishingSessionList(items=list(found))


@get(
    "/uploads/sessions/{session_id:uuid}",
    operation_id="get_publishing_session",
    summary="Get a publishing session",
    tags=TAGS,
    guards=READ,
    responses={**CONDITIONAL, **problems(401, 403, 404)},
    sync_to_thread=True,
)
def get_session(
    session_id: FromPath[UUID], session: OpenSession, settings: AppSettings, principal: Caller
) -> PublishingSessionRead:
    """Return a session with what is in it."""
    return UploadService(session, open_blobs(settings)).publishing_session(principal.tenant_id, session_id)


def _session_step(verb: str, operation_id: str, summary: str, explanation: str) -> Any:
    """Return the route by which a session takes a step; ``verb`` is the last part of its address."""

    def step(
        session_id: FromPath[UUID],
        data: JSONBody[Comment],
        session: OpenSession,
        settings: AppSettings,
        principal: Caller,
    ) -> PublishingSessionRead:
        take = getattr(UploadService(session, open_blobs(settings)), f"{verb}_session")
        taken: PublishingSessionRead = take(principal, session_id, data.comment)
        return taken

    step.__doc__ = explanation
    step.__name__ = operation_id
    path = f"/uploads/sessions/{{session_id:uuid}}/{verb}"
    return post(path, operation_id=operation_id, summary=summary, **STEPS)(step)


submit_session = _session_step(
    "submit",
    "submit_publishing_session",
    "Submit a session for review",
    "Ask for a second person to publish all that is in the session.",
)
publish_session = _session_step(
    "publish",
    "publish_session",
    "Publish a session",
    "Publish all that is in the session at once; where one member cannot be, none is, and each is named.",
)


@delete(
    "/uploads/sessions/{session_id:uuid}",
    operation_id="discard_publishing_session",
    summary="Discard a session",
    tags=TAGS,
    guards=WRITE,
    status_code=200,
    responses=problems(401, 403, 404, 409),
    sync_to_thread=True,
)
def discard_session(
    session_id: FromPath[UUID], session: OpenSession, settings: AppSettings, principal: Caller
) -> PublishingSessionRead:
    """Throw the session and every draft in it away."""
    return UploadService(session, open_blobs(settings)).discard_session(principal, session_id)


ROUTES = (
    set_namespace_review,
    submit_version,
    withdraw_version,
    put_version_out,
    discard_version,
    import_tag,
    open_session,
    list_sessions,
    get_session,
    submit_session,
    publish_session,
    discard_session,
)

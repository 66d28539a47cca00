"""Publishing a version: from an archive, and what a publisher is told."""

from dataclasses import dataclass
from typing import Annotated, Any, BinaryIO, cast
from uuid import UUID

from litestar import Response, post
from litestar.datastructures import UploadFile
from litestar.openapi.datastructures import ResponseSpec
from litestar.params import Body
from pydantic import BaseModel, Field

from catalog.assets.archive import LIMITS
from catalog.assets.models import AssetVersionRead, VersionState, Visibility
from catalog.uploads.models import Publication
from portal.api.documentation import REPLAYED, problems
from portal.api.v1.uploads import UploadAccepted, upload_accepted
from portal.auth.guards import PUBLISHING, requires
from portal.boundary import AppSettings, AppThreads, Caller, OpenSession, WebRequest
from portal.idempotency import Answer
from portal.publishing import Publishing

ARCHIVE_BODY = LIMITS.packed + 1024 * 1024
"""How much an upload route accepts, in bytes: an archive and what surrounds it in a form."""


@dataclass
class UploadForm:
    """The form of an upload: the archive, and who may see the asset (left out: as before, private for a new one).

    A ``draft`` is kept for its publisher alone; with a ``session`` it comes out together with others.
    """

    archive: UploadFile
    visibility: Visibility | None = None
    draft: bool = False
    session: UUID | None = None


class PublishedRead(BaseModel):
    """What was published: ``digest`` is that of the archive, ``findings`` what the checks would like better.

    ``created`` is false where just these bytes were published before. ``state`` is not ``published`` for a draft, and
    where a second person has to publish it.
    """

    created: bool
    state: VersionState = VersionState.PUBLISHED
    namespace: str
    name: str
    version: str
    semver: str
    kind: str
    digest: str = Field(examples=["sha256:9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08"])
    url: str = Field(examples=["/api/v1/assets/acme/preview/versions/1.0.0"])
    findings: list[dict[str, Any]]


PUBLISHES: dict[str, Any] = {
    "tags": ["assets"],
    "guards": [requires("assets:write")],
    "status_code": 201,
    "responses": {
        200: ResponseSpec(PublishedRead, description="Just these bytes were published before", generate_examples=False),
        202: ResponseSpec(
            UploadAccepted, description="Its checks go on; follow the operation", generate_examples=False
        ),
        **problems(401, 403, 409, 413, 415, 422),
    },
    "response_headers": REPLAYED,
}
"""What every route that publishes declares."""


@post(
    "/assets",
    operation_id="publish_asset",
    summary="Publish a version",
    request_max_body_size=ARCHIVE_BODY,
    opt={"media_type": "multipart/form-data", PUBLISHING: True},
    **PUBLISHES,
)
async def publish_asset(
    request: WebRequest,
    data: Annotated[UploadForm, Body(media_type="multipart/form-data")],
    session: OpenSession,
    settings: AppSettings,
    threads: AppThreads,
    principal: Caller,
) -> Response[PublishedRead]:
    """Publish the version that the archive's manifest names. A refusal names everything that was found, at once.

    Where a publisher's content has to be run, rendered or unpacked, a sandboxed worker does that: the answer waits up
    to 30 seconds for it, and then names the operation that goes on.
    """
    publishing = Publishing(session, settings, threads, request.app.state.streams)
    archive = cast("BinaryIO", data.archive.file)  # it is one in all but name until Python 3.11's type stubs
    terms = {"draft": data.draft, "session_id": data.session}
    return publication_answer(await publishing.publish(principal, archive, data.visibility, **terms))


def publication_answer(publication: Publication) -> Response[PublishedRead]:
    """Return what a publisher is told: the version, or the operation of checks that go on."""
    if publication.version is None:
        accepted: Any = upload_accepted(publication)
        return Answer(accepted, status_code=202, headers={"Location": accepted.operation_url})
    content = _published(publication, publication.version)
    return Answer(content, status_code=201 if publication.created else 200, headers={"Location": content.url})


def _published(publication: Publication, version: AssetVersionRead) -> PublishedRead:
    return PublishedRead(
        created=publication.created,
        state=version.state,
        namespace=version.namespace,
        name=version.name,
        version=version.version,
        semver=version.semver,
        kind=version.kind,
        digest=f"sha256:{version.blob_digest}",
        url=f"/api/v1/assets/{version.namespace}/{version.name}/versions/{version.version}",
        findings=publication.findings,
    )

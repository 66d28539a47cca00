"""Uploads: archives on their way to becoming versions, and what their checks found."""

from typing import Annotated
from uuid import UUID

from litestar import get
from litestar.params import FromPath, QueryParameter
from pydantic import BaseModel, Field

from catalog.providers.blobs import open_blobs
from catalog.uploads.models import Publication, UploadRead
from catalog.uploads.service import UploadService
from portal.api.documentation import CONDITIONAL, problems
from portal.auth.guards import requires
from portal.boundary import AppSettings, Caller, OpenSession

TAGS = ["assets"]
READ = [requires("assets:read")]


class UploadAccepted(BaseModel):
    """An upload whose checks go on: ``operation`` tells how far they are, ``url`` what they found."""

    upload: UUID
    operation: UUID
    url: str = Field(examples=["/api/v1/uploads/6f1c7a52-3c6e-4a0c-9a4e-6b1a5d1f2c3d"])
    operation_url: str = Field(examples=["/api/v1/operations/6f1c7a52-3c6e-4a0c-9a4e-6b1a5d1f2c3d"])
    namespace: str
    name: str
    version: str
    kind: str
    digest: str = Field(examples=["sha256:9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08"])


class UploadList(BaseModel):
    """The latest uploads, newest first."""

    items: list[UploadRead]


def upload_accepted(publication: Publication) -> UploadAccepted:
    """Return what a publisher is told whose upload is still being checked."""
    upload = publication.upload
    if upload is None or upload.operation_id is None:
        raise ValueError("only an upload that is being checked is accepted without an outcome")
    return UploadAccepted(
        upload=upload.id,
        operation=upload.operation_id,
        url=f"/api/v1/uploads/{upload.id}",
        operation_url=f"/api/v1/operations/{upload.operation_id}",
        namespace=upload.namespace,
        name=upload.name,
        version=upload.version,
        kind=upload.kind,
        digest=f"sha256:{upload.blob_digest}",
    )


@get(
    "/uploads",
    operation_id="list_uploads",
    summary="List uploads",
    tags=TAGS,
    guards=READ,
    responses={**CONDITIONAL, **problems(401, 403, 422)},
    sync_to_thread=True,
)
def list_uploads(
    session: OpenSession,
    settings: AppSettings,
    principal: Caller,
    limit: Annotated[int, QueryParameter(ge=1, le=100, description="How many at the most.")] = 20,
) -> UploadList:
    """Return the tenant's latest uploads with their state and findings, newest first."""
    return UploadList(items=list(UploadService(session, open_blobs(settings)).recent(principal.tenant_id, limit)))


@get(
    "/uploads/{upload_id:uuid}",
    operation_id="get_upload",
    summary="Get one upload",
    tags=TAGS,
    guards=READ,
    responses={**CONDITIONAL, **problems(401, 403, 404)},
    sync_to_thread=True,
)
def get_upload(upload_id: FromPath[UUID], session: OpenSession, settings: AppSettings, principal: Caller) -> UploadRead:
    """Return an upload: its state, and every finding of its checks once they are over."""
    return UploadService(session, open_blobs(settings)).get(principal.tenant_id, upload_id)

"""Carrying assets to a Slipway that cannot reach this one: export and import of OCI image layouts."""

import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Annotated, Any, BinaryIO, cast

from litestar import post
from litestar.datastructures import UploadFile
from litestar.openapi.datastructures import ResponseSpec
from litestar.params import Body, JSONBody
from litestar.response import Stream

from catalog.assets.resolver import ResolveAssets
from catalog.providers.blobs import CHUNK, open_blobs
from catalog.transfers.exporting import ExportService
from catalog.transfers.importing import ImportReport, ImportService
from portal.api.documentation import REPLAYED, problems
from portal.auth.guards import requires
from portal.boundary import AppSettings, Caller, OpenSession

TAGS = ["transfers"]
LAYOUT = "application/x-tar"
LARGEST_LAYOUT = 1024 * 1024 * 1024
"""How much an import accepts, in bytes."""
_IN_MEMORY = 8 * 1024 * 1024


@dataclass
class LayoutForm:
    """The form of an import: an OCI image layout in an uncompressed tar.

    ``accept_unknown_signer`` takes one whose record of states nobody signed, or somebody unknown to the tenant.
    """

    layout: UploadFile
    accept_unknown_signer: bool = False


@post(
    "/transfers/export",
    operation_id="export_assets",
    summary="Export assets as an OCI layout",
    tags=TAGS,
    guards=[requires("assets:read")],
    status_code=200,
    media_type=LAYOUT,
    responses={
        200: ResponseSpec(bytes, media_type=LAYOUT, description="The layout", generate_examples=False),
        **problems(401, 403, 413, 415, 422),
    },
    sync_to_thread=True,
)
def export_assets(
    data: JSONBody[ResolveAssets], session: OpenSession, settings: AppSettings, principal: Caller
) -> Stream:
    """Return what the requirements resolve to, with signed statements and states, as one OCI image layout in a tar.

    The record of the states is signed with the tenant's key. But for that, the same assets in the same states give the
    same bytes.
    """
    file = tempfile.SpooledTemporaryFile(max_size=_IN_MEMORY)  # noqa: SIM115  # closed once it has been sent
    target = cast("BinaryIO", file)  # it is one in all but name until Python 3.11's type stubs
    try:
        ExportService(session, settings, open_blobs(settings)).export(principal, data, target)
    except BaseException:
        target.close()
        raise
    headers = {"Content-Disposition": 'attachment; filename="slipway-export.tar"', "Content-Length": str(target.tell())}
    return Stream(_sent(target), media_type=LAYOUT, headers=headers)


@post(
    "/transfers/import",
    operation_id="import_assets",
    summary="Import an OCI layout",
    tags=TAGS,
    guards=[requires("assets:write")],
    request_max_body_size=LARGEST_LAYOUT,
    opt={"media_type": "multipart/form-data"},
    status_code=200,
    responses=problems(401, 403, 413, 415, 422),
    response_headers=REPLAYED,
    sync_to_thread=True,
)
def import_assets(
    data: Annotated[LayoutForm, Body(media_type="multipart/form-data")],
    session: OpenSession,
    settings: AppSettings,
    principal: Caller,
) -> ImportReport:
    """Verify a layout that `export` made and publish what is in it, through the same checks as any upload.

    Nothing becomes visible to more than before, no state is lifted, and doing it again does what is left. A damaged or
    changed layout is refused as a whole, with the files at fault, and so is one that nobody known to the tenant signed,
    unless that is accepted.
    """
    source: Any = data.layout.file
    return ImportService(session, settings, open_blobs(settings)).bring_in(
        principal, source, accept_unknown_signer=data.accept_unknown_signer
    )


def _sent(file: BinaryIO) -> Iterator[bytes]:
    with file:
        file.seek(0)
        while chunk := file.read(CHUNK):
            yield chunk

"""The pages of uploads: sending an archive, what its checks found, and what was published."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import groupby
from typing import Any, BinaryIO, ClassVar, cast

from litestar import Response, get, post
from litestar.datastructures import UploadFile
from litestar.params import MultipartBody

from catalog.assets.archive import LIMITS
from catalog.assets.findings import Finding, in_order
from catalog.assets.models import AssetVersionRead, Visibility
from catalog.errors import ConflictError
from catalog.providers.blobs import open_blobs
from catalog.uploads.errors import PackageRejectedError
from catalog.uploads.service import UploadService
from portal.auth.guards import requires
from portal.boundary import AppSettings, Caller, OpenSession, WebRequest
from portal.pages.forms import renderer_of
from portal.pages.render import Page

ARCHIVE_BODY = LIMITS.packed + 1024 * 1024
"""How much the upload accepts, in bytes: an archive and what surrounds it in a form."""


@dataclass(frozen=True)
class UploadPage(Page):
    """The form that takes an archive; after a refusal it says what was found in ``filename``."""

    template: ClassVar[str] = "uploads/new.html"
    fragments: ClassVar[Mapping[str, str]] = {"upload-findings": "uploads/_findings.html"}

    namespace: str
    may_publish: bool
    filename: str = ""
    findings: Sequence[Finding] = ()
    problem: str = ""
    visibility: str = "keep"

    @property
    def groups(self) -> list[tuple[str, list[Finding]]]:
        """Return the findings by file, those of the archive itself first."""
        ordered = sorted(in_order(self.findings), key=lambda finding: finding.path)
        return [(path, list(group)) for path, group in groupby(ordered, key=lambda finding: finding.path)]

    @property
    def error_count(self) -> int:
        """Return how many findings keep the archive from being published."""
        return sum(finding.level == "error" for finding in self.findings)


@dataclass(frozen=True)
class PublishedPage(Page):
    """What was published, with the warnings that did not stop it."""

    template: ClassVar[str] = "uploads/published.html"

    version: AssetVersionRead
    warnings: Sequence[Mapping[str, Any]] = ()
    was_there: bool = False

    @property
    def display_name(self) -> str:
        """Return the version's name for people."""
        return str(self.version.manifest["metadata"]["displayName"])


@dataclass
class UploadForm:
    """The form as it is sent; a browser sends a nameless file where none was chosen."""

    archive: UploadFile | None = None
    visibility: str = "keep"


@get("/uploads/new", guards=[requires("assets:read")], sync_to_thread=True)
def show_upload(request: WebRequest, principal: Caller) -> Response[str]:
    """Show the form."""
    page = UploadPage(principal.tenant_name, may_publish=principal.may("assets:write"))
    return renderer_of(request).respond(request, page)


@post("/uploads", guards=[requires("assets:write")], request_max_body_size=ARCHIVE_BODY, sync_to_thread=True)
def upload(
    request: WebRequest,
    data: MultipartBody[UploadForm],
    session: OpenSession,
    settings: AppSettings,
    principal: Caller,
) -> Response[str]:
    """Publish the archive, or show everything that keeps it from being published."""
    filename = data.archive.filename if data.archive is not None else ""
    form = UploadPage(principal.tenant_name, may_publish=True, filename=filename, visibility=data.visibility)
    if data.archive is None or not filename:
        page = replace(form, problem="Choose the archive first: a file that ends in .slipway.tar.gz.")
        return renderer_of(request).respond(request, page, status_code=422)
    visibility = Visibility(data.visibility) if data.visibility in set(Visibility) else None
    try:
        archive = cast("BinaryIO", data.archive.file)  # it is one in all but name until Python 3.11's type stubs
        publication = UploadService(session, open_blobs(settings)).receive(principal, archive, visibility)
    except PackageRejectedError as error:
        session.rollback()
        page = replace(form, findings=error.findings)
        return renderer_of(request).respond(request, page, status_code=error.status)
    except ConflictError as error:
        session.rollback()
        page = replace(form, problem=error.detail)
        return renderer_of(request).respond(request, page, status_code=error.status)
    published = PublishedPage(publication.version, publication.findings, was_there=not publication.created)
    return renderer_of(request).respond(request, published, status_code=201 if publication.created else 200)


ROUTES = (show_upload, upload)

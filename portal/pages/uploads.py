"""The pages of uploads: sending an archive, how its checks go, what they found, and what was published."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import groupby
from typing import Any, BinaryIO, ClassVar, cast
from uuid import UUID

from litestar import Response, get, post
from litestar.datastructures import UploadFile
from litestar.params import FromPath, MultipartBody
from litestar.response import Redirect, Stream
from sqlmodel import Session

from catalog.assets.archive import LIMITS
from catalog.assets.findings import Finding, in_order
from catalog.assets.models import AssetVersionRead, VersionState, Visibility
from catalog.assets.service import AssetService
from catalog.errors import ConflictError
from catalog.gating import PolicyRefusedError, Verdict, keep_refusal
from catalog.operations.models import OperationRead
from catalog.operations.service import OperationService, read
from catalog.providers.blobs import open_blobs
from catalog.settings import Settings
from catalog.tenancy import Principal
from catalog.uploads.errors import PackageRejectedError
from catalog.uploads.models import UploadRead, UploadState
from catalog.uploads.service import UploadService
from portal.auth.guards import requires
from portal.boundary import AppSettings, Caller, OpenSession, WebRequest
from portal.pages.forms import renderer_of
from portal.pages.live import EVENT_STREAM, Moment, follow_page
from portal.pages.render import Page, redirect

READ = [requires("assets:read")]
WRITE = [requires("assets:write")]
ARCHIVE_BODY = LIMITS.packed + 1024 * 1024
"""How much the upload accepts, in bytes: an archive and what surrounds it in a form."""
_RECENT = 5


class _Findings:
    """What a page that shows findings can say about them."""

    findings: Sequence[Finding]

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
class UploadPage(_Findings, Page):
    """The form that takes an archive; after a refusal it says what was found in ``filename``."""

    template: ClassVar[str] = "uploads/new.html"
    fragments: ClassVar[Mapping[str, str]] = {"upload-findings": "uploads/_findings.html"}

    namespace: str
    may_publish: bool
    filename: str = ""
    findings: Sequence[Finding] = ()
    problem: str = ""
    visibility: str = "keep"
    verdict: Verdict | None = None
    outcome: str = "publish"
    recent: Sequence[UploadRead] = ()


@dataclass(frozen=True)
class UploadStatusPage(_Findings, Page):
    """One upload: the steps of its checks as they go, and what came of them."""

    template: ClassVar[str] = "uploads/show.html"
    fragments: ClassVar[Mapping[str, str]] = {"upload-status": "uploads/_status.html"}

    upload: UploadRead
    operation: OperationRead | None = None
    findings: Sequence[Finding] = ()

    @property
    def is_moving(self) -> bool:
        """Tell whether the checks wait or run."""
        return self.upload.state in {UploadState.RECEIVED, UploadState.CHECKED}

    @property
    def filename(self) -> str:
        """Return how the upload is named where its findings stand."""
        return f"{self.upload.namespace}/{self.upload.name} {self.upload.version}"


@dataclass(frozen=True)
class PublishedPage(Page):
    """What was published, with the warnings that did not stop it."""

    template: ClassVar[str] = "uploads/published.html"

    version: AssetVersionRead
    warnings: Sequence[Mapping[str, Any]] = ()
    was_there: bool = False
    before: str | None = None

    @property
    def display_name(self) -> str:
        """Return the version's name for people."""
        return str(self.version.manifest["metadata"]["displayName"])


@dataclass
class UploadForm:
    """The form as it is sent; a browser sends a nameless file where none was chosen."""

    archive: UploadFile | None = None
    visibility: str = "keep"
    outcome: str = "publish"


@get("/uploads/new", guards=READ, sync_to_thread=True)
def show_upload(request: WebRequest, session: OpenSession, settings: AppSettings, principal: Caller) -> Response[str]:
    """Show the form, and the tenant's latest uploads."""
    recent = UploadService(session, open_blobs(settings)).recent(principal.tenant_id, _RECENT)
    page = UploadPage(principal.tenant_name, may_publish=principal.may("assets:write"), recent=recent)
    return renderer_of(request).respond(request, page)


@post("/uploads", guards=WRITE, request_max_body_size=ARCHIVE_BODY, sync_to_thread=True)
def upload(
    request: WebRequest,
    data: MultipartBody[UploadForm],
    session: OpenSession,
    settings: AppSettings,
    principal: Caller,
) -> Response[Any]:
    """Publish the archive, show how its checks go, or show everything that keeps it from being published."""
    filename = data.archive.filename if data.archive is not None else ""
    form = UploadPage(
        principal.tenant_name,
        may_publish=True,
        filename=filename,
        visibility=data.visibility,
        outcome=data.outcome,
    )
    if data.archive is None or not filename:
        page = replace(form, problem="Choose the archive first: a file that ends in .slipway.tar.gz.")
        return renderer_of(request).respond(request, page, status_code=422)
    visibility = Visibility(data.visibility) if data.visibility in set(Visibility) else None
    try:
        archive = cast("BinaryIO", data.archive.file)  # it is one in all but name until Python 3.11's type stubs
        publication = UploadService(session, open_blobs(settings)).receive(
            principal, archive, visibility, draft=data.outcome == "draft"
        )
    except (PackageRejectedError, ConflictError, PolicyRefusedError) as error:
        keep_refusal(session, error)
        return renderer_of(request).respond(request, _refused(form, error), status_code=error.status)
    if publication.version is None and publication.upload is not None:
        return Redirect(path=f"/uploads/{publication.upload.id}", status_code=303)
    if publication.version is None:
        raise ValueError("an upload without a version is being checked")
    version = publication.version
    if version.state in {VersionState.DRAFT, VersionState.IN_REVIEW}:
        return redirect("/uploads/drafts", "version-held")
    before = AssetService(session).version_before(principal.tenant_id, version.namespace, version.name, version.version)
    published = PublishedPage(version, publication.findings, was_there=not publication.created, before=before)
    return renderer_of(request).respond(request, published, status_code=201 if publication.created else 200)


def _refused(form: UploadPage, error: PackageRejectedError | ConflictError | PolicyRefusedError) -> UploadPage:
    """Return the form with what keeps the archive from being published."""
    if isinstance(error, PackageRejectedError):
        return replace(form, findings=error.findings)
    if isinstance(error, PolicyRefusedError):
        return replace(form, verdict=error.verdict)
    return replace(form, problem=error.detail)


@get("/uploads/{upload_id:uuid}", guards=READ, sync_to_thread=True)
def show_status(
    request: WebRequest, upload_id: FromPath[UUID], session: OpenSession, settings: AppSettings, principal: Caller
) -> Response[str]:
    """Show how an upload's checks go, and what came of them."""
    return renderer_of(request).respond(request, _status(session, settings, principal, upload_id))


@get("/uploads/{upload_id:uuid}/stream", guards=READ, media_type=EVENT_STREAM)
async def follow_status(
    request: WebRequest, upload_id: FromPath[UUID], settings: AppSettings, principal: Caller
) -> Stream:
    """Stream the page's fragments as they change, until the upload is published or rejected."""

    def look(session: Session) -> Moment:
        page = _status(session, settings, principal, upload_id)
        return Moment(page, page.upload.operation_id, is_moving=page.is_moving, is_over=not page.is_moving)

    return await follow_page(request, principal, look)


def _status(session: Session, settings: Settings, principal: Principal, upload_id: UUID) -> UploadStatusPage:
    found = UploadService(session, open_blobs(settings)).get(principal.tenant_id, upload_id)
    operation = None
    if found.operation_id is not None:
        operation = read(OperationService(session).get(principal.tenant_id, found.operation_id))
    # While checks run, the findings are those of the door: warnings that will be told at the end.
    is_over = found.state in {UploadState.PUBLISHED, UploadState.HELD, UploadState.REJECTED}
    findings = [Finding(**each) for each in found.findings] if is_over else []
    return UploadStatusPage(found, operation, findings)


ROUTES = (show_upload, upload, show_status, follow_status)

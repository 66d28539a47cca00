"""The door: what needs no execution is checked at once, and what needs some is handed to a sandboxed worker."""

import tempfile
from collections.abc import Sequence
from typing import BinaryIO, cast
from uuid import UUID

from sqlmodel import Session

from catalog.assets.archive import LIMITS
from catalog.assets.artifacts import NOTHING_DERIVED, Derived
from catalog.assets.check import Checked, check_archive
from catalog.assets.findings import Finding
from catalog.assets.kinds import kinds
from catalog.assets.models import AssetVersion, VersionState, Visibility
from catalog.assets.package import Package
from catalog.assets.service import AssetService
from catalog.assets.service.reading import version_read
from catalog.assets.versions import parse_version
from catalog.clock import now
from catalog.distributions.service import DistributionService
from catalog.errors import ConflictError, NotFoundError
from catalog.events import outbox
from catalog.operations.models import Step
from catalog.operations.service import OperationService
from catalog.providers.blobs import BlobError, BlobStore
from catalog.tenancy import Principal
from catalog.uploads import queries
from catalog.uploads.errors import PackageRejectedError, UploadNotKeptError, VersionBeingCheckedError
from catalog.uploads.events import UploadReceived
from catalog.uploads.gate import check_promise
from catalog.uploads.models import Publication, SessionState, Terms, Upload, UploadRead, UploadState

PUBLISH_STEP = "publish"
MOST_MEMBERS = 200
"""How many versions a publishing session holds."""
_IN_MEMORY = 2 * 1024 * 1024
_CHUNK = 256 * 1024


class Receiving:
    """What a publisher does with archives."""

    def __init__(self, session: Session, blobs: BlobStore) -> None:
        self._session = session
        self._blobs = blobs
        self._assets = AssetService(session)
        self._distributions = DistributionService(session, blobs)

    def receive(
        self,
        principal: Principal,
        source: BinaryIO,
        visibility: Visibility | None = None,
        *,
        draft: bool = False,
        session_id: UUID | None = None,
    ) -> Publication:
        """Take an archive in and publish it as the version that its manifest names.

        ``source`` is read once, up to the limit of an archive; ``visibility`` left out keeps what the asset has
        (private for a new one). A ``draft`` is kept for its publisher alone, and so is a member of the publishing
        session ``session_id`` until that is published; a draft may be sent again with other content. A version in a
        namespace that asks for a review waits for a second person. The first publisher of a free namespace gets it.
        The same bytes again give the same version, or the same upload while that is being checked. A kind that has
        ``sandboxed_steps`` is left in state ``received`` with an operation: a worker checks it once the transaction is
        committed, and publishes or rejects it. Raises ``PackageRejectedError`` with every finding,
        ``IncompatibleVersionError`` where the number promises more than the version keeps, ``NamespaceTakenError``,
        ``VersionExistsError``, ``VersionBeingCheckedError``, ``ConflictError`` for another kind than the asset's, or
        ``UploadNotKeptError``.
        """
        principal.require("assets:write")
        with tempfile.SpooledTemporaryFile(max_size=_IN_MEMORY) as spooled:
            archive = cast("BinaryIO", spooled)  # it is one in all but name until Python 3.11's type stubs
            _gather(source, archive)
            checked = check_archive(archive)
            if checked.errors or checked.package is None:
                raise PackageRejectedError(checked.findings)
            terms = Terms(visibility, draft, session_id)
            return self._take_in(principal, checked, checked.package, archive, terms)

    def _take_in(
        self,
        principal: Principal,
        checked: Checked,
        package: Package,
        archive: BinaryIO,
        terms: Terms,
    ) -> Publication:
        metadata = package.manifest.metadata
        if terms.session_id is not None:
            self._require_open(principal.tenant_id, terms.session_id, package)
        principal.require_asset(f"{metadata.namespace}/{metadata.name}")
        self._assets.claim_namespace(principal, metadata.namespace)
        published = self._assets.published(principal, package)
        if published is not None:
            if published.state is VersionState.DRAFT and not terms.holds:
                self._assets.put_out(principal, metadata.namespace, metadata.name, published.version)
            self._distributions.register(principal, published, package)  # one from before there was an index
            return self._publication(principal.tenant_id, published, None)
        number = parse_version(metadata.version).canonical
        under_way = queries.unfinished(self._session, principal.tenant_id, metadata.namespace, metadata.name, number)
        if under_way is not None:
            return _same_upload(under_way, package)
        self._assets.require_kind(principal, package)
        steps = kinds()[package.manifest.kind].sandboxed_steps
        if steps:
            self._keep(archive, package)
        upload = self._record(principal, checked, package, terms)
        if steps:
            announced = [Step(name=name, title=title) for name, title in steps.items()]
            announced.append(Step(name=PUBLISH_STEP, title="Publish the version"))
            operation = OperationService(self._session).start(
                upload.tenant_id, "upload.check", f"uploads/{upload.id}", announced, principal.name
            )
            upload.operation_id = operation.id
            self._session.add(upload)
            self._session.flush()
            return Publication(created=True, version=None, findings=[], upload=UploadRead.model_validate(upload))
        version = self._publish(principal, upload, package, checked.warnings, NOTHING_DERIVED)
        # Last, so that what policies or a promise refuse leaves nothing behind; before the commit nobody sees it.
        self._keep(archive, package)
        return self._publication(principal.tenant_id, version, upload)

    def _publish(
        self,
        principal: Principal,
        upload: Upload,
        package: Package,
        warnings: Sequence[Finding],
        derived: Derived,
    ) -> AssetVersion:
        """Turn an upload whose checks found no error into a version: the one place where that happens."""
        misused = self._assets.check_use(principal.tenant_id, package, self._blobs)
        if misused:
            raise PackageRejectedError(misused)
        warnings = [
            *warnings,
            *check_promise(self._assets.verdict(principal.tenant_id, package, derived)),
            *self._assets.warn_of_use(principal.tenant_id, package, upload.visibility),
        ]
        state = self._state_of(upload)
        version = self._assets.publish(principal, package, warnings, upload.visibility, derived, state)
        self._distributions.add(principal.tenant_id, version, package)
        self._assets.keep_artifacts(version, derived.artifacts, self._blobs)
        upload.state = UploadState.PUBLISHED if state is VersionState.PUBLISHED else UploadState.HELD
        upload.version_id = version.id
        upload.finished_at = now()
        upload.findings = version.warnings
        self._session.add(upload)
        self._session.flush()
        return version

    def _state_of(self, upload: Upload) -> VersionState:
        """Return in which state an upload's version begins."""
        if upload.draft or upload.session_id is not None:
            return VersionState.DRAFT
        reviewed = self._assets.review_required(upload.tenant_id, upload.namespace)
        return VersionState.IN_REVIEW if reviewed else VersionState.PUBLISHED

    def _require_open(self, tenant_id: UUID, session_id: UUID, package: Package) -> None:
        """Raise where the tenant has no such session, it takes nothing in any more, or it is full; it stays locked."""
        found = queries.publishing_session(self._session, tenant_id, session_id, lock=True)
        if found is None:
            raise NotFoundError(f"There is no publishing session {session_id}.")
        if found.state is not SessionState.OPEN:
            raise ConflictError(f"The session {found.title} is {found.state.value.replace('_', ' ')}.")
        metadata = package.manifest.metadata
        wanted = (metadata.namespace, metadata.name, parse_version(metadata.version).canonical)
        members = {
            (each.namespace, each.name, each.version)
            for each, _ in queries.session_members(self._session, tenant_id, session_id)
        }
        if len(members | {wanted}) > MOST_MEMBERS:
            raise ConflictError(
                f"The session {found.title} holds {MOST_MEMBERS} versions, and no more come out together. "
                "Publish it, and open another."
            )

    def _keep(self, archive: BinaryIO, package: Package) -> None:
        self._assets.hold_blob(package.archive.blob)
        archive.seek(0)
        try:
            stored = self._blobs.write(archive)
        except BlobError as error:
            raise UploadNotKeptError(f"The archive could not be stored: {error}. Try again later.") from None
        if stored.digest != package.archive.blob:
            raise UploadNotKeptError("The archive changed while it was stored. Try again.")

    def _record(self, principal: Principal, checked: Checked, package: Package, terms: Terms) -> Upload:
        metadata = package.manifest.metadata
        upload = Upload(
            tenant_id=principal.tenant_id,
            namespace=metadata.namespace,
            name=metadata.name,
            version=parse_version(metadata.version).canonical,
            kind=package.manifest.kind,
            visibility=terms.visibility,
            draft=terms.draft,
            session_id=terms.session_id,
            member_id=principal.member_id,
            blob_digest=package.archive.blob,
            size=package.archive.packed_size,
            findings=[finding.as_json() for finding in checked.findings],
            publisher=principal.name,
            origin=dict(principal.origin) or None,
            actor=principal.actor,
        )
        self._session.add(upload)
        self._session.flush()
        data = UploadReceived(
            upload_id=upload.id,
            namespace=upload.namespace,
            name=upload.name,
            version=upload.version,
            kind=upload.kind,
            blob_digest=upload.blob_digest,
        )
        subject = f"uploads/{upload.id}"
        outbox.append(self._session, data, tenant_id=upload.tenant_id, subject=subject, actor=principal.actor)
        return upload

    def _publication(self, tenant_id: UUID, version: AssetVersion, upload: Upload | None) -> Publication:
        read = self._assets.get_version(tenant_id, version.namespace, version.name, version.version)
        return Publication(
            created=upload is not None,
            version=read,
            findings=version.warnings,
            upload=None if upload is None else UploadRead.model_validate(upload),
        )

    def recent(self, tenant_id: UUID, limit: int = 20) -> Sequence[UploadRead]:
        """Return the tenant's latest uploads, newest first."""
        return [UploadRead.model_validate(row) for row in queries.recent(self._session, tenant_id, limit)]

    def get(self, tenant_id: UUID, upload_id: UUID) -> UploadRead:
        """Return one upload; raise ``NotFoundError`` where the tenant has none of that id."""
        return UploadRead.model_validate(self._upload(tenant_id, upload_id))

    def outcome(self, tenant_id: UUID, upload_id: UUID) -> Publication:
        """Return what has come of an upload so far; ``version`` is None while its checks wait or run.

        Raises ``PackageRejectedError`` where the checks found errors, ``NotFoundError`` where there is no such upload.
        """
        upload = self._upload(tenant_id, upload_id)
        if upload.state is UploadState.REJECTED:
            raise PackageRejectedError([Finding(**finding) for finding in upload.findings])
        if upload.version_id is None:
            return Publication(created=True, version=None, findings=[], upload=UploadRead.model_validate(upload))
        version = self._assets.version_by_id(tenant_id, upload.version_id)
        return Publication(
            created=True,
            version=version_read(version, tenant_id),
            findings=version.warnings,
            upload=UploadRead.model_validate(upload),
        )

    def _upload(self, tenant_id: UUID, upload_id: UUID, *, lock: bool = False) -> Upload:
        found = queries.by_id(self._session, tenant_id, upload_id, lock=lock)
        if found is None:
            raise NotFoundError(f"There is no upload {upload_id}.")
        return found


def _same_upload(upload: Upload, package: Package) -> Publication:
    if upload.blob_digest != package.archive.blob:
        raise VersionBeingCheckedError(
            f"{upload.namespace}/{upload.name} {upload.version} is being checked with other content. Wait for its "
            "outcome, or raise the version."
        )
    return Publication(created=True, version=None, findings=[], upload=UploadRead.model_validate(upload))


def _gather(source: BinaryIO, into: BinaryIO) -> None:
    """Copy ``source`` up to one byte beyond the limit, which the check then reports."""
    left = LIMITS.packed + 1
    while left > 0 and (chunk := source.read(min(_CHUNK, left))):
        into.write(chunk)
        left -= len(chunk)

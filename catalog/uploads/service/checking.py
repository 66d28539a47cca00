"""What a worker reports about an upload that it checks in the sandbox: where it is, and how it ended."""

from collections.abc import Sequence
from uuid import UUID

from sqlmodel import Session

from catalog.assets.artifacts import Derived
from catalog.assets.check import Checked
from catalog.assets.findings import Finding, errors_of, in_order, warnings_of
from catalog.assets.service import AssetService
from catalog.clock import now
from catalog.errors import ConflictError, InvalidInputError
from catalog.events import outbox
from catalog.gating import Level, PolicyRefusedError
from catalog.operations.models import OperationState, Problem, StepState
from catalog.operations.service import OperationService
from catalog.providers.blobs import BlobStore
from catalog.tenancy import Principal
from catalog.uploads import queries
from catalog.uploads.errors import PackageRejectedError
from catalog.uploads.events import UploadRejected
from catalog.uploads.models import CheckPlan, Upload, UploadState
from catalog.uploads.service.receiving import PUBLISH_STEP, Receiving


class Checking(Receiving):
    """What happens to an upload between its arrival and its end; every step may be repeated."""

    def begin(self, tenant_id: UUID, upload_id: UUID) -> CheckPlan | None:
        """Return what is to be checked, None where nothing is left to do; its operation is running from now on."""
        upload = self._upload(tenant_id, upload_id, lock=True)
        if upload.state is not UploadState.RECEIVED or upload.operation_id is None:
            return None
        OperationService(self._session).run(tenant_id, upload.operation_id)
        return CheckPlan(tenant_id, upload.id, upload.operation_id, upload.kind, upload.blob_digest)

    def conclude(
        self, tenant_id: UUID, upload_id: UUID, checked: Checked, found: Sequence[Finding], derived: Derived
    ) -> UploadState:
        """Publish the upload, or reject it where there are errors, and end its operation.

        ``checked`` is what the archive looks like without executing anything, ``found`` what the sandboxed checks
        found. Concluding again changes nothing. Returns the state in which the upload is left.
        """
        upload = self._upload(tenant_id, upload_id, lock=True)
        if upload.state is not UploadState.RECEIVED:
            return upload.state
        findings = in_order([*checked.findings, *found])
        package = checked.package
        if errors_of(findings) or package is None:
            return self._reject(upload, findings)
        publisher = Principal(
            tenant_id,
            "",
            upload.actor,
            upload.publisher,
            frozenset({"assets:write"}),
            member_id=upload.member_id,
            origin=upload.origin or {},
        )
        try:
            with self._session.begin_nested():
                self._publish(publisher, upload, package, warnings_of(findings), derived)
        except (ConflictError, InvalidInputError) as error:
            self._session.refresh(upload)
            self._reach_publishing(upload)
            reasons = error.findings if isinstance(error, PackageRejectedError) else ()
            return self._reject(upload, [*findings, *(reasons or [Finding(error.code, "", None, error.detail, "")])])
        except PolicyRefusedError as refusal:
            refusal.keep(self._session)
            self._session.refresh(upload)
            self._reach_publishing(upload)
            return self._reject(upload, [*findings, *_refused(refusal)])
        operations = self._reach_publishing(upload)
        if upload.operation_id is not None:
            operations.finish(tenant_id, upload.operation_id, OperationState.SUCCEEDED)
        return upload.state

    def _reach_publishing(self, upload: Upload) -> OperationService:
        """Note that the last step was reached: together with its end, because nobody sees it before."""
        operations = OperationService(self._session)
        if upload.operation_id is not None:
            operations.run(upload.tenant_id, upload.operation_id)
            operations.step(upload.tenant_id, upload.operation_id, PUBLISH_STEP, StepState.RUNNING)
        return operations

    def abandon(self, tenant_id: UUID, upload_id: UUID, reason: str) -> None:
        """Reject an upload whose checks could not be carried out; ``reason`` is one line for its publisher."""
        upload = self._upload(tenant_id, upload_id, lock=True)
        if upload.state is UploadState.RECEIVED:
            message = f"The checks could not be carried out: {reason}"
            fix = "Publish it again; if that does not help, run slipway doctor where the worker runs."
            self._reject(upload, [Finding("checks-not-possible", "", None, message, fix)])

    def _reject(self, upload: Upload, findings: Sequence[Finding]) -> UploadState:
        errors = errors_of(findings)
        upload.state = UploadState.REJECTED
        upload.findings = [finding.as_json() for finding in findings]
        upload.finished_at = now()
        self._session.add(upload)
        self._session.flush()
        if upload.operation_id is not None:
            count = "one problem" if len(errors) == 1 else f"{len(errors)} problems"
            lines = [str(finding) for finding in errors]
            problem = Problem(
                code="package_rejected",
                message="\n".join([f"The package has {count}; nothing was published.", *lines[:20]]),
                hint="Correct what was found, and publish again.",
            )
            OperationService(self._session).finish(
                upload.tenant_id, upload.operation_id, OperationState.FAILED, problem
            )
        data = UploadRejected(
            upload_id=upload.id,
            namespace=upload.namespace,
            name=upload.name,
            version=upload.version,
            kind=upload.kind,
            blob_digest=upload.blob_digest,
            problems=len(errors),
        )
        subject = f"uploads/{upload.id}"
        outbox.append(self._session, data, tenant_id=upload.tenant_id, subject=subject, actor=upload.actor)
        return upload.state

    @staticmethod
    def discard_archive(system: Session, digest: str, blobs: BlobStore) -> bool:
        """Remove an archive that no version, derived file or unfinished upload of any tenant needs.

        ``system`` is a session of the system. Returns whether the archive is gone.
        """
        AssetService.hold_blob_in(system, digest)
        if AssetService.blob_in_use(system, digest) or queries.needs_blob(system, digest):
            return False
        blobs.delete(digest)
        return True


def _refused(refusal: PolicyRefusedError) -> list[Finding]:
    """Return what policies found as findings; the record of the evaluation has the rest."""
    return [
        Finding(
            "policy",
            "",
            None,
            f"{each.rule}: {each.message}",
            each.remediation,
            "warning" if each.level is Level.ADVISORY else "error",
        )
        for each in refusal.verdict.violations
    ]

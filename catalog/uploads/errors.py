"""What can be wrong with an upload."""

from collections.abc import Sequence

from catalog.assets.findings import Finding
from catalog.errors import ConflictError, FieldError, InvalidInputError, UnavailableError


class PackageRejectedError(InvalidInputError):
    """The archive is not acceptable; ``findings`` holds everything that was found, warnings included."""

    code = "package_rejected"
    title = "The package was not accepted"

    def __init__(self, findings: Sequence[Finding]) -> None:
        errors = [FieldError("/archive", str(finding)) for finding in findings if finding.level == "error"]
        count = "one problem" if len(errors) == 1 else f"{len(errors)} problems"
        super().__init__(f"The package has {count}; nothing was published.", errors)
        self.findings = tuple(findings)


class IncompatibleVersionError(PackageRejectedError):
    """The version's number says that nothing breaks, and something does; ``honest`` is the number that says so.

    Each of ``errors`` points to the input or output at fault: ``/inputs/region``.
    """

    code = "incompatible_version"
    title = "The version breaks what its number promises"

    def __init__(self, findings: Sequence[Finding], pointers: Sequence[str], honest: str) -> None:
        super().__init__(findings)
        self.detail = f"It breaks what uses the version before. Publish it as {honest}, or take the changes back."
        self.errors = tuple(
            FieldError(pointer, finding.message) for pointer, finding in zip(pointers, findings, strict=True)
        )
        self.honest = honest


class UploadNotKeptError(UnavailableError):
    """The archive could not be stored."""

    code = "upload_not_kept"
    title = "The archive could not be stored"


class VersionBeingCheckedError(ConflictError):
    """Another archive of the same version is being checked at this moment."""

    code = "version_being_checked"
    title = "The version is being checked"


class SessionNotReadyError(ConflictError):
    """Something in a publishing session keeps it from being published; ``errors`` names every one."""

    code = "session_not_ready"
    title = "The session cannot be published yet"

"""What can be wrong with a request about assets."""

from catalog.assets.findings import printable
from catalog.errors import (
    ConflictError,
    FieldError,
    ForbiddenError,
    InvalidInputError,
    NotFoundError,
    UnavailableError,
)


class InvalidVersionError(InvalidInputError):
    """A text that is not accepted as a version; ``reason`` says why and ``fix`` what to write."""

    code = "invalid_version"
    title = "The version is not valid"

    def __init__(self, text: str, reason: str, fix: str, pointer: str = "/version") -> None:
        detail = f'"{printable(text[:80])}" is not accepted as a version. {reason} {fix}'
        super().__init__(detail, [FieldError(pointer, detail)])
        self.text = text
        self.reason = reason
        self.fix = fix


class InvalidConstraintError(InvalidInputError):
    """A text that is not a version constraint; ``reason`` says why and ``fix`` what to write."""

    code = "invalid_constraint"
    title = "The version constraint is not valid"

    def __init__(self, text: str, reason: str, fix: str, pointer: str = "/version") -> None:
        detail = f'"{printable(text[:80])}" is not accepted as a constraint. {reason} {fix}'
        super().__init__(detail, [FieldError(pointer, detail)])
        self.text = text
        self.reason = reason
        self.fix = fix


class InvalidReferenceError(InvalidInputError):
    """A text that does not name an asset."""

    code = "invalid_reference"
    title = "The asset reference is not valid"


class AssetNotFoundError(NotFoundError):
    """No such asset or version, or not one that the caller may see."""

    code = "asset_not_found"
    title = "No such asset"


class VersionNotSelectableError(ConflictError):
    """Versions exist, but none that the request may choose."""

    code = "version_not_selectable"
    title = "No version can be chosen"


class VersionStateError(ConflictError):
    """The version is not in a state from which this step is possible."""

    code = "version_state"
    title = "The version's state does not allow this"


class NamespaceTakenError(ConflictError):
    """The namespace belongs to somebody else; said alike whether or not it holds assets."""

    code = "namespace_taken"
    title = "The namespace is taken"


class SecondPersonNeededError(ForbiddenError):
    """A version is published by somebody else than who uploaded or submitted it."""

    code = "second_person_needed"
    title = "A second person has to publish this"


class VersionExistsError(ConflictError):
    """The version was published before with other bytes."""

    code = "version_exists"
    title = "The version was published already"


class ArchiveUnavailableError(UnavailableError):
    """The stored bytes of a version are missing or damaged."""

    code = "archive_unavailable"
    title = "The archive cannot be served"

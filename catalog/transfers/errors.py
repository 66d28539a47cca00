"""What can be wrong with pulling an artifact, or with a layout that is brought in."""

from collections.abc import Sequence

from catalog.errors import FieldError, ForbiddenError, InvalidInputError, NotFoundError


class ManifestUnknownError(NotFoundError):
    """There is no manifest of that tag or digest in the repository."""

    code = "manifest_unknown"
    title = "No such manifest"


class BlobUnknownError(NotFoundError):
    """There is no blob of that digest in the repository."""

    code = "blob_unknown"
    title = "No such blob"


class DigestInvalidError(InvalidInputError):
    """A text that is no SHA-256 digest."""

    code = "digest_invalid"
    status = 400
    title = "The digest is not valid"


class HeldBackError(ForbiddenError):
    """The version is not handed out at the moment."""

    code = "denied"
    title = "Not handed out"


class LayoutUnsignedError(InvalidInputError):
    """A layout about whose record nobody known says anything."""

    code = "layout_unsigned"
    title = "The layout is signed by nobody known"

    def __init__(self, detail: str) -> None:
        fix = "Import the exporter's public key as a signing key, or accept an unknown signer."
        super().__init__(f"{detail} {fix} Nothing was brought in.", [FieldError("/accept_unknown_signer", fix)])


class LayoutRefusedError(InvalidInputError):
    """A layout that cannot be brought in: damaged, changed, or no layout at all; ``errors`` names the files."""

    code = "layout_refused"
    title = "The layout was not accepted"

    def __init__(self, problems: Sequence[tuple[str, str]]) -> None:
        first = f"{problems[0][0]}: {problems[0][1]}"
        more = f" {len(problems) - 1} more files are wrong." if len(problems) > 1 else ""
        super().__init__(
            f"{first}{more} Nothing was brought in.", [FieldError(f"/{path}", detail) for path, detail in problems]
        )

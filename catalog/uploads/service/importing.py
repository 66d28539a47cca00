"""Publishing from a tag of a repository: the folder is read as it is there, and becomes an archive at our door."""

import io
import re
from dataclasses import replace

from catalog.assets.archive import LIMITS, PackageFile, build_archive
from catalog.assets.check import check_archive
from catalog.assets.errors import InvalidVersionError
from catalog.assets.versions import VersionNumber, parse_version
from catalog.errors import FieldError, InvalidInputError, SlipwayError, UnavailableError
from catalog.providers.scm import FolderLimits, open_repository
from catalog.settings import Settings
from catalog.tenancy import Principal
from catalog.uploads.errors import PackageRejectedError
from catalog.uploads.models import ImportTag, Publication
from catalog.uploads.service.sessions import Sessions

_NUMBER = re.compile(r"(?:^|[/-])v?(\d+\.\d+\.\d+.*)$")


class Importing(Sessions):
    """What a publisher does with repositories."""

    def import_tag(self, principal: Principal, request: ImportTag, settings: Settings) -> Publication:
        """Publish what a tag holds, as `receive` does with an archive; the version must be the one that the tag names.

        Raises ``InvalidInputError`` naming the field for a repository, tag or folder that cannot be used, else what
        `receive` raises. Where it came from stays with the version: repository, tag and commit.
        """
        principal.require("assets:write")
        number = _number(request.tag)
        try:
            repository = open_repository(request.repository, settings)
            commit = repository.tag(request.tag)
            limits = FolderLimits(LIMITS.files, LIMITS.unpacked)
            found = repository.read_folder(commit, request.folder, limits)
        except UnavailableError:
            raise
        except SlipwayError as error:
            field = {"tag_not_found": "/tag", "folder_refused": "/folder"}.get(error.code, "/repository")
            raise InvalidInputError(error.detail, [FieldError(field, error.detail)]) from None
        files = {path: PackageFile(each.content, executable=each.is_executable) for path, each in found.items()}
        archive = build_archive(files).data
        _require_version(archive, number, request.tag)
        origin = {
            **principal.origin,
            "repository": repository.address,
            "reference": f"refs/tags/{request.tag}",
            "commit": commit,
        }
        return self.receive(
            replace(principal, origin=origin),
            io.BytesIO(archive),
            request.visibility,
            draft=request.draft,
            session_id=request.session,
        )


def _number(tag: str) -> VersionNumber:
    match = _NUMBER.search(tag)
    try:
        return parse_version(match[1] if match else tag)
    except InvalidVersionError as error:
        raise InvalidInputError(error.detail, [FieldError("/tag", error.detail)]) from None


def _require_version(archive: bytes, number: VersionNumber, tag: str) -> None:
    package = check_archive(archive).package
    if package is None or parse_version(package.manifest.metadata.version) == number:
        return
    message = f"The manifest says {package.manifest.metadata.version}, but the tag is {tag}."
    fix = "Tag the commit whose manifest has that version."
    raise PackageRejectedError([package.finding("tag", ("metadata", "version"), message, fix)])

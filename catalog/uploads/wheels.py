"""Wheels on their own, as twine and uv send them: a component package is built around each."""

import hashlib
import io
from collections.abc import Callable, Mapping
from dataclasses import dataclass

from packaging.utils import canonicalize_name
from packaging.version import InvalidVersion, Version
from sqlmodel import Session

from catalog.assets.archive import build_archive
from catalog.assets.errors import VersionExistsError
from catalog.assets.models import AssetVersion
from catalog.assets.service import AssetService
from catalog.distributions.errors import WheelRefusedError
from catalog.distributions.models import Distribution
from catalog.distributions.service import DistributionService
from catalog.distributions.wheels import Wheel, read_wheel
from catalog.providers.blobs import BlobStore
from catalog.tenancy import Principal
from catalog.uploads.models import Publication
from catalog.uploads.service import UploadService
from catalog.uploads.wrapping import wrap

_DIGESTS: Mapping[str, Callable[[bytes], str]] = {
    "md5_digest": lambda data: hashlib.md5(data, usedforsecurity=False).hexdigest(),
    "sha256_digest": lambda data: hashlib.sha256(data).hexdigest(),
    "blake2_256_digest": lambda data: hashlib.blake2b(data, digest_size=32).hexdigest(),
}


@dataclass(frozen=True)
class SentWheel:
    """A wheel with what the client said of it; ``fields`` are those of the upload form."""

    filename: str
    data: bytes
    fields: Mapping[str, str]


class WheelUploads:
    """One unit of work on a wheel that comes alone; everything after the wrapping is `UploadService.receive`."""

    def __init__(self, session: Session, blobs: BlobStore) -> None:
        self._uploads = UploadService(session, blobs)
        self._distributions = DistributionService(session, blobs)
        self._assets = AssetService(session)

    def receive(self, principal: Principal, sent: SentWheel) -> Publication:
        """Publish a wheel as a version of the asset that it names, or that is named after its project.

        The same file again gives the same version. Raises ``WheelRefusedError``, ``VersionExistsError`` for other
        bytes under a name or version that is out, and whatever `UploadService.receive` raises.
        """
        principal.require("assets:write")
        _compare_digests(sent)
        wheel = read_wheel(sent.filename, sent.data)
        _compare_fields(sent, wheel)
        found = self._distributions.own_file(principal.tenant_id, wheel.filename)
        if found is not None:
            return self._again(principal, sent, found)
        files = wrap(wheel, sent.data, principal.tenant_name)
        archive = build_archive(files, effort=0).data  # a wheel is compressed already
        return self._uploads.receive(principal, io.BytesIO(archive))

    def _again(self, principal: Principal, sent: SentWheel, found: Distribution) -> Publication:
        if found.blob_digest != hashlib.sha256(sent.data).hexdigest():
            raise VersionExistsError(
                f"File already exists: {found.filename} was published before with other content. A published "
                "version never changes: raise the version."
            )
        row: AssetVersion = self._assets.version_by_id(principal.tenant_id, found.version_id)
        version = self._assets.get_version(principal.tenant_id, row.namespace, row.name, row.version)
        return Publication(created=False, version=version, findings=version.warnings, upload=None)


def _compare_digests(sent: SentWheel) -> None:
    for field, digest in _DIGESTS.items():
        stated = sent.fields.get(field, "").strip().lower()
        if stated and stated != digest(sent.data):
            name = field.removesuffix("_digest").replace("_", "-").upper()
            raise WheelRefusedError(
                f"The {name} digest that was sent is not that of the file: it was damaged on its way.",
                "Upload it again.",
                f"/{field}",
            )


def _compare_fields(sent: SentWheel, wheel: Wheel) -> None:
    name = sent.fields.get("name", "")
    if name and canonicalize_name(name) != wheel.project:
        raise WheelRefusedError("The name that was sent is not that of the wheel.", "Build the wheel again.", "/name")
    version = sent.fields.get("version", "")
    try:
        is_same = not version or Version(version) == wheel.version
    except InvalidVersion:
        is_same = False
    if not is_same:
        raise WheelRefusedError(
            "The version that was sent is not that of the wheel.", "Build the wheel again.", "/version"
        )

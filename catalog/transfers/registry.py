"""The registry as OCI clients read it: tags, manifests, blobs and referrers of the assets that a tenant may see."""

import re
from collections import OrderedDict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from threading import Lock
from uuid import UUID

from sqlmodel import Session

from catalog.assets.life import MEANINGS
from catalog.assets.models import AssetVersion
from catalog.assets.service import LATEST, AssetService
from catalog.assets.versions import parse_version
from catalog.attestations.service import SupplyChainAttestationService
from catalog.attestations.shapes import AttestationRead
from catalog.errors import NotFoundError, SlipwayError
from catalog.providers.blobs import BlobError, BlobStore
from catalog.settings import Settings
from catalog.transfers.artifacts import (
    CONFIG_TYPE,
    CONTENT_TYPE,
    EMPTY,
    EMPTY_TYPE,
    Descriptor,
    Document,
    config_of,
    digest_of,
    image_manifest,
    index_of,
    referrer_manifest,
)
from catalog.transfers.errors import BlobUnknownError, DigestInvalidError, HeldBackError, ManifestUnknownError

MOST_VERSIONS_SEARCHED = 500
"""How many versions, newest first, are looked through for a digest that no tag has led to."""

_DIGEST = re.compile(r"sha256:[0-9a-f]{64}")
_FALLBACK = re.compile(r"sha256-([0-9a-f]{64})")
_CHUNK = 50


@dataclass(frozen=True)
class Place:
    """Where a digest leads: a version, and the statement about it where the digest is of one."""

    version: str
    statement: UUID | None = None


class _Known:
    """Which digest leads where, for digests met before: what they lead to never changes, only who may see it.

    Each tenant has places of its own, so that what another one has asked for changes neither answer nor time.
    """

    def __init__(self, most: int) -> None:
        self._most = most
        self._places: OrderedDict[tuple[UUID, UUID, str], Place] = OrderedDict()
        self._lock = Lock()

    def get(self, tenant_id: UUID, asset_id: UUID, digest: str) -> Place | None:
        with self._lock:
            return self._places.get((tenant_id, asset_id, digest))

    def put(self, tenant_id: UUID, asset_id: UUID, digest: str, place: Place) -> None:
        with self._lock:
            self._places[tenant_id, asset_id, digest] = place
            while len(self._places) > self._most:
                self._places.popitem(last=False)


_KNOWN = _Known(20_000)


class RegistryService:
    """Reads of one repository, ``namespace/name``; one that the tenant may not see raises ``AssetNotFoundError``."""

    def __init__(self, session: Session, settings: Settings, blobs: BlobStore) -> None:
        self._assets = AssetService(session)
        self._attestations = SupplyChainAttestationService(session, settings, blobs)
        self._blobs = blobs

    def tags(self, tenant_id: UUID, namespace: str, name: str) -> list[str]:
        """Return every tag in order: the versions as SemVer, and ``latest`` where one stands for the asset.

        What the tenant's own catalog hides or does not allow has no tag; its digest leads to it still, so that what
        was pinned goes on.
        """
        offered, standing = self._assets.offered_versions(tenant_id, namespace, name)
        return sorted([*(each.semver for each in offered), *([LATEST] if standing else [])])

    def manifest(self, tenant_id: UUID, namespace: str, name: str, reference: str) -> Document:
        """Return what a tag or a digest names: a version, a statement about one, or the fallback list of referrers."""
        asset_id = self._assets.get_id(tenant_id, namespace, name)
        fallback = _FALLBACK.fullmatch(reference)
        if fallback is not None:
            return self.referrers(tenant_id, namespace, name, f"sha256:{fallback[1]}")
        if ":" not in reference:
            version = self._tagged(tenant_id, namespace, name, reference)
            return self._image(tenant_id, asset_id, version)
        _check(reference)
        place = self._place(tenant_id, asset_id, namespace, name, reference)
        unknown = ManifestUnknownError(f"{namespace}/{name} has no manifest {reference}.")
        if place is None:
            raise unknown
        try:
            version = self._version(tenant_id, namespace, name, place.version)
            image = self._image(tenant_id, asset_id, version)
            if place.statement is None:
                return image
            return referrer_manifest(image.descriptor(), self._attestations.get(tenant_id, place.statement))
        except NotFoundError:
            raise unknown from None  # it was there when the digest was met: a draft thrown away, a share taken back

    def blob(self, tenant_id: UUID, namespace: str, name: str, digest: str) -> tuple[bytes, str]:
        """Return a blob's bytes, compared with their digest, and its media type."""
        _check(digest)
        asset_id = self._assets.get_id(tenant_id, namespace, name)
        if digest == digest_of(EMPTY):
            return EMPTY, EMPTY_TYPE
        version = self._assets.version_with(tenant_id, asset_id, digest.removeprefix("sha256:"))
        if version is not None:
            self._handed_out(version)
            if version.manifest_digest == digest.removeprefix("sha256:"):
                return config_of(version), CONFIG_TYPE
            return self._read(version.blob_digest), CONTENT_TYPE
        place = self._place(tenant_id, asset_id, namespace, name, digest)
        if place is None or place.statement is None:
            raise BlobUnknownError(f"{namespace}/{name} has no blob {digest}.")
        try:
            return self._attestations.envelope(place.statement)
        except NotFoundError:
            raise BlobUnknownError(f"{namespace}/{name} has no blob {digest}.") from None

    def referrers(
        self, tenant_id: UUID, namespace: str, name: str, digest: str, artifact_type: str | None = None
    ) -> Document:
        """Return the index of verified statements about a manifest; one that nobody knows has none."""
        _check(digest)
        asset_id = self._assets.get_id(tenant_id, namespace, name)
        place = self._place(tenant_id, asset_id, namespace, name, digest)
        if place is None or place.statement is not None:
            return index_of(())
        try:
            version = self._version(tenant_id, namespace, name, place.version)
        except NotFoundError:
            return index_of(())
        subject = self._image(tenant_id, asset_id, version).descriptor()
        found = [each for _, each in self._referrers(tenant_id, asset_id, version, subject)]
        return index_of(each for each in found if artifact_type in {None, each.artifact_type})

    def _tagged(self, tenant_id: UUID, namespace: str, name: str, tag: str) -> AssetVersion:
        offered, standing = self._assets.offered_versions(tenant_id, namespace, name)
        try:
            wanted = standing if tag == LATEST else parse_version(tag).canonical
            if wanted in {each.version for each in offered}:
                return self._version(tenant_id, namespace, name, str(wanted))
        except HeldBackError:
            raise
        except SlipwayError:
            pass
        raise ManifestUnknownError(f"{namespace}/{name} has no tag {tag[:128]}.")

    def _version(self, tenant_id: UUID, namespace: str, name: str, version: str) -> AssetVersion:
        found = self._assets.version(tenant_id, namespace, name, version)
        self._handed_out(found)
        return found

    def _handed_out(self, version: AssetVersion) -> None:
        if not MEANINGS[version.state].download:
            raise HeldBackError(f"{version.namespace}/{version.name} {version.version} is in quarantine.")

    def _image(self, tenant_id: UUID, asset_id: UUID, version: AssetVersion) -> Document:
        image = image_manifest(version)
        _KNOWN.put(tenant_id, asset_id, image.digest, Place(version.version))
        return image

    def _place(self, tenant_id: UUID, asset_id: UUID, namespace: str, name: str, digest: str) -> Place | None:
        found = _KNOWN.get(tenant_id, asset_id, digest)
        if found is not None:
            return found
        for version in self._newest(tenant_id, asset_id, namespace, name):
            subject = self._image(tenant_id, asset_id, version).descriptor()
            for _ in self._referrers(tenant_id, asset_id, version, subject):
                continue
            found = _KNOWN.get(tenant_id, asset_id, digest)
            if found is not None:
                return found
        return None

    def _newest(self, tenant_id: UUID, asset_id: UUID, namespace: str, name: str) -> Iterator[AssetVersion]:
        newest = self._assets.versions(tenant_id, namespace, name, limit=MOST_VERSIONS_SEARCHED)
        names = [each.version for each in newest]
        for start in range(0, len(names), _CHUNK):
            yield from _ordered(self._assets.versions_named(tenant_id, asset_id, names[start : start + _CHUNK]))

    def _referrers(
        self, tenant_id: UUID, asset_id: UUID, version: AssetVersion, subject: Descriptor
    ) -> list[tuple[AttestationRead, Descriptor]]:
        found = []
        for each in self._attestations.page(tenant_id, digest=("sha256", version.blob_digest), limit=200):
            document = referrer_manifest(subject, each)
            place = Place(version.version, each.id)
            _KNOWN.put(tenant_id, asset_id, document.digest, place)
            _KNOWN.put(tenant_id, asset_id, f"sha256:{each.envelope_digest}", place)
            annotations = {"dev.slipway.predicate-type": each.predicate_type}
            found.append((each, document.descriptor(annotations)))
        return found

    def _read(self, digest: str) -> bytes:
        try:
            return self._blobs.read(digest)
        except BlobError as error:
            raise BlobUnknownError(f"The bytes of sha256:{digest} cannot be served: {error}.") from None


def _ordered(versions: Sequence[AssetVersion]) -> list[AssetVersion]:
    return sorted(versions, key=lambda each: parse_version(each.version), reverse=True)


def _check(digest: str) -> None:
    if _DIGEST.fullmatch(digest) is None:
        raise DigestInvalidError("This is not a SHA-256 digest, sha256: and 64 lower-case hexadecimal digits.")

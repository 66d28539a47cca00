"""Export: assets with all they need, their signed statements, states and logs, as one OCI image layout."""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any, BinaryIO
from uuid import UUID

import rfc8785
from sqlmodel import Session

from catalog.assets.life import MEANINGS
from catalog.assets.models import AssetVersion
from catalog.assets.resolver import Resolution, ResolveAssets
from catalog.assets.service import AssetService
from catalog.attestations.predicates import EXPORT
from catalog.attestations.service import SupplyChainAttestationService
from catalog.attestations.statements import Subject
from catalog.providers.blobs import BlobError, BlobStore
from catalog.settings import Settings
from catalog.tenancy import Principal
from catalog.transfers.artifacts import (
    EMPTY,
    EMPTY_TYPE,
    MANIFEST_TYPE,
    Descriptor,
    Document,
    config_of,
    digest_of,
    image_manifest,
    referrer_manifest,
)
from catalog.transfers.errors import HeldBackError
from catalog.transfers.layout import LayoutWriter

RECORD_TYPE = "application/vnd.slipway.export.v1+json"
"""The media type of what an export says of itself: the lock, and the state of every version of its assets."""
BUNDLE_TYPE = "application/vnd.dev.sigstore.bundle.v0.3+json"
TAG = "org.opencontainers.image.ref.name"


@dataclass(frozen=True)
class _Seal:
    """The signed statement about a record, as manifests of statements name it."""

    envelope_digest: str
    size: int
    media_type: str = BUNDLE_TYPE
    predicate_type: str = EXPORT


class ExportService:
    """One unit of work that reads; what the tenant may not see is in no export."""

    def __init__(self, session: Session, settings: Settings, blobs: BlobStore) -> None:
        self._assets = AssetService(session)
        self._attestations = SupplyChainAttestationService(session, settings, blobs)
        self._blobs = blobs

    def export(self, principal: Principal, wanted: ResolveAssets, target: BinaryIO) -> Resolution:
        """Write what ``wanted`` resolves to into ``target`` as a tar, and return the lock.

        The record of lock and states is signed with the tenant's key. Raises what resolving raises, ``HeldBackError``
        where bytes cannot be had, or ``SigningUnavailableError`` where the key cannot be used now.
        """
        tenant_id = principal.tenant_id
        resolution = self._assets.resolve_all(tenant_id, wanted)
        writer = LayoutWriter(target)
        for entry in resolution.lock:
            namespace, _, name = entry.asset.partition("/")
            self._add(tenant_id, writer, self._assets.version(tenant_id, namespace, name, entry.version))
        record: dict[str, Any] = {
            "lock": [each.as_json() for each in resolution.lock],
            "states": list(self._states(tenant_id, sorted({each.asset for each in resolution.lock}))),
        }
        self._seal(principal, writer, record)
        writer.close()
        return resolution

    def _seal(self, principal: Principal, writer: LayoutWriter, record: dict[str, Any]) -> None:
        """Add the record, and the signed statement that it is what this tenant exported."""
        data = rfc8785.dumps(record)
        manifest = _record_manifest(writer, data)
        writer.manifest(manifest, {"dev.slipway.export": "1"})
        subject = Subject("slipway-export", "sha256", digest_of(data).removeprefix("sha256:"))
        content: dict[str, Any] = {"versions": len(record["lock"]), "states": len(record["states"])}
        if principal.tenant_name:
            content["exporter"] = principal.tenant_name
        bundle = self._attestations.seal(principal, subject, EXPORT, content)
        digest = writer.blob(bundle).removeprefix("sha256:")
        seal = referrer_manifest(manifest.descriptor(), _Seal(digest, len(bundle)))
        writer.manifest(seal, {"dev.slipway.predicate-type": EXPORT})

    def _add(self, tenant_id: UUID, writer: LayoutWriter, version: AssetVersion) -> None:
        label = f"{version.namespace}/{version.name} {version.version}"
        if not MEANINGS[version.state].download:
            raise HeldBackError(f"{label} is in quarantine.")
        try:
            writer.blob(self._blobs.read(version.blob_digest))
        except BlobError as error:
            raise HeldBackError(f"The archive of {label} cannot be read: {error}.") from None
        writer.blob(config_of(version))
        image = image_manifest(version)
        writer.manifest(
            image,
            {
                # A tag of the layout: names hold no underscores, so the three parts stay apart.
                TAG: f"{version.namespace}_{version.name}_{version.semver}",
                "dev.slipway.asset": f"{version.namespace}/{version.name}",
                "dev.slipway.version": version.version,
            },
        )
        for each in self._attestations.page(tenant_id, digest=("sha256", version.blob_digest), limit=200):
            data, _ = self._attestations.envelope(each.id)
            writer.blob(data)
            writer.blob(EMPTY)
            statement = referrer_manifest(image.descriptor(), each)
            writer.manifest(statement, {"dev.slipway.predicate-type": each.predicate_type})

    def _states(self, tenant_id: UUID, assets: Iterable[str]) -> Iterable[dict[str, Any]]:
        """Yield the state of every version of the exported assets, also of those whose bytes are not exported.

        What is not out yet, with the comments of its review, stays in the house.
        """
        for asset in assets:
            namespace, _, name = asset.partition("/")
            for each in self._assets.versions(tenant_id, namespace, name):
                if not MEANINGS[each.state].seen:
                    continue
                yield {
                    "asset": asset,
                    "version": each.version,
                    "digest": f"sha256:{each.blob_digest}",
                    "state": each.state.value,
                    "reason": each.state_reason,
                    "replacement": each.replacement,
                }


def _record_manifest(writer: LayoutWriter, data: bytes) -> Document:
    digest = writer.blob(data)
    writer.blob(EMPTY)
    document: dict[str, Any] = {
        "schemaVersion": 2,
        "mediaType": MANIFEST_TYPE,
        "artifactType": RECORD_TYPE,
        "config": Descriptor(EMPTY_TYPE, digest_of(EMPTY), len(EMPTY)).as_json(),
        "layers": [Descriptor(RECORD_TYPE, digest, len(data)).as_json()],
    }
    return Document(MANIFEST_TYPE, rfc8785.dumps(document), RECORD_TYPE)

"""What an asset's version is as an OCI artifact, after the image and distribution specifications 1.1.

The configuration is the manifest ``asset.yaml`` in canonical JSON, so that a client can read it without the archive;
layer 0 is the archive. Everything here is made from what never changes, so the same version has the same digest
everywhere and for ever. Statements about it are artifacts with a ``subject``.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import UTC
from hashlib import sha256
from typing import Any, Protocol

import rfc8785

from catalog.assets.archive import archive_name
from catalog.assets.models import AssetVersion

MANIFEST_TYPE = "application/vnd.oci.image.manifest.v1+json"
INDEX_TYPE = "application/vnd.oci.image.index.v1+json"
EMPTY_TYPE = "application/vnd.oci.empty.v1+json"
CONFIG_TYPE = "application/vnd.slipway.asset.manifest.v1+json"
CONTENT_TYPE = "application/vnd.slipway.asset.content.v1.tar+gzip"
EMPTY = b"{}"
_STANDARD = "org.opencontainers.image"


def artifact_type(kind: str) -> str:
    """Return the artifact type of a kind."""
    return f"application/vnd.slipway.asset.{kind}.v1"


@dataclass(frozen=True)
class Descriptor:
    """Where content is: its media type, digest (``sha256:...``) and size in bytes."""

    media_type: str
    digest: str
    size: int
    annotations: Mapping[str, str] = field(default_factory=dict)
    artifact_type: str = ""

    def as_json(self) -> dict[str, Any]:
        """Return the descriptor as JSON data."""
        found: dict[str, Any] = {"mediaType": self.media_type, "digest": self.digest, "size": self.size}
        if self.artifact_type:
            found["artifactType"] = self.artifact_type
        return found | ({"annotations": dict(self.annotations)} if self.annotations else {})


class Statement(Protocol):
    """What is needed to know of a signed statement: its bytes' digest (hexadecimal), size and media type."""

    @property
    def envelope_digest(self) -> str:
        """The SHA-256 digest of the envelope."""
        ...

    @property
    def size(self) -> int:
        """Its size in bytes."""
        ...

    @property
    def media_type(self) -> str:
        """How it is written."""
        ...

    @property
    def predicate_type(self) -> str:
        """What it says."""
        ...


@dataclass(frozen=True)
class Document:
    """A JSON document with its exact bytes."""

    media_type: str
    data: bytes
    artifact_type: str = ""

    @property
    def digest(self) -> str:
        """Return the digest of the bytes."""
        return digest_of(self.data)

    def descriptor(self, annotations: Mapping[str, str] | None = None) -> Descriptor:
        """Return where the document is."""
        return Descriptor(self.media_type, self.digest, len(self.data), annotations or {}, self.artifact_type)


def digest_of(data: bytes) -> str:
    """Return the digest of bytes as OCI writes it."""
    return f"sha256:{sha256(data).hexdigest()}"


def config_of(version: AssetVersion) -> bytes:
    """Return the configuration of a version: its manifest in canonical JSON, whose digest is ``manifest_digest``."""
    return rfc8785.dumps(version.manifest)


def image_manifest(version: AssetVersion) -> Document:
    """Return the OCI manifest of a version."""
    config = config_of(version)
    title = archive_name(version.namespace, version.name, version.semver)
    kind = artifact_type(version.kind)
    content = Descriptor(
        CONTENT_TYPE, f"sha256:{version.blob_digest}", version.packed_size, {f"{_STANDARD}.title": title}
    )
    document = {
        "schemaVersion": 2,
        "mediaType": MANIFEST_TYPE,
        "artifactType": kind,
        "config": Descriptor(CONFIG_TYPE, digest_of(config), len(config)).as_json(),
        "layers": [content.as_json()],
        "annotations": _annotations(version),
    }
    return Document(MANIFEST_TYPE, _bytes(document), kind)


def referrer_manifest(subject: Descriptor, statement: Statement) -> Document:
    """Return the OCI manifest of a statement about an artifact."""
    kind = statement.media_type or "application/vnd.dsse.envelope.v1+json"
    layer = Descriptor(kind, f"sha256:{statement.envelope_digest}", statement.size)
    document = {
        "schemaVersion": 2,
        "mediaType": MANIFEST_TYPE,
        "artifactType": kind,
        "config": Descriptor(EMPTY_TYPE, digest_of(EMPTY), len(EMPTY)).as_json(),
        "layers": [layer.as_json()],
        "subject": Descriptor(subject.media_type, subject.digest, subject.size).as_json(),
        "annotations": {"dev.slipway.predicate-type": statement.predicate_type},
    }
    return Document(MANIFEST_TYPE, _bytes(document), kind)


def index_of(descriptors: Iterable[Descriptor]) -> Document:
    """Return an OCI index."""
    document = {
        "schemaVersion": 2,
        "mediaType": INDEX_TYPE,
        "manifests": [each.as_json() for each in descriptors],
    }
    return Document(INDEX_TYPE, _bytes(document))


def _annotations(version: AssetVersion) -> dict[str, str]:
    metadata = version.manifest["metadata"]
    links = {str(each["name"]).lower(): str(each["url"]) for each in metadata.get("links", ())}
    found = {
        "title": str(metadata["displayName"]),
        "description": str(metadata["summary"]),
        "version": version.semver,
        "vendor": version.namespace,
        "licenses": str(metadata["license"]),
        "source": links.get("source", ""),
        "documentation": links.get("documentation", ""),
        "created": "" if version.published_at is None else version.published_at.astimezone(UTC).isoformat(),
    }
    named = {f"{_STANDARD}.{name}": text for name, text in found.items() if text}
    return {**named, "dev.slipway.asset": f"{version.namespace}/{version.name}"}


def _bytes(document: Mapping[str, Any]) -> bytes:
    return rfc8785.dumps(dict(document))

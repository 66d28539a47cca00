"""Bills of materials by the real syft, in the sandbox: a source tree, and an image as an OCI layout."""

import hashlib
import io
import json
import tarfile
from uuid import UUID

import pytest

from catalog.attestations.sboms.documents import read_head, read_packages
from catalog.attestations.sboms.models import SbomFormat
from catalog.clock import now
from catalog.settings import Settings, load_settings
from workers.sandbox.run import Sandbox
from workers.sbom_generators import Made, Material, MaterialKind, Root, generators

LOCK = {"lockfileVersion": 3, "packages": {"node_modules/lodash": {"version": "4.17.20", "license": "MIT"}}}
FILES = {"package-lock.json": json.dumps(LOCK).encode(), "requirements.txt": b"requests==2.31.0\n"}
METADATA = b"Metadata-Version: 2.1\nName: flask\nVersion: 3.0.0\n"


@pytest.fixture
def settings() -> Settings:
    """Settings that know where our own copy of syft lies."""
    return load_settings()


def made(kind: MaterialKind, files: dict[str, bytes], settings: Settings) -> Made:
    syft = generators()["syft"]
    assert syft.missing(settings) == ""
    material = Material(kind, files, Root("web", "1.4.0", "pkg:generic/web@1.4.0"), now(), UUID(int=1), "1.0.0")
    return syft.generate(material, settings, Sandbox().run)


def purls(document: bytes) -> set[str]:
    text = document.decode()
    head = read_head(text)
    assert head is not None
    return {each.text for each in read_packages(text, head)}


def test_a_source_tree_is_described_in_both_formats(settings: Settings) -> None:
    found = made(MaterialKind.TREE, FILES, settings)
    assert found.generator.startswith("syft ")
    for format_ in SbomFormat:
        assert {"pkg:npm/lodash@4.17.20", "pkg:pypi/requests@2.31.0"} <= purls(found.documents[format_])
    heads = (read_head(found.documents[format_].decode()) for format_ in SbomFormat)
    assert [head.spec_version for head in heads if head is not None] == ["1.6", "2.3"]


def test_an_image_is_described_by_what_is_installed_in_it(settings: Settings) -> None:
    found = made(MaterialKind.IMAGE, {"image.tar": image()}, settings)
    for format_ in SbomFormat:
        assert "pkg:pypi/flask@3.0.0" in purls(found.documents[format_])


def packed(files: dict[str, bytes]) -> bytes:
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w") as archive:
        for name, data in files.items():
            entry = tarfile.TarInfo(name)
            entry.size = len(data)
            archive.addfile(entry, io.BytesIO(data))
    return buffer.getvalue()


def image() -> bytes:
    """Return an image of one layer, as an OCI layout in tar."""
    site = "usr/lib/python3.11/site-packages/flask-3.0.0.dist-info"
    layer = packed({f"{site}/METADATA": METADATA, f"{site}/RECORD": b"", f"{site}/WHEEL": b"Wheel-Version: 1.0\n"})
    blobs: dict[str, bytes] = {}

    def blob(data: bytes, media_type: str) -> dict[str, object]:
        digest = hashlib.sha256(data).hexdigest()
        blobs[f"blobs/sha256/{digest}"] = data
        return {"mediaType": media_type, "digest": f"sha256:{digest}", "size": len(data)}

    kind = "application/vnd.oci.image"
    rootfs = {"type": "layers", "diff_ids": [f"sha256:{hashlib.sha256(layer).hexdigest()}"]}
    config = json.dumps({"architecture": "amd64", "os": "linux", "config": {}, "rootfs": rootfs}).encode()
    manifest = {
        "schemaVersion": 2,
        "mediaType": f"{kind}.manifest.v1+json",
        "config": blob(config, f"{kind}.config.v1+json"),
        "layers": [blob(layer, f"{kind}.layer.v1.tar")],
    }
    index = {"schemaVersion": 2, "manifests": [blob(json.dumps(manifest).encode(), f"{kind}.manifest.v1+json")]}
    return packed({"oci-layout": b'{"imageLayoutVersion": "1.0.0"}', "index.json": json.dumps(index).encode(), **blobs})

"""Bills of materials by the real cdxgen, in the sandbox: a source tree, and an npm package as registries keep it."""

import io
import json
import tarfile
from uuid import UUID

import pytest

from catalog.attestations.sboms.documents import check_document, read_head, read_packages
from catalog.attestations.sboms.models import SbomFormat
from catalog.clock import now
from catalog.settings import Settings, load_settings
from workers.sandbox.run import Sandbox
from workers.sbom_generators import NPM_FILE, Made, Material, MaterialKind, Root, generators

LODASH = {"version": "4.17.20", "resolved": "https://example.com/lodash.tgz", "license": "MIT"}
LOCK = {
    "name": "web",
    "version": "1.4.0",
    "lockfileVersion": 3,
    "packages": {
        "": {"name": "web", "version": "1.4.0", "dependencies": {"lodash": "^4.17.0"}},
        "node_modules/lodash": LODASH,
    },
}
PROJECT = {"name": "web", "version": "1.4.0", "dependencies": {"lodash": "^4.17.0"}}
TREE = {
    "package.json": json.dumps(PROJECT).encode(),
    "package-lock.json": json.dumps(LOCK).encode(),
    "Cargo.lock": b'version = 3\n\n[[package]]\nname = "serde"\nversion = "1.0.200"\n',
    "Cargo.toml": b'[package]\nname = "web"\nversion = "1.4.0"\n\n[dependencies]\nserde = "1"\n',
}


@pytest.fixture
def settings() -> Settings:
    """Settings that know where our own copy of cdxgen lies."""
    return load_settings()


def made(kind: MaterialKind, files: dict[str, bytes], settings: Settings) -> Made:
    cdxgen = generators()["cdxgen"]
    assert cdxgen.missing(settings) == ""
    material = Material(kind, files, Root("web", "1.4.0", "pkg:npm/web@1.4.0"), now(), UUID(int=1), "1.0.0")
    return cdxgen.generate(material, settings, Sandbox().run)


def purls(document: bytes) -> set[str]:
    text = document.decode()
    head = read_head(text)
    assert head is not None
    return {each.text for each in read_packages(text, head)}


def test_a_source_tree_is_described_in_both_formats(settings: Settings) -> None:
    found = made(MaterialKind.TREE, TREE, settings)
    assert found.generator.startswith("cdxgen ")
    for format_ in SbomFormat:
        assert check_document(found.documents[format_]) is format_
        assert {"pkg:npm/lodash@4.17.20", "pkg:cargo/serde@1.0.200"} <= purls(found.documents[format_])
    heads = (read_head(found.documents[format_].decode()) for format_ in SbomFormat)
    assert [head.spec_version for head in heads if head is not None] == ["1.6", "2.3"]


def test_an_npm_package_is_described_as_registries_keep_it(settings: Settings) -> None:
    found = made(MaterialKind.NPM, {NPM_FILE: packed("package.json", "npm-shrinkwrap.json")}, settings)
    assert found.generator.startswith("cdxgen ")
    assert "pkg:npm/lodash@4.17.20" in purls(found.documents[SbomFormat.CYCLONEDX])


def test_what_a_package_asks_for_is_listed_where_nothing_is_locked(settings: Settings) -> None:
    found = made(MaterialKind.NPM, {NPM_FILE: packed("package.json")}, settings)
    for format_ in SbomFormat:
        assert {"pkg:npm/lodash", "pkg:npm/web@1.4.0"} <= purls(found.documents[format_])


def packed(*names: str) -> bytes:
    files = {"package.json": TREE["package.json"], "npm-shrinkwrap.json": TREE["package-lock.json"]}
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w:gz") as archive:
        for name in names:
            entry = tarfile.TarInfo(f"package/{name}")
            entry.size = len(files[name])
            archive.addfile(entry, io.BytesIO(files[name]))
    return buffer.getvalue()

"""The worker of bills of materials: versions are described in both formats, signed, indexed, and found by package."""

import io
import json
import tempfile
from collections.abc import Callable, Iterator
from datetime import timedelta
from pathlib import Path

import pytest
from cyclonedx.schema import SchemaVersion
from cyclonedx.validation.json import JsonStrictValidator
from pydantic import SecretStr
from spdx_tools.spdx.parser.parse_anything import parse_file
from spdx_tools.spdx.validation.document_validator import validate_full_spdx_document

from catalog.assets.archive import PackageFile, build_archive
from catalog.assets.models import AssetVersionRead, Visibility
from catalog.assets.skeletons import skeleton
from catalog.attestations.sboms.models import SbomFormat
from catalog.attestations.sboms.shapes import SbomRead
from catalog.attestations.service import SupplyChainAttestationService
from catalog.db import Database
from catalog.providers.blobs import open_blobs
from catalog.settings import Settings
from catalog.tenancy import Principal
from catalog.uploads.service import UploadService
from workers.main import App
from workers.runtime.drain import drain
from workers.runtime.registry import registry
from workers.sbom_generation import WORKER

Publish = Callable[..., AssetVersionRead]
Work = Callable[[], list[str]]
LOCK = {
    "lockfileVersion": 3,
    "packages": {
        "": {"name": "own", "version": "1.0.0"},
        "node_modules/lodash": {"version": "4.17.20", "license": "MIT"},
        "node_modules/@angular/core": {"version": "12.0.0", "license": "MIT"},
    },
}
FILES = {
    "content/app/package-lock.json": json.dumps(LOCK).encode(),
    "content/app/requirements.txt": b"requests==2.31.0\n",
    "content/app/Cargo.lock": b'[[package]]\nname = "serde"\nversion = "1.0.200"\n',
    "content/app/go.mod": b"module example.com/own\n\nrequire github.com/pkg/errors v0.9.1\n",
}


@pytest.fixture
def settings(settings: Settings) -> Settings:
    """Settings with a master key, so that keys can be sealed."""
    return settings.model_copy(update={"master_key": SecretStr("a master key of forty-three characters, or so")})


@pytest.fixture
def work(settings: Settings) -> Iterator[Work]:
    """Return what runs everything that is due for this worker, and names the jobs that ran."""
    app = App(settings, registry([WORKER]))
    yield lambda: drain(app, patience=timedelta(seconds=1))
    app.close()


@pytest.fixture
def publish(database: Database, settings: Settings) -> Publish:
    """Return what publishes a version of ``namespace/web`` with more files than its skeleton has."""

    def published(
        principal: Principal, more: dict[str, bytes] | None = None, visibility: Visibility | None = None
    ) -> AssetVersionRead:
        files = {**skeleton("deployment-blueprint", principal.tenant_name, "web"), **(FILES if more is None else more)}
        archive = build_archive({path: PackageFile(data) for path, data in files.items()}).data
        with database.tenant_session(principal.tenant_id) as session:
            received = UploadService(session, open_blobs(settings)).receive(principal, io.BytesIO(archive), visibility)
            assert received.version is not None
            return received.version

    return published


def sboms(database: Database, settings: Settings, principal: Principal, digest: str) -> dict[SbomFormat, SbomRead]:
    with database.tenant_session(principal.tenant_id) as session:
        service = SupplyChainAttestationService(session, settings)
        return {each.format: each for each in service.sboms_about(principal.tenant_id, [digest])}


def test_a_published_version_gets_both_documents_and_is_found_by_what_it_is_made_of(
    acme: Principal, rival: Principal, database: Database, settings: Settings, publish: Publish, work: Work
) -> None:
    version = publish(acme)
    jobs = work()
    assert jobs.count("attestations.generate_sbom") == 1
    assert jobs.count("attestations.index_sbom") == 2
    found = sboms(database, settings, acme, version.blob_digest)
    assert {(each.format, each.spec_version) for each in found.values()} == {("cyclonedx", "1.6"), ("spdx", "2.3")}
    with database.tenant_session(acme.tenant_id) as session:
        service = SupplyChainAttestationService(session, settings)
        cyclonedx, name = service.sbom_document(found[SbomFormat.CYCLONEDX].id)
        spdx, _ = service.sbom_document(found[SbomFormat.SPDX].id)
        assert name.endswith(".cdx.json")
        packages = {each.purl for _, each in service.sbom_packages(found[SbomFormat.CYCLONEDX].id)}
        assert packages == {each.purl for _, each in service.sbom_packages(found[SbomFormat.SPDX].id)}
        places = service.where(acme.tenant_id, "pkg:npm/lodash", "<4.17.21").assets
        assert [(each.label, each.version, each.certain) for each in places] == [("acme/web@0.1.0", "4.17.20", True)]
        assert service.where(acme.tenant_id, "pkg:npm/lodash@4.17.21").assets == []
    assert JsonStrictValidator(SchemaVersion.V1_6).validate_str(cyclonedx.decode()) is None
    assert validate_spdx(spdx) == []
    assert {
        "pkg:generic/acme/web@0.1.0",
        "pkg:npm/lodash@4.17.20",
        "pkg:npm/%40angular/core@12.0.0",
        "pkg:pypi/requests@2.31.0",
        "pkg:cargo/serde@1.0.200",
        "pkg:golang/github.com/pkg/errors@v0.9.1",
    } <= packages
    with database.tenant_session(rival.tenant_id) as session:
        where = SupplyChainAttestationService(session, settings).where(rival.tenant_id, "pkg:npm/lodash")
        assert (where.assets, where.versions) == ([], [])


def validate_spdx(data: bytes) -> list[str]:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "document.spdx.json"
        path.write_bytes(data)
        document = parse_file(str(path))
        return [each.validation_message for each in validate_full_spdx_document(document)]

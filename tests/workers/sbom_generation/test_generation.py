"""The worker of bills of materials: versions are described in both formats, signed, indexed, and found by package."""

import hashlib
import io
import json
import subprocess
import tempfile
from collections.abc import Callable, Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest
from cyclonedx.schema import SchemaVersion
from cyclonedx.validation.json import JsonStrictValidator
from jsonschema import Draft202012Validator
from pydantic import SecretStr
from spdx_tools.spdx.parser.parse_anything import parse_file
from spdx_tools.spdx.validation.document_validator import validate_full_spdx_document

from catalog.assets.archive import PackageFile, build_archive
from catalog.assets.models import AssetVersionRead, Visibility
from catalog.assets.skeletons import skeleton
from catalog.assets.wheel import build_wheel
from catalog.attestations.sboms.documents import check_document
from catalog.attestations.sboms.models import SbomFormat
from catalog.attestations.sboms.shapes import SbomRead
from catalog.attestations.service import SupplyChainAttestationService
from catalog.clock import now
from catalog.db import Database
from catalog.errors import NotFoundError
from catalog.gates.inputs import InputService, input_schema
from catalog.providers.blobs import open_blobs
from catalog.releases.models import Artifact, CreateRelease
from catalog.releases.service import ReleaseService
from catalog.settings import Settings
from catalog.tenancy import Principal
from catalog.transfers.registry import RegistryService
from catalog.uploads.service import UploadService
from workers import sbom_generators
from workers.attestation import WORKER as ATTESTATION
from workers.main import App
from workers.runtime.drain import drain
from workers.runtime.registry import registry
from workers.sandbox import SandboxLimits
from workers.sandbox.run import Sandbox
from workers.sbom_generation import WORKER
from workers.sbom_generators import GenerationError, Material, MaterialKind, Root, generator_for, generators

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
def settings(settings: Settings, tmp_path: Path) -> Settings:
    """Settings with a master key, so that keys can be sealed, and a folder of repositories."""
    key = SecretStr("a master key of forty-three characters, or so")
    more = {"local_repository_roots": (tmp_path,), "tools_dir": tmp_path / "tools"}
    return settings.model_copy(update={"master_key": key, **more})


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
    assert jobs.count("attestations.attach") == 1
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
        door = RegistryService(session, settings, open_blobs(settings))
        image = door.manifest(acme.tenant_id, "acme", "web", version.version)
        listed = json.loads(door.referrers(acme.tenant_id, "acme", "web", image.digest).data)["manifests"]
        said = {each["annotations"]["dev.slipway.predicate-type"] for each in listed}
        assert said == {"https://cyclonedx.org/bom", "https://spdx.dev/Document"}
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


@pytest.fixture
def repository(tmp_path: Path) -> tuple[str, str]:
    """A repository with lock files, and the id of its commit."""
    folder = tmp_path / "repository"
    folder.mkdir()
    (folder / "requirements.txt").write_text("flask==3.0.0\n")
    (folder / "Procfile").write_text("web: python app.py\n")

    def git(*arguments: str) -> str:
        identity = ["-c", "user.name=test", "-c", "user.email=test@example.com", "-c", "init.defaultBranch=main"]
        done = subprocess.run(["git", *identity, *arguments], cwd=folder, capture_output=True, text=True, check=True)
        return done.stdout.strip()

    git("init", "--quiet")
    git("add", ".")
    git("commit", "--quiet", "--message", "A service")
    return str(folder), git("rev-parse", "HEAD")


def test_a_release_is_described_by_its_sources_and_says_what_slipway_does_not_hold(
    acme: Principal, database: Database, settings: Settings, repository: tuple[str, str]
) -> None:
    address, commit = repository
    image = Artifact(name="registry.example.com/web", type="oci-image", digest="sha256:" + "b" * 64)
    app = App(settings, registry([WORKER, ATTESTATION]))
    with database.tenant_session(acme.tenant_id) as session:
        asked = CreateRelease(service="web", version="1.4.0", commit=commit, repository=address, artifacts=[image])
        release, _ = ReleaseService(session).create(acme, asked, environments=NoEnvironments())
        identifier = release.id
    drain(app, patience=timedelta(seconds=1))
    with database.tenant_session(acme.tenant_id) as session:
        service = SupplyChainAttestationService(session, settings)
        subject = f"releases/{identifier}"
        assert {each.format for each in service.sboms_of(acme.tenant_id, subject)} == set(SbomFormat)
        (place,) = service.where(acme.tenant_id, "pkg:pypi/flask@3.0.0").releases
        assert (place.kind, place.label, place.certain) == ("release", "web 1.4.0", True)
        states = {each.label: each.state for each in service.makings_of(acme.tenant_id, subject)}
        assert states == {"web 1.4.0": "made", "registry.example.com/web": "unsupported"}
        _, document = InputService(session, settings).gather(acme.tenant_id, None, subject, "system")
        flask = {"name": "flask", "purl": "pkg:pypi/flask@3.0.0", "version": "3.0.0", "licenses": []}
        assert flask in document["sbom"]["packages"]
        assert document["sbom"]["complete"]
        Draft202012Validator(input_schema()).validate(document)
        service.request_sboms(acme, subject)
    assert drain(app, patience=timedelta(seconds=1)).count("attestations.index_sbom") == 0  # the same bytes, once
    with database.tenant_session(acme.tenant_id) as session:
        service = SupplyChainAttestationService(session, settings)
        service.forget_sboms(acme.tenant_id, subject)
        assert service.where(acme.tenant_id, "pkg:pypi/flask").versions == []
        assert service.makings_of(acme.tenant_id, subject) == []
    app.close()


class NoEnvironments:
    """What a release is made from where no environment is named."""

    def get(self, tenant_id: UUID, environment_id: UUID) -> Any:
        raise NotFoundError(f"{tenant_id} has no {environment_id}")


def test_the_wheel_of_a_release_is_described_with_what_it_requires(settings: Settings) -> None:
    name, wheel = build_wheel("Acme_Data", "1.2.0", {"acme_data/__init__.py": b""}, ("pulumi>=3", "x; extra == 'y'"))
    root = Root(name, "1.2.0", "pkg:pypi/acme-data@1.2.0", hashlib.sha256(wheel).hexdigest())
    material = Material(MaterialKind.PACKAGE, {name: wheel}, root, now(), UUID(int=1), "1.0.0")
    generator, missing = generator_for(MaterialKind.PACKAGE, settings)
    assert (generator is None, missing) == (False, "")
    assert generator is not None
    made = generator.generate(material, settings, Sandbox().run)
    again = generator.generate(material, settings, Sandbox().run)
    assert made == again
    components = json.loads(made.documents[SbomFormat.CYCLONEDX])["components"]
    found = {each["purl"]: {p["name"]: p["value"] for p in each["properties"]} for each in components}
    assert set(found) == {"pkg:pypi/acme-data@1.2.0", "pkg:pypi/pulumi"}
    assert found["pkg:pypi/pulumi"]["slipway:constraint"] == ">=3"


@pytest.mark.parametrize(
    ("files", "problem"),
    [
        ({"package-lock.json": b"[" * 100_000}, "package-lock.json"),
        ({"a.whl": b"no zip"}, "a.whl"),
        ({"Cargo.lock": b"\xff", "uv.lock": b"[[package]]\nname = 1\n"}, "Cargo.lock"),
        ({"requirements.txt": b"-r /etc/passwd\n--index-url http://127.0.0.1:1/\n"}, ""),
        ({"package-lock.json": json.dumps({"lockfileVersion": 3, "packages": {"x": 1}}).encode()}, "package-lock.json"),
    ],
)
def test_hostile_content_makes_a_document_that_says_what_was_not_read(
    files: dict[str, bytes], problem: str, settings: Settings
) -> None:
    root = Root("x", "1", "pkg:generic/x@1")
    material = Material(MaterialKind.TREE, files, root, now(), UUID(int=1), "1.0.0")
    made = generators()["cyclonedx-python"].generate(material, settings, Sandbox().run)
    assert check_document(made.documents[SbomFormat.CYCLONEDX]) is SbomFormat.CYCLONEDX
    assert b"root:" not in made.documents[SbomFormat.CYCLONEDX]
    assert any(problem in each for each in made.problems) or not problem


def test_a_generator_that_needs_too_much_is_stopped(settings: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sbom_generators, "LIMITS", SandboxLimits(wall_seconds=0.05))
    material = Material(MaterialKind.TREE, {}, Root("x", "1", "pkg:generic/x@1"), now(), UUID(int=1), "1.0.0")
    with pytest.raises(GenerationError, match="longer than"):
        generators()["cyclonedx-python"].generate(material, settings, Sandbox().run)


def test_a_missing_tool_is_a_condition_that_says_what_to_install(settings: Settings, tmp_path: Path) -> None:
    bare = settings.model_copy(update={"tools_dir": tmp_path})
    generator, missing = generator_for(MaterialKind.IMAGE, bare)
    if generator is None:
        assert "syft is missing" in missing
        assert "https://github.com/anchore/syft" in missing
    else:
        assert generator.name == "syft"  # on this machine's PATH

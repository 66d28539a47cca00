"""Images and npm packages elsewhere: fetched from registries that were named, described, and told what they are of."""

import hashlib
import io
import json
import tarfile
from collections.abc import Callable, Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest
from pydantic import SecretStr
from sqlmodel import select

from catalog.attestations.models import Attestation
from catalog.attestations.sbom_events import SbomReferred
from catalog.attestations.sboms.models import RegistryKind, Sbom
from catalog.attestations.sboms.shapes import AddRegistry
from catalog.attestations.service import SupplyChainAttestationService
from catalog.attestations.statements import Subject
from catalog.db import Database
from catalog.errors import InvalidInputError, NotFoundError
from catalog.events.models import EventRecord
from catalog.releases.models import Artifact, CreateRelease
from catalog.releases.service import ReleaseService
from catalog.settings import Settings
from catalog.tenancy import Principal
from tests.registries import StandIn, digest_of, standing_in
from workers.attestation import WORKER as ATTESTATION
from workers.main import App
from workers.runtime.drain import drain
from workers.runtime.registry import registry as jobs
from workers.sbom_generation import WORKER
from workers.sbom_materials import npm_name

PACKAGE = {"name": "@acme/web", "version": "1.2.0", "license": "MIT", "dependencies": {"lodash": "^4.17.0"}}


@pytest.fixture
def elsewhere() -> Iterator[StandIn]:
    with standing_in() as registry:
        yield registry


@pytest.fixture
def settings(settings: Settings, elsewhere: StandIn, tmp_path: Path) -> Settings:
    """Settings that can seal, under which the stand-in is asked, and without tools of this machine's."""
    key = SecretStr("a master key of forty-three characters, or so")
    more = {"internal_domains": (elsewhere.host,), "tools_dir": tmp_path / "tools"}
    return settings.model_copy(update={"master_key": key, **more})


@pytest.fixture
def work(settings: Settings) -> Iterator[Callable[[], list[str]]]:
    app = App(settings, jobs([WORKER, ATTESTATION]))
    yield lambda: drain(app, patience=timedelta(seconds=1))
    app.close()


def packed(files: dict[str, bytes]) -> bytes:
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w:gz") as archive:
        for name, data in files.items():
            entry = tarfile.TarInfo(name)
            entry.size = len(data)
            archive.addfile(entry, io.BytesIO(data))
    return buffer.getvalue()


class NoEnvironments:
    """What a release is made from where no environment is named."""

    def get(self, tenant_id: UUID, environment_id: UUID) -> Any:
        raise NotFoundError(f"{tenant_id} has no {environment_id}")


def release(database: Database, principal: Principal, *artifacts: Artifact) -> UUID:
    with database.tenant_session(principal.tenant_id) as session:
        asked = CreateRelease(
            service="web", version="1.4.0", commit="a" * 40, repository="elsewhere", artifacts=list(artifacts)
        )
        made, _ = ReleaseService(session).create(principal, asked, environments=NoEnvironments())
        return made.id


def test_an_npm_package_is_fetched_and_described_and_an_image_is_told_what_it_is_made_of(
    acme: Principal,
    rival: Principal,
    database: Database,
    settings: Settings,
    elsewhere: StandIn,
    work: Callable[[], list[str]],
) -> None:
    data = packed({"package/package.json": json.dumps(PACKAGE).encode()})
    path = "/@acme/web/-/web-1.2.0.tgz"
    elsewhere.files[path] = data
    image = elsewhere.add_image(b"layer")
    package = Artifact(name="@acme/web", type="npm", digest=digest_of(data), uri=f"https://{elsewhere.host}{path}")
    picture = Artifact(name=f"{elsewhere.host}/acme/web:1.4.0", type="oci-image", digest=image)
    with database.tenant_session(acme.tenant_id) as session:
        service = SupplyChainAttestationService(session, settings)
        service.add_registry(acme, AddRegistry(kind=RegistryKind.NPM, host=elsewhere.host))
        named = AddRegistry(
            host=elsewhere.host, username="slipway", secret=SecretStr(elsewhere.password), may_push=True
        )
        assert service.add_registry(acme, named).id == service.add_registry(acme, named).id
    identifier = release(database, acme, package, picture)
    work()
    with database.tenant_session(acme.tenant_id) as session:
        service = SupplyChainAttestationService(session, settings)
        subject = f"releases/{identifier}"
        states = {each.label: (each.state, each.detail) for each in service.makings_of(acme.tenant_id, subject)}
        assert states["@acme/web"][0] == "made", states
        (place,) = service.where(acme.tenant_id, "pkg:npm/lodash").releases
        assert (place.label, place.version, place.certain) == ("web 1.4.0", "", True)
        (own,) = service.where(acme.tenant_id, "pkg:npm/%40acme/web@1.2.0").releases
        assert own.certain
        assert {each.kind: each.problem for each in service.registries(acme.tenant_id)}[RegistryKind.NPM] == ""
        bom = {"bomFormat": "CycloneDX", "specVersion": "1.6", "version": 1, "components": []}
        about = Subject("web", "sha256", image.removeprefix("sha256:"))
        attached = service.attach_sbom(acme, [about], json.dumps(bom).encode())
        bundle, _ = service.envelope(attached.id)
    assert "attestations.refer_sbom" in work()
    layers = [elsewhere.blobs[each["layers"][0]["digest"]] for each in elsewhere.referrers(image)]
    assert bundle in layers, "the exact bundle that was signed"
    with database.tenant_session(acme.tenant_id) as session:
        told = session.exec(
            select(EventRecord).where(EventRecord.type == SbomReferred.event_type()).order_by("sequence")
        ).all()
        assert {each.data["image"] for each in told} == {image}
    with database.tenant_session(rival.tenant_id) as session:
        service = SupplyChainAttestationService(session, settings)
        assert service.registries(rival.tenant_id) == []
        assert service.registry_access(rival.tenant_id, RegistryKind.OCI, elsewhere.host) is None


def test_what_a_registry_refuses_is_said_and_what_nobody_named_is_not_asked(
    acme: Principal, database: Database, settings: Settings, elsewhere: StandIn, work: Callable[[], list[str]]
) -> None:
    path = "/web/-/web-1.2.0.tgz"
    elsewhere.files[path] = b"something else"
    uri = f"https://{elsewhere.host}{path}"
    artifact = Artifact(name="web", type="npm", digest="sha256:" + "b" * 64, uri=uri)
    identifier = release(database, acme, artifact)
    work()
    assert elsewhere.asked == []
    with database.tenant_session(acme.tenant_id) as session:
        service = SupplyChainAttestationService(session, settings)
        states = {each.label: each.detail for each in service.makings_of(acme.tenant_id, f"releases/{identifier}")}
        assert "not one that you have named" in states["web"]
        service.add_registry(acme, AddRegistry(kind=RegistryKind.NPM, host=elsewhere.host))
        service.request_sboms(acme, f"releases/{identifier}")
        with pytest.raises(InvalidInputError):
            service.add_registry(acme, AddRegistry(host="registry.example.com", may_push=True))
    work()
    with database.tenant_session(acme.tenant_id) as session:
        service = SupplyChainAttestationService(session, settings)
        states = {each.label: each.detail for each in service.makings_of(acme.tenant_id, f"releases/{identifier}")}
        assert "answered with something else" in states["web"]
        (row,) = service.registries(acme.tenant_id)
        assert "answered with something else" in row.problem
        service.remove_registry(acme, row.id)
        assert service.registries(acme.tenant_id) == []


def test_older_documents_are_read_into_the_index(
    acme: Principal, database: Database, settings: Settings, work: Callable[[], list[str]]
) -> None:
    component = {"type": "library", "name": "left-pad", "version": "1.3.0", "purl": "pkg:npm/left-pad@1.3.0"}
    bom = {"bomFormat": "CycloneDX", "specVersion": "1.6", "version": 1, "components": [component]}
    digest = hashlib.sha256(b"artifact").hexdigest()
    with database.tenant_session(acme.tenant_id) as session:
        service = SupplyChainAttestationService(session, settings)
        document = json.dumps(bom).encode()
        kept = service.attach_sbom(acme, [Subject("web", "sha256", digest)], document)
        service.attach_sbom(acme, [Subject("environments/1", "sha256", "0" * 64)], document)
    work()
    with database.tenant_session(acme.tenant_id) as session:
        service = SupplyChainAttestationService(session, settings)
        assert service.not_indexed(acme.tenant_id) == []
        for row in session.exec(select(Sbom)):  # as it was before there was an index, and after an environment went
            session.delete(row)
        session.flush()
        assert service.not_indexed(acme.tenant_id) == [kept.id]
        assert session.get(Attestation, kept.id) is not None
    app = App(settings, jobs([WORKER]))
    try:
        assert "attestations.index_older_sboms" in drain(app, periodic=True, patience=timedelta(seconds=1))
    finally:
        app.close()
    with database.tenant_session(acme.tenant_id) as session:
        service = SupplyChainAttestationService(session, settings)
        assert service.not_indexed(acme.tenant_id) == []
        assert [each.version for each in service.where(acme.tenant_id, "pkg:npm/left-pad").versions] == ["1.3.0"]


@pytest.mark.parametrize(
    ("path", "name"),
    [
        ("/@acme/web/-/web-1.2.0-rc.1.tgz", ("@acme/web", "1.2.0-rc.1")),
        ("/npm/lodash/-/lodash-4.17.21.tgz", ("lodash", "4.17.21")),
        ("/odd.tgz", ("odd", "")),
    ],
)
def test_the_name_of_a_package_file(path: str, name: tuple[str, str]) -> None:
    assert npm_name(path) == name

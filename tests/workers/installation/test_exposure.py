"""Which installs are hit: by a package in a bill of materials, and by what signed OpenVEX calls affected."""

import hashlib
import json
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric import ec

from catalog.assets.service import AssetService
from catalog.attestations.sboms.documents import wrap
from catalog.attestations.service import SupplyChainAttestationService
from catalog.attestations.shapes import ImportedKey
from catalog.attestations.statements import Subject
from catalog.errors import InvalidInputError
from catalog.installs.service import InstallService
from catalog.installs.shapes import InstallFilter, InstallRead
from catalog.tenancy import Principal
from tests.catalog.attestations.conftest import Outsider
from tests.workers.installation.conftest import Do, Ledger, Repo

VEX = "https://openvex.dev/ns/v0.2.0"


class Signer:
    """Somebody whose key a tenant has imported, and what that tenant takes in of theirs."""

    def __init__(self, ledger: Ledger, who: Principal) -> None:
        self.ledger, self.who = ledger, who
        self.outsider = Outsider(ec.generate_private_key(ec.SECP256R1()))
        with ledger.database.tenant_session(who.tenant_id) as session:
            key = ImportedKey(name="outsider", public_key=self.outsider.public)
            SupplyChainAttestationService(session, ledger.settings).import_key(who, key)

    def vex(self, digest: str, status: str, time: str) -> None:
        statement = {"vulnerability": {"name": "CVE-2026-1"}, "status": status, "products": [{"@id": "pkg:x/y"}]}
        head = {"@context": VEX, "@id": "https://example.com/vex/1", "author": "Ann", "version": 1, "timestamp": time}
        self.send(self.outsider.bundle(digest, predicateType=VEX, predicate={**head, "statements": [statement]}))

    def sbom(self, digest: str, *purls: str) -> None:
        document = {"bomFormat": "CycloneDX", "specVersion": "1.6", "components": [{"purl": each} for each in purls]}
        subject = Subject("artifact", "sha256", digest)
        payload = wrap([subject], "https://cyclonedx.org/bom", json.dumps(document).encode())
        self.send(self.outsider.sealed(payload), index=True)

    def send(self, bundle: bytes, *, index: bool = False) -> None:
        with self.ledger.database.tenant_session(self.who.tenant_id) as session:
            service = SupplyChainAttestationService(session, self.ledger.settings)
            made, _ = service.receive(self.who, bundle)
            if index:
                service.index_sbom(self.who.tenant_id, made.id)


def listed(ledger: Ledger, **chosen: Any) -> list[InstallRead]:
    with ledger.database.tenant_session(ledger.who.tenant_id) as session:
        wanted = InstallFilter.model_validate(chosen)
        return InstallService(session, ledger.settings).page(ledger.who.tenant_id, wanted).items


def test_installs_are_found_by_what_is_in_them_and_what_is_open_about_it(
    publish: Do, repo: Repo, ledger: Ledger, acme: Principal, rival: Principal
) -> None:
    publish()
    publish(name="other")
    install = ledger.install("acme/pipeline", {"repository": str(repo.path)})
    ledger.install("acme/other", {"repository": str(repo.path)})
    with ledger.database.tenant_session(acme.tenant_id) as session:
        digest = AssetService(session).version(acme.tenant_id, "acme", "pipeline", "1.0.0").blob_digest
    assert listed(ledger, vulnerable=True) == []
    signer, stranger = Signer(ledger, acme), Signer(ledger, rival)
    signer.sbom(digest, "pkg:npm/lodash@4.17.20", "pkg:npm/unversioned")
    signer.sbom(hashlib.sha256(b"else").hexdigest(), "pkg:npm/elsewhere@1.0.0")

    def by(package: str, versions: str = "") -> list[str]:
        return [each.name for each in listed(ledger, package=package, versions=versions)]

    assert by("pkg:npm/lodash") == by("pkg:npm/lodash", "<4.17.21") == by("pkg:npm/lodash@4.17.20") == [install.name]
    assert by("pkg:npm/unversioned", "<2") == [install.name]  # a search for a hole must not miss it
    assert by("pkg:npm/lodash", ">=4.17.21") == by("pkg:npm/elsewhere") == by("pkg:npm/nothing") == []
    with pytest.raises(InvalidInputError):
        by("lodash")

    stranger.vex(digest, "affected", "2026-01-01T00:00:00Z")
    assert listed(ledger, vulnerable=True) == []  # somebody else's word about it counts for nothing
    signer.vex(digest, "affected", "2026-01-01T00:00:00Z")
    (hit,) = listed(ledger, vulnerable=True)
    assert hit.standing is not None
    assert (hit.name, hit.standing.vulnerabilities, hit.standing.vulnerable) == (install.name, ["CVE-2026-1"], True)
    signer.vex(digest, "fixed", "2026-02-01T00:00:00Z")
    assert listed(ledger, vulnerable=True) == []

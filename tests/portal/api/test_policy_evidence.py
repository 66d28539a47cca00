"""Evidence in the input of policies: what a release may hold is all seen, and what had no room is said."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import pytest
from jsonschema import Draft202012Validator
from litestar import Litestar
from litestar.testing import TestClient
from pydantic import SecretStr

from catalog.attestations.service import SupplyChainAttestationService
from catalog.attestations.shapes import AttestationRead, SignStatement, SubjectRead
from catalog.db import Database
from catalog.gates import evidence
from catalog.gates.inputs import input_schema
from catalog.settings import Settings
from catalog.tenancy import Principal

API = "/api/v1"
VULNS = "https://in-toto.io/attestation/vulns/v0.2"
CYCLONEDX = "https://cyclonedx.org/bom"
MOST_ARTIFACTS = 200
DIGESTS = [f"{number:064x}" for number in range(1, MOST_ARTIFACTS + 1)]
FORBIDDEN = 'deny contains "evil" if input.sbom.packages[_].name == "evil"'
EVIL = {"type": "library", "name": "evil", "version": "1.0.0", "purl": "pkg:pypi/evil@1.0.0"}
Sign = Callable[..., AttestationRead]


@pytest.fixture
def settings(settings: Settings) -> Settings:
    """Settings with a master key, so that keys can be sealed."""
    return settings.model_copy(update={"master_key": SecretStr("a master key of forty-three characters, or so")})


@pytest.fixture
def attestations(database: Database, settings: Settings, acme: Principal) -> Callable[[], Any]:
    """Return what opens acme's attestations, in a transaction of its own."""

    @contextmanager
    def opened() -> Iterator[SupplyChainAttestationService]:
        with database.tenant_session(acme.tenant_id) as session:
            yield SupplyChainAttestationService(session, settings)

    return opened


@pytest.fixture
def sign(attestations: Callable[[], Any], acme: Principal) -> Sign:
    """Return what says something of a digest, signed by acme; packages go into the index."""

    def signed(digest: str, predicate_type: str, predicate: dict[str, Any]) -> AttestationRead:
        subject = SubjectRead(name="web", algorithm="sha256", digest=digest)
        with attestations() as service:
            asked = SignStatement(subjects=[subject], predicate_type=predicate_type, predicate=predicate)
            made: AttestationRead = service.sign_for(acme, asked)
            service.index_sbom(acme.tenant_id, made.id)
        return made

    return signed


def test_the_last_artifact_of_the_largest_release_is_seen(
    api: TestClient[Litestar], publish_policy: Callable[..., str], acme: Principal, sign: Sign
) -> None:
    publish_policy(acme, "guard", FORBIDDEN)
    bound = {"bundle": "acme/guard", "scope": {"kind": "tenant"}, "points": ["release"]}
    assert api.post(f"{API}/policies/bindings", json=bound).status_code == 201
    bom = {"bomFormat": "CycloneDX", "specVersion": "1.6", "version": 1, "components": [EVIL]}
    sign(DIGESTS[-1], CYCLONEDX, bom)
    sign(DIGESTS[-1], VULNS, {"scanner": {"result": []}})
    artifacts = [{"name": f"web-{each[-3:]}", "type": "oci-image", "digest": f"sha256:{each}"} for each in DIGESTS]
    release = {"service": "web", "version": "1", "repository": "https://git.example.com/web", "commit": "a" * 40}
    refused = api.post(f"{API}/releases", json={**release, "artifacts": artifacts})
    assert refused.status_code == 403, refused.text
    kept = api.get(f"{API}/policies/evaluations/{refused.json()['evaluation']}").json()["input"]
    Draft202012Validator(input_schema()).validate(kept)
    assert {each["predicate_type"] for each in kept["attestations"]} == {CYCLONEDX, VULNS}
    assert (kept["evidence"], kept["sbom"]["complete"]) == ({"complete": True}, True)
    passed = api.post(f"{API}/releases", json={**release, "artifacts": artifacts[:-1]})
    assert passed.status_code == 201, passed.text


def test_what_has_no_room_is_said(
    database: Database,
    settings: Settings,
    acme: Principal,
    sign: Sign,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    sign(DIGESTS[0], VULNS, {"scanner": {"result": []}})
    sign(DIGESTS[0], "https://example.com/other", {"said": True})

    def about() -> tuple[int, int, bool]:
        with database.tenant_session(acme.tenant_id) as session:
            found = evidence.attestations_about(session, settings, acme.tenant_id, [f"sha256:{DIGESTS[0]}"])
        listed = found["attestations"]
        return len(listed), sum("predicate" in each for each in listed), found["evidence"]["complete"]

    assert about() == (2, 2, True)
    monkeypatch.setattr(evidence, "LARGEST_PREDICATES", 10)
    assert about() == (2, 0, False)
    monkeypatch.undo()
    monkeypatch.setattr(evidence, "MOST_ATTESTATIONS", 1)
    monkeypatch.setattr(evidence, "LEAST_EACH", 1)
    assert about() == (1, 1, False)

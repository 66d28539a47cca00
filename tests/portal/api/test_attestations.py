"""Attestations over HTTP: sent at both addresses, judged, read back byte for byte; keys and trust policies."""

import base64
import hashlib
import json
from collections.abc import Callable
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric import ec
from jsonschema import Draft202012Validator
from litestar import Litestar
from litestar.testing import TestClient
from pydantic import SecretStr

from catalog.attestations.dsse import STATEMENT_TYPE, pae
from catalog.attestations.signatures import load_public_der, pem
from catalog.providers.signers.local import sign_with, spki
from catalog.settings import Settings
from catalog.tenancy import Principal

Client = TestClient[Litestar]
NewClient = Callable[..., Client]
API = "/api/v1/attestations"
JSON = {"Content-Type": "application/json"}
KEY = ec.generate_private_key(ec.SECP256R1())
DIGEST = hashlib.sha256(b"artifact").hexdigest()


@pytest.fixture
def settings(settings: Settings) -> Settings:
    """Settings with a master key, so that keys can be sealed."""
    return settings.model_copy(update={"master_key": SecretStr("a master key of forty-three characters, or so")})


def envelope(digest: str = DIGEST, kind: str = "https://slsa.dev/provenance/v1") -> bytes:
    predicate = {"buildDefinition": {"buildType": "https://example.com/b"}, "runDetails": {"builder": {"id": "x:y"}}}
    statement = {
        "_type": "https://in-toto.io/Statement/v1",
        "subject": [{"name": "a", "digest": {"sha256": digest}}],
        "predicateType": kind,
        "predicate": predicate,
    }
    payload = json.dumps(statement).encode()
    signature = base64.b64encode(sign_with(KEY, pae(STATEMENT_TYPE, payload))).decode()
    content = {
        "payload": base64.b64encode(payload).decode(),
        "payloadType": STATEMENT_TYPE,
        "signatures": [{"sig": signature}],
    }
    return json.dumps(content, indent=3).encode()


@pytest.fixture
def key(api: Client) -> dict[str, Any]:
    """Import the public half of the tests' key."""
    body = {"name": "ci", "public_key": pem(load_public_der(spki(KEY)))}
    answer = api.post(f"{API}/keys/import", json=body)
    assert answer.status_code == 201, answer.text
    found: dict[str, Any] = answer.json()
    return found


def test_an_attestation_is_sent_at_both_addresses_and_read_back(api: Client, key: dict[str, Any]) -> None:
    data = envelope()
    answer = api.post(API, content=data, headers=JSON)
    assert answer.status_code == 201, answer.text
    sent = answer.json()
    assert (sent["verified"], sent["signer"], sent["key_id"]) == (True, "ci", key["key_id"])
    assert sent["subjects"] == [{"name": "a", "algorithm": "sha256", "digest": DIGEST}]
    assert answer.headers["location"] == f"{API}/{sent['id']}"
    again = api.post("/attestations", content=data, headers=JSON)
    assert (again.status_code, again.json()["id"]) == (200, sent["id"])
    assert api.get(f"{API}/{sent['id']}").json() == sent
    exact = api.get(f"{API}/{sent['id']}/envelope")
    assert (exact.content, exact.headers["etag"]) == (data, f'"sha256:{hashlib.sha256(data).hexdigest()}"')
    found = api.get(API, params={"subject": f"sha256:{DIGEST}"}).json()["items"]
    assert [each["id"] for each in found] == [sent["id"]]
    assert api.get(API, params={"subject": "sha256:" + "0" * 64}).json()["items"] == []
    assert api.get(API, params={"evidence": "sbom"}).json()["items"] == []


def test_what_is_refused_is_kept_and_never_listed_as_evidence(api: Client) -> None:
    data = envelope()
    answer = api.post(API, content=data, headers={**JSON, "Idempotency-Key": "k"})
    assert answer.status_code == 422
    problem = answer.json()
    assert problem["type"] == "urn:slipway:problem:attestation_rejected"
    assert problem["errors"][0]["detail"].startswith("unknown_key: ")
    assert api.get(API).json()["items"] == []
    (kept,) = api.get(API, params={"verdict": "rejected"}).json()["items"]
    assert (kept["verified"], kept["reason"]) == (False, "unknown_key")
    assert api.get(f"{API}/{kept['id']}/envelope").content == data
    types = [each["type"] for each in api.get("/api/v1/events").json()["items"]]
    assert "dev.slipway.attestation.verified.v1" not in types


def test_a_statement_about_another_artifact_is_not_taken_for_this_one(api: Client, key: dict[str, Any]) -> None:
    assert key
    answer = api.post(API, content=envelope(), headers=JSON, params={"subject": "sha256:" + "0" * 64})
    assert (answer.status_code, answer.json()["errors"][0]["pointer"]) == (422, "/payload/subject")
    assert answer.json()["errors"][0]["detail"].startswith("other_subject: ")


@pytest.mark.parametrize(
    ("content", "headers", "status"),
    [
        (b"", JSON, 422),
        (b"not json", JSON, 422),
        (b"[" * 100_000, JSON, 422),
        (b"\xff\xfe", JSON, 422),
        (b"{}", {"Content-Type": "text/plain"}, 415),
        (b" " * (16 * 1024 * 1024 + 2), JSON, 413),
    ],
)
def test_bodies_that_are_nothing(api: Client, content: bytes, headers: dict[str, str], status: int) -> None:
    answer = api.post(API, content=content, headers=headers)
    assert answer.status_code == status, answer.text
    assert answer.headers["content-type"].startswith("application/problem+json")


def test_an_artifact_is_judged_by_the_tenants_policy_or_another(api: Client, key: dict[str, Any]) -> None:
    assert key
    api.post(API, content=envelope(), headers=JSON)
    subject = f"sha256:{DIGEST}"
    plain = api.post(f"{API}/verify", json={"subject": subject}).json()
    assert (plain["trusted"], plain["kind"], plain["policy_version"]) == (True, "file", 0)
    policy = {
        "requirements": [
            {"evidence": "provenance", "applies_to": ["file"]},
            {"evidence": "sbom", "applies_to": ["file"]},
        ]
    }
    tried = api.post(f"{API}/verify", json={"subject": subject, "policy": policy}).json()
    assert (tried["trusted"], tried["policy_version"], tried["met"]) == (False, None, ["provenance"])
    assert tried["checked"][0]["counts_for"] == ["provenance"]
    (missing,) = tried["missing"]
    assert (missing["evidence"], missing["detail"]) == ("sbom", "There is no sbom attestation.")
    for bad, status in (("sha256:12", 422), ("nonsense", 422), ("acme/none@1.0.0", 404), ("environments/x", 422)):
        assert api.post(f"{API}/verify", json={"subject": bad}).status_code == status, bad


def test_a_trust_policy_has_versions_and_loses_no_change(api: Client) -> None:
    present = api.get(f"{API}/trust-policy").json()
    assert present["version"] == 0
    Draft202012Validator(api.get("/api/v1/schemas/trust-policy").json()).validate(present["document"])
    document = {"requirements": [{"evidence": "provenance", "least_slsa_level": 2}]}
    changed = api.put(f"{API}/trust-policy", json={"version": 0, "document": document, "note": "builds"})
    assert (changed.status_code, changed.json()["version"]) == (200, 1)
    late = api.put(f"{API}/trust-policy", json={"version": 0, "document": document})
    assert (late.status_code, late.json()["type"]) == (409, "urn:slipway:problem:trust_policy_changed")
    broken = api.put(f"{API}/trust-policy", json={"version": 1, "document": {"requirements": [{"evidence": ""}]}})
    assert broken.json()["errors"][0]["pointer"] == "/document/requirements/0/evidence"
    assert [each["version"] for each in api.get(f"{API}/trust-policy/versions").json()["items"]] == [1]


def test_keys_and_identities(api: Client, key: dict[str, Any]) -> None:
    made = api.post(f"{API}/keys", json={"name": "release", "algorithm": "ed25519"}).json()
    assert (made["signs"], made["algorithm"]) == (True, "ed25519")
    assert "provider_ref" not in made
    names = {each["name"]: each["state"] for each in api.get(f"{API}/keys").json()["items"]}
    assert names == {"ci": "active", "release": "active"}
    revoked = api.post(f"{API}/keys/{key['id']}/revoke", json={"reason": "it leaked"})
    assert (revoked.status_code, revoked.json()["state"]) == (200, "revoked")
    assert api.get(f"{API}/keys/{key['id']}").json()["state_reason"] == "it leaked"
    assert api.get(f"{API}/keys/{key['id']}/affected").json()["affected"] == []
    identity = {"name": "release workflow", "issuer": "https://id.example.com", "subject": "https://example.com/*"}
    added = api.post(f"{API}/identities", json=identity)
    assert added.status_code == 201
    assert api.post(f"{API}/identities", json=identity).status_code == 409
    assert [each["name"] for each in api.get(f"{API}/identities").json()["items"]] == ["release workflow"]
    assert api.delete(f"{API}/identities/{added.json()['id']}").status_code == 204
    assert api.get(f"{API}/identities").json()["items"] == []
    again = api.post(f"{API}/identities", json=identity).json()
    address = f"{API}/identities/{again['id']}/revoke"
    assert api.post(address, json={"reason": ""}).status_code == 422
    revoked = api.post(address, json={"reason": "it was taken over"})
    assert (revoked.status_code, revoked.json()["invalidated"], revoked.json()["affected"]) == (200, 0, [])
    assert api.post(address, json={"reason": "again"}).status_code == 404
    assert api.get(f"{API}/identities").json()["items"] == []


def test_slipway_signs_what_an_administrator_asks_for_and_nothing_of_its_own(api: Client) -> None:
    subjects = [{"name": "a", "algorithm": "sha256", "digest": DIGEST}]
    asked = {"subjects": subjects, "predicate_type": "https://in-toto.io/attestation/vulns/v0.2", "predicate": {}}
    signed = api.post(f"{API}/sign", json=asked)
    assert (signed.status_code, signed.json()["verified"]) == (201, True)
    forged = api.post(f"{API}/sign", json={**asked, "predicate_type": "https://slipway.dev/attestation/publish/v1"})
    assert (forged.status_code, forged.json()["errors"][0]["pointer"]) == (422, "/predicate_type")


def test_the_schemas_of_our_predicates_are_served(api: Client) -> None:
    for name in ("publish", "environment", "rollout", "policy-decision", "cost-estimate"):
        schema = api.get(f"/api/v1/schemas/predicates/{name}").json()
        Draft202012Validator.check_schema(schema)
        assert schema["$id"] == f"https://slipway.dev/attestation/{name}/v1"
    assert api.get("/api/v1/schemas/predicates/other").status_code == 404


def test_each_route_needs_its_scope(client_of: NewClient, acme: Principal) -> None:
    reader = client_of(acme, ["attestations:read"])
    assert reader.get(API).status_code == 200
    for method, path, body in [
        ("POST", API, None),
        ("POST", "/attestations", None),
        ("POST", f"{API}/sign", {}),
        ("POST", f"{API}/keys", {"name": "x"}),
        ("PUT", f"{API}/trust-policy", {"version": 0, "document": {}}),
    ]:
        content = {"content": envelope(), "headers": JSON} if body is None else {"json": body}
        assert reader.request(method, path, **content).status_code == 403, path
    assert client_of(acme, ["assets:read"]).get(API).status_code == 403

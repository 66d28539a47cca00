"""What gates decide, signed: about which artifacts, by which key, once, and never for what somebody only asked."""

import base64
import json
from collections.abc import Callable
from typing import Any

import pytest
from litestar import Litestar
from litestar.testing import TestClient
from pydantic import SecretStr

from catalog.attestations.dsse import read_signed
from catalog.attestations.predicates import POLICY_DECISION, VSA
from catalog.attestations.signatures import is_valid, load_public_key
from catalog.settings import Settings
from catalog.tenancy import Principal

Client = TestClient[Litestar]
OWNED = (
    'deny contains {"rule": "owner", "level": "mandatory", "message": "Nobody owns it."} if input.release.owner == ""'
)
DIGEST = "9f" * 32
RELEASE: dict[str, Any] = {
    "service": "web",
    "version": "1.4.0",
    "repository": "https://git.example.com/acme/web",
    "commit": "9fceb02d0ae598e95dc970b74767f19372d61af8",
    "artifacts": [
        {"name": "web", "type": "oci-image", "digest": f"sha256:{DIGEST}", "uri": "registry.example.com/web:1.4.0"},
        {"name": "notes", "type": "archive", "digest": "sha512:" + "1a" * 64},
    ],
}


@pytest.fixture
def settings(settings: Settings) -> Settings:
    """Settings with a master key, so that keys can be sealed."""
    return settings.model_copy(update={"master_key": SecretStr("a master key of forty-three characters, or so")})


@pytest.fixture
def bound(api: Client, publish_policy: Callable[..., str], acme: Principal) -> str:
    """A bundle that wants every release to have an owner, in force; its digest."""
    digest = publish_policy(acme, "guard", OWNED)
    assert api.post("/api/v1/policies/bindings", json={"bundle": "acme/guard"}).status_code == 201
    return digest


def decided(api: Client, **changes: Any) -> str:
    """Record a release, or try to, and return the evaluation."""
    answer = api.post("/api/v1/releases", json={**RELEASE, **changes})
    said = answer.json()
    return str(said["evaluation"] if answer.status_code == 403 else said["verdict"]["evaluation"])


def statements(api: Client, evaluation: str) -> list[dict[str, Any]]:
    answer = api.post(f"/api/v1/policies/evaluations/{evaluation}/statements")
    assert answer.status_code == 200, answer.text
    found: list[dict[str, Any]] = answer.json()["items"]
    return found


def said(api: Client, statement: dict[str, Any]) -> dict[str, Any]:
    """Return what a statement says, once its signature was verified with the key that it names."""
    data = api.get(f"/api/v1/attestations/{statement['id']}/envelope").content
    envelope = read_signed(data).envelope
    assert is_valid(load_public_key(statement["public_key"]), envelope.signature, envelope.signed)
    content: dict[str, Any] = json.loads(envelope.payload)
    assert base64.b64encode(envelope.payload).decode() in data.decode()
    return content


def test_a_refusal_and_a_pass_are_both_signed(api: Client, bound: str) -> None:
    refused, passed = decided(api), decided(api, owner="Storefront")
    summary, decision = (said(api, each) for each in statements(api, refused))
    assert summary["predicateType"] == VSA
    assert summary["subject"] == [{"name": "registry.example.com/web:1.4.0", "digest": {"sha256": DIGEST}}]
    assert summary["predicate"]["verificationResult"] == "FAILED"
    assert summary["predicate"]["resourceUri"] == "urn:slipway:releases/web@1.4.0"
    assert summary["predicate"]["policy"]["digest"].keys() == {"sha256"}
    assert "guard" not in json.dumps(summary)
    assert decision["predicateType"] == POLICY_DECISION
    assert decision["predicate"]["bundles"] == [{"asset": "acme/guard", "version": "1.0.0", "digest": bound}]
    assert [each["rule"] for each in decision["predicate"]["violations"]] == ["owner"]
    kept = api.get(f"/api/v1/policies/evaluations/{refused}").json()
    assert decision["subject"][0]["digest"]["sha256"] == kept["input_digest"]
    summary = said(api, statements(api, passed)[0])
    assert (summary["predicate"]["verificationResult"], summary["predicate"]["verifiedLevels"]) == ("PASSED", [])


def test_signing_again_gives_the_same(api: Client, bound: str) -> None:
    assert bound
    evaluation = decided(api)
    first = statements(api, evaluation)
    assert statements(api, evaluation) == first
    assert api.get(f"/api/v1/policies/evaluations/{evaluation}/statements").json()["items"] == first


def test_a_summary_that_says_failed_proves_nothing(api: Client, bound: str) -> None:
    assert bound
    policy = {"requirements": [{"evidence": "vsa", "applies_to": ["file"]}]}
    judge = {"subject": f"sha256:{DIGEST}", "kind": "file", "policy": policy}
    statements(api, decided(api))
    assert api.post("/api/v1/attestations/verify", json=judge).json()["trusted"] is False
    statements(api, decided(api, owner="Storefront"))
    assert api.post("/api/v1/attestations/verify", json=judge).json()["trusted"] is True


def test_what_was_only_asked_is_not_signed(api: Client, bound: str) -> None:
    assert bound
    claimed = {"release": {"owner": "me", "artifacts": [{"name": "x", "digest": f"sha256:{DIGEST}"}]}}
    asked = api.post("/policies/evaluate", json={"bundle": "acme/guard", "input": claimed}).json()["evaluation"]
    path = f"/api/v1/policies/evaluations/{asked}/statements"
    assert api.post(path).status_code == 409
    assert api.get(path).json()["items"] == []


def test_whose_decisions_are_signed(
    api: Client, bound: str, client_of: Callable[..., Client], rival: Principal
) -> None:
    assert bound
    evaluation = decided(api)
    path = f"/api/v1/policies/evaluations/{evaluation}/statements"
    (summary, decision) = statements(api, evaluation)
    other = client_of(rival)
    assert other.post(path).status_code == other.get(path).status_code == 404
    for each in (summary, decision):
        assert other.get(f"/api/v1/attestations/{each['id']}").status_code == 404
        assert other.get(f"/api/v1/attestations/{each['id']}/envelope").status_code == 404


def test_scopes_of_statements(client_of: Callable[..., Client], acme: Principal, api: Client, bound: str) -> None:
    assert bound
    path = f"/api/v1/policies/evaluations/{decided(api)}/statements"
    reader = client_of(acme, ["policies:read", "attestations:read"])
    assert (reader.get(path).status_code, reader.post(path).status_code) == (200, 403)
    assert client_of(acme, ["policies:read"]).get(path).status_code == 403

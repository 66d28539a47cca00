"""Pages of attestations over HTTP: evidence on an asset, keys made and revoked, a policy tried and changed."""

from collections.abc import Callable

import pytest
from cryptography.hazmat.primitives.asymmetric import ec
from litestar import Litestar
from litestar.testing import TestClient
from pydantic import SecretStr

from catalog.assets.service import AssetService
from catalog.attestations.service import SupplyChainAttestationService
from catalog.attestations.signatures import load_public_der, pem
from catalog.db import Database
from catalog.providers.signers.local import spki
from catalog.settings import Settings
from catalog.tenancy import Principal, system_principal

Client = TestClient[Litestar]


@pytest.fixture
def settings(settings: Settings) -> Settings:
    """Settings with a master key, so that keys can be sealed."""
    return settings.model_copy(update={"master_key": SecretStr("a master key of forty-three characters, or so")})


@pytest.fixture
def sign(database: Database, settings: Settings, acme: Principal) -> Callable[[], str]:
    """Return what signs the publication of acme/preview, as the worker does, and gives the attestation's id."""

    def signed() -> str:
        with database.tenant_session(acme.tenant_id) as session:
            assets = AssetService(session)
            found = assets.get_version(acme.tenant_id, "acme", "preview")
            version = assets.version_by_id(acme.tenant_id, found.id).model_dump()
            service = SupplyChainAttestationService(session, settings)
            return str(service.sign_published(system_principal(acme.tenant_id, "acme"), version).id)

    return signed


def test_an_asset_shows_what_is_proven_and_what_is_missing(
    browser: Client, api: Client, archive: bytes, sign: Callable[[], str]
) -> None:
    assert api.post("/api/v1/assets", files={"archive": ("a.tar.gz", archive, "application/gzip")}).status_code == 201
    before = browser.get("/assets/acme/preview?tab=security").text
    assert "Not trusted" in before
    assert "There is no publish attestation." in before
    attestation = sign()
    after = browser.get("/assets/acme/preview?tab=security").text
    assert "Trusted" in after
    assert f"/attestations/{attestation}" in after
    assert "acme signing key" in after
    shown = browser.get(f"/attestations/{attestation}").text
    assert "Publication" in shown
    assert "acme/preview@0.1.0" in shown
    exact = browser.get(f"/api/v1/attestations/{attestation}/envelope")
    assert exact.json()["mediaType"] == "application/vnd.dev.sigstore.bundle.v0.3+json"
    assert f"/attestations/{attestation}" in browser.get("/attestations").text


def test_keys_are_made_imported_and_revoked_on_pages(browser: Client) -> None:
    made = browser.post("/attestations/keys", data={"name": "release", "algorithm": "ed25519", "overlap_days": "30"})
    assert "The key is made." in made.text
    assert "Slipway signs with it" in made.text
    public = pem(load_public_der(spki(ec.generate_private_key(ec.SECP256R1()))))
    imported = browser.post("/attestations/keys/import", data={"import_name": "ci", "public_key": public})
    assert "somebody else" in imported.text
    again = browser.post("/attestations/keys/import", data={"import_name": "ci", "public_key": public})
    assert (again.status_code, "registered as ci" in again.text) == (422, True)
    assert public.splitlines()[1] in again.text
    key = imported.text.partition("/attestations/keys/")[2][:36]
    for page in imported.text.split('href="/attestations/keys/')[1:]:
        key = page[:36] if ">ci<" in page else key
    refused = browser.post(f"/attestations/keys/{key}/revoke", data={"reason": "", "since": ""})
    assert refused.status_code == 422
    revoked = browser.post(f"/attestations/keys/{key}/revoke", data={"reason": "it leaked", "since": ""})
    assert "Revoked: it leaked" in revoked.text
    assert "Nothing relied on it" in revoked.text


def test_a_key_is_kept_where_it_was_chosen(browser: Client) -> None:
    sent = {"name": "release", "algorithm": "ecdsa-p256", "overlap_days": "30"}
    local = browser.post("/attestations/keys", data={**sent, "signer": "local"})
    assert "The key is made." in local.text
    assert "a key file" in local.text
    refused = browser.post("/attestations/keys", data={**sent, "signer": "pkcs11"})
    assert refused.status_code in {422, 503}, refused.text
    assert "SLIPWAY_PKCS11" in refused.text
    assert '<option value="pkcs11" selected>' in refused.text


def test_registries_are_named_and_forgotten(browser: Client) -> None:
    sent = {"kind": "oci", "host": "Registry.example.com", "username": "slipway", "secret": "a secret of theirs"}
    refused = browser.post("/sboms/registries", data={**sent, "host": "not a host"})
    assert (refused.status_code, "not a host" in refused.text) == (422, True)
    named = browser.post("/sboms/registries", data={**sent, "may_push": "yes"})
    assert "registry.example.com" in named.text
    assert "Attached there" in named.text
    for page in (refused, named, browser.get("/api/v1/sboms/registries")):
        assert "a secret of theirs" not in page.text
    identifier = named.text.partition("/sboms/registries/")[2][:36]
    removed = browser.post(f"/sboms/registries/{identifier}/remove")
    assert "No registries yet" in removed.text


def test_identities_are_added_and_removed(browser: Client) -> None:
    sent = {"identity_name": "release", "issuer": "https://id.example.com", "subject": "https://example.com/*"}
    added = browser.post("/attestations/identities", data=sent)
    assert "https://example.com/*" in added.text
    assert browser.post("/attestations/identities", data=sent).status_code == 422
    identity = added.text.partition("/attestations/identities/")[2][:36]
    removed = browser.post(f"/attestations/identities/{identity}/remove")
    assert "https://example.com/*" not in removed.text


def test_an_identity_is_revoked_with_a_reason(browser: Client) -> None:
    sent = {"identity_name": "release", "issuer": "https://id.example.com", "subject": "https://example.com/*"}
    added = browser.post("/attestations/identities", data=sent)
    identity = added.text.partition("/attestations/identities/")[2][:36]
    address = f"/attestations/identities/{identity}/revoke"
    wrong = browser.post(address, data={f"reason/{identity}": "taken over", f"since/{identity}": "2999-01-01T00:00Z"})
    assert wrong.status_code == 422
    assert 'value="taken over"' in wrong.text
    assert "Give a moment that has passed" in wrong.text
    revoked = browser.post(address, data={f"reason/{identity}": "taken over"})
    assert "https://example.com/*" not in revoked.text
    assert "What that identity signed no longer counts." in revoked.text


def test_a_policy_is_tried_before_it_holds(
    browser: Client, api: Client, archive: bytes, sign: Callable[[], str]
) -> None:
    api.post("/api/v1/assets", files={"archive": ("a.tar.gz", archive, "application/gzip")})
    sign()
    policy = {"document": "requirements:\n- evidence: sbom\n", "version": "0", "subject": "acme/preview@0.1.0"}
    tried = browser.post("/attestations/trust-policy", data={**policy, "action": "try"})
    assert "There is no sbom attestation." in tried.text
    assert api.get("/api/v1/attestations/trust-policy").json()["version"] == 0
    held = browser.post("/attestations/trust-policy", data={**policy, "action": "save", "note": "ask for SBOMs"})
    assert "ask for SBOMs" in held.text
    assert api.get("/api/v1/attestations/trust-policy").json()["version"] == 1
    late = browser.post("/attestations/trust-policy", data={**policy, "action": "save"})
    assert (late.status_code, "at version 1 by now" in late.text) == (422, True)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("requirements: [{}]", "requirements/0/evidence: Field required"),
        ("a: [", "This is not YAML"),
        ("a: &x [1]\nb: *x", "without anchors"),
        ("- 1", "Input should be a valid dictionary"),
        ("x" * 70_000, "at most 64 KiB"),
        ("[" * 5000, "This is not YAML"),
    ],
)
def test_texts_that_are_no_policy(browser: Client, text: str, said: str) -> None:
    answer = browser.post("/attestations/trust-policy", data={"document": text, "version": "0", "action": "save"})
    assert answer.status_code == 422
    assert said in answer.text


def test_a_viewer_reads_and_changes_nothing(client_of: Callable[..., Client], acme: Principal) -> None:
    viewer = client_of(acme, ["attestations:read"])
    viewer.headers["Accept"] = "text/html"
    assert "New signing key" not in viewer.get("/attestations/keys").text
    assert viewer.post("/attestations/keys", data={"name": "x"}).status_code == 403
    policy = {"document": "requirements: []", "version": "0", "action": "save"}
    assert viewer.post("/attestations/trust-policy", data=policy).status_code == 403

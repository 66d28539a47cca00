"""Attestations, keys and the trust policy: full, empty, refused; and evidence as the pages of others show it."""

from datetime import UTC, datetime, timedelta
from uuid import UUID

from catalog.attestations.models import KeyState, Verdict
from catalog.attestations.shapes import (
    AffectedRead,
    Assessment,
    AttestationRead,
    Checked,
    IdentityRead,
    KeyRead,
    Missing,
    RevocationReport,
    SubjectRead,
    TrustPolicyRead,
)
from catalog.attestations.trust import DEFAULT_POLICY, IdentityRule, Requirement, Signers, TrustPolicy
from catalog.errors import FieldError
from portal.pages.attestations import AttestationPage, AttestationsPage
from portal.pages.render import Page
from portal.pages.signing_keys import KeyPage, KeysPage
from portal.pages.trust_policy import TrustPolicyPage

ID = UUID("6f1c7a52-3c6e-4a0c-9a4e-6b1a5d1f2c3d")
NOW = datetime(2026, 11, 23, 12, 20, tzinfo=UTC)
LONG = "a-very-long-name-that-somebody-chose-without-thinking-of-the-page-it-will-stand-on"
KEY_ID = f"sha256:{'4bf5122f' * 8}"
PEM = "-----BEGIN PUBLIC KEY-----\nMFkwEwYHKoZIzj0CAQYIKoZIzj0DAQcDQgAE8XZ0\n-----END PUBLIC KEY-----\n"

EVIDENCE = AttestationRead(
    id=ID,
    verified=True,
    verdict=Verdict.VERIFIED,
    reason=None,
    detail=None,
    predicate_type="https://slsa.dev/provenance/v1",
    evidence="provenance",
    title="Build provenance",
    facts={"builder": "https://github.com/actions/runner/github-hosted"},
    subjects=[SubjectRead(name="acme/preview@1.4.0", algorithm="sha256", digest="9f86d081" * 8)],
    signer="acme signing key",
    key_id=KEY_ID,
    key_state=KeyState.ACTIVE,
    public_key=PEM,
    issuer="",
    identity="",
    signed_at=None,
    received_at=NOW - timedelta(hours=2),
    received_by="ci",
    verified_at=NOW,
    envelope_digest="ab" * 32,
    media_type="application/json",
    size=2048,
    owned=True,
)
KEYLESS = EVIDENCE.model_copy(
    update={
        "signer": "https://github.com/acme/preview/.github/workflows/release.yml@refs/tags/v1.4.0",
        "issuer": "https://token.actions.githubusercontent.com",
        "identity": "https://github.com/acme/preview/.github/workflows/release.yml@refs/tags/v1.4.0",
        "key_id": "",
        "key_state": None,
        "public_key": "",
        "title": "Bill of materials (CycloneDX)",
        "evidence": "sbom",
        "signed_at": NOW - timedelta(days=3),
        "facts": {},
    }
)
GONE = EVIDENCE.model_copy(
    update={
        "verified": False,
        "verdict": Verdict.INVALIDATED,
        "reason": "key_revoked",
        "detail": "The key laptop is revoked: it leaked",
    }
)
REFUSED = EVIDENCE.model_copy(
    update={
        "verified": False,
        "verdict": Verdict.REJECTED,
        "reason": "unknown_key",
        "detail": "No key that you have registered made this signature. Import the signer's public key first.",
        "title": "Not accepted",
        "predicate_type": "",
        "subjects": [],
        "signer": "",
        "key_id": "",
        "key_state": None,
        "public_key": "",
    }
)
KEY = KeyRead(
    id=ID,
    key_id=KEY_ID,
    name="acme signing key",
    algorithm="ecdsa-p256",
    public_key=PEM,
    provider="local",
    signs=True,
    state=KeyState.ACTIVE,
    state_reason=None,
    created_by="Slipway",
    created_at=NOW - timedelta(days=90),
    retires_at=None,
    revoked_at=None,
    untrusted_since=None,
)
REVOKED = KEY.model_copy(
    update={"name": LONG, "state": KeyState.REVOKED, "state_reason": "it leaked", "signs": False, "revoked_at": NOW}
)
IDENTITY = IdentityRead(
    id=ID,
    name="release workflow",
    issuer=KEYLESS.issuer,
    subject="https://github.com/acme/*/.github/workflows/release.yml@refs/tags/*",
    created_by="Ann",
    created_at=NOW,
)


def assessment(*, trusted: bool = False) -> Assessment:
    """Return a judgement with every kind of line."""
    missing = [
        Missing(
            evidence="sbom",
            detail="There is no sbom attestation.",
            fix="Attach a bill of materials: slipway attest FILE --predicate sbom.json --type cyclonedx",
        )
    ]
    return Assessment(
        subject="acme/preview@1.4.0",
        kind="asset",
        digest=f"sha256:{'9f86d081' * 8}",
        trusted=trusted,
        policy_version=3 if trusted else 0,
        checked=[
            Checked(attestation=EVIDENCE, is_trusted_signer=True, counts_for=["provenance at SLSA level 2"]),
            Checked(attestation=KEYLESS, is_trusted_signer=False, counts_for=[]),
        ],
        met=["publish", "provenance at SLSA level 2"],
        missing=[] if trusted else missing,
        uses=[],
        judged_at=NOW,
    )


def pages() -> dict[str, Page]:
    """Return the samples by name."""
    counts = {Verdict.VERIFIED: 128, Verdict.INVALIDATED: 1}
    return {
        "attestations": AttestationsPage([EVIDENCE, KEYLESS], counts, "verified", next_href="/attestations?cursor=x"),
        "attestations-empty": AttestationsPage([], {}, "verified"),
        "attestations-refused": AttestationsPage([REFUSED], {Verdict.REJECTED: 1}, "rejected"),
        "attestation": AttestationPage(EVIDENCE, '{\n  "buildDefinition": {}\n}', is_cut=True),
        "attestation-keyless": AttestationPage(KEYLESS, "{}"),
        "attestation-gone": AttestationPage(GONE, ""),
        "attestation-refused": AttestationPage(REFUSED, ""),
        **_key_pages(),
        **_policy_pages(),
    }


def _key_pages() -> dict[str, Page]:
    retiring = KEY.model_copy(
        update={"name": "old", "state": KeyState.RETIRING, "signs": False, "retires_at": NOW + timedelta(days=9)}
    )
    imported = KEY.model_copy(update={"name": LONG, "provider": None, "signs": False, "algorithm": "ed25519"})
    affected = [
        AffectedRead(kind="asset", id=ID, label="acme/preview@1.4.0", digest="sha256:a", used_as=""),
        AffectedRead(kind="environment", id=ID, label="pr-42-hello", digest="sha256:a", used_as="acme/preview@1.4.0"),
        AffectedRead(kind="release", id=ID, label=LONG, digest="sha256:a", used_as=LONG),
    ]

    def report(key: KeyRead, found: list[AffectedRead], *, is_complete: bool = True) -> RevocationReport:
        return RevocationReport(
            key=key, invalidated=len(found), still_verified=2, is_complete=is_complete, affected=found
        )

    errors = (FieldError("/public_key", "This is a private key. Keep it to yourself, and give the public one."),)
    return {
        "keys": KeysPage([KEY, retiring, imported, REVOKED], [IDENTITY], may_change=True),
        "keys-empty": KeysPage([], [], may_change=False),
        "keys-errors": KeysPage([], [], may_change=True, form="import", values={"import_name": "ci"}, errors=errors),
        "key": KeyPage(report(KEY, []), may_change=True),
        "key-revoked": KeyPage(report(REVOKED, affected, is_complete=False), may_change=True),
        "key-revoked-alone": KeyPage(report(REVOKED, []), may_change=False),
        "key-errors": KeyPage(report(KEY, []), may_change=True, errors=(FieldError("/since", "Give a moment."),)),
    }


def _policy_pages() -> dict[str, Page]:
    default = TrustPolicyRead(version=0, document=DEFAULT_POLICY, note="", created_by="Slipway", created_at=None)
    rule = IdentityRule(issuer=IDENTITY.issuer, subject=IDENTITY.subject)
    own = TrustPolicy(signers=Signers(identities=[rule]), requirements=[Requirement(evidence="sbom")])
    third = TrustPolicyRead(
        version=3, document=own, note="Ask for bills of materials", created_by="Ann", created_at=NOW
    )
    errors = (
        FieldError("/document/requirements/0/evidence", "Field required"),
        FieldError("/subject", "No such asset."),
    )
    text = "schema_version: slipway/trust/v1\nrequirements:\n- evidence: publish\n"
    return {
        "trust-policy": TrustPolicyPage(default, [], text, may_change=False),
        "trust-policy-tried": TrustPolicyPage(
            third, [third], text, may_change=True, subject="acme/preview@1.4.0", judged=assessment()
        ),
        "trust-policy-errors": TrustPolicyPage(third, [third], "requirements: [{}]", may_change=True, errors=errors),
    }

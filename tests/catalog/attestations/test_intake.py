"""The door for attestations: what becomes evidence, as what it is kept, and who sees it."""

import hashlib
import json
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric import ec
from sqlmodel import select

from catalog.attestations.dsse import BUNDLE_TYPE
from catalog.attestations.errors import AttestationNotFoundError, AttestationRejectedError, Reason
from catalog.attestations.models import Attestation, KeyState, Verdict
from catalog.attestations.predicates import OWN
from catalog.attestations.shapes import ImportedKey
from catalog.db import Database
from catalog.errors import ForbiddenError
from catalog.events.models import EventRecord
from catalog.tenancy import Principal

# The classes and callables of conftest.py, which test files do not import.
Outsider = Any
Receive = Any
Service = Any
ARTIFACT = hashlib.sha256(b"artifact").hexdigest()


def refused(receive: Receive, principal: Principal, data: Any, about: str | None = None) -> tuple[Reason, str]:
    with pytest.raises(AttestationRejectedError) as refusal:
        receive(principal, data, about)
    return refusal.value.reason, refusal.value.detail


def test_a_bundle_becomes_evidence_with_its_exact_bytes(
    acme: Principal, database: Database, outsider: Outsider, trusted: Any, receive: Receive, service: Service
) -> None:
    data = outsider.bundle()
    found = receive(acme, data)
    assert (found.verified, found.verdict, found.evidence) == (True, Verdict.VERIFIED, "provenance")
    assert (found.signer, found.key_id, found.key_state) == ("outsider", trusted.key_id, KeyState.ACTIVE)
    assert [(each.algorithm, each.digest) for each in found.subjects] == [("sha256", ARTIFACT)]
    assert found.facts == {"builder": "https://example.com/builders/1", "build_type": "https://example.com/build/v1"}
    with service(acme) as opened:
        assert opened.envelope(found.id) == (data, BUNDLE_TYPE)
        assert opened.statement(found.id).predicate["runDetails"]["builder"]["id"] == found.facts["builder"]
        assert [each.id for each in opened.page(acme.tenant_id, digest=("sha256", ARTIFACT))] == [found.id]
        assert opened.page(acme.tenant_id, digest=("sha256", "0" * 64)) == []
    with database.tenant_session(acme.tenant_id) as session:
        types = [row.type for row in session.exec(select(EventRecord).order_by("sequence")).all()]
    assert types == ["dev.slipway.signing_key.created.v1", "dev.slipway.attestation.verified.v1"]


def test_the_same_bytes_again_are_the_same_attestation(
    acme: Principal, outsider: Outsider, trusted: Any, receive: Receive, service: Service
) -> None:
    assert trusted
    data = outsider.bundle()
    first = receive(acme, data)
    with service(acme) as opened:
        assert opened.receive(acme, data) == (first, False)


@pytest.mark.parametrize("keyid", [None, "", "outsider", "key id", "somebody-elses"])
def test_a_bare_envelope_counts_whatever_it_says_of_its_key(
    acme: Principal, outsider: Outsider, trusted: Any, receive: Receive, keyid: str | None
) -> None:
    named = trusted.key_id if keyid == "key id" else keyid
    assert receive(acme, outsider.envelope(keyid=named)).signer == "outsider"


def test_unknown_fields_and_the_old_statement_are_read(
    acme: Principal, outsider: Outsider, trusted: Any, receive: Receive
) -> None:
    assert trusted
    assert receive(acme, outsider.bundle(_type="https://in-toto.io/Statement/v0.1")).verified
    assert receive(acme, outsider.bundle(somethingNew={"a": [1]})).verified
    envelope = outsider.envelope(b"other")
    envelope["somethingNew"] = True
    envelope["signatures"][0]["somethingNew"] = 1
    assert receive(acme, envelope).verified


def test_every_digest_of_every_subject_finds_it(
    acme: Principal, outsider: Outsider, trusted: Any, receive: Receive, service: Service
) -> None:
    assert trusted
    subjects = [
        {"name": "a", "digest": {"sha256": "a" * 64, "sha512": "b" * 128}},
        {"digest": {"gitCommit": "c" * 40, "sha1": "d" * 40}},
    ]
    found = receive(acme, outsider.bundle(subject=subjects))
    assert {(each.algorithm, each.digest) for each in found.subjects} == {
        ("sha256", "a" * 64),
        ("sha512", "b" * 128),
        ("gitCommit", "c" * 40),
    }
    with service(acme) as opened:
        assert [each.id for each in opened.page(acme.tenant_id, digest=("sha512", "b" * 128))] == [found.id]


def test_what_a_key_unknown_to_the_tenant_signed_is_refused_and_kept_apart(
    acme: Principal, outsider: Outsider, receive: Receive, service: Service
) -> None:
    data = outsider.bundle()
    with pytest.raises(AttestationRejectedError) as refusal:
        receive(acme, data)
    assert refusal.value.reason is Reason.UNKNOWN_KEY
    with service(acme) as opened:
        opened.reject(acme, data, refusal.value)
    with service(acme) as opened:
        assert opened.page(acme.tenant_id) == []
        (kept,) = opened.page(acme.tenant_id, verdicts=[Verdict.REJECTED])
        assert (kept.verified, kept.reason, kept.title) == (False, "unknown_key", "Not accepted")
        assert opened.envelope(kept.id)[0] == data
        with pytest.raises(AttestationNotFoundError):
            opened.statement(kept.id)
        opened.import_key(acme, ImportedKey(name="outsider", public_key=outsider.public))
    again = receive(acme, data)
    assert (again.id, again.verified, again.reason) == (kept.id, True, None)


def test_a_refusal_with_the_same_bytes_takes_nothing_back(
    acme: Principal, outsider: Outsider, trusted: Any, receive: Receive, service: Service
) -> None:
    assert trusted
    data = outsider.bundle()
    found = receive(acme, data)
    reason, _ = refused(receive, acme, data, "0" * 64)
    assert reason is Reason.OTHER_SUBJECT
    with service(acme) as opened:
        opened.reject(acme, data, AttestationRejectedError(reason, "other"))
        assert opened.get(acme.tenant_id, found.id).verified


def test_our_own_predicates_have_their_published_shape(
    acme: Principal, outsider: Outsider, trusted: Any, receive: Receive
) -> None:
    assert trusted
    content = {"rollout": "r", "outcome": "promoted", "more": {"is": "ignored"}}
    found = receive(acme, outsider.bundle(predicateType=f"{OWN}rollout/v1", predicate=content))
    assert (found.evidence, found.facts["outcome"]) == ("rollout", "promoted")
    broken = outsider.bundle(predicateType=f"{OWN}rollout/v1", predicate={"rollout": "r", "outcome": "perhaps"})
    assert refused(receive, acme, broken)[0] is Reason.PREDICATE_INVALID


def test_a_bill_of_materials_must_be_about_its_subject(
    acme: Principal, outsider: Outsider, trusted: Any, receive: Receive
) -> None:
    assert trusted

    def cyclonedx(digest: str) -> dict[str, Any]:
        component = {"type": "file", "name": "x", "hashes": [{"alg": "SHA-256", "content": digest}]}
        return {"bomFormat": "CycloneDX", "specVersion": "1.6", "components": [], "metadata": {"component": component}}

    def spdx(digest: str) -> dict[str, Any]:
        package = {"SPDXID": "SPDXRef-p", "checksums": [{"algorithm": "SHA256", "checksumValue": digest}]}
        return {"spdxVersion": "SPDX-2.3", "documentDescribes": ["SPDXRef-p"], "packages": [package]}

    for kind, make in (("https://cyclonedx.org/bom", cyclonedx), ("https://spdx.dev/Document", spdx)):
        found = receive(acme, outsider.bundle(predicateType=kind, predicate=make(ARTIFACT)))
        assert found.evidence == "sbom"
        reason, detail = refused(receive, acme, outsider.bundle(predicateType=kind, predicate=make("e" * 64)))
        assert reason is Reason.SBOM_MISMATCH
        assert "another artifact" in detail
    other = outsider.bundle(predicateType="https://cyclonedx.org/bom", predicate={"format": "homemade"})
    assert refused(receive, acme, other)[0] is Reason.PREDICATE_INVALID


def test_another_tenant_sees_nothing_and_trusts_nothing(
    acme: Principal, rival: Principal, outsider: Outsider, trusted: Any, receive: Receive, service: Service
) -> None:
    assert trusted
    found = receive(acme, outsider.bundle())
    assert refused(receive, rival, outsider.bundle())[0] is Reason.UNKNOWN_KEY
    with service(rival) as opened:
        assert opened.page(rival.tenant_id, verdicts=list(Verdict)) == []
        assert opened.page(rival.tenant_id, digest=("sha256", ARTIFACT)) == []
        assert opened.keys(rival.tenant_id) == []
        with pytest.raises(AttestationNotFoundError):
            opened.get(rival.tenant_id, found.id)
        with pytest.raises(AttestationNotFoundError):
            opened.envelope(found.id)


def test_sending_needs_the_scope(acme: Principal, outsider: Outsider, receive: Receive) -> None:
    reader = Principal(acme.tenant_id, acme.tenant_name, "token:x", "reader", frozenset({"attestations:read"}))
    with pytest.raises(ForbiddenError, match="attestations:write"):
        receive(reader, outsider.bundle())


def test_two_signers_are_two_bundles(
    acme: Principal, database: Database, outsider: Outsider, trusted: Any, receive: Receive, service: Service
) -> None:
    assert trusted
    second = type(outsider)(ec.generate_private_key(ec.SECP256R1()))
    with service(acme) as opened:
        opened.import_key(acme, ImportedKey(name="second", public_key=second.public))
    assert {receive(acme, each.bundle()).signer for each in (outsider, second)} == {"outsider", "second"}
    with database.tenant_session(acme.tenant_id) as session:
        assert len(session.exec(select(Attestation)).all()) == 2
    together = outsider.envelope()
    together["signatures"] += second.envelope()["signatures"]
    reason, detail = refused(receive, acme, json.dumps(together).encode())
    assert reason is Reason.SEVERAL_SIGNATURES
    assert "one bundle for each signer" in detail

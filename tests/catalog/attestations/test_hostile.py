"""Attestations of people who mean harm: each is refused with its reason, and nothing crashes."""

import base64
import hashlib
import json
import time
from collections.abc import Callable
from contextlib import suppress
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from catalog.attestations.dsse import BUNDLE_TYPE, LARGEST, STATEMENT_TYPE, read_signed
from catalog.attestations.errors import AttestationRejectedError, Reason
from catalog.attestations.shapes import VerifySubject
from catalog.attestations.statements import read_statement
from catalog.attestations.strict_json import read_json
from catalog.attestations.trust import Requirement, TrustPolicy
from catalog.tenancy import Principal

# The classes and callables of conftest.py, which test files do not import.
Outsider = Any
Receive = Any
Change = Callable[[dict[str, Any], Any], Any]


def encoded(value: object) -> str:
    return base64.b64encode(value if isinstance(value, bytes) else json.dumps(value).encode()).decode()


def refusal(receive: Receive, principal: Principal, data: Any) -> AttestationRejectedError:
    with pytest.raises(AttestationRejectedError) as refused:
        receive(principal, data)
    return refused.value


def other_payload(envelope: dict[str, Any], outsider: Outsider) -> None:
    envelope["payload"] = encoded(outsider.payload(b"something else"))


def other_type(envelope: dict[str, Any], _outsider: Outsider) -> None:
    envelope["payloadType"] = "text/plain"


def no_signature(envelope: dict[str, Any], _outsider: Outsider) -> None:
    envelope["signatures"] = []


def twice_the_same_key(envelope: dict[str, Any], _outsider: Outsider) -> None:
    envelope["signatures"] *= 2
    for each in envelope["signatures"]:
        each["keyid"] = "one"


def signature_of_nothing(envelope: dict[str, Any], _outsider: Outsider) -> None:
    envelope["signatures"][0]["sig"] = encoded(b"\0" * 64)


def truncated(envelope: dict[str, Any], _outsider: Outsider) -> None:
    envelope["payload"] = envelope["payload"][:-5]


def not_base64(envelope: dict[str, Any], _outsider: Outsider) -> None:
    envelope["payload"] = "!" + envelope["payload"]


def no_text(envelope: dict[str, Any], _outsider: Outsider) -> None:
    envelope["payload"] = {"a": 1}


def keyid_of_another_kind(envelope: dict[str, Any], _outsider: Outsider) -> None:
    envelope["signatures"][0]["keyid"] = ["x"]


def swapped_subject(envelope: dict[str, Any], _outsider: Outsider) -> None:
    """The same statement about another artifact, under the signature of the first."""
    said = json.loads(base64.b64decode(envelope["payload"]))
    said["subject"][0]["digest"]["sha256"] = "f" * 64
    envelope["payload"] = encoded(said)


ENVELOPES: list[tuple[Change, Reason]] = [
    (other_payload, Reason.UNKNOWN_KEY),
    (swapped_subject, Reason.UNKNOWN_KEY),
    (other_type, Reason.UNKNOWN_KEY),
    (no_signature, Reason.BAD_SIGNATURE),
    (twice_the_same_key, Reason.SEVERAL_SIGNATURES),
    (signature_of_nothing, Reason.UNKNOWN_KEY),
    (truncated, Reason.MALFORMED),
    (not_base64, Reason.MALFORMED),
    (no_text, Reason.MALFORMED),
    (keyid_of_another_kind, Reason.MALFORMED),
]


@pytest.mark.parametrize(("change", "reason"), ENVELOPES, ids=[change.__name__ for change, _ in ENVELOPES])
def test_envelopes(
    acme: Principal, outsider: Outsider, trusted: Any, receive: Receive, change: Change, reason: Reason
) -> None:
    assert trusted
    envelope = outsider.envelope()
    change(envelope, outsider)
    assert refusal(receive, acme, envelope).reason is reason


def test_a_true_statement_replayed_for_another_artifact_proves_nothing(
    acme: Principal, outsider: Outsider, trusted: Any, receive: Receive, service: Any
) -> None:
    assert trusted
    proven, other = (hashlib.sha256(each).hexdigest() for each in (b"artifact", b"another"))
    with pytest.raises(AttestationRejectedError) as refused:
        receive(acme, outsider.bundle(), other)
    assert refused.value.reason is Reason.OTHER_SUBJECT
    receive(acme, outsider.bundle(), proven)
    policy = TrustPolicy(requirements=[Requirement(evidence="provenance", applies_to=["file"])])
    with service(acme) as attestations:
        for digest, trusted_at_all in ((proven, True), (other, False)):
            asked = VerifySubject(subject=f"sha256:{digest}", kind="file", policy=policy)
            assert attestations.verify(acme.tenant_id, asked).trusted is trusted_at_all


STATEMENTS: list[tuple[str, dict[str, Any], Reason]] = [
    ("about nothing", {"subject": []}, Reason.NO_SUBJECT),
    ("no subject", {"subject": ...}, Reason.NO_SUBJECT),
    ("no digest", {"subject": [{"name": "x"}]}, Reason.MALFORMED),
    ("an empty digest", {"subject": [{"name": "x", "digest": {}}]}, Reason.NO_SUBJECT),
    ("a digest that two files may share", {"subject": [{"digest": {"sha1": "a" * 40}}]}, Reason.NO_SUBJECT),
    ("a digest in capitals", {"subject": [{"digest": {"sha256": "A" * 64}}]}, Reason.MALFORMED),
    ("a short digest", {"subject": [{"digest": {"sha256": "a" * 63}}]}, Reason.MALFORMED),
    ("too many subjects", {"subject": [{"digest": {"sha256": "a" * 64}}] * 1001}, Reason.TOO_LARGE),
    ("another version", {"_type": "https://in-toto.io/Statement/v2"}, Reason.UNSUPPORTED),
    ("no predicate type", {"predicateType": 7}, Reason.MALFORMED),
    ("a list as predicate", {"predicate": [1]}, Reason.MALFORMED),
    ("provenance without builder", {"predicate": {"buildDefinition": {"buildType": "x:y"}}}, Reason.PREDICATE_INVALID),
    (
        "a summary without result",
        {"predicateType": "https://slsa.dev/verification_summary/v1", "predicate": {"verifier": {"id": "x"}}},
        Reason.PREDICATE_INVALID,
    ),
]


@pytest.mark.parametrize(("changes", "reason"), [each[1:] for each in STATEMENTS], ids=[each[0] for each in STATEMENTS])
def test_statements(
    acme: Principal, outsider: Outsider, trusted: Any, receive: Receive, changes: dict[str, Any], reason: Reason
) -> None:
    assert trusted
    assert refusal(receive, acme, outsider.bundle(**changes)).reason is reason


def bundle_with(outsider: Outsider, material: dict[str, Any]) -> dict[str, Any]:
    return {"mediaType": BUNDLE_TYPE, "verificationMaterial": material, "dsseEnvelope": outsider.envelope()}


def test_a_key_smuggled_in_the_certificate_field_opens_nothing(
    acme: Principal, outsider: Outsider, trusted: Any, receive: Receive
) -> None:
    """The bypass of GHSA-fx35-mq7g-6g98: a bare public key where a certificate belongs, with its own signature."""
    assert trusted
    attacker = type(outsider)(ec.generate_private_key(ec.SECP256R1()))
    der = attacker.key.public_key().public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
    for raw in (der, attacker.public.encode(), encoded(attacker.public.encode()).encode()):
        error = refusal(receive, acme, bundle_with(attacker, {"certificate": {"rawBytes": encoded(raw)}}))
        assert error.reason is Reason.BAD_CERTIFICATE
    hint = {"publicKey": {"hint": outsider.hint}}
    both = {**hint, "certificate": {"rawBytes": encoded(der)}}
    assert refusal(receive, acme, bundle_with(attacker, both)).reason is Reason.MALFORMED
    # The hint of a trusted key does not make another's signature its own.
    assert refusal(receive, acme, bundle_with(attacker, hint)).reason is Reason.BAD_SIGNATURE


@pytest.mark.parametrize(
    "document",
    [
        {},
        [],
        None,
        7,
        {"mediaType": "application/vnd.dev.sigstore.bundle+json;version=0.1"},
        {"mediaType": BUNDLE_TYPE},
        {"mediaType": BUNDLE_TYPE, "verificationMaterial": {}, "dsseEnvelope": {}},
        {"mediaType": BUNDLE_TYPE, "verificationMaterial": {"publicKey": {"hint": ""}}, "messageSignature": {}},
        {"mediaType": BUNDLE_TYPE, "verificationMaterial": {"publicKey": {"hint": 7}}, "dsseEnvelope": {"payload": ""}},
        {"base64Signature": "MEUC", "cert": "LS0t", "rekorBundle": {}},
    ],
)
def test_what_is_no_attestation_at_all(document: Any) -> None:
    with pytest.raises(AttestationRejectedError) as refused:
        read_signed(json.dumps(document).encode())
    assert refused.value.reason in {Reason.UNSUPPORTED, Reason.MALFORMED, Reason.BAD_SIGNATURE}


def test_depth_and_size_are_bounded_before_anything_is_parsed() -> None:
    for levels in (101, 200, 100_000):
        nested = b'{"payload": ' + b"[" * levels + b"]" * levels + b"}"
        with pytest.raises(AttestationRejectedError) as refused:
            read_signed(nested)
        assert refused.value.reason is Reason.TOO_DEEP
    brackets_in_text = json.dumps({"payload": "[" * 100_000 + '\\"' + "{" * 100_000}).encode()
    assert read_json(brackets_in_text, "It")["payload"].startswith("[[[")
    started = time.process_time()
    with pytest.raises(AttestationRejectedError) as refused:
        read_signed(b" " * 50 * 1024 * 1024)
    assert refused.value.reason is Reason.TOO_LARGE
    assert time.process_time() - started < 1
    assert LARGEST < 50 * 1024 * 1024


def test_a_statement_200_levels_deep_is_refused(
    acme: Principal, outsider: Outsider, trusted: Any, receive: Receive
) -> None:
    assert trusted
    deep: Any = 1
    for _ in range(200):
        deep = {"a": deep}
    assert refusal(receive, acme, outsider.bundle(predicate=deep)).reason is Reason.TOO_DEEP


def test_a_large_bill_of_materials_is_read_and_a_larger_one_refused(
    acme: Principal, outsider: Outsider, trusted: Any, receive: Receive
) -> None:
    assert trusted

    def document(count: int) -> dict[str, Any]:
        components = [{"type": "library", "name": f"package-{n}", "purl": f"pkg:pypi/p{n}@1"} for n in range(count)]
        return {"bomFormat": "CycloneDX", "specVersion": "1.6", "components": components}

    kind = "https://cyclonedx.org/bom"
    found = receive(acme, outsider.bundle(predicateType=kind, predicate=document(20_000)))
    assert found.facts["components"] == 20_000
    padding = {**document(1), "properties": [{"name": "x", "value": "y" * 50 * 1024 * 1024}]}
    assert refusal(receive, acme, outsider.bundle(predicateType=kind, predicate=padding)).reason is Reason.TOO_LARGE


@pytest.mark.parametrize("text", ['{"a": 1, "a": 2}', '{"a": NaN}', '{"a": 1', "\ufeff{}", '{"a": ' + "9" * 5000 + "}"])
def test_json_that_readers_would_differ_about(text: str) -> None:
    with pytest.raises(AttestationRejectedError) as refused:
        read_json(text.encode(), "It")
    assert refused.value.reason is Reason.MALFORMED


def test_bytes_that_are_no_text() -> None:
    with pytest.raises(AttestationRejectedError):
        read_json(b'{"a": "\xff"}', "It")


def test_names_that_cannot_be_stored_are_replaced(
    acme: Principal, outsider: Outsider, trusted: Any, receive: Receive
) -> None:
    assert trusted
    subject = [{"name": "nul \0 and half \ud800", "digest": {"sha256": "a" * 64}}]
    found = receive(acme, outsider.bundle(subject=subject))
    assert "\0" not in found.subjects[0].name


NAMES = ["payload", "payloadType", "signatures", "sig", "mediaType", "dsseEnvelope", "verificationMaterial"]
documents = st.recursive(
    st.none() | st.text(max_size=5) | st.just(BUNDLE_TYPE) | st.just(STATEMENT_TYPE),
    lambda inner: st.lists(inner) | st.dictionaries(st.sampled_from(NAMES), inner),
)


@given(st.binary(max_size=300) | documents.map(lambda value: json.dumps(value).encode()))
@settings(suppress_health_check=[HealthCheck.too_slow])
def test_no_bytes_crash_the_reader(data: bytes) -> None:
    with suppress(AttestationRejectedError):
        read_statement(read_signed(data).envelope)


def test_a_signature_over_other_types_of_payload_is_no_statement(
    acme: Principal, outsider: Outsider, trusted: Any, receive: Receive
) -> None:
    assert trusted
    for data in (b"hello", b"[]", b"null"):
        with pytest.raises(AttestationRejectedError):
            read_statement(read_signed(outsider.sealed(data)).envelope)
    assert refusal(receive, acme, outsider.sealed(b"hello", "text/plain")).reason is Reason.UNSUPPORTED

"""Keys: made, replaced with an overlap, imported, revoked, and what a revocation takes back."""

from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from pydantic import SecretStr
from sqlmodel import select

from catalog.attestations.errors import AttestationRejectedError, Reason, SigningKeyError, SigningUnavailableError
from catalog.attestations.models import KeyState, SigningKey, Verdict
from catalog.attestations.service import SupplyChainAttestationService
from catalog.attestations.service.revocation import AT_ONCE
from catalog.attestations.shapes import ImportedKey, NewSigningKey, RevokeKey
from catalog.attestations.signatures import PublicKeyError
from catalog.attestations.statements import Subject
from catalog.clock import now
from catalog.db import Database
from catalog.errors import ForbiddenError, InvalidInputError, NotFoundError
from catalog.providers.signers import KeyAlgorithm
from catalog.settings import Settings
from catalog.tenancy import Principal

# The classes and callables of conftest.py, which test files do not import.
Outsider = Any
Receive = Any
Service = Any
VULNS = "https://in-toto.io/attestation/vulns/v0.2"
SUBJECT = [Subject("artifact", "sha256", "a" * 64)]


def revoke(service: Service, principal: Principal, key: Any, **asked: Any) -> None:
    with service(principal) as opened:
        opened.revoke_key(principal, key.id, RevokeKey(reason="it leaked", **asked))
    after = None
    while True:
        with service(principal) as opened:
            after = opened.verify_history(principal, key.id, after).after
        if after is None:
            break


def test_private_keys_are_sealed_in_files_that_others_cannot_read(
    acme: Principal, service: Service, settings: Settings
) -> None:
    with service(acme) as opened:
        key = opened.create_key(acme, NewSigningKey(name="release"))
        assert (key.state, key.signs, key.algorithm, key.provider) == (KeyState.ACTIVE, True, "ecdsa-p256", "local")
    (path,) = (settings.data_dir / "keys" / "signing").rglob("*.key")
    assert path.stat().st_mode & 0o077 == 0
    assert b"PRIVATE" not in path.read_bytes()


def test_keys_sealed_under_a_file_of_their_own(
    acme: Principal, database: Database, settings: Settings, tmp_path: Path
) -> None:
    file = tmp_path / "sealing.key"
    file.write_text("a key in a file of its own")
    sealed = settings.model_copy(update={"signing_key_file": file, "master_key": None})
    with database.tenant_session(acme.tenant_id) as session:
        signed = SupplyChainAttestationService(session, sealed).sign(acme, SUBJECT, VULNS, {})
        assert signed.verified
    with database.tenant_session(acme.tenant_id) as session:
        other = SupplyChainAttestationService(session, settings)
        with pytest.raises(SigningUnavailableError, match="sealed under another key"):
            other.sign(acme, [Subject("x", "sha256", "b" * 64)], VULNS, {})


@pytest.mark.parametrize("algorithm", [KeyAlgorithm.ED25519, KeyAlgorithm.ECDSA_P384, KeyAlgorithm.RSA_2048])
def test_every_algorithm_signs_for_a_tenant(acme: Principal, service: Service, algorithm: KeyAlgorithm) -> None:
    with service(acme) as opened:
        opened.create_key(acme, NewSigningKey(name="release", algorithm=algorithm))
        found = opened.sign(acme, SUBJECT, VULNS, {})
    assert (found.verified, found.signer) == (True, "release")


def test_without_anything_to_seal_with_no_key_is_made(acme: Principal, database: Database, settings: Settings) -> None:
    bare = settings.model_copy(update={"master_key": None})
    with database.tenant_session(acme.tenant_id) as session, pytest.raises(SigningUnavailableError, match="master key"):
        SupplyChainAttestationService(session, bare).create_key(acme, NewSigningKey(name="release"))


def test_a_new_key_lets_the_old_one_overlap(
    acme: Principal, service: Service, database: Database, outsider: Outsider, receive: Receive
) -> None:
    with service(acme) as opened:
        first = opened.create_key(acme, NewSigningKey(name="first"))
        old = opened.sign(acme, SUBJECT, VULNS, {})
        second = opened.create_key(acme, NewSigningKey(name="second", overlap_days=7))
        states = {each.name: (each.state, each.signs) for each in opened.keys(acme.tenant_id)}
        assert states == {"first": (KeyState.RETIRING, False), "second": (KeyState.ACTIVE, True)}
        new = opened.sign(acme, SUBJECT, VULNS, {})
        assert (old.signer, new.signer) == ("first", "second")
        assert (old.id != new.id, second.key_id != first.key_id) == (True, True)
    assert outsider
    with database.tenant_session(acme.tenant_id) as session:
        row = session.exec(select(SigningKey).where(SigningKey.name == "first")).one()
        row.retires_at = now() - timedelta(seconds=1)
        session.add(row)
    with service(acme) as opened:
        assert opened.get_key(acme.tenant_id, first.id).state is KeyState.RETIRED
        assert opened.get(acme.tenant_id, old.id).verified
        data, _ = opened.envelope(old.id)
    with pytest.raises(AttestationRejectedError) as refused:
        receive(acme, data + b"\n")  # the same statement, arriving after the overlap
    assert refused.value.reason is Reason.KEY_RETIRED


def test_an_imported_key_is_public_new_and_not_for_signing(
    acme: Principal, service: Service, outsider: Outsider, trusted: Any
) -> None:
    with service(acme) as opened:
        with pytest.raises(SigningKeyError, match="registered as outsider and is active"):
            opened.import_key(acme, ImportedKey(name="again", public_key=outsider.public))
        with pytest.raises(PublicKeyError):
            opened.import_key(acme, ImportedKey(name="nonsense", public_key="nonsense"))
        assert (trusted.signs, trusted.provider) == (False, None)
        assert opened.sign(acme, SUBJECT, VULNS, {}).signer == "acme signing key"


def test_a_revocation_takes_back_everything_the_key_signed(
    acme: Principal, service: Service, outsider: Outsider, trusted: Any, receive: Receive
) -> None:
    gone = [receive(acme, outsider.bundle(f"artifact {number}".encode())) for number in range(AT_ONCE + 2)]
    with service(acme) as opened:
        kept = opened.sign(acme, SUBJECT, VULNS, {})
    revoke(service, acme, trusted)
    with service(acme) as opened:
        assert [each.id for each in opened.page(acme.tenant_id)] == [kept.id]
        found = opened.get(acme.tenant_id, gone[0].id)
        assert (found.verdict, found.reason, found.key_state) == (Verdict.INVALIDATED, "key_revoked", KeyState.ACTIVE)
        report = opened.conclude_history(acme, trusted.id)
        assert (report.invalidated, report.still_verified, report.is_complete) == (len(gone), 0, True)
    with pytest.raises(AttestationRejectedError) as refused:
        receive(acme, outsider.bundle(b"new"))
    assert refused.value.reason is Reason.KEY_REVOKED
    with pytest.raises(AttestationRejectedError) as refused:
        receive(acme, outsider.bundle(b"artifact 0"))
    assert refused.value.reason is Reason.KEY_REVOKED


def test_a_revocation_since_a_moment_keeps_what_came_before(
    acme: Principal, service: Service, outsider: Outsider, trusted: Any, receive: Receive
) -> None:
    before = receive(acme, outsider.bundle(b"before"))
    since = now()
    after = receive(acme, outsider.bundle(b"after"))
    revoke(service, acme, trusted, since=since)
    with service(acme) as opened:
        assert [each.id for each in opened.page(acme.tenant_id)] == [before.id]
        report = opened.revocation(acme.tenant_id, trusted.id)
        assert (report.invalidated, report.still_verified, report.is_complete) == (1, 1, True)
        assert not opened.get(acme.tenant_id, after.id).verified
        with pytest.raises(SigningKeyError, match="not taken back"):
            opened.revoke_key(acme, trusted.id, RevokeKey(reason="less", since=now()))
    revoke(service, acme, trusted)
    with service(acme) as opened:
        assert opened.page(acme.tenant_id) == []


def test_a_revocation_names_everything_that_relied_on_the_key(
    acme: Principal, service: Service, outsider: Outsider, trusted: Any, receive: Receive
) -> None:
    found = receive(acme, outsider.bundle(b"artifact"))
    digest = found.subjects[0].digest
    with service(acme) as opened:
        environment = found.id  # any id will do
        uses = {digest: "acme/web@1.0.0", "b" * 64: "other"}
        opened.rely(acme.tenant_id, "environment", environment, "pr-42", itself="c" * 64, uses=uses)
        opened.rely(acme.tenant_id, "environment", environment, "pr-42", itself="d" * 64, uses=uses)
        assert opened.revocation(acme.tenant_id, trusted.id).affected == []
    revoke(service, acme, trusted)
    with service(acme) as opened:
        (affected,) = opened.revocation(acme.tenant_id, trusted.id).affected
        assert (affected.kind, affected.label, affected.used_as) == ("environment", "pr-42", "acme/web@1.0.0")
        opened.forget(acme.tenant_id, "environment", environment)
        assert opened.revocation(acme.tenant_id, trusted.id).affected == []


def test_the_moment_of_a_revocation_has_passed_and_has_a_zone(acme: Principal, service: Service, trusted: Any) -> None:
    with service(acme) as opened:
        for since in (now() + timedelta(hours=1), now().replace(tzinfo=None)):
            with pytest.raises(InvalidInputError):
                opened.revoke_key(acme, trusted.id, RevokeKey(reason="x", since=since))


def test_keys_are_an_administrators_and_a_tenants_own(
    acme: Principal, rival: Principal, service: Service, outsider: Outsider, trusted: Any
) -> None:
    writer = Principal(acme.tenant_id, "acme", "token:x", "ci", frozenset({"attestations:write"}))
    with service(acme) as opened:
        with pytest.raises(ForbiddenError, match="attestations:admin"):
            opened.create_key(writer, NewSigningKey(name="x"))
        with pytest.raises(ForbiddenError, match="attestations:admin"):
            opened.import_key(writer, ImportedKey(name="x", public_key=outsider.public))
        with pytest.raises(ForbiddenError, match="attestations:admin"):
            opened.revoke_key(writer, trusted.id, RevokeKey(reason="x"))
    with service(rival) as opened, pytest.raises(NotFoundError):
        opened.revoke_key(rival, trusted.id, RevokeKey(reason="x"))
    with service(rival) as opened:
        assert opened.import_key(rival, ImportedKey(name="same", public_key=outsider.public)).key_id == trusted.key_id


def test_secrets_do_not_show(settings: Settings) -> None:
    assert "forty-three" not in repr(settings)
    assert isinstance(settings.master_key, SecretStr)

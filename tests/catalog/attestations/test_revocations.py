"""Revocations: what a signer signed counts no longer at once, and one bad record keeps nobody from being told."""

from datetime import timedelta
from typing import Any

import pytest
from sqlmodel import col, select

from catalog.attestations.errors import AttestationRejectedError, Reason
from catalog.attestations.events import AttestationInvalidated
from catalog.attestations.models import Attestation, Verdict
from catalog.attestations.service import SupplyChainAttestationService
from catalog.attestations.shapes import NewIdentity, RevokeIdentity, RevokeKey, VerifySubject
from catalog.attestations.trust import Requirement, TrustPolicy
from catalog.clock import now
from catalog.db import Database
from catalog.events.models import EventRecord
from catalog.providers.blobs import BlobUnreachableError, open_blobs
from catalog.settings import Settings
from catalog.tenancy import Principal

# The classes and callables of conftest.py, which test files do not import.
Outsider = Any
Receive = Any
Service = Any
POLICY = TrustPolicy(requirements=[Requirement(evidence="provenance", applies_to=["file"])])
ISSUER = "https://id.example.com"


class Away:
    """A store of bytes that does not answer."""

    def read(self, digest: str) -> bytes:
        raise BlobUnreachableError(digest)


def is_trusted(service: Service, principal: Principal, found: Any) -> bool:
    with service(principal) as opened:
        asked = VerifySubject(subject=f"sha256:{found.subjects[0].digest}", policy=POLICY)
        return bool(opened.verify(principal.tenant_id, asked).trusted)


def told(database: Database, principal: Principal) -> set[str]:
    """Return the attestations of which somebody was told that they are none any more."""
    with database.tenant_session(principal.tenant_id) as session:
        kind = AttestationInvalidated.event_type()
        rows = session.exec(select(EventRecord).where(EventRecord.type == kind).order_by(col(EventRecord.sequence)))
        names = [row.data["attestation_id"] for row in rows]
    assert len(names) == len(set(names))
    return set(names)


def keyless(database: Database, principal: Principal, found: Any, identity: str) -> None:
    """Let a statement be one that an identity signed without a key."""
    with database.tenant_session(principal.tenant_id) as session:
        row = session.exec(select(Attestation).where(Attestation.id == found.id)).one()
        row.signing_key_id, row.key_id = None, ""
        row.issuer, row.identity, row.signed_at = ISSUER, identity, found.received_at
        session.add(row)


def test_a_revoked_key_counts_no_longer_before_any_worker_ran(
    acme: Principal, service: Service, database: Database, outsider: Outsider, trusted: Any, receive: Receive
) -> None:
    found = receive(acme, outsider.bundle(b"artifact"))
    assert is_trusted(service, acme, found)
    with service(acme) as opened:
        opened.revoke_key(acme, trusted.id, RevokeKey(reason="it leaked"))
    assert not is_trusted(service, acme, found)
    with service(acme) as opened:
        row = opened.get(acme.tenant_id, found.id)
        assert (row.verified, row.reason, row.detail) == (
            False,
            "key_revoked",
            "The key outsider is revoked: it leaked",
        )
        assert not opened.revocation(acme.tenant_id, trusted.id).is_complete
    assert told(database, acme) == set()
    with service(acme) as opened:
        assert opened.verify_history(acme, trusted.id, None).after is None
    with service(acme) as opened:
        assert opened.verify_history(acme, trusted.id, None).after is None  # and nobody is told twice
        assert opened.revocation(acme.tenant_id, trusted.id).is_complete
    assert told(database, acme) == {str(found.id)}


def test_one_lost_record_keeps_no_other_from_being_settled(
    acme: Principal,
    service: Service,
    database: Database,
    settings: Settings,
    outsider: Outsider,
    trusted: Any,
    receive: Receive,
) -> None:
    before = [receive(acme, outsider.bundle(f"artifact {number}".encode())) for number in range(3)]
    since = now()
    after = receive(acme, outsider.bundle(b"after"))
    open_blobs(settings).delete(before[1].envelope_digest)
    with service(acme) as opened:
        opened.revoke_key(acme, trusted.id, RevokeKey(reason="it leaked", since=since))
    with service(acme) as opened:
        step = opened.verify_history(acme, trusted.id, None)
        assert (step.after, step.unread) == (None, 0)
    assert told(database, acme) == {str(before[1].id), str(after.id)}
    with service(acme) as opened:
        assert opened.get(acme.tenant_id, before[1].id).reason == Reason.BYTES_LOST
        assert [opened.get(acme.tenant_id, before[n].id).verified for n in (0, 2)] == [True, True]


def test_what_cannot_be_read_just_now_waits_and_stops_nothing(
    acme: Principal,
    service: Service,
    database: Database,
    settings: Settings,
    outsider: Outsider,
    trusted: Any,
    receive: Receive,
) -> None:
    kept = receive(acme, outsider.bundle(b"before"))
    since = now()
    gone = receive(acme, outsider.bundle(b"after"))
    with service(acme) as opened:
        opened.revoke_key(acme, trusted.id, RevokeKey(reason="it leaked", since=since))
    away: Any = Away()
    with database.tenant_session(acme.tenant_id) as session:
        step = SupplyChainAttestationService(session, settings, away).verify_history(acme, trusted.id, None)
        assert step.unread == 1
    assert told(database, acme) == {str(gone.id)}
    with service(acme) as opened:
        assert opened.get(acme.tenant_id, kept.id).verdict is Verdict.VERIFIED


@pytest.mark.parametrize("is_since", [False, True])
def test_a_revoked_identity_takes_back_what_it_signed(
    acme: Principal,
    service: Service,
    database: Database,
    outsider: Outsider,
    trusted: Any,
    receive: Receive,
    *,
    is_since: bool,
) -> None:
    assert trusted.id
    with service(acme) as opened:
        wanted = NewIdentity(name="release", issuer=ISSUER, subject="https://example.com/re_ease*")
        gone = opened.add_identity(acme, wanted)
        opened.add_identity(acme, NewIdentity(name="main", issuer=ISSUER, subject="*@refs/heads/main"))
    names = (
        "https://example.com/re_ease",
        "https://example.com/release",
        "https://example.com/re_ease@refs/heads/main",
    )
    early, other, covered = (receive(acme, outsider.bundle(name.encode())) for name in names)
    moment = now()
    late = receive(acme, outsider.bundle(b"late"))
    for found, name in zip((early, other, covered, late), (*names, names[0]), strict=True):
        keyless(database, acme, found, name)
    with service(acme) as opened:
        opened.rely(acme.tenant_id, "release", late.id, "web 1", itself=None, uses={late.subjects[0].digest: "web"})
        asked = RevokeIdentity(reason="it was taken over", since=moment if is_since else None)
        report = opened.revoke_identity(acme, gone.id, asked)
        assert (report.invalidated, [each.label for each in report.affected]) == (1 if is_since else 2, ["web 1"])
        assert [each.name for each in opened.identities(acme.tenant_id)] == ["main"]
    verdicts = [is_trusted(service, acme, found) for found in (early, other, covered, late)]
    assert verdicts == [is_since, True, True, False]
    with service(acme) as opened:
        assert opened.tell_of_identity(acme, gone.issuer, gone.subject, None) is None
    assert told(database, acme) == {str(late.id), *([] if is_since else [str(early.id)])}


def test_an_identity_that_is_only_removed_leaves_what_it_signed(
    acme: Principal, service: Service, database: Database, outsider: Outsider, trusted: Any, receive: Receive
) -> None:
    assert trusted.id
    with service(acme) as opened:
        known = opened.add_identity(acme, NewIdentity(name="release", issuer=ISSUER, subject="*"))
    found = receive(acme, outsider.bundle(b"artifact"))
    keyless(database, acme, found, "anybody")
    with service(acme) as opened:
        opened.remove_identity(acme, known.id)
    assert is_trusted(service, acme, found)
    with database.tenant_session(acme.tenant_id) as session:
        (removed,) = session.exec(select(EventRecord).where(col(EventRecord.type).contains("identity.removed"))).all()
        assert (removed.data["subject"], removed.data["is_revoked"]) == ("*", False)


def test_the_same_statement_of_a_revoked_signer_is_not_taken_again(
    acme: Principal, service: Service, outsider: Outsider, trusted: Any, receive: Receive
) -> None:
    receive(acme, outsider.bundle(b"artifact"))
    with service(acme) as opened:
        opened.revoke_key(acme, trusted.id, RevokeKey(reason="it leaked", since=now() - timedelta(days=1)))
    with pytest.raises(AttestationRejectedError) as refused:
        receive(acme, outsider.bundle(b"artifact"))
    assert refused.value.reason is Reason.KEY_REVOKED

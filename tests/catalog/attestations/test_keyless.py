"""Keyless bundles: verified offline against a configured root, and refused for every way in which they can be false."""

import base64
import json
from collections.abc import Callable
from datetime import timedelta
from importlib.util import module_from_spec, spec_from_file_location
from pathlib import Path
from typing import Any

import pytest

from catalog.attestations.errors import AttestationRejectedError, Reason
from catalog.attestations.service import SupplyChainAttestationService
from catalog.attestations.shapes import NewIdentity
from catalog.db import Database
from catalog.settings import Settings
from catalog.tenancy import Principal

# Loaded by its place, because test folders are no packages.
_SPEC = spec_from_file_location("sigstore_world", Path(__file__).with_name("sigstore_world.py"))
assert _SPEC is not None
assert _SPEC.loader is not None
world = module_from_spec(_SPEC)
_SPEC.loader.exec_module(world)

# The class of conftest.py, which test files do not import.
Outsider = Any
IDENTITY = "https://github.com/acme/web/.github/workflows/release.yml@refs/tags/v1"
ISSUER = "https://token.actions.githubusercontent.com"
WORLD = world.Sigstore()
KEY = world.new_key()
CERTIFICATE = WORLD.certificate(KEY, IDENTITY, ISSUER)
Send = Callable[[dict[str, Any]], Any]


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """The trusted root of our own Sigstore, in a file."""
    path = tmp_path / "trusted_root.json"
    path.write_bytes(WORLD.trusted_root())
    return path


@pytest.fixture
def send(database: Database, settings: Settings, acme: Principal, root: Path) -> Send:
    """Return what sends a bundle as acme, which trusts the release workflows of its repositories."""
    own = settings.model_copy(update={"sigstore_trusted_root": root})
    with database.tenant_session(acme.tenant_id) as session:
        identity = NewIdentity(
            name="release", issuer=ISSUER, subject="https://github.com/acme/*/release.yml@refs/tags/*"
        )
        SupplyChainAttestationService(session, own).add_identity(acme, identity)

    def sent(bundle: dict[str, Any]) -> Any:
        with database.tenant_session(acme.tenant_id) as session:
            return SupplyChainAttestationService(session, own).receive(acme, json.dumps(bundle).encode())[0]

    return sent


@pytest.fixture
def envelope(outsider: Outsider) -> dict[str, Any]:
    """An envelope that the certificate's key signed."""
    signed: dict[str, Any] = type(outsider)(KEY).envelope()
    return signed


def refusal(send: Send, bundle: dict[str, Any]) -> AttestationRejectedError:
    with pytest.raises(AttestationRejectedError) as refused:
        send(bundle)
    return refused.value


def test_a_keyless_bundle_is_evidence_of_its_identity(send: Send, envelope: dict[str, Any]) -> None:
    found = send(WORLD.bundle(CERTIFICATE, envelope))
    assert (found.verified, found.identity, found.issuer) == (True, IDENTITY, ISSUER)
    assert (found.signer, found.key_id, found.signed_at) == (IDENTITY, "", WORLD.moment)


def test_an_identity_that_nobody_vouches_for_is_refused(send: Send, envelope: dict[str, Any]) -> None:
    other = IDENTITY.replace("acme", "evil")
    bundle = WORLD.bundle(WORLD.certificate(KEY, other, ISSUER), envelope)
    assert refusal(send, bundle).reason is Reason.UNKNOWN_IDENTITY
    bundle = WORLD.bundle(WORLD.certificate(KEY, IDENTITY, "https://id.evil.example"), envelope)
    assert refusal(send, bundle).reason is Reason.UNKNOWN_IDENTITY


def test_a_certificate_that_had_expired_when_it_was_used_is_refused(send: Send, envelope: dict[str, Any]) -> None:
    for minutes in ((-20, -10), (5, 15)):
        expired = WORLD.certificate(KEY, IDENTITY, ISSUER, minutes)
        error = refusal(send, WORLD.bundle(expired, envelope))
        assert (error.reason, "does not vouch" in error.detail) == (Reason.BAD_CERTIFICATE, True)


def test_a_certificate_that_has_expired_since_still_counts(send: Send, envelope: dict[str, Any], root: Path) -> None:
    old = world.Sigstore(moment=WORLD.moment - timedelta(days=3))
    root.write_bytes(old.trusted_root())
    assert send(old.bundle(old.certificate(KEY, IDENTITY, ISSUER), envelope)).signed_at == old.moment


def other_authority(bundle: dict[str, Any]) -> None:
    stranger = world.Sigstore()
    certificate = stranger.certificate(KEY, IDENTITY, ISSUER)
    bundle.update(stranger.bundle(certificate, bundle["dsseEnvelope"]))


def no_log_entry(bundle: dict[str, Any]) -> None:
    bundle["verificationMaterial"]["tlogEntries"] = []


def entry_of_another_time(bundle: dict[str, Any]) -> None:
    (entry,) = bundle["verificationMaterial"]["tlogEntries"]
    entry["integratedTime"] = str(int(entry["integratedTime"]) + 60)


def entry_of_another_payload(bundle: dict[str, Any]) -> None:
    other = {**bundle["dsseEnvelope"], "payload": base64.b64encode(b"{}").decode()}
    bundle["verificationMaterial"]["tlogEntries"] = WORLD.bundle(CERTIFICATE, other)["verificationMaterial"][
        "tlogEntries"
    ]


def changed_payload(bundle: dict[str, Any]) -> None:
    payload = base64.b64decode(bundle["dsseEnvelope"]["payload"]).replace(b"artifact", b"artefact")
    bundle["dsseEnvelope"]["payload"] = base64.b64encode(payload).decode()


def certificate_of_another_key(bundle: dict[str, Any]) -> None:
    other = WORLD.certificate(world.new_key(), IDENTITY, ISSUER)
    bundle.update(WORLD.bundle(other, bundle["dsseEnvelope"]))


def root_as_certificate(bundle: dict[str, Any]) -> None:
    bundle.update(WORLD.bundle(WORLD.root, bundle["dsseEnvelope"]))


CHANGES = [
    other_authority,
    no_log_entry,
    entry_of_another_time,
    entry_of_another_payload,
    changed_payload,
    certificate_of_another_key,
    root_as_certificate,
]


@pytest.mark.parametrize("change", CHANGES, ids=lambda change: change.__name__)
def test_false_bundles(send: Send, envelope: dict[str, Any], change: Callable[[dict[str, Any]], None]) -> None:
    bundle = WORLD.bundle(CERTIFICATE, envelope)
    change(bundle)
    assert refusal(send, bundle).reason is Reason.BAD_CERTIFICATE


def test_a_payload_that_others_would_read_otherwise_is_refused(send: Send, envelope: dict[str, Any]) -> None:
    bundle = WORLD.bundle(CERTIFICATE, envelope)
    payload = bundle["dsseEnvelope"]["payload"]
    # Bytes to us, and skipped by those who know the other alphabet alone.
    bundle["dsseEnvelope"]["payload"] = f"{payload[:8]}----{payload[8:]}"
    assert refusal(send, bundle).reason is Reason.BAD_SIGNATURE


def test_without_a_trusted_root_keyless_bundles_are_refused(
    database: Database, settings: Settings, acme: Principal, envelope: dict[str, Any], tmp_path: Path
) -> None:
    data = json.dumps(WORLD.bundle(CERTIFICATE, envelope)).encode()
    for path in (None, tmp_path / "missing.json"):
        own = settings.model_copy(update={"sigstore_trusted_root": path})
        with (
            database.tenant_session(acme.tenant_id) as session,
            pytest.raises(AttestationRejectedError) as refused,
        ):
            SupplyChainAttestationService(session, own).receive(acme, data)
        assert refused.value.reason is Reason.KEYLESS_OFF

"""Whether a signature counts: which of a tenant's keys or identities made it, and whether that one may."""

import base64
import binascii
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from catalog.attestations import rules
from catalog.attestations.dsse import Signed, read_signed
from catalog.attestations.errors import AttestationRejectedError, Reason
from catalog.attestations.keyless import verify_keyless
from catalog.attestations.models import PublisherIdentity, SigningKey
from catalog.attestations.signatures import is_valid, load_public_key
from catalog.attestations.statements import Statement, read_statement


@dataclass(frozen=True)
class Anchors:
    """What a tenant verifies with: its keys in whatever state, its identities, and the root of keyless signatures."""

    keys: Sequence[SigningKey]
    identities: Sequence[PublisherIdentity]
    trusted_root: Path | None


@dataclass(frozen=True)
class Proof:
    """A statement whose signature counts; either ``key`` or ``issuer`` and ``identity`` say who signed."""

    signed: Signed
    statement: Statement
    signer: str
    key: SigningKey | None = None
    issuer: str = ""
    identity: str = ""
    signed_at: datetime | None = None


def prove(data: bytes, anchors: Anchors, at: datetime) -> Proof:
    """Return what an envelope or bundle proves to a tenant that saw it at ``at``.

    Raises ``AttestationRejectedError`` with the reason for everything that proves nothing.
    """
    signed = read_signed(data)
    if signed.certificate is not None:
        return _prove_keyless(data, signed, signed.certificate, anchors)
    key = _signer(signed, anchors.keys)
    obstacle = rules.objection(key, at)
    if obstacle is not None:
        raise AttestationRejectedError(*obstacle)
    # What is not signed by somebody known is not even read.
    return Proof(signed, read_statement(signed.envelope), key.name, key=key)


def _signer(signed: Signed, keys: Sequence[SigningKey]) -> SigningKey:
    envelope = signed.envelope
    message = envelope.signed
    hint = signed.hint or envelope.keyid
    for key in rules.in_likely_order(keys, _as_key_id(hint)):
        if is_valid(load_public_key(key.public_key), envelope.signature, message):
            return key
    named = next((key for key in keys if hint and key.key_id == _as_key_id(hint)), None)
    if named is not None:
        raise AttestationRejectedError(
            Reason.BAD_SIGNATURE, f"This is not a signature of the key {named.name} over this payload."
        )
    raise AttestationRejectedError(
        Reason.UNKNOWN_KEY,
        "No key that you have registered made this signature, or the payload was changed after it was signed. "
        "Import the signer's public key first.",
    )


def _as_key_id(hint: str) -> str:
    """Return the key id in a hint, which cosign writes as base64 of the digest and others in hexadecimal."""
    try:
        raw = base64.b64decode(hint, validate=True)
    except (binascii.Error, ValueError):
        raw = b""
    if len(raw) == 32:
        return f"sha256:{raw.hex()}"
    return hint.lower().removeprefix("sha256:").join(("sha256:", "")) if len(hint) in {64, 71} else hint


def _prove_keyless(data: bytes, signed: Signed, certificate: bytes, anchors: Anchors) -> Proof:
    signer = verify_keyless(data, certificate, signed.envelope.payload, anchors.trusted_root)
    if rules.known_identity(anchors.identities, signer.issuer, signer.identity) is None:
        raise AttestationRejectedError(
            Reason.UNKNOWN_IDENTITY,
            f"The signature is good, but {signer.identity} (by {signer.issuer}) is no publisher identity of yours.",
            "/verificationMaterial/certificate",
        )
    return Proof(
        signed,
        read_statement(signed.envelope),
        signer.identity,
        issuer=signer.issuer,
        identity=signer.identity,
        signed_at=signer.signed_at,
    )

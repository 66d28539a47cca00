"""Dead Simple Signing Envelopes, and the Sigstore bundles (version 0.3) that carry them.

Sources: the DSSE protocol 1.0 (pre-authentication encoding, both base64 alphabets, keyid as a mere hint) and
sigstore_bundle.proto of Sigstore's protobuf-specs.
"""

import base64
import binascii
import json
from dataclasses import dataclass
from typing import Any

from catalog.attestations.errors import AttestationRejectedError, Reason
from catalog.attestations.strict_json import read_json

LARGEST = 16 * 1024 * 1024
"""How large an envelope or bundle may be, in bytes."""
STATEMENT_TYPE = "application/vnd.in-toto+json"
BUNDLE_TYPE = "application/vnd.dev.sigstore.bundle.v0.3+json"
# Compared one by one: what a stranger sends may be of any kind, and only some kinds can be looked up in a set.
_BUNDLE_TYPES = (BUNDLE_TYPE, "application/vnd.dev.sigstore.bundle+json;version=0.3")
_URL_SAFE = str.maketrans("-_", "+/")


@dataclass(frozen=True)
class Envelope:
    """One payload and its one signature; ``keyid`` is what the envelope says of the key, which proves nothing."""

    payload: bytes
    payload_type: str
    signature: bytes
    keyid: str = ""

    @property
    def signed(self) -> bytes:
        """Return what the signature is over."""
        return pae(self.payload_type, self.payload)


@dataclass(frozen=True)
class Signed:
    """What was sent: the envelope, and how its signer is said to be found.

    A bundle names its signer by the hint of a public key or brings a certificate (DER); a bare envelope does neither.
    """

    envelope: Envelope
    media_type: str
    hint: str = ""
    certificate: bytes | None = None


def pae(payload_type: str, payload: bytes) -> bytes:
    """Return the pre-authentication encoding of a payload: what is signed instead of the payload itself."""
    kind = payload_type.encode()
    return b"DSSEv1 %d %b %d %b" % (len(kind), kind, len(payload), payload)


def read_signed(data: bytes) -> Signed:
    """Return the envelope in ``data``, bare or in a bundle; raise ``AttestationRejectedError`` for anything else."""
    if len(data) > LARGEST:
        raise AttestationRejectedError(
            Reason.TOO_LARGE, f"An attestation may have {LARGEST // 2**20} MiB, and this one has more."
        )
    document = read_json(data, "The attestation")
    if isinstance(document, dict) and "payload" in document and "mediaType" not in document:
        return Signed(_envelope(document, ""), "application/vnd.dsse.envelope.v1+json")
    if isinstance(document, dict) and document.get("mediaType") in _BUNDLE_TYPES:
        return _bundle(document)
    raise AttestationRejectedError(
        Reason.UNSUPPORTED,
        "Send a DSSE envelope or a Sigstore bundle of version 0.3; cosign writes one with --bundle FILE.",
        "/mediaType",
    )


def write_bundle(envelope: Envelope, hint: str) -> bytes:
    """Return a bundle of version 0.3 that names its public key by ``hint``, as cosign reads it."""
    content = {
        "mediaType": BUNDLE_TYPE,
        "verificationMaterial": {"publicKey": {"hint": hint}, "tlogEntries": []},
        "dsseEnvelope": {
            "payload": base64.b64encode(envelope.payload).decode(),
            "payloadType": envelope.payload_type,
            "signatures": [{"sig": base64.b64encode(envelope.signature).decode()}],
        },
    }
    return json.dumps(content, separators=(",", ":")).encode()


def _bundle(document: dict[str, Any]) -> Signed:
    material = document.get("verificationMaterial")
    envelope = document.get("dsseEnvelope")
    if not isinstance(envelope, dict):
        raise AttestationRejectedError(
            Reason.UNSUPPORTED, "The bundle signs a message, not a statement.", "/dsseEnvelope"
        )
    if not isinstance(material, dict):
        raise _malformed("/verificationMaterial", "The bundle does not say who signed it")
    key, certificate = material.get("publicKey"), material.get("certificate")
    if (key is None) == (certificate is None):
        # Exactly one: with both, readers would differ about whom they believe.
        raise _malformed("/verificationMaterial", "A bundle names a public key or a certificate, not both")
    parsed = _envelope(envelope, "/dsseEnvelope")
    if certificate is not None:
        raw = certificate.get("rawBytes") if isinstance(certificate, dict) else None
        der = decode(raw, "/verificationMaterial/certificate/rawBytes")
        return Signed(parsed, BUNDLE_TYPE, certificate=der)
    hint = key.get("hint", "") if isinstance(key, dict) else None
    if not isinstance(hint, str):
        raise _malformed("/verificationMaterial/publicKey/hint", "The hint is a text")
    return Signed(parsed, BUNDLE_TYPE, hint=hint)


def _envelope(document: dict[str, Any], base: str) -> Envelope:
    kind = document.get("payloadType")
    if not isinstance(kind, str):
        raise _malformed(f"{base}/payloadType", "The envelope does not say what its payload is")
    signatures = document.get("signatures")
    if not isinstance(signatures, list) or not signatures:
        raise AttestationRejectedError(Reason.BAD_SIGNATURE, "The envelope carries no signature.", f"{base}/signatures")
    if len(signatures) > 1:
        raise AttestationRejectedError(
            Reason.SEVERAL_SIGNATURES,
            f"The envelope carries {len(signatures)} signatures. Send one bundle for each signer instead.",
            f"{base}/signatures",
        )
    signature = signatures[0]
    keyid = signature.get("keyid", "") if isinstance(signature, dict) else None
    if not isinstance(signature, dict) or not isinstance(keyid, str | None):
        raise _malformed(f"{base}/signatures/0", "A signature is an object with keyid and sig")
    payload = decode(document.get("payload"), f"{base}/payload")
    return Envelope(payload, kind, decode(signature.get("sig"), f"{base}/signatures/0/sig"), keyid or "")


def decode(text: object, pointer: str) -> bytes:
    """Return the bytes of a base64 text in either alphabet; raise where it is anything else."""
    if isinstance(text, str) and text:
        try:
            return base64.b64decode(text.translate(_URL_SAFE), validate=True)
        except (binascii.Error, ValueError):
            pass
    raise _malformed(pointer, "This is not base64")


def _malformed(pointer: str, what: str) -> AttestationRejectedError:
    return AttestationRejectedError(Reason.MALFORMED, f"{what}.", pointer)

"""Attestations as Python's package indexes exchange them (PEP 740), turned into the bundles that are verified here."""

import json
from typing import Any

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from catalog.attestations.dsse import STATEMENT_TYPE
from catalog.attestations.errors import AttestationRejectedError, Reason

BUNDLE_TYPE = "application/vnd.dev.sigstore.bundle.v0.3+json"
MOST = 10
"""How many attestations one file may bring."""


class _Strict(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class _Material(_Strict):
    certificate: str = Field(min_length=1, max_length=65_536)
    transparency_entries: list[dict[str, Any]] = Field(min_length=1, max_length=10)


class _Envelope(_Strict):
    statement: str = Field(min_length=1, max_length=1_048_576)
    signature: str = Field(min_length=1, max_length=65_536)


class _Attestation(_Strict):
    version: int = Field(ge=1, le=1)
    verification_material: _Material
    envelope: _Envelope


def read_attestations(text: str) -> list[bytes]:
    """Return the Sigstore bundle of each attestation in the upload form's field ``attestations``.

    Raises ``AttestationRejectedError`` where it is not a list of attestations of version 1.
    """
    try:
        given = json.loads(text)
        if not isinstance(given, list) or not 0 < len(given) <= MOST:
            raise AttestationRejectedError(
                Reason.MALFORMED, f"This is not a list of one to {MOST} attestations.", "/attestations"
            )
        return [_bundle(_Attestation.model_validate(each)) for each in given]
    except (ValidationError, ValueError, RecursionError):
        raise AttestationRejectedError(
            Reason.MALFORMED, "The attestations are not in the form of PEP 740, version 1.", "/attestations"
        ) from None


def _bundle(given: _Attestation) -> bytes:
    document = {
        "mediaType": BUNDLE_TYPE,
        "verificationMaterial": {
            "certificate": {"rawBytes": given.verification_material.certificate},
            "tlogEntries": given.verification_material.transparency_entries,
        },
        "dsseEnvelope": {
            "payload": given.envelope.statement,
            "payloadType": STATEMENT_TYPE,
            "signatures": [{"sig": given.envelope.signature}],
        },
    }
    return json.dumps(document, separators=(",", ":")).encode()

"""Attestations as Python's package indexes exchange them (PEP 740), turned into the bundles that are verified here."""

import base64
import json
import re
from collections.abc import Iterable
from typing import Any

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from catalog.attestations.dsse import STATEMENT_TYPE
from catalog.attestations.errors import AttestationRejectedError, Reason
from catalog.attestations.predicates import INDEX_PUBLISH, PROVENANCE

BUNDLE_TYPE = "application/vnd.dev.sigstore.bundle.v0.3+json"
MOST = 10
"""How many attestations one file may bring."""
SERVED = (INDEX_PUBLISH, PROVENANCE)
"""The predicate types that an index serves."""
_WORKFLOWS = {
    "https://token.actions.githubusercontent.com": (
        "GitHub",
        re.compile(r"https://github\.com/([^/]+/[^/]+)/\.github/workflows/([^@/]+)@.+"),
        "workflow",
    ),
    "https://gitlab.com": ("GitLab", re.compile(r"https://gitlab\.com/(.+?)//([^@]+)@.+"), "workflow_filepath"),
}
_GOOGLE = "https://accounts.google.com"


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


def publisher(issuer: str, identity: str) -> dict[str, Any] | None:
    """Return who signed as a provenance object names it, None for an identity for which it has no form."""
    if issuer == _GOOGLE:
        return {"kind": "Google", "email": identity}
    kind, pattern, field = _WORKFLOWS.get(issuer, ("", re.compile(r"(?!)"), ""))
    found = pattern.fullmatch(identity)
    return None if found is None else {"kind": kind, "repository": found[1], field: found[2], "environment": None}


def provenance(signed: Iterable[tuple[dict[str, Any], bytes]]) -> bytes | None:
    """Return the provenance object of a file from its publishers and Sigstore bundles, None where none is left.

    Attestations of one publisher stand together. A bundle that was not made for an index, without a certificate or
    with more than one signature, is left out.
    """
    groups: dict[str, dict[str, Any]] = {}
    for who, data in signed:
        attestation = _attestation(json.loads(data))
        if attestation is not None:
            group = groups.setdefault(json.dumps(who), {"publisher": who, "attestations": []})
            group["attestations"].append(attestation)
    if not groups:
        return None
    document = {"version": 1, "attestation_bundles": list(groups.values())}
    return json.dumps(document, separators=(",", ":")).encode()


def _attestation(bundle: dict[str, Any]) -> dict[str, Any] | None:
    """Return the attestation that `_bundle` makes a bundle of, or that says the same as another bundle."""
    material, envelope = bundle["verificationMaterial"], bundle.get("dsseEnvelope") or {}
    chain = (material.get("x509CertificateChain") or {}).get("certificates") or [None]
    certificate = material.get("certificate") or chain[0]
    signatures = envelope.get("signatures") or []
    if certificate is None or len(signatures) != 1 or not material.get("tlogEntries"):
        return None
    return {
        "version": 1,
        "verification_material": {
            "certificate": certificate["rawBytes"],
            "transparency_entries": material["tlogEntries"],
        },
        "envelope": {
            # Senders may use either alphabet; readers of this form know the ordinary one alone.
            "statement": _ordinary(envelope["payload"]),
            "signature": _ordinary(signatures[0]["sig"]),
        },
    }


def _ordinary(text: str) -> str:
    raw = base64.b64decode(text.replace("-", "+").replace("_", "/") + "=" * (-len(text) % 4))
    return base64.b64encode(raw).decode()

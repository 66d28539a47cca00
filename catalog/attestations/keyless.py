"""Keyless bundles: a certificate for minutes, bound to an identity, and a log that proves when it was used.

``sigstore`` verifies them against a trusted root in a file; nothing is fetched.
"""

from dataclasses import dataclass
from datetime import datetime
from functools import lru_cache
from pathlib import Path
from typing import Any

from cryptography import x509
from cryptography.x509.oid import ObjectIdentifier

from catalog.attestations.errors import AttestationRejectedError, Reason
from catalog.clock import now

_ISSUER = ObjectIdentifier("1.3.6.1.4.1.57264.1.8")
_ISSUER_OLD = ObjectIdentifier("1.3.6.1.4.1.57264.1.1")
_AT = "/verificationMaterial/certificate"


@dataclass(frozen=True)
class KeylessSigner:
    """Who signed, by OpenID issuer and subject (a workflow's URI or an address), and when that was recorded."""

    issuer: str
    identity: str
    signed_at: datetime | None


def verify_keyless(bundle: bytes, certificate: bytes, payload: bytes, trusted_root: Path | None) -> KeylessSigner:
    """Verify a bundle that brings a certificate (DER) and return its signer; ``payload`` is what was read from it.

    Raises ``AttestationRejectedError``: for a certificate field that holds no certificate (a bare public key would
    let anybody sign), one that no trusted authority issued or that had expired when it was used, a missing or false
    log entry, or a signature that is not the certificate's.
    """
    try:
        parsed = x509.load_der_x509_certificate(certificate)
    except ValueError:
        raise AttestationRejectedError(
            Reason.BAD_CERTIFICATE, "The certificate field holds no certificate.", _AT
        ) from None
    if trusted_root is None:
        raise AttestationRejectedError(
            Reason.KEYLESS_OFF,
            "Keyless signatures are not verified here, because no trusted root is configured "
            "(SLIPWAY_SIGSTORE_TRUSTED_ROOT). Sign with a registered key instead.",
            _AT,
        )
    signed_at = _verify(bundle, payload, trusted_root)
    return KeylessSigner(_issuer(parsed), _identity(parsed), signed_at)


def _verify(data: bytes, payload: bytes, trusted_root: Path) -> datetime | None:
    # Slow to import (two seconds), and only needed by those who configure a trusted root.
    from sigstore.errors import Error  # noqa: PLC0415
    from sigstore.models import Bundle  # noqa: PLC0415

    verifier = _verifier(trusted_root, _changed(trusted_root))
    try:
        bundle = Bundle.from_json(data)
        _, verified = verifier.verify_dsse(bundle, _Anybody())
    except (Error, ValueError, TypeError, KeyError, AttributeError) as error:
        text = str(error).splitlines()[0][:300] if str(error) else type(error).__name__
        raise AttestationRejectedError(
            Reason.BAD_CERTIFICATE, f"The certificate does not vouch for the signature: {text}.", _AT
        ) from None
    if verified != payload:
        # The library skips characters that are no base64 of its alphabet, and would vouch for other bytes.
        raise AttestationRejectedError(
            Reason.BAD_SIGNATURE,
            "The signature is of other bytes than the payload that was read.",
            "/dsseEnvelope/payload",
        )
    seconds = bundle.log_entry._inner.integrated_time  # noqa: SLF001  # the library offers no other way to it
    return datetime.fromtimestamp(seconds, now().tzinfo) if seconds else None


class _Anybody:
    """The verification policy of those who decide afterwards whose identities count, as the caller does."""

    def verify(self, cert: x509.Certificate) -> None:
        """Let the holder of any certificate pass that the root vouches for."""


def _changed(path: Path) -> int:
    try:
        return path.stat().st_mtime_ns
    except OSError as error:
        raise AttestationRejectedError(
            Reason.KEYLESS_OFF, f"The trusted root that is configured cannot be read: {error.strerror}.", _AT
        ) from None


@lru_cache(maxsize=4)
def _verifier(path: Path, _changed_at: int) -> Any:
    from sigstore.models import TrustedRoot  # noqa: PLC0415  (see _verify)
    from sigstore.verify import Verifier  # noqa: PLC0415

    return Verifier(trusted_root=TrustedRoot.from_file(str(path)))


def _identity(certificate: x509.Certificate) -> str:
    try:
        names = certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    except x509.ExtensionNotFound:
        names = x509.SubjectAlternativeName([])
    found = [
        *names.get_values_for_type(x509.UniformResourceIdentifier),
        *names.get_values_for_type(x509.RFC822Name),
    ]
    if len(found) != 1:
        raise AttestationRejectedError(Reason.BAD_CERTIFICATE, "The certificate does not name one identity.", _AT)
    return found[0]


def _issuer(certificate: x509.Certificate) -> str:
    for oid in (_ISSUER, _ISSUER_OLD):
        try:
            extension = certificate.extensions.get_extension_for_oid(oid).value
        except x509.ExtensionNotFound:
            continue
        raw = extension.value if isinstance(extension, x509.UnrecognizedExtension) else b""
        # The newer extension is a DER UTF8String (tag, length, text), the older one is the text alone.
        text = raw[2:] if oid == _ISSUER and raw[:1] == b"\x0c" else raw
        return text.decode("utf-8", "replace")
    raise AttestationRejectedError(Reason.BAD_CERTIFICATE, "The certificate does not name its issuer.", _AT)

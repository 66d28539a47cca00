"""Public keys and signatures, apart from what is signed.

Ed25519 over the message; ECDSA on P-256 with SHA-256, on P-384 with SHA-384 and on P-521 with SHA-512, as DER or as
raw ``r || s`` (the DSSE test vector and other tools write that); RSA from 2048 bits with SHA-256, PKCS #1 v1.5 or PSS.
"""

import base64
import hashlib
from contextlib import suppress
from functools import lru_cache

from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, padding, rsa
from cryptography.hazmat.primitives.asymmetric.utils import encode_dss_signature
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    PublicFormat,
    load_der_public_key,
    load_pem_public_key,
)

from catalog.errors import FieldError, InvalidInputError

PublicKey = ed25519.Ed25519PublicKey | ec.EllipticCurvePublicKey | rsa.RSAPublicKey
_LARGEST_PEM = 16 * 1024
_SHORTEST_RSA = 2048
_HASHES: dict[str, hashes.HashAlgorithm] = {
    "secp256r1": hashes.SHA256(),
    "secp384r1": hashes.SHA384(),
    "secp521r1": hashes.SHA512(),
}


class PublicKeyError(InvalidInputError):
    """What was given is no public key that signatures can be verified with."""

    code = "public_key"

    def __init__(self, detail: str) -> None:
        super().__init__(detail, [FieldError("/public_key", detail)])


@lru_cache(maxsize=1024)
def load_public_key(text: str) -> PublicKey:
    """Return the public key in a PEM text; raise ``PublicKeyError`` for a private one, a certificate or a weak one."""
    if len(text) > _LARGEST_PEM:
        raise PublicKeyError("This is longer than any public key.")
    if "PRIVATE KEY" in text:
        raise PublicKeyError("This is a private key. Keep it to yourself, and give the public one.")
    if "CERTIFICATE" in text:
        raise PublicKeyError("This is a certificate, not a public key.")
    try:
        return _usable(load_pem_public_key(text.strip().encode()))
    except (ValueError, UnsupportedAlgorithm):
        raise PublicKeyError("This is not a public key in PEM; it begins with -----BEGIN PUBLIC KEY-----.") from None


def load_public_der(der: bytes) -> PublicKey:
    """Return the public key of an SPKI in DER; raise ``PublicKeyError`` for anything else."""
    try:
        return _usable(load_der_public_key(der))
    except (ValueError, UnsupportedAlgorithm):
        raise PublicKeyError("This is not a public key in DER.") from None


def _usable(key: object) -> PublicKey:
    if isinstance(key, ed25519.Ed25519PublicKey):
        return key
    if isinstance(key, rsa.RSAPublicKey) and key.key_size >= _SHORTEST_RSA:
        return key
    if isinstance(key, ec.EllipticCurvePublicKey) and key.curve.name in _HASHES:
        return key
    raise PublicKeyError("Use Ed25519, ECDSA on P-256, P-384 or P-521, or RSA with 2048 bits or more.")


def algorithm_of(key: PublicKey) -> str:
    """Return how the key's algorithm is called: ``ed25519``, ``ecdsa-p256``, ``rsa-2048``."""
    if isinstance(key, ed25519.Ed25519PublicKey):
        return "ed25519"
    return f"rsa-{key.key_size}" if isinstance(key, rsa.RSAPublicKey) else f"ecdsa-p{key.curve.key_size}"


def pem(key: PublicKey) -> str:
    """Return a public key as PEM."""
    return key.public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo).decode()


def key_id(key: PublicKey) -> str:
    """Return the name of a key: ``sha256:`` and the digest of its SPKI in DER, in hexadecimal."""
    return f"sha256:{hashlib.sha256(_der(key)).hexdigest()}"


def hint_of(key: PublicKey) -> str:
    """Return how bundles name a key: the digest of its SPKI in base64, as cosign writes it."""
    return base64.b64encode(hashlib.sha256(_der(key)).digest()).decode()


def is_valid(key: PublicKey, signature: bytes, message: bytes) -> bool:
    """Tell whether ``signature`` is the key's over ``message``."""
    with suppress(InvalidSignature):
        if isinstance(key, ed25519.Ed25519PublicKey):
            key.verify(signature, message)
            return True
        if isinstance(key, rsa.RSAPublicKey):
            return _is_valid_rsa(key, signature, message)
        return _is_valid_ecdsa(key, signature, message)
    return False


def _is_valid_rsa(key: rsa.RSAPublicKey, signature: bytes, message: bytes) -> bool:
    pss = padding.PSS(padding.MGF1(hashes.SHA256()), padding.PSS.AUTO)
    for scheme in (padding.PKCS1v15(), pss):
        with suppress(InvalidSignature):
            key.verify(signature, message, scheme, hashes.SHA256())
            return True
    return False


def _is_valid_ecdsa(key: ec.EllipticCurvePublicKey, signature: bytes, message: bytes) -> bool:
    scheme = ec.ECDSA(_HASHES[key.curve.name])
    size = (key.curve.key_size + 7) // 8
    candidates = [signature]
    if len(signature) == 2 * size:
        r, s = (int.from_bytes(part, "big") for part in (signature[:size], signature[size:]))
        candidates.append(encode_dss_signature(r, s))
    for candidate in candidates:
        with suppress(InvalidSignature):
            key.verify(candidate, message, scheme)
            return True
    return False


def _der(key: PublicKey) -> bytes:
    return key.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)

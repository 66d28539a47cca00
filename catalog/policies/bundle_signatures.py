"""OPA's signatures of bundles: ``.signatures.json`` holds one JWT that lists the hash of every file.

Semantics: OPA's ``v1/bundle/{sign,verify,hash}.go``. JSON documents are hashed as compact JSON with sorted keys, all
other files as their bytes, so that white space in ``data.json`` does not matter.
"""

import hashlib
import json
from collections.abc import Mapping
from typing import Any, Final

import jwt
from cryptography.hazmat.primitives.asymmetric.ec import EllipticCurvePrivateKey, EllipticCurvePublicKey
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey, RSAPublicKey

SIGNATURES: Final = ".signatures.json"
_MANIFEST = ".manifest"
_ALGORITHMS: Final = {"secp256r1": "ES256", "secp384r1": "ES384", "secp521r1": "ES512"}

PrivateKey = EllipticCurvePrivateKey | RSAPrivateKey | Ed25519PrivateKey
PublicKey = EllipticCurvePublicKey | RSAPublicKey | Ed25519PublicKey


class BundleSignatureError(ValueError):
    """A signature does not fit the bundle or the key; the message says which file or what about the key."""


def sign_bundle(files: Mapping[str, bytes], key: PrivateKey, *, key_id: str, scope: str = "") -> bytes:
    """Return the content of ``.signatures.json`` for a bundle's files (by path, without a leading slash).

    ``key_id`` is what agents know the public key by. OPA verifies ECDSA (ES256, ES384, ES512) and RSA (RS256).
    """
    listed = [
        {"name": name, "hash": file_hash(name, data), "algorithm": "SHA-256"}
        for name, data in sorted(files.items())
        if name != SIGNATURES
    ]
    claims: dict[str, Any] = {"files": listed, "keyid": key_id, **({"scope": scope} if scope else {})}
    token = jwt.encode(claims, key, algorithm=_algorithm(key), headers={"kid": key_id})
    return json.dumps({"signatures": [token]}).encode()


def verify_bundle(files: Mapping[str, bytes], key: PublicKey, *, key_id: str, scope: str = "") -> None:
    """Raise ``BundleSignatureError`` unless the bundle's one signature is by ``key`` and covers exactly its files."""
    if SIGNATURES not in files:
        raise BundleSignatureError("The bundle is not signed.")
    try:
        (token,) = json.loads(files[SIGNATURES])["signatures"]
        header = jwt.get_unverified_header(token)
        claims: dict[str, Any] = jwt.decode(token, key, algorithms=[_algorithm(key)], options={"verify_aud": False})
        listed = {each["name"]: (each["algorithm"], each["hash"]) for each in claims["files"]}
    except (ValueError, KeyError, TypeError, jwt.PyJWTError) as error:
        raise BundleSignatureError(f"The signature of the bundle does not hold: {error}.") from None
    named = header.get("kid") or claims.get("keyid") or ""
    if named != key_id or claims.get("scope", "") != scope:
        raise BundleSignatureError("The bundle is signed by another key or for another scope.")
    if len(listed) != len(claims["files"]):
        raise BundleSignatureError("The signature lists a file twice.")
    present = {name for name in files if name != SIGNATURES}
    for name in sorted(present ^ listed.keys()):
        problem = "is not part of the signature" if name in present else "is missing"
        raise BundleSignatureError(f"The file {name} {problem}.")
    for name in sorted(present):
        if listed[name] != ("SHA-256", file_hash(name, files[name])):
            raise BundleSignatureError(f"The file {name} is not the one that was signed.")


def file_hash(name: str, data: bytes) -> str:
    """Return the hash of one file as OPA computes it, in hexadecimal."""
    base = name.rpartition("/")[2]
    if base in ("data.json", _MANIFEST, "patch.json"):
        try:
            data = _canonical(json.loads(data)).encode()
        except ValueError:
            raise BundleSignatureError(f"{name} is not JSON.") from None
    return hashlib.sha256(data).hexdigest()


def _canonical(document: Any) -> str:
    text = json.dumps(document, sort_keys=True, separators=(",", ":"), ensure_ascii=False)
    return text.replace("\u2028", "\\u2028").replace("\u2029", "\\u2029")


def _algorithm(key: PrivateKey | PublicKey) -> str:
    if isinstance(key, RSAPrivateKey | RSAPublicKey):
        return "RS256"
    if isinstance(key, Ed25519PrivateKey | Ed25519PublicKey):
        return "EdDSA"
    try:
        return _ALGORITHMS[key.curve.name]
    except KeyError:
        raise BundleSignatureError(f"Keys on the curve {key.curve.name} cannot sign bundles.") from None

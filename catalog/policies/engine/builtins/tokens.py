"""JSON Web Tokens: decoded and verified, never made; a policy holds no private key.

Semantics: OPA's ``v1/topdown/tokens.go``. Keys come as a PEM certificate, a PEM public key, a JWK or a JWK set.
"""

import base64
import binascii
import hashlib
import hmac
import json
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

import jwt
from cryptography import x509
from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, padding, rsa
from cryptography.hazmat.primitives.asymmetric.utils import encode_dss_signature

from catalog.policies.engine.builtins.calls import BuiltinError, Recorded, Table, into, mapping, number
from catalog.policies.engine.builtins.calls import text as string
from catalog.policies.engine.values import ValueRefusedError, parse

FUNCTIONS: Table = {}

_HASHES: dict[str, hashes.HashAlgorithm] = {"256": hashes.SHA256(), "384": hashes.SHA384(), "512": hashes.SHA512()}
_ALGORITHMS = frozenset(
    {"EdDSA"} | {f"{family}{bits}" for family in ("RS", "PS", "ES", "HS") for bits in ("256", "384", "512")}
)
_CURVES = {"256": 256, "384": 384, "512": 521}
_NOT_VERIFIED = [False, {}, {}]
_MOST_KEYS = 100
_MOST_NESTED = 5


@dataclass(frozen=True)
class _Token:
    """The three parts of a token as they were sent."""

    header: str
    payload: str
    signature: str

    @property
    def signed(self) -> bytes:
        return f"{self.header}.{self.payload}".encode()

    def decoded_header(self) -> dict[str, Any]:
        header = _object(_decoded(self.header, "header"), "header")
        if "enc" in header:
            raise BuiltinError("JWT is a JWE object, which is not supported")
        return header

    def signature_bytes(self) -> bytes:
        return _decoded(self.signature, "signature")


@dataclass(frozen=True)
class _Key:
    """One key that a signature is tried with."""

    key: Any
    algorithm: str = ""
    identifier: str = ""


@into(FUNCTIONS, "io.jwt.decode", weight=4)
def decode(value: Any) -> list[Any]:
    """Return header, payload and signature (in hexadecimal) of a token; nothing is verified."""
    return _decode(string(value), 0)


def _decode(value: str, depth: int) -> list[Any]:
    token = _token(value)
    header = token.decoded_header()
    payload = _decoded(token.payload, "payload")
    if header.get("cty") == "JWT":
        if depth >= _MOST_NESTED:
            raise BuiltinError("the token is nested too deeply")
        return _decode(payload.decode("utf-8", "replace").strip("\"'"), depth + 1)
    return [header, _object(payload, "payload"), token.signature_bytes().hex()]


def _verifier(algorithm: str) -> None:
    name = f"io.jwt.verify_{algorithm.lower()}"

    @into(FUNCTIONS, name, weight=20)
    def verify(value: Any, key: Any) -> bool:
        token = _token(string(value))
        if algorithm.startswith("HS"):
            return _hmac_fits(algorithm, string(key, 2).encode(), token)
        keys = _keys(string(key, 2))
        header = token.decoded_header()
        return _some_key_fits(keys, header, algorithm, token)


for _each in sorted(_ALGORITHMS):
    _verifier(_each)


@into(FUNCTIONS, "io.jwt.decode_verify", weight=20, recorded=True)
def decode_verify(recorded: Recorded, value: Any, constraints: Any) -> list[Any]:
    """Return whether the token fits the constraints, with its header and payload where it does."""
    wanted = _constraints(mapping(constraints, 2), recorded)
    token = _token(string(value))
    headers: list[dict[str, Any]] = []
    for _ in range(_MOST_NESTED):
        header = token.decoded_header()
        headers.append(header)
        if not _header_fits(header, wanted) or not _signature_fits(header, wanted, token):
            return _NOT_VERIFIED
        if header.get("cty") != "JWT":
            break
        token = _token(_decoded(token.payload, "payload").decode("utf-8", "replace").strip("\"'"))
    payload = _object(_decoded(token.payload, "payload"), "payload")
    return [True, headers[-1], payload] if _claims_fit(payload, wanted) else _NOT_VERIFIED


def _constraints(given: dict[Any, Any], recorded: Recorded) -> dict[str, Any]:
    unknown = [key for key in given if key not in ("cert", "secret", "alg", "iss", "aud", "time")]
    if unknown:
        raise BuiltinError(f"unknown token validation constraint: {unknown[0]}")
    for name in ("cert", "secret", "alg", "iss", "aud"):
        if name in given and not isinstance(given[name], str):
            raise BuiltinError(f"{name} constraint: must be a string")
    if ("cert" in given) == bool(given.get("secret")):
        raise BuiltinError("duplicate key constraints" if "cert" in given else "no key constraint")
    moment = number(given.get("time", recorded.now_ns))
    if moment < 0:
        raise BuiltinError("token time constraint: must not be negative")
    keys = _keys(given["cert"]) if "cert" in given else None
    return {**given, "time": moment, "keys": keys}


def _header_fits(header: dict[str, Any], wanted: dict[str, Any]) -> bool:
    algorithm = header.get("alg")
    if not isinstance(algorithm, str) or "crit" in header:
        return False
    typ = header.get("typ")
    if typ is not None and not isinstance(typ, str):
        return False
    return not wanted.get("alg") or wanted["alg"] == algorithm


def _signature_fits(header: dict[str, Any], wanted: dict[str, Any], token: _Token) -> bool:
    algorithm = header["alg"]
    if algorithm not in _ALGORITHMS:
        raise BuiltinError(f"unknown JWS algorithm: {algorithm}")
    if wanted["keys"] is None:
        return algorithm.startswith("HS") and _hmac_fits(algorithm, wanted["secret"].encode(), token)
    if algorithm.startswith("HS"):
        return False
    return _some_key_fits(wanted["keys"], header, algorithm, token)


def _claims_fit(payload: dict[str, Any], wanted: dict[str, Any]) -> bool:
    if wanted.get("iss") and payload.get("iss") != wanted["iss"]:
        return False
    audience = payload.get("aud")
    if wanted.get("aud"):
        audiences = audience if isinstance(audience, list) else [audience]
        if wanted["aud"] not in [each for each in audiences if isinstance(each, str)]:
            return False
    elif audience is not None:
        return False
    for claim in ("exp", "nbf"):
        if claim not in payload:
            continue
        moment = payload[claim]
        if isinstance(moment, bool) or not isinstance(moment, int | Decimal):
            raise BuiltinError(f"{claim} value must be a number")
        late = wanted["time"] >= moment * 10**9 if claim == "exp" else wanted["time"] < moment * 10**9
        if late:
            return False
    return True


def _token(value: str) -> _Token:
    parts = value.split(".")
    if len(parts) == 5:
        raise BuiltinError("JWT is a JWE object, which is not supported")
    if len(parts) != 3:
        raise BuiltinError("encoded JWT must have 3 sections")
    return _Token(*parts)


def _decoded(part: str, name: str) -> bytes:
    padded = part if part.endswith("=") else part + "=" * (-len(part) % 4)
    try:
        return base64.b64decode(padded.encode("ascii"), altchars=b"-_", validate=True)
    except (binascii.Error, ValueError):
        raise BuiltinError(f"JWT {name} had invalid encoding") from None


def _object(data: bytes, name: str) -> dict[str, Any]:
    try:
        json.loads(data)
        found = parse(data.decode("utf-8", "replace"))
    except (ValueError, RecursionError, ValueRefusedError):
        raise BuiltinError(f"invalid JSON in JWT {name}") from None
    if not isinstance(found, dict):
        raise BuiltinError(f"JWT {name} is no object")
    return found


def _keys(source: str) -> list[_Key]:
    if source.lstrip().startswith("-----BEGIN"):
        return [_Key(_pem(source))]
    try:
        document = json.loads(source)
        found = document["keys"] if isinstance(document, dict) and "keys" in document else [document]
        return [key for each in found[:_MOST_KEYS] if (key := _jwk(each)) is not None]
    except (ValueError, TypeError, KeyError, AttributeError, RecursionError, jwt.PyJWTError):
        raise BuiltinError("failed to parse a JWK key (set)") from None


def _pem(source: str) -> Any:
    data = source.strip().encode()
    if data.count(b"-----BEGIN") != 1 or not data.endswith(b"-----"):
        raise BuiltinError("extra data after a PEM certificate block")
    try:
        if data.startswith(b"-----BEGIN CERTIFICATE-----"):
            return x509.load_pem_x509_certificate(data).public_key()
        if data.startswith(b"-----BEGIN PUBLIC KEY-----"):
            return serialization.load_pem_public_key(data)
    except (ValueError, UnsupportedAlgorithm):
        raise BuiltinError("failed to parse a PEM certificate or public key") from None
    raise BuiltinError("failed to extract a Key from the PEM certificate")


def _jwk(document: dict[str, Any]) -> _Key | None:
    algorithm = document.get("alg", "")
    if algorithm and algorithm not in _ALGORITHMS:
        return None
    key = jwt.PyJWK(document, algorithm or _ALGORITHM_OF.get(document.get("kty", ""))).key
    public = getattr(key, "public_key", None)
    return _Key(public() if callable(public) else key, algorithm, document.get("kid", ""))


_ALGORITHM_OF = {"RSA": "RS256", "OKP": "EdDSA", "oct": "HS256"}


def _some_key_fits(keys: list[_Key], header: dict[str, Any], algorithm: str, token: _Token) -> bool:
    signature = token.signature_bytes()
    identifier = header.get("kid")
    if isinstance(identifier, str) and identifier:
        named = next((key for key in keys if key.identifier == identifier), None)
        if named is not None:
            return _fits(named.key, algorithm, token.signed, signature)
    return any(
        _fits(key.key, algorithm, token.signed, signature)
        for key in keys
        if not key.algorithm or key.algorithm == header.get("alg")
    )


def _hmac_fits(algorithm: str, secret: bytes, token: _Token) -> bool:
    expected = hmac.digest(secret, token.signed, getattr(hashlib, f"sha{algorithm[2:]}"))
    return hmac.compare_digest(expected, token.signature_bytes())


def _fits(key: Any, algorithm: str, signed: bytes, signature: bytes) -> bool:
    family, bits = algorithm[:2], algorithm[2:]
    try:
        if algorithm == "EdDSA" and isinstance(key, ed25519.Ed25519PublicKey):
            key.verify(signature, signed)
        elif family == "RS" and isinstance(key, rsa.RSAPublicKey):
            key.verify(signature, signed, padding.PKCS1v15(), _HASHES[bits])
        elif family == "PS" and isinstance(key, rsa.RSAPublicKey):
            salted = padding.PSS(padding.MGF1(_HASHES[bits]), padding.PSS.AUTO)
            key.verify(signature, signed, salted, _HASHES[bits])
        elif family == "ES" and isinstance(key, ec.EllipticCurvePublicKey):
            half = len(signature) // 2
            pair = (int.from_bytes(signature[:half]), int.from_bytes(signature[half:]))
            key.verify(encode_dss_signature(*pair), signed, ec.ECDSA(_HASHES[bits]))
        else:
            return False
    except (InvalidSignature, ValueError):
        return False
    return True

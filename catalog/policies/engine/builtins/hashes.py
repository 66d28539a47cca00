"""Hashes, message authentication codes and the encodings of bytes."""

import base64
import hashlib
import hmac
from typing import Any

from catalog.policies.engine.builtins.calls import BuiltinError, Table, into
from catalog.policies.engine.builtins.calls import text as string

FUNCTIONS: Table = {}
_ALGORITHMS = ("md5", "sha1", "sha256", "sha512")


def encoded(value: Any, position: int = 1) -> bytes:
    """Return the bytes of a string argument."""
    return string(value, position).encode("utf-8", "surrogatepass")


def _hash(algorithm: str) -> None:
    @into(FUNCTIONS, f"crypto.{algorithm}")
    def digest(value: Any) -> str:
        return hashlib.new(algorithm, encoded(value), usedforsecurity=False).hexdigest()


def _hmac(algorithm: str) -> None:
    @into(FUNCTIONS, f"crypto.hmac.{algorithm}")
    def code(message: Any, key: Any) -> str:
        return hmac.new(encoded(key, 2), encoded(message), algorithm).hexdigest()


for _each in _ALGORITHMS:
    _hmac(_each)
    if _each != "sha512":
        _hash(_each)


@into(FUNCTIONS, "crypto.hmac.equal")
def hmac_equal(left: Any, right: Any) -> bool:
    """Compare two codes in constant time."""
    return hmac.compare_digest(encoded(left), encoded(right, 2))


@into(FUNCTIONS, "hex.encode")
def hex_encode(value: Any) -> str:
    """Return the bytes of a text in hexadecimal."""
    return encoded(value).hex()


@into(FUNCTIONS, "hex.decode")
def hex_decode(value: Any) -> str:
    """Return the text whose bytes these are."""
    digits = string(value)
    try:
        return bytes.fromhex(digits if digits.isalnum() or not digits else "-").decode("utf-8", "replace")
    except ValueError:
        raise BuiltinError("encoding/hex: invalid byte or odd length") from None


@into(FUNCTIONS, "base64url.encode_no_pad")
def base64url_encode_no_pad(value: Any) -> str:
    """Return base64url without the padding."""
    return base64.urlsafe_b64encode(encoded(value)).decode().rstrip("=")

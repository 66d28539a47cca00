"""Signatures of hooks: a keyed digest over the raw bytes, compared so that time tells nothing."""

import hashlib
import hmac
import re
from collections.abc import Sequence

_DIGEST = re.compile(r"sha256=[0-9a-f]{64}")


def is_signed(signature: str, body: bytes, secrets: Sequence[str]) -> bool:
    """Tell whether ``sha256=<hex>`` is the HMAC of the bytes under one of the secrets; each is tried, whatever fits."""
    if not _DIGEST.fullmatch(signature):
        return False
    given = signature.removeprefix("sha256=")
    fits = [
        hmac.compare_digest(hmac.new(secret.encode(), body, hashlib.sha256).hexdigest(), given)
        for secret in secrets
        if secret
    ]
    return any(fits)

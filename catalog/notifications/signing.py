"""How webhooks are signed, after the Standard Webhooks specification."""

import base64
import hashlib
import hmac
import secrets
from collections.abc import Sequence
from datetime import datetime

SECRET_PREFIX = "whsec_"  # noqa: S105  # the public prefix that Standard Webhooks gives secrets


def new_secret() -> str:
    """Return a new signing secret: the prefix of Standard Webhooks and 256 random bits in base64."""
    return SECRET_PREFIX + base64.b64encode(secrets.token_bytes(32)).decode()


def signature_headers(keys: Sequence[str], message_id: str, moment: datetime, body: str) -> dict[str, str]:
    """Return the headers by which a receiver knows that a message is ours, unchanged and new.

    Source: the Standard Webhooks specification: HMAC-SHA-256 over ``id.timestamp.body``, one signature for each secret
    that holds, so that secrets can be rotated without a gap.
    """
    timestamp = str(int(moment.timestamp()))
    signed = f"{message_id}.{timestamp}.{body}".encode()
    values = [
        base64.b64encode(hmac.digest(base64.b64decode(key.removeprefix(SECRET_PREFIX)), signed, hashlib.sha256))
        for key in keys
    ]
    return {
        "webhook-id": message_id,
        "webhook-timestamp": timestamp,
        "webhook-signature": " ".join(f"v1,{value.decode()}" for value in values),
    }

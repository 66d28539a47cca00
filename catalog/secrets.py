"""Secrets at rest: sealed with keys that are derived from the installation's master key."""

import base64
import hmac
import json
from hashlib import sha256
from typing import Any

from cryptography.fernet import Fernet, InvalidToken

from catalog.errors import UnavailableError
from catalog.settings import Settings


class SecretsUnavailableError(UnavailableError):
    """The master key is missing, or is not the one that sealed the value."""

    code = "secrets_unavailable"


class SecretBox:
    """Seals values and derives passphrases; never shows the master key or anything derived from it."""

    def __init__(self, settings: Settings) -> None:
        self._master = _master_key(settings)

    def seal(self, purpose: str, value: Any) -> str:
        """Return ``value`` (JSON data) encrypted and authenticated (Fernet); ``purpose`` names what may open it."""
        return self._fernet(purpose).encrypt(json.dumps(value).encode()).decode()

    def open(self, purpose: str, sealed: str) -> Any:
        """Return what was sealed for ``purpose``; raise ``SecretsUnavailableError`` where the key is another one."""
        try:
            return json.loads(self._fernet(purpose).decrypt(sealed.encode()))
        except InvalidToken:
            raise SecretsUnavailableError("The value was sealed with another master key.") from None

    def passphrase(self, purpose: str) -> str:
        """Return the passphrase for ``purpose``, the same each time."""
        return base64.urlsafe_b64encode(self._derive(f"passphrase:{purpose}")).decode()

    def _fernet(self, purpose: str) -> Fernet:
        return Fernet(base64.urlsafe_b64encode(self._derive(f"seal:{purpose}")))

    def _derive(self, purpose: str) -> bytes:
        return hmac.new(self._master, purpose.encode(), sha256).digest()


def _master_key(settings: Settings) -> bytes:
    if settings.master_key is not None:
        return settings.master_key.get_secret_value().encode()
    path = settings.data_dir / "keys" / "master.key"
    try:
        return path.read_bytes().strip()
    except OSError:
        raise SecretsUnavailableError(
            "There is no master key. Set SLIPWAY_MASTER_KEY, or start with `slipway up`, which makes one."
        ) from None

"""The key of the installation itself, with which the registry countersigns its log."""

import os
from contextlib import suppress
from pathlib import Path

from catalog.providers.signers import KeyAlgorithm, SignerError
from catalog.providers.signers.local import open_local
from catalog.settings import Settings

_LABEL = "registry"


class InstallationKey:
    """An Ed25519 key in a sealed file, made when it is first needed; raises ``SignerError`` where it cannot be used."""

    def __init__(self, settings: Settings) -> None:
        self._signer = open_local(settings)
        self._pointer = settings.data_dir / "keys" / "signing" / "registry.pub"

    def public_key(self) -> bytes:
        """Return the public key as SPKI in DER."""
        return bytes.fromhex(self._known()[1])

    def sign(self, message: bytes) -> bytes:
        """Sign ``message``."""
        return self._signer.sign(self._known()[0], KeyAlgorithm.ED25519, message)

    def _known(self) -> tuple[str, str]:
        text = _text(self._pointer)
        if text is None:
            made = self._signer.create(_LABEL, KeyAlgorithm.ED25519)
            own = self._pointer.with_name(f"{made.ref.rpartition('/')[2]}.new")
            own.write_text(f"{made.ref} {made.public_key.hex()}")
            # Whoever comes first wins, and a file under this name is always whole.
            with suppress(FileExistsError):
                os.link(own, self._pointer)
            own.unlink()
            text = _text(self._pointer)
        ref, _, public = (text or "").partition(" ")
        if not public:
            raise SignerError("the registry's key cannot be read")
        return ref, public


def _text(path: Path) -> str | None:
    try:
        return path.read_text()
    except FileNotFoundError:
        return None
    except OSError as error:
        raise SignerError(f"the registry's key cannot be read: {error.strerror}") from None

"""The master key: made once, kept where only we can read it."""

import base64
import os
import secrets
from pathlib import Path

from workers.embedded.accounts import private_directory


def ensure_master_key(keys: Path) -> Path:
    """Return the file with the master key (32 random bytes in base64), made if there is none."""
    path = private_directory(keys) / "master.key"
    if not path.exists():
        draft = path.with_name("master.key.new")
        draft.unlink(missing_ok=True)
        descriptor = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        with os.fdopen(descriptor, "wb") as file:
            file.write(base64.b64encode(secrets.token_bytes(32)) + b"\n")
            file.flush()
            os.fsync(file.fileno())
        draft.rename(path)
    return path

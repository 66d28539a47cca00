"""What a running Slipway leaves for other commands on the same machine: its settings, readable by its owner alone."""

import json
import os
from pathlib import Path

from catalog.settings import Settings

_FILE = "slipway.json"
# Whoever runs a command beside Slipway has no use for the key that everything secret is sealed with.
_KEPT_BACK = {"master_key", "smtp_password"}


def record(settings: Settings) -> Path:
    """Write the settings of the Slipway that now runs on its data directory, and return the file (mode 0600)."""
    path = _path(settings.data_dir)
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    draft = path.with_suffix(".new")
    draft.unlink(missing_ok=True)
    descriptor = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(descriptor, "w", encoding="utf-8") as file:
        json.dump(settings.model_dump(mode="json", exclude=_KEPT_BACK), file, indent=1)
    draft.rename(path)
    return path


def forget(settings: Settings) -> None:
    """Remove what ``record`` wrote; nothing happens where there is nothing."""
    _path(settings.data_dir).unlink(missing_ok=True)


def find(data_dir: Path) -> Settings | None:
    """Return the settings of the Slipway that runs on ``data_dir``, or None where none does.

    Raises ``PermissionError`` where another user's Slipway runs there.
    """
    try:
        recorded = json.loads(_path(data_dir).read_text(encoding="utf-8"))
    except (FileNotFoundError, NotADirectoryError):
        return None
    return Settings(**recorded)


def _path(data_dir: Path) -> Path:
    return data_dir / "run" / _FILE

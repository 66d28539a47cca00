"""Whether the demo has to be set up, told by what it was last made of; asking its own command costs seconds."""

import hashlib
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

from catalog.assets.curated import curated_folder, packed_folder
from catalog.settings import Settings


class DemoRecord:
    """Remembers in the data directory which curated assets the demo was last made of."""

    def __init__(self, settings: Settings) -> None:
        self._file = settings.data_dir / "demo.record"
        self._now = _fingerprint(packed_folder(settings))

    def is_current(self) -> bool:
        """Tell whether the demo was made of exactly what lies here now."""
        return self._file.is_file() and self._file.read_text(encoding="ascii") == self._now

    def write(self) -> None:
        """Record that the demo has been made."""
        self._file.write_text(self._now, encoding="ascii")


def _fingerprint(packed: Path) -> str:
    goods = curated_folder()
    digest = hashlib.sha256(_version().encode())
    for path in [*sorted(goods.rglob("*")), *sorted(packed.glob("*.json"))]:
        status = path.stat()
        digest.update(f"{path} {status.st_size} {status.st_mtime_ns}\n".encode())
    return digest.hexdigest()


def _version() -> str:
    try:
        return version("slipway")
    except PackageNotFoundError:
        # Run from a clone that was not installed: its files alone tell it apart.
        return ""

"""Logs of applications: written by the host, never larger than two files of a fixed size."""

from collections import deque
from pathlib import Path

LOG_BYTES = 5 * 1024 * 1024
TAIL_BYTES = 256 * 1024


class CappedLog:
    """An append-only log that keeps at most the last `2 * limit` bytes, in `path` and `path` + `.1`."""

    def __init__(self, path: Path, *, limit: int = LOG_BYTES) -> None:
        self.path = path
        self._limit = limit
        self._file = path.open("ab", buffering=0)
        self._size = path.stat().st_size

    def write(self, data: bytes) -> None:
        """Append `data`, starting a new file where the present one is full."""
        if self._size + len(data) > self._limit and self._size:
            self._file.close()
            self.path.replace(previous(self.path))
            self._file = self.path.open("ab", buffering=0)
            self._size = 0
        self._file.write(data)
        self._size += len(data)

    def close(self) -> None:
        """Close the file; what was written stays."""
        self._file.close()


def previous(path: Path) -> Path:
    """Return where the older half of a log lies."""
    return path.with_name(f"{path.name}.1")


def tail(path: Path, lines: int) -> list[str]:
    """Return the last lines of a log, reading at most 256 KiB of each of its files."""
    kept: deque[str] = deque(maxlen=max(0, lines))
    for part in (previous(path), path):
        if part.exists():
            with part.open("rb") as file:
                file.seek(max(0, part.stat().st_size - TAIL_BYTES))
                kept.extend(file.read().decode("utf-8", "replace").splitlines())
    return list(kept)

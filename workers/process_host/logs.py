"""Logs of applications: written by the host, never larger than two files of a fixed size."""

import os
from collections import deque
from pathlib import Path

LOG_BYTES = 5 * 1024 * 1024
TAIL_BYTES = 256 * 1024
PIECE_BYTES = 32 * 1024
"""How much of one log is handed to a follower at once."""


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


def after(path: Path, position: int | None, most: int = PIECE_BYTES) -> tuple[list[str], int]:
    """Return the whole lines that a log got after a position in bytes, and the position after them.

    Without a position, or where a new file was begun since, it begins near the end; lines that came faster than they
    were asked for are left out.
    """
    with path.open("rb") as file:
        size = os.fstat(file.fileno()).st_size
        is_new = position is None or position > size or size - position > 4 * most
        start = max(0, size - most) if is_new else position or 0
        file.seek(start)
        data = file.read(most)
    if is_new and start:
        skipped = data.find(b"\n") + 1
        start, data = start + skipped, data[skipped:]
    whole = data.rfind(b"\n") + 1
    if not whole and len(data) == most:
        whole = most  # one line without an end
    return data[:whole].decode("utf-8", "replace").splitlines(), start + whole

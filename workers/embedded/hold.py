"""A lock on a directory that lasts as long as any process that inherited it."""

import fcntl
import os
import time
from pathlib import Path
from typing import Self

import psutil

from workers.embedded.errors import AlreadyRunningError


class Hold:
    """An exclusive lock file; children that inherit ``descriptor`` keep it locked after we are gone."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._descriptor = -1

    @property
    def descriptor(self) -> int:
        """The open file that carries the lock."""
        return self._descriptor

    def take(self, what: str, holder: Path | None = None, patience: float = 0.0) -> Self:
        """Take the lock, waiting ``patience`` seconds; raise ``AlreadyRunningError`` that says who has ``what``.

        ``holder`` is a file whose first line is the holder's process identifier; without it the lock file is.
        """
        descriptor = os.open(self._path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        began = time.monotonic()
        while True:
            try:
                fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
                break
            except BlockingIOError:
                pid = _first_number(holder or self._path)
                # A holder that was just killed needs a moment to be gone; its children may need longer.
                if time.monotonic() - began >= (min(patience, 1.0) if _is_alive(pid) else patience):
                    os.close(descriptor)
                    by = f"process {pid}" if pid else "another process"
                    message = f"{what} is already in use by {by}; stop it first, or choose another data directory"
                    raise AlreadyRunningError(message, pid) from None
                time.sleep(0.05)
        self._descriptor = descriptor
        return self

    def sign(self, pid: int) -> None:
        """Write the holder's process identifier into the lock file, for whoever asks."""
        os.ftruncate(self._descriptor, 0)
        os.pwrite(self._descriptor, f"{pid}\n".encode(), 0)

    def release(self) -> None:
        """Close our side of the lock; it is free once every process that inherited it has ended."""
        if self._descriptor >= 0:
            os.close(self._descriptor)
            self._descriptor = -1


def _first_number(path: Path) -> int | None:
    try:
        return int(path.read_text(encoding="ascii").split("\n", 1)[0])
    except (OSError, ValueError):
        return None


def _is_alive(pid: int | None) -> bool:
    # A killed process that nobody has waited for yet still has its number, but holds no lock.
    try:
        return pid is not None and psutil.Process(pid).status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False

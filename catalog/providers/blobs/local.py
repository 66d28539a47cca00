"""A folder as blob store: one file per digest, written atomically and compared on every read."""

import hashlib
import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import BinaryIO

from catalog.providers.blobs import (
    BlobDamagedError,
    BlobMissingError,
    BlobUnreachableError,
    BuiltInProvider,
    StoredBlob,
    check_digest,
    chunks,
    is_digest,
)
from catalog.settings import Settings

_LASTING: set[Path] = set()
"""Folders whose own names this process has seen to disk."""


class LocalBlobs:
    """Blobs below ``root``: ``sha256/ab/<digest>``; damaged ones in ``quarantine``, unfinished ones in ``partial``."""

    def __init__(self, root: Path) -> None:
        self._root = root

    def write(self, source: BinaryIO) -> StoredBlob:
        """See `BlobStore.write`: the file is complete and on disk before it gets its name."""
        partial = self._root / "partial"
        digest = hashlib.sha256()
        size = 0
        with _translated("written"):
            partial.mkdir(parents=True, exist_ok=True)
            with tempfile.NamedTemporaryFile(dir=partial, delete=False) as file:
                unfinished = Path(file.name)
                try:
                    for chunk in chunks(source):
                        digest.update(chunk)
                        size += len(chunk)
                        file.write(chunk)
                    file.flush()
                    os.fsync(file.fileno())
                    self._name(unfinished, digest.hexdigest())
                finally:
                    unfinished.unlink(missing_ok=True)
        return StoredBlob(digest.hexdigest(), size)

    def _name(self, unfinished: Path, digest: str) -> None:
        path = self._path(digest)
        path.parent.mkdir(parents=True, exist_ok=True)
        unfinished.replace(path)
        _settle(path.parent)
        # The name of the folder has to last too; no folder is ever removed, so once in a process is enough.
        if path.parent not in _LASTING:
            _settle(path.parent.parent)
            _LASTING.add(path.parent)

    def read(self, digest: str) -> bytes:
        """See `BlobStore.read`."""
        path = self._path(digest)
        with _translated("read"):
            data = path.read_bytes()
            if hashlib.sha256(data).hexdigest() == digest:
                return data
            quarantine = self._root / "quarantine"
            quarantine.mkdir(exist_ok=True)
            path.replace(quarantine / digest)
        raise BlobDamagedError(f"the stored bytes of {digest} are damaged and were set aside")

    def has(self, digest: str) -> bool:
        """See `BlobStore.has`."""
        with _translated("read"):
            return self._path(digest).is_file()

    def delete(self, digest: str) -> None:
        """See `BlobStore.delete`."""
        with _translated("deleted"):
            self._path(digest).unlink(missing_ok=True)

    def last_written(self) -> Iterator[tuple[str, datetime]]:
        """See `BlobStore.last_written`."""
        with _translated("listed"):
            for path in sorted((self._root / "sha256").glob("??/*")):
                if is_digest(path.name):
                    try:
                        changed = path.stat().st_mtime
                    except FileNotFoundError:  # somebody was quicker
                        continue
                    yield path.name, datetime.fromtimestamp(changed, UTC)

    def _path(self, digest: str) -> Path:
        return self._root / "sha256" / check_digest(digest)[:2] / digest


def _settle(folder: Path) -> None:
    """Wait until the names in a folder are on disk."""
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


@contextmanager
def _translated(what: str) -> Iterator[None]:
    try:
        yield
    except FileNotFoundError:
        raise BlobMissingError("there is no such blob") from None
    except OSError as error:
        raise BlobUnreachableError(f"the blob cannot be {what}: {error.strerror}") from None


def _open(settings: Settings) -> LocalBlobs:
    return LocalBlobs(settings.data_dir / "blobs")


PROVIDER = BuiltInProvider(name="local", open=_open)

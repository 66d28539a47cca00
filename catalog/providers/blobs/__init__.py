"""Blob stores: where archives are kept, addressed by the SHA-256 digest of their bytes."""

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import datetime
from typing import BinaryIO, Protocol, runtime_checkable

from catalog.discovery import discover
from catalog.settings import Settings

GROUP = "slipway.providers.blobs"
CHUNK = 256 * 1024
_DIGEST = re.compile(r"[0-9a-f]{64}")


class BlobError(Exception):
    """Why a blob cannot be kept or served; fit for a page."""


class BlobMissingError(BlobError):
    """There is no blob of that digest."""


class BlobDamagedError(BlobError):
    """The stored bytes do not have their digest; they were set aside and will not be served again."""


class BlobUnreachableError(BlobError):
    """The store did not answer, or refused."""


@dataclass(frozen=True)
class StoredBlob:
    """A kept blob: its SHA-256 digest in hexadecimal and its size in bytes."""

    digest: str
    size: int


class BlobStore(Protocol):
    """Keeps bytes under their digest. Every method raises `BlobError` and nothing else; any thread may call."""

    def write(self, source: BinaryIO) -> StoredBlob:
        """Keep what is left to read in ``source``, durably before returning; keeping it again changes nothing."""
        ...

    def read(self, digest: str) -> bytes:
        """Return a blob's bytes, after comparing them with their digest."""
        ...

    def has(self, digest: str) -> bool:
        """Tell whether there is a blob of that digest."""
        ...

    def delete(self, digest: str) -> None:
        """Remove a blob; one that is not there is removed already."""
        ...

    def last_written(self) -> Iterator[tuple[str, datetime]]:
        """Yield the digest of every blob, and when it was last written; writing it again counts."""
        ...


@runtime_checkable
class BlobProvider(Protocol):
    """One kind of store, by the name that the setting ``blob_store`` gives."""

    @property
    def name(self) -> str:
        """The name in settings."""
        ...

    @property
    def open(self) -> Callable[[Settings], BlobStore]:
        """How a store is opened with the settings."""
        ...


@dataclass(frozen=True)
class BuiltInProvider:
    """A store of this package."""

    name: str
    open: Callable[[Settings], BlobStore]


def open_blobs(settings: Settings) -> BlobStore:
    """Open the store that the settings name."""
    return discover(GROUP, "PROVIDER", BlobProvider)[settings.blob_store].open(settings)


def is_digest(text: str) -> bool:
    """Tell whether a name is that of a blob."""
    return _DIGEST.fullmatch(text) is not None


def check_digest(digest: str) -> str:
    """Return ``digest``; raise ``BlobMissingError`` where it cannot be one, so that it never becomes a path."""
    if _DIGEST.fullmatch(digest) is None:
        raise BlobMissingError("this is not a digest")
    return digest


def chunks(source: BinaryIO) -> Iterator[bytes]:
    """Yield what is left to read, in pieces."""
    while chunk := source.read(CHUNK):
        yield chunk

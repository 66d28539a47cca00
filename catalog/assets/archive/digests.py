"""The three digests of a package: of its bytes, of its files, and of its manifest."""

import hashlib
import json
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

import rfc8785


@dataclass(frozen=True, order=True)
class FileEntry:
    """One file of a package as ``META/files.json`` lists it; ``mode`` reads ``0644`` or ``0755``."""

    path: str
    size: int
    sha256: str
    mode: str

    def as_json(self) -> dict[str, Any]:
        """Return the entry as JSON data."""
        return {"path": self.path, "size": self.size, "sha256": self.sha256, "mode": self.mode}


@dataclass(frozen=True)
class Digests:
    """Three SHA-256 digests in hexadecimal.

    ``blob`` is over the archive's bytes; ``tree`` over the list of its files, so that a repack with the same content
    is recognised; ``manifest`` over the manifest in canonical JSON (RFC 8785).
    """

    blob: str
    tree: str
    manifest: str


def sha256(data: bytes) -> str:
    """Return the SHA-256 digest of ``data`` in hexadecimal."""
    return hashlib.sha256(data).hexdigest()


def tree_digest(files: Iterable[FileEntry]) -> str:
    """Return the digest over the sorted list of files, which leaves out the list's own file."""
    return sha256(rfc8785.dumps([entry.as_json() for entry in sorted(files)]))


def manifest_digest(manifest: dict[str, Any]) -> str:
    """Return the digest of a manifest; its numbers must be within what JSON can carry exactly."""
    return sha256(rfc8785.dumps(manifest))


def files_list(files: Iterable[FileEntry]) -> bytes:
    """Return the bytes of ``META/files.json``."""
    return (json.dumps([entry.as_json() for entry in sorted(files)], indent=1, ensure_ascii=False) + "\n").encode()

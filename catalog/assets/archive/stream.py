"""Unpacking a gzip stream block by block, with its size and its ratio watched while it flows."""

import hashlib
import zlib
from typing import BinaryIO

from catalog.assets.archive.limits import Limits
from catalog.assets.findings import Finding

_CHUNK = 64 * 1024
_REBUILD = "Build the archive again with: slipway asset build."


class ArchiveDamagedError(Exception):
    """The archive cannot be read any further; ``finding`` says why."""

    def __init__(self, rule: str, message: str, fix: str = _REBUILD, path: str = "") -> None:
        super().__init__(message)
        self.finding = Finding(rule, path, None, message, fix)


class UnpackingStream:
    """The unpacked bytes of one gzip member, never more of them in memory than were asked for.

    Raises `ArchiveDamagedError` at the first sign of damage, of data after the member's end, or of a passed limit.
    ``packed_digest`` and ``packed_size`` are complete after `finish`.
    """

    def __init__(self, source: BinaryIO, limits: Limits) -> None:
        self._source = source
        self._limits = limits
        self._inflate = zlib.decompressobj(wbits=31)
        self._pending = b""
        self._hash = hashlib.sha256()
        self.packed_size = 0
        self.unpacked_size = 0

    @property
    def packed_digest(self) -> str:
        """The SHA-256 digest of the packed bytes read so far, in hexadecimal."""
        return self._hash.hexdigest()

    def read(self, size: int) -> bytes:
        """Return up to ``size`` unpacked bytes, fewer only at the end of the stream."""
        parts: list[bytes] = []
        missing = size
        while missing > 0 and not self._inflate.eof:
            part = self._inflate_some(missing)
            parts.append(part)
            missing -= len(part)
        return b"".join(parts)

    def _inflate_some(self, most: int) -> bytes:
        if not self._pending:
            self._pending = self._read_packed()
            if not self._pending:
                message = "The archive is empty." if not self.packed_size else "The archive is cut off."
                raise ArchiveDamagedError("truncated", message, "Upload the whole file, or build it again.")
        try:
            part = self._inflate.decompress(self._pending, most)
        except zlib.error:
            if self.unpacked_size or self.packed_size > _CHUNK:
                raise ArchiveDamagedError("damaged", "The compressed data is damaged.") from None
            raise ArchiveDamagedError("not-gzip", "This is not a gzip file.") from None
        self._pending = self._inflate.unconsumed_tail
        self.unpacked_size += len(part)
        self._check_growth()
        return part

    def _read_packed(self) -> bytes:
        chunk = self._source.read(_CHUNK)
        self._hash.update(chunk)
        self.packed_size += len(chunk)
        if self.packed_size > self._limits.packed:
            raise ArchiveDamagedError(
                "size-packed",
                f"The archive is larger than {self._limits.packed} bytes.",
                "Leave out what users of the package do not need.",
            )
        return chunk

    def _check_growth(self) -> None:
        if self.unpacked_size > self._limits.unpacked:
            raise ArchiveDamagedError(
                "size-unpacked",
                f"The archive unpacks to more than {self._limits.unpacked} bytes.",
                "Leave out what users of the package do not need.",
            )
        consumed = max(1, self.packed_size - len(self._pending))
        if self.unpacked_size > self._limits.ratio_floor and self.unpacked_size > consumed * self._limits.ratio:
            raise ArchiveDamagedError(
                "ratio",
                f"The archive unpacks to more than {self._limits.ratio} times its size.",
                "Leave out files that are nothing but filling.",
            )

    def finish(self) -> None:
        """Read to the end, so that checksum and trailing data are seen and the digest is complete."""
        while not self._inflate.eof:
            self._inflate_some(_CHUNK)
        if self._inflate.unused_data or self._read_packed():
            raise ArchiveDamagedError("trailing-data", "There is data after the end of the archive.")

"""Reading tar entries one after another, without trusting a single field of their headers."""

import tarfile
from collections.abc import Iterator
from dataclasses import dataclass

from catalog.assets.archive.limits import Limits
from catalog.assets.archive.stream import ArchiveDamagedError, UnpackingStream

_BLOCK = 512
_REGULAR = {tarfile.REGTYPE, tarfile.AREGTYPE, tarfile.CONTTYPE}
_TYPES = {
    tarfile.LNKTYPE: "a hard link",
    tarfile.SYMTYPE: "a symbolic link",
    tarfile.CHRTYPE: "a character device",
    tarfile.BLKTYPE: "a block device",
    tarfile.FIFOTYPE: "a named pipe",
    tarfile.GNUTYPE_SPARSE: "a sparse file",
}


@dataclass(frozen=True)
class TarEntry:
    """One entry of a tar.

    ``refused`` says what it is where it is neither a file nor a folder; ``hidden`` marks a name with bytes behind
    its end.
    """

    path: str
    size: int
    mode: int
    is_folder: bool
    refused: str | None
    hidden: bool


class TarReader:
    """Yields the entries of a tar stream; the caller reads or skips each entry's content before the next."""

    def __init__(self, stream: UnpackingStream, limits: Limits) -> None:
        self._stream = stream
        self._limits = limits
        self._left = 0
        self._padding = 0

    def entries(self) -> Iterator[TarEntry]:
        """Yield every entry up to the end marker; raise `ArchiveDamagedError` where the stream makes no sense."""
        long_name: str | None = None
        while (block := self._next_block()) is not None:
            header = _parse(block)
            self._left = header.size
            self._padding = -header.size % _BLOCK
            if header.type in {tarfile.XHDTYPE, tarfile.XGLTYPE, tarfile.SOLARIS_XHDTYPE}:
                names = _pax_path(self._extended())
                if header.type != tarfile.XGLTYPE:
                    long_name = names if names is not None else long_name
                elif names is not None:
                    raise ArchiveDamagedError("tar-header", "A global header gives a name to every entry.")
                continue
            if header.type == tarfile.GNUTYPE_LONGNAME:
                long_name = self._extended().rstrip(b"\0").decode("utf-8", "surrogateescape")
                continue
            if header.type == tarfile.GNUTYPE_LONGLINK:
                self._extended()
                continue
            yield _entry(header, block, long_name)
            long_name = None
            self.skip()
        if long_name is not None:
            raise ArchiveDamagedError("tar-header", "A name stands at the end without an entry.")

    def read(self, size: int) -> bytes:
        """Return the next part of the present entry's content; empty at its end."""
        wanted = min(size, self._left)
        part = self._stream.read(wanted)
        if len(part) < wanted:
            raise ArchiveDamagedError("truncated", "The archive ends in the middle of a file.")
        self._left -= wanted
        return part

    def skip(self) -> None:
        """Pass over what is left of the present entry."""
        while self._left:
            self.read(64 * 1024)
        if self._padding and len(self._stream.read(self._padding)) < self._padding:
            raise ArchiveDamagedError("truncated", "The archive ends in the middle of a file.")
        self._padding = 0

    def _extended(self) -> bytes:
        if self._left > self._limits.extended_header:
            raise ArchiveDamagedError("tar-header", "A header is larger than any name needs.")
        data = self.read(self._left)
        self.skip()
        return data

    def _next_block(self) -> bytes | None:
        block = self._stream.read(_BLOCK)
        if len(block) < _BLOCK:
            raise ArchiveDamagedError("truncated", "The archive ends without its end marker.")
        if block.count(0) < _BLOCK:
            return block
        while filling := self._stream.read(64 * 1024):
            if filling.count(0) != len(filling):
                raise ArchiveDamagedError("trailing-data", "There is data after the end of the archive.")
        return None


def _parse(block: bytes) -> tarfile.TarInfo:
    try:
        header = tarfile.TarInfo.frombuf(block, "utf-8", "surrogateescape")
    except tarfile.HeaderError:
        raise ArchiveDamagedError("tar-header", "A header of the archive is damaged, or this is not a tar.") from None
    if header.size < 0:
        raise ArchiveDamagedError("tar-header", "A header gives a negative size.")
    return header


def _entry(header: tarfile.TarInfo, block: bytes, long_name: str | None) -> TarEntry:
    short_name, _, behind = block[:100].partition(b"\0")
    path = header.name if long_name is None else long_name
    is_folder = header.type == tarfile.DIRTYPE
    refused = None if is_folder or header.type in _REGULAR else _TYPES.get(header.type, "of an unknown type")
    return TarEntry(
        path=path.removesuffix("/") if is_folder else path,
        size=header.size,
        mode=header.mode & 0o7777,
        is_folder=is_folder,
        refused=refused,
        hidden=bool(behind.strip(b"\0")) and bool(short_name),
    )


def _pax_path(data: bytes) -> str | None:
    """Return the path among extended header records; other records that change how to read are refused."""
    path: str | None = None
    position = 0
    while position < len(data) and data[position] != 0:
        length_text, space, _ = data[position : position + 20].partition(b" ")
        if not space or not length_text.isdigit() or not len(length_text) + 1 < int(length_text):
            raise ArchiveDamagedError("tar-header", "An extended header is damaged.")
        record = data[position + len(length_text) + 1 : position + int(length_text)]
        key, equals, value = record.removesuffix(b"\n").partition(b"=")
        if not equals or position + int(length_text) > len(data):
            raise ArchiveDamagedError("tar-header", "An extended header is damaged.")
        if key == b"path":
            path = value.decode("utf-8", "surrogateescape")
        elif key == b"size" or key.startswith(b"GNU.sparse"):
            raise ArchiveDamagedError("tar-header", "An extended header changes the size of a file.")
        position += int(length_text)
    return path

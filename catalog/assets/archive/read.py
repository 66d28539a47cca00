"""Reading an archive that a stranger made: nothing is written to disk and every problem is reported at once."""

import hashlib
import io
import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, BinaryIO

from catalog.assets.archive.digests import FileEntry, tree_digest
from catalog.assets.archive.limits import LIMITS, Limits
from catalog.assets.archive.names import FILES_LIST, check_collisions, check_name, check_place
from catalog.assets.archive.stream import ArchiveDamagedError, UnpackingStream
from catalog.assets.archive.tar import TarEntry, TarReader
from catalog.assets.findings import Finding, errors_of, in_order, printable

_CHUNK = 64 * 1024
_REBUILD = "Build the archive again with: slipway asset build."


@dataclass(frozen=True)
class Archive:
    """An archive as read: its files with their digests, and what is wrong with it.

    ``blob`` and ``packed_size`` describe the bytes themselves and are "" and 0 where the archive could not be read
    to its end. ``files`` leaves out ``META/files.json``. Content comes from `read`, which opens the archive again for
    files too large to be kept.
    """

    files: Mapping[str, FileEntry]
    findings: tuple[Finding, ...]
    blob: str
    packed_size: int
    _kept: Mapping[str, bytes] = field(repr=False)
    _source: BinaryIO = field(repr=False)

    @property
    def is_sound(self) -> bool:
        """Whether the archive may be unpacked."""
        return not errors_of(self.findings)

    @property
    def tree(self) -> str:
        """The digest over the list of files."""
        return tree_digest(self.files.values())

    def read(self, path: str, most: int | None = None) -> bytes:
        """Return the content of a file, or its first ``most`` bytes; raise ``KeyError`` where there is none."""
        kept = self._kept.get(path)
        if kept is not None:
            return kept[:most]
        if path not in self.files:
            raise KeyError(path)
        return read_file(self._source, path, most)

    def under(self, folder: str) -> tuple[str, ...]:
        """Return the sorted paths of the files inside ``folder``."""
        prefix = folder.rstrip("/") + "/"
        return tuple(sorted(path for path in self.files if path.startswith(prefix)))


class _Collector:
    """Gathers files and findings while the entries pass by."""

    def __init__(self, limits: Limits) -> None:
        self.limits = limits
        self.files: dict[str, FileEntry] = {}
        self.kept: dict[str, bytes] = {}
        self.kept_size = 0
        self.findings: list[Finding] = []
        self.entries = 0

    def take(self, entry: TarEntry, reader: TarReader) -> None:
        self.entries += 1
        if self.entries > self.limits.files + 1:  # one more for the list of files
            raise ArchiveDamagedError(
                "file-count", f"The archive has more than {self.limits.files} entries.", "Pack fewer files."
            )
        self.findings += check_name(entry.path, self.limits)
        name = printable(entry.path)
        if entry.hidden:
            self.findings.append(Finding("path-nul", name, None, "The name holds a NUL character.", "Rename the file."))
        if entry.refused:
            message = f"This is {entry.refused}; a package holds ordinary files only."
            self.findings.append(Finding("entry-type", name, None, message, "Put a copy of the file in its place."))
            return
        if entry.is_folder:
            return
        if entry.path in self.files or (entry.path == FILES_LIST and FILES_LIST in self.kept):
            self.findings.append(Finding("path-duplicate", name, None, "The file is there twice.", _REBUILD))
            return
        if entry.mode not in {0o644, 0o755}:
            message = f"The mode {entry.mode:04o} is neither 0644 nor 0755."
            self.findings.append(Finding("mode", name, None, message, _REBUILD))
        self._store(entry, reader)

    def _store(self, entry: TarEntry, reader: TarReader) -> None:
        digest = hashlib.sha256()
        keep = entry.size <= self.limits.kept_file and self.kept_size + entry.size <= self.limits.kept_total
        parts: list[bytes] = []
        while part := reader.read(_CHUNK):
            digest.update(part)
            if keep:
                parts.append(part)
        if keep:
            self.kept[entry.path] = b"".join(parts)
            self.kept_size += entry.size
        if entry.path == FILES_LIST:
            self.kept.setdefault(FILES_LIST, b"")
            return
        self.files[entry.path] = FileEntry(entry.path, entry.size, digest.hexdigest(), f"{entry.mode:04o}")


def read_archive(source: BinaryIO | bytes, limits: Limits = LIMITS) -> Archive:
    """Read an archive to its end, or to the point where going on would be unsafe, and report every problem.

    ``source`` must be seekable and stay open as long as the result is read from. Memory stays within the kept files
    of ``limits``, whatever the archive claims.
    """
    stream = io.BytesIO(source) if isinstance(source, bytes) else source
    stream.seek(0)
    unpacking = UnpackingStream(stream, limits)
    collector = _Collector(limits)
    blob = ""
    try:
        reader = TarReader(unpacking, limits)
        for entry in reader.entries():
            collector.take(entry, reader)
        unpacking.finish()
        blob = unpacking.packed_digest
    except ArchiveDamagedError as damage:
        collector.findings.append(damage.finding)
    findings = [*collector.findings, *check_collisions(list(collector.files))]
    for path in collector.files:
        findings += check_place(path)
    if blob:
        findings += _check_files_list(collector)
    size = unpacking.packed_size if blob else 0
    return Archive(collector.files, in_order(findings), blob, size, collector.kept, stream)


def _check_files_list(collector: _Collector) -> list[Finding]:
    def found(path: str, message: str) -> Finding:
        return Finding("files-list", path, None, message, _REBUILD)

    data = collector.kept.get(FILES_LIST)
    if data is None:
        return [found(FILES_LIST, "The list of files is missing.")]
    try:
        listed: Any = json.loads(data)
        entries = [FileEntry(**item) for item in listed]
        wrong_types = any(not isinstance(entry.path, str) or type(entry.size) is not int for entry in entries)
    except (ValueError, TypeError, RecursionError):
        return [found(FILES_LIST, "The list of files cannot be read.")]
    paths = [entry.path for entry in entries]
    if wrong_types or paths != sorted(set(paths)):
        return [found(FILES_LIST, "The list of files is not sorted by path, each path once.")]
    by_path = {entry.path: entry for entry in entries}
    findings = [
        found(printable(path), "The file is listed in META/files.json but not in the archive.")
        for path in by_path.keys() - collector.files.keys()
    ]
    for path, entry in collector.files.items():
        if path not in by_path:
            findings.append(found(printable(path), "The file is not listed in META/files.json."))
        elif by_path[path] != entry:
            findings.append(found(printable(path), "META/files.json gives another size, digest or mode."))
    return findings


def read_file(source: BinaryIO, path: str, most: int | None = None, limits: Limits = LIMITS) -> bytes:
    """Return one file of a sound archive, or its first ``most`` bytes; raise ``KeyError`` where there is none."""
    source.seek(0)
    reader = TarReader(UnpackingStream(source, limits), limits)
    for entry in reader.entries():
        if entry.path == path and not entry.is_folder and entry.refused is None:
            return reader.read(entry.size if most is None else min(entry.size, most))
    raise KeyError(path)

"""Building an archive: the same tree gives the same bytes."""

import gzip
import io
import stat
import tarfile
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from catalog.assets.archive.digests import FileEntry, files_list, sha256, tree_digest
from catalog.assets.archive.limits import LIMITS, Limits
from catalog.assets.archive.names import FILES_LIST, check_collisions, check_name, check_place
from catalog.assets.findings import Finding, in_order

IGNORED_NAMES = frozenset(
    {".git", ".gitignore", ".gitattributes", ".hg", ".svn", ".DS_Store", "Thumbs.db", "__pycache__", ".pytest_cache"}
)
ARCHIVE_SUFFIX = ".slipway.tar.gz"


@dataclass(frozen=True)
class PackageFile:
    """The content of one file to be packed."""

    content: bytes
    executable: bool = False


@dataclass(frozen=True)
class Tree:
    """A package's folder as read: its files by path inside the package, and what kept others out."""

    files: Mapping[str, PackageFile]
    findings: tuple[Finding, ...]


@dataclass(frozen=True)
class BuiltArchive:
    """The bytes of an archive with its digests over bytes (``blob``) and files (``tree``)."""

    data: bytes
    blob: str
    tree: str


def read_tree(directory: Path, limits: Limits = LIMITS) -> Tree:
    """Read a package's folder.

    Version control data, caches and built archives at the top are left out, and so is a ``META/files.json``, which
    is written anew. Links and special files are findings; nothing outside ``directory`` is ever read. A folder that
    passes the limits is not read to its end.
    """
    files: dict[str, PackageFile] = {}
    findings: list[Finding] = []
    total = 0
    for path, entry in _walk(directory, ""):
        status = entry.lstat()
        if not stat.S_ISREG(status.st_mode):
            what = "a symbolic link" if stat.S_ISLNK(status.st_mode) else "not an ordinary file"
            findings.append(
                Finding("entry-type", path, None, f"This is {what}.", "Put a copy of the file in its place.")
            )
            continue
        total += status.st_size
        if total > limits.unpacked or len(files) >= limits.files:
            findings.append(_too_much(limits))
            break
        findings += check_name(path, limits)
        findings += check_place(path)
        files[path] = PackageFile(entry.read_bytes(), bool(status.st_mode & stat.S_IXUSR))
    findings += check_collisions(list(files))
    return Tree(files, in_order(findings))


def _walk(directory: Path, prefix: str) -> Iterator[tuple[str, Path]]:
    for entry in sorted(directory.iterdir(), key=lambda each: each.name):
        name = entry.name
        path = f"{prefix}{name}"
        if name in IGNORED_NAMES or path == FILES_LIST or (not prefix and name.endswith(ARCHIVE_SUFFIX)):
            continue
        if entry.is_dir() and not entry.is_symlink():
            yield from _walk(entry, f"{path}/")
        else:
            yield path, entry


def _too_much(limits: Limits) -> Finding:
    return Finding(
        "size-unpacked",
        "",
        None,
        f"The package has more than {limits.files} files or {limits.unpacked} bytes.",
        "Leave out what users of the package do not need.",
    )


def build_archive(files: Mapping[str, PackageFile], *, mtime: int = 0, effort: int = 9) -> BuiltArchive:
    """Pack ``files`` (by path inside the package) into an archive; the bytes depend on the arguments alone.

    ``mtime`` in seconds since 1970 is written to every entry: SOURCE_DATE_EPOCH where the caller has one. ``effort``
    (0 to 9) is how hard to compress. Names are not checked here; `read_tree` and the check of the finished archive do.
    """
    packed = {path: file for path, file in files.items() if path != FILES_LIST}
    entries = [
        FileEntry(path, len(file.content), sha256(file.content), "0755" if file.executable else "0644")
        for path, file in packed.items()
    ]
    packed[FILES_LIST] = PackageFile(files_list(entries))
    buffer = io.BytesIO()
    with (
        gzip.GzipFile(filename="", mode="wb", compresslevel=effort, fileobj=buffer, mtime=mtime) as zipped,
        tarfile.open(fileobj=zipped, mode="w", format=tarfile.PAX_FORMAT) as tar,
    ):
        for path in sorted(packed):
            tar.addfile(_header(path, packed[path], mtime), io.BytesIO(packed[path].content))
    data = buffer.getvalue()
    return BuiltArchive(data, sha256(data), tree_digest(entries))


def _header(path: str, file: PackageFile, mtime: int) -> tarfile.TarInfo:
    header = tarfile.TarInfo(path)
    header.size = len(file.content)
    header.mode = 0o755 if file.executable else 0o644
    header.mtime = mtime
    return header


def archive_name(namespace: str, name: str, version: str) -> str:
    """Return the file name of an archive."""
    return f"{namespace}-{name}-{version}{ARCHIVE_SUFFIX}"

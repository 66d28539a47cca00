"""OCI image layouts, written and read: one tar whose every file is named by the digest of its bytes."""

import io
import json
import re
import tarfile
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from hashlib import sha256
from typing import Any, BinaryIO

from catalog.transfers.artifacts import Descriptor, Document, digest_of, index_of
from catalog.transfers.errors import LayoutRefusedError

LAYOUT_FILE = "oci-layout"
INDEX_FILE = "index.json"
LAYOUT = b'{"imageLayoutVersion":"1.0.0"}'
LARGEST_DOCUMENT = 4 * 1024 * 1024
LARGEST_BLOB = 32 * 1024 * 1024
MOST_FILES = 20_000
_BLOB = re.compile(r"blobs/sha256/([0-9a-f]{64})")
_FOLDERS = frozenset({"", ".", "blobs", "blobs/sha256"})


class LayoutWriter:
    """Writes a layout as a tar with sorted times and owners, so that the same content gives the same bytes."""

    def __init__(self, target: BinaryIO) -> None:
        # Closed by `close`; a with statement would have to span the caller's whole work.
        self._tar = tarfile.open(fileobj=target, mode="w", format=tarfile.PAX_FORMAT)  # noqa: SIM115
        self._there: set[str] = set()
        self._manifests: list[Descriptor] = []
        self._add(LAYOUT_FILE, LAYOUT)

    def blob(self, data: bytes) -> str:
        """Add a blob, once however often it is given, and return its digest."""
        digest = digest_of(data)
        if digest not in self._there:
            self._there.add(digest)
            self._add(f"blobs/sha256/{digest.removeprefix('sha256:')}", data)
        return digest

    def manifest(self, document: Document, annotations: Mapping[str, str]) -> None:
        """Add a manifest and list it in the index."""
        self.blob(document.data)
        self._manifests.append(document.descriptor(annotations))

    def close(self) -> None:
        """Write the index and end the tar."""
        self._add(INDEX_FILE, index_of(self._manifests).data)
        self._tar.close()

    def _add(self, name: str, data: bytes) -> None:
        entry = tarfile.TarInfo(name)
        entry.size = len(data)
        entry.mode = 0o644
        self._tar.addfile(entry, io.BytesIO(data))


@dataclass
class Layout:
    """A layout whose every blob has its digest; ``manifests`` are the index's entries with their documents."""

    manifests: list[tuple[Mapping[str, Any], Mapping[str, Any]]] = field(default_factory=list)
    _source: tarfile.TarFile | None = None
    _members: dict[str, tarfile.TarInfo] = field(default_factory=dict)

    def read(self, digest: str) -> bytes:
        """Return a blob; raise ``LayoutRefusedError`` where there is none or where it changed under our hands."""
        data = self._bytes(digest)
        if data is None or digest_of(data) != digest:
            raise LayoutRefusedError([(blob_path(digest), "It is missing.")])
        return data

    def _bytes(self, digest: str) -> bytes | None:
        member = self._members.get(blob_path(digest))
        found = self._source.extractfile(member) if self._source is not None and member is not None else None
        return None if found is None else found.read()


def read_layout(source: BinaryIO) -> Layout:
    """Read and verify a layout in a tar; raise ``LayoutRefusedError`` that names every file at fault."""
    try:
        tar = tarfile.open(fileobj=source, mode="r:")  # noqa: SIM115  # stays open as long as the layout is read
        members = dict(_members(tar))
    except (tarfile.TarError, OSError, EOFError, ValueError):
        raise LayoutRefusedError([("the file", "It is not an uncompressed tar of an OCI image layout.")]) from None
    layout = Layout(_source=tar, _members=members)
    problems = list(_damaged(tar, members))
    if problems:
        raise LayoutRefusedError(problems)
    marker = _json(tar, members, LAYOUT_FILE)
    if not isinstance(marker, dict) or marker.get("imageLayoutVersion") != "1.0.0":
        raise LayoutRefusedError([(LAYOUT_FILE, "It is missing, or of another version than 1.0.0.")])
    index = _json(tar, members, INDEX_FILE)
    entries = index.get("manifests") if isinstance(index, dict) else None
    if not isinstance(entries, list):
        raise LayoutRefusedError([(INDEX_FILE, "It is missing, or no index.")])
    for entry in entries:
        layout.manifests.append((entry, _manifest(layout, entry)))
    return layout


def _members(tar: tarfile.TarFile) -> Iterator[tuple[str, tarfile.TarInfo]]:
    seen: set[str] = set()
    for count, member in enumerate(tar):
        name = member.name.removeprefix("./").rstrip("/")
        if member.isdir() and name in _FOLDERS:
            continue
        known = name in {LAYOUT_FILE, INDEX_FILE} or _BLOB.fullmatch(name)
        if not known or not member.isreg() or member.issparse() or name in seen or count > MOST_FILES:
            raise LayoutRefusedError([(name[:120] or "/", "It has no place in a layout.")])
        if member.size > (LARGEST_BLOB if name.startswith("blobs/") else LARGEST_DOCUMENT):
            raise LayoutRefusedError([(name, "It is larger than anything that a layout of assets holds.")])
        seen.add(name)
        yield name, member


def _damaged(tar: tarfile.TarFile, members: Mapping[str, tarfile.TarInfo]) -> Iterator[tuple[str, str]]:
    for name, member in members.items():
        match = _BLOB.fullmatch(name)
        content = tar.extractfile(member) if match else None
        if match is not None and content is not None and sha256(content.read()).hexdigest() != match[1]:
            yield name, "Its bytes do not have the digest that is its name."


def _manifest(layout: Layout, entry: Any) -> Mapping[str, Any]:
    digest = entry.get("digest") if isinstance(entry, dict) else None
    if not isinstance(digest, str) or not re.fullmatch(r"sha256:[0-9a-f]{64}", digest):
        raise LayoutRefusedError([(INDEX_FILE, "One of its manifests has no SHA-256 digest.")])
    data = layout.read(digest)
    document = _parsed(data) if len(data) <= LARGEST_DOCUMENT else None
    if entry.get("size") != len(data) or not isinstance(document, dict):
        raise LayoutRefusedError([(blob_path(digest), "It is no manifest, or not of the size that the index says.")])
    parts = [document.get("config"), *document.get("layers", ())] if isinstance(document.get("layers"), list) else []
    for part in parts:
        if not isinstance(part, dict) or len(layout.read(str(part.get("digest")))) != part.get("size"):
            raise LayoutRefusedError([(blob_path(digest), "A blob that it names has another size, or is none.")])
    return document


def _json(tar: tarfile.TarFile, members: Mapping[str, tarfile.TarInfo], name: str) -> Any:
    member = members.get(name)
    content = tar.extractfile(member) if member is not None else None
    return None if content is None else _parsed(content.read())


def _parsed(data: bytes) -> Any:
    try:
        return json.loads(data)
    except (ValueError, RecursionError):
        return None


def blob_path(digest: str) -> str:
    """Return where a layout keeps a blob."""
    return f"blobs/sha256/{digest.removeprefix('sha256:')}"[:120]

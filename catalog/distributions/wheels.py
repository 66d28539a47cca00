"""Reading what a wheel says of itself, without running or unpacking it and without believing it."""

import hashlib
import io
import lzma
import re
import struct
import zipfile
import zlib
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from packaging.metadata import RawMetadata, parse_email
from packaging.specifiers import InvalidSpecifier, SpecifierSet
from packaging.utils import InvalidWheelFilename, canonicalize_name, parse_wheel_filename
from packaging.version import InvalidVersion, Version

from catalog.assets.findings import printable
from catalog.distributions.errors import WheelRefusedError

_FILENAME = re.compile(r"[A-Za-z0-9_.+!-]{1,200}\.whl")
_PROJECT = re.compile(r"[A-Za-z0-9](?:[A-Za-z0-9._-]{0,98}[A-Za-z0-9])?")
_METADATA_SIZE = 1024 * 1024
_UNREADABLE = (
    *(zipfile.BadZipFile, zipfile.LargeZipFile, zlib.error, lzma.LZMAError, struct.error),
    *(NotImplementedError, RuntimeError, OSError, ValueError, EOFError),
)
"""What `zipfile` raises for files that are broken, encrypted, or packed in a way that it does not know."""
_REBUILD = "Build it again with: python -m build --wheel."


@dataclass(frozen=True)
class Wheel:
    """A wheel as an index serves it: ``project`` is normalised (PEP 503), ``core`` its METADATA, byte for byte.

    ``fields`` are those of METADATA that `packaging` could parse, by its names; ``requires_python`` is "" where the
    wheel does not say.
    """

    filename: str
    project: str
    version: Version
    requires_python: str
    core: bytes
    fields: RawMetadata
    unparsed: Mapping[str, list[str]]

    @property
    def core_digest(self) -> str:
        """The SHA-256 digest of METADATA."""
        return hashlib.sha256(self.core).hexdigest()


def read_wheel(filename: str, data: bytes) -> Wheel:
    """Read a wheel's name, version and METADATA; raise ``WheelRefusedError`` where they make no sense together."""
    if _FILENAME.fullmatch(filename) is None:
        raise WheelRefusedError(f"{_shown(filename)} is not the name of a wheel.", _REBUILD)
    try:
        project, version, _, _ = parse_wheel_filename(filename)
    except (InvalidWheelFilename, InvalidVersion):
        raise WheelRefusedError(f"{_shown(filename)} is not the name of a wheel.", _REBUILD) from None
    core = _core(data)
    try:
        fields, unparsed = parse_email(core)
    except ValueError:
        raise WheelRefusedError("The wheel's METADATA cannot be read.", _REBUILD) from None
    name = fields.get("name", "")
    if _PROJECT.fullmatch(name) is None or canonicalize_name(name) != project:
        raise WheelRefusedError(
            f"The wheel is called {project}, its METADATA says {_shown(name)}.", "Give both the same name."
        )
    if _version(fields.get("version", "")) != version:
        shown = _shown(fields.get("version", ""))
        raise WheelRefusedError(f"The wheel is version {version}, its METADATA says {shown}.", _REBUILD)
    return Wheel(filename, project, version, _requires_python(fields), core, fields, unparsed)


@contextmanager
def opened(data: bytes) -> Iterator[zipfile.ZipFile]:
    """Open a wheel as the zip file it is; raise ``WheelRefusedError`` for every way in which one can be broken."""
    try:
        with zipfile.ZipFile(io.BytesIO(data)) as wheel:
            yield wheel
    except _UNREADABLE:
        raise WheelRefusedError("The wheel is not a zip file that can be read.", _REBUILD) from None


def read_entry(wheel: zipfile.ZipFile, entry: zipfile.ZipInfo) -> bytes:
    """Return a file of an `opened` wheel, never more than it claims; the caller has looked at the claim."""
    with wheel.open(entry) as file:
        content = file.read(entry.file_size + 1)
    if len(content) != entry.file_size:
        raise WheelRefusedError("A file of the wheel is not as large as it claims.", _REBUILD)
    return content


def _core(data: bytes) -> bytes:
    with opened(data) as wheel:
        found = [each for each in wheel.infolist() if re.fullmatch(r"[^/]+\.dist-info/METADATA", each.filename)]
        if len(found) != 1:
            raise WheelRefusedError("The wheel does not hold exactly one METADATA.", _REBUILD)
        if found[0].file_size > _METADATA_SIZE:
            raise WheelRefusedError("The wheel's METADATA is larger than 1 MiB.", "Shorten the description.")
        return read_entry(wheel, found[0])


def _version(text: str) -> Version | None:
    try:
        return Version(text)
    except InvalidVersion:
        return None


def _requires_python(fields: RawMetadata) -> str:
    text = fields.get("requires_python", "")
    try:
        SpecifierSet(text)
    except InvalidSpecifier:
        raise WheelRefusedError(
            f"Requires-Python is {_shown(text)}, which is no version specifier.", "Write one such as >=3.11."
        ) from None
    return text


def _shown(text: Any) -> str:
    return f'"{printable(str(text)[:120])}"'

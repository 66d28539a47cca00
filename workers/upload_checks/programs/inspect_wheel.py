"""Run inside the sandbox: look into a wheel without unpacking it, and print what is wrong with it as JSON.

Usage: ``python -I inspect_wheel.py``, with ``{"wheel": NAME, "limits": {...}}`` as the line of input; limits are
``files``, ``unpacked`` (bytes), ``ratio`` and ``path`` (characters). Prints ``{"findings": [{rule, message, fix,
level}], "metadata": {...}}``.
"""

import base64
import csv
import hashlib
import io
import json
import stat
import sys
import unicodedata
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from packaging.metadata import parse_email
from packaging.utils import canonicalize_name, parse_wheel_filename
from packaging.version import InvalidVersion, Version

_CHUNK = 64 * 1024
_SMALL = 1024 * 1024
_PLUGIN = "PulumiPlugin.yaml"
_NATIVE = (".so", ".pyd", ".dll", ".dylib", ".a", ".pyc", ".pyo", ".exe")
_SIGNATURES = ("RECORD.jws", "RECORD.p7s")
_PURE = "Build a pure Python wheel, as python -m build does."
_AGAIN = "Build the wheel again, as with python -m build."


def _finding(rule: str, message: str, fix: str, level: str = "error") -> dict[str, str]:
    return {"rule": rule, "message": message, "fix": fix, "level": level}


class _Wheel:
    """A wheel whose names and sizes were looked at; ``hashes`` are those of what was really inside."""

    def __init__(self, path: Path, limits: dict[str, int]) -> None:
        self.path = path
        self.limits = limits
        self.zip = zipfile.ZipFile(path)
        self.entries = self.zip.infolist()
        name, version, _, tags = parse_wheel_filename(path.name)
        self.name, self.version, self.tags = name, version, {str(tag) for tag in tags}
        self.hashes: dict[str, tuple[str, int]] = {}
        self.info = ""

    def read(self, name: str) -> bytes:
        with self.zip.open(name) as file:
            return file.read(_SMALL)

    def names(self) -> Iterator[dict[str, str]]:
        """Yield names that are unsafe, that stand twice, or that differ by case or spelling alone."""
        if len(self.entries) > self.limits["files"]:
            most = self.limits["files"]
            yield _finding("wheel-files", f"The wheel holds {len(self.entries)} files; {most} are allowed.", _PURE)
        seen: dict[str, str] = {}
        for entry in self.entries:
            # zipfile cuts names at a NUL, so the name as it was written counts.
            shown = ascii(entry.orig_filename[:80])
            name = entry.orig_filename.removesuffix("/")
            reason = _unsafe(name, self.limits["path"])
            if reason:
                yield _finding("wheel-path", f"The wheel holds the name {shown}, which {reason}.", _AGAIN)
            key = unicodedata.normalize("NFC", name).casefold()
            if key in seen:
                which = "twice" if seen[key] == name else f"beside {seen[key][:80]!a}"
                yield _finding("wheel-duplicate", f"The wheel holds {shown} {which}.", _AGAIN)
            seen[key] = name
            mode = entry.external_attr >> 16
            if stat.S_IFMT(mode) not in {0, stat.S_IFREG, stat.S_IFDIR}:
                yield _finding("wheel-type", f"{shown} is a link or a device.", _AGAIN)
            if entry.flag_bits & 0x1:
                yield _finding("wheel-encrypted", f"{shown} is encrypted.", _AGAIN)
            if entry.compress_type not in {zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED}:
                yield _finding("wheel-compression", f"{shown} is compressed in an unusual way.", _AGAIN)

    def sizes(self) -> Iterator[dict[str, str]]:
        """Read everything once, counting what really comes out, and stop at the limits."""
        packed = self.path.stat().st_size
        left = min(self.limits["unpacked"], max(self.limits["ratio"] * packed, _SMALL))
        for entry in self.entries:
            if entry.is_dir():
                continue
            digest = hashlib.sha256()
            size = 0
            with self.zip.open(entry) as file:
                while chunk := file.read(_CHUNK):
                    digest.update(chunk)
                    size += len(chunk)
                    if size > left:
                        message = f"The wheel unpacks to more than {self.limits['unpacked']} bytes"
                        message += f", or to more than {self.limits['ratio']} times its size."
                        yield _finding("wheel-bomb", message, "Take out what is not needed.")
                        return
            left -= size
            encoded = base64.urlsafe_b64encode(digest.digest()).rstrip(b"=").decode()
            self.hashes[entry.filename] = (f"sha256={encoded}", size)

    def layout(self) -> Iterator[dict[str, str]]:
        """Look for the one .dist-info folder, and for what a wheel of components may not hold."""
        tops = {name.partition("/")[0] for name in self.hashes}
        infos = sorted(top for top in tops if top.endswith(".dist-info"))
        if len(infos) != 1:
            yield _finding("wheel-info", f"The wheel holds {len(infos)} .dist-info folders instead of one.", _AGAIN)
        else:
            self.info = infos[0]
            name, _, version = self.info.removesuffix(".dist-info").rpartition("-")
            if canonicalize_name(name) != self.name or not _is_version(version, self.version):
                yield _finding("wheel-info", f"{self.info!a} does not belong to {self.path.name}.", _AGAIN)
        if any(top.endswith(".data") for top in tops):
            message = "The wheel has a .data folder, whose files would be put outside the package."
            yield _finding("wheel-data", message, "Keep everything inside the import package.")
        for name in self.hashes:
            if name.endswith(".pth"):
                message = f"{name[:80]!a} would be run whenever Python starts."
                yield _finding("wheel-startup", message, "Take it out.")
            elif name.lower().endswith(_NATIVE):
                yield _finding("wheel-native", f"{name[:80]!a} is compiled.", _PURE)
            elif "/" not in name and name.removesuffix(".py") in {"sitecustomize", "usercustomize"}:
                yield _finding("wheel-startup", f"{name[:80]!a} would be run whenever Python starts.", "Take it out.")
        for top in sorted(tops - set(infos)):
            module = top.removesuffix(".py")
            if module in sys.stdlib_module_names or module in {"pulumi", "slipway", "pip", "setuptools"}:
                message = f"The wheel's {top!a} would stand in the way of another package of that name."
                yield _finding("wheel-shadow", message, "Give the import package a name of its own.")

    def plugin(self) -> Iterator[dict[str, str]]:
        """Look for the file that makes a package of components of it."""
        found = [name for name in self.hashes if name.count("/") == 1 and name.endswith(f"/{_PLUGIN}")]
        fix = 'Add one that says "runtime: python".'
        if not found:
            yield _finding("wheel-plugin", f"The wheel holds no {_PLUGIN} inside its import package.", fix)
        for name in found:
            lines = [line.partition("#")[0].strip() for line in self.read(name).decode("utf-8", "replace").splitlines()]
            if not any(line.replace('"', "").replace("'", "") == "runtime: python" for line in lines):
                yield _finding("wheel-plugin", f"{name!a} does not say runtime: python.", fix)

    def record(self) -> Iterator[dict[str, str]]:
        """Compare RECORD with what is really there."""
        path = f"{self.info}/RECORD"
        if path not in self.hashes:
            yield _finding("wheel-record", "The wheel has no RECORD.", _AGAIN)
            return
        try:
            rows = list(csv.reader(io.StringIO(self.read(path).decode("utf-8"))))
        except (UnicodeDecodeError, csv.Error):
            yield _finding("wheel-record", "RECORD cannot be read.", _AGAIN)
            return
        recorded: dict[str, tuple[str, str]] = {}
        for row in rows:
            if len(row) != 3 or row[0] in recorded:
                yield _finding("wheel-record", f"RECORD has a wrong or repeated line: {','.join(row)[:80]!a}.", _AGAIN)
                continue
            recorded[row[0]] = (row[1], row[2])
        unlisted = {path, *(f"{self.info}/{name}" for name in _SIGNATURES)}
        for name, (digest, size) in sorted(self.hashes.items()):
            if name in unlisted:
                continue
            if name not in recorded:
                yield _finding("wheel-record", f"{name[:80]!a} is not in RECORD.", _AGAIN)
            elif recorded[name] not in {(digest, str(size)), (digest, "")}:
                yield _finding("wheel-record", f"{name[:80]!a} is not what RECORD says.", _AGAIN)
        for name in sorted(recorded.keys() - self.hashes.keys()):
            yield _finding("wheel-record", f"RECORD names {name[:80]!a}, which is not there.", _AGAIN)

    def tags_of_wheel(self) -> Iterator[dict[str, str]]:
        """Compare WHEEL with the file's name."""
        path = f"{self.info}/WHEEL"
        if path not in self.hashes:
            yield _finding("wheel-info", "The wheel has no WHEEL file.", _AGAIN)
            return
        fields = [line.partition(":")[::2] for line in self.read(path).decode("utf-8", "replace").splitlines()]
        values: dict[str, list[str]] = {}
        for key, value in fields:
            values.setdefault(key.strip().lower(), []).append(value.strip())
        if not values.get("wheel-version", [""])[0].startswith("1."):
            yield _finding("wheel-info", "The wheel's own version is not 1.x.", _AGAIN)
        if values.get("root-is-purelib", [""])[0].lower() != "true":
            yield _finding("wheel-platform", "The wheel is not pure Python.", _PURE)
        if set(values.get("tag", [])) != self.tags:
            yield _finding("wheel-info", "The tags in WHEEL are not those of the file's name.", _AGAIN)

    def metadata(self) -> tuple[list[dict[str, str]], dict[str, Any]]:
        """Compare METADATA with the file's name, and return what others want to know of it."""
        path = f"{self.info}/METADATA"
        if path not in self.hashes:
            return [_finding("wheel-metadata", "The wheel has no METADATA.", _AGAIN)], {}
        raw, _ = parse_email(self.read(path))
        found = []
        if canonicalize_name(raw.get("name", "")) != self.name:
            found.append(_finding("wheel-metadata", "The name in METADATA is not that of the file.", _AGAIN))
        if not _is_version(raw.get("version", ""), self.version):
            found.append(_finding("wheel-metadata", "The version in METADATA is not that of the file.", _AGAIN))
        return found, {"requires": raw.get("requires_dist", []), "python": raw.get("requires_python", "")}


def _is_version(text: str, wanted: Version) -> bool:
    try:
        return Version(text) == wanted
    except InvalidVersion:
        return False


def _unsafe(name: str, longest: int) -> str:
    parts = name.split("/")
    if not name or name.startswith("/") or "" in parts:
        return "is absolute or has an empty part"
    if "\\" in name or "\0" in name or ":" in name or not name.isprintable():
        return "has a character that is not allowed"
    if "." in parts or ".." in parts:
        return "leads out of its folder"
    if len(name) > longest:
        return f"is longer than {longest} characters"
    return "" if unicodedata.is_normalized("NFC", name) else "is not in Unicode's normal form C"


def inspect(path: Path, limits: dict[str, int]) -> dict[str, Any]:
    """Return the findings and the metadata of a wheel."""
    damaged = {"findings": [_finding("wheel-damaged", "The wheel is damaged, or no zip file.", _AGAIN)], "metadata": {}}
    with path.open("rb") as file:
        if file.read(4) != b"PK\x03\x04":
            return damaged
    try:
        wheel = _Wheel(path, limits)
        findings = list(wheel.names())
        if findings:
            return {"findings": findings, "metadata": {}}
        findings += wheel.sizes()
        if findings:
            return {"findings": findings, "metadata": {}}
        findings += [*wheel.layout(), *wheel.plugin()]
        metadata: dict[str, Any] = {}
        if wheel.info:
            problems, metadata = wheel.metadata()
            findings += [*problems, *wheel.record(), *wheel.tags_of_wheel()]
    except Exception:  # noqa: BLE001  # zip files can be broken in more ways than zipfile has errors for
        return damaged
    return {"findings": findings, "metadata": metadata}


if __name__ == "__main__":
    given = json.loads(sys.stdin.readline())
    print(json.dumps(inspect(Path(given["wheel"]), given["limits"])))  # noqa: T201  # the answer

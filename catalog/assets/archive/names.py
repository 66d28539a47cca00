"""Which names a file in a package may have, so that it unpacks alike and harmlessly everywhere."""

import re
import unicodedata
from collections.abc import Callable, Iterator

from catalog.assets.archive.limits import LIMITS, Limits
from catalog.assets.findings import Finding, has_surrogates, printable

FILES_LIST = "META/files.json"
SBOM = "META/sbom.cdx.json"
MANIFEST = "asset.yaml"

TOP_FILES = (
    MANIFEST,
    "README.md",
    "CHANGELOG.md",
    "LICENSE",
    "NOTICE",
    "inputs.schema.json",
    "inputs.ui.json",
    "outputs.schema.json",
)
TOP_FOLDERS = ("docs", "examples", "tests", "content")
META_FILES = (FILES_LIST, SBOM)

_DEVICE = re.compile(r"(?:CON|PRN|AUX|NUL|COM[0-9¹²³]|LPT[0-9¹²³])(?:\..*)?", re.IGNORECASE | re.DOTALL)
_DRIVE = re.compile(r"[A-Za-z]:")
_UNPORTABLE = re.compile(r'[<>:"|?*]')
_CONTROL = re.compile(r"[\x00-\x1f\x7f]")
_RENAME = "Rename the file."


def check_name(path: str, limits: Limits = LIMITS) -> Iterator[Finding]:
    """Yield what is wrong with the name of one entry; ``path`` is as it stands in the archive."""

    def found(rule: str, message: str, fix: str = _RENAME) -> Finding:
        return Finding(rule, printable(path), None, message, fix)

    if has_surrogates(path):
        yield found("path-encoding", "The name is not valid UTF-8.")
        return
    if len(path.encode()) > limits.path:
        yield found("path-long", f"The name is longer than {limits.path} bytes.", "Use a shorter name.")
    if "\0" in path:
        yield found("path-nul", "The name holds a NUL character.")
    elif _CONTROL.search(path):
        yield found("path-control", "The name holds a control character.")
    if "\\" in path:
        yield found("path-backslash", "The name holds a backslash, which is a separator on Windows.", "Use / instead.")
    if path.startswith("/") or _DRIVE.match(path):
        yield found("path-absolute", "The name is absolute.", "Store names relative to the package's folder.")
    if unicodedata.normalize("NFC", path) != path:
        yield found("path-nfc", "The name is not in Unicode form NFC.", "Rename the file to the composed form.")
    yield from _check_segments(path, found_segment=found)


def _check_segments(path: str, found_segment: Callable[..., Finding]) -> Iterator[Finding]:
    for segment in path.strip("/").split("/"):
        if segment == "..":
            yield found_segment("path-parent", "The name leaves the package (..).", "Store names inside the package.")
        elif segment in {"", "."}:
            yield found_segment(
                "path-form", "The name has an empty or . part.", "Build the archive with: slipway asset build."
            )
        elif _DEVICE.fullmatch(segment) or segment.endswith((".", " ")) or _UNPORTABLE.search(segment):
            yield found_segment("path-reserved", f'"{printable(segment)}" is not a usable name on Windows.')
        elif segment.lower() == ".git":
            yield found_segment("path-reserved", "A .git folder does not belong in a package.", "Leave it out.")


def check_collisions(paths: list[str]) -> Iterator[Finding]:
    """Yield the names that meet on a file system that ignores case, and files that are folders as well."""
    spelled: dict[str, str] = {}
    files = set(paths)
    reported: set[tuple[str, str]] = set()
    for path in sorted(files):
        parts = path.split("/")
        for depth in range(1, len(parts) + 1):
            name = "/".join(parts[:depth])
            other = spelled.setdefault(unicodedata.normalize("NFC", name).casefold(), name)
            if other != name and (other, name) not in reported:
                reported.add((other, name))
                yield Finding(
                    "path-collision",
                    printable(path),
                    None,
                    f'"{printable(name)}" and "{printable(other)}" differ only in case.',
                    "Rename one of them.",
                )
            if depth < len(parts) and name in files and (name, name) not in reported:
                reported.add((name, name))
                yield Finding("path-collision", printable(name), None, "The name is a file and a folder.", _RENAME)


def check_place(path: str) -> Iterator[Finding]:
    """Yield a finding where a file lies outside the layout of a package."""
    top, slash, _ = path.partition("/")
    if path in TOP_FILES or path in META_FILES or (slash and top in TOP_FOLDERS):
        return
    yield Finding(
        "layout",
        printable(path),
        None,
        "The file is not part of a package's layout.",
        f"Move it into {', '.join(f'{folder}/' for folder in TOP_FOLDERS)} or leave it out.",
    )

"""What a plan says of each file of a repository: its difference, its digests, and what would be written."""

import difflib
import hashlib
from collections.abc import Mapping
from typing import Any

from catalog.installs.files import File
from workers.installers.merging import Merged

MOST_DIFF = 20_000
"""How many characters of one file's difference a plan holds; the digests stand for all of it."""


def decided(
    found: Mapping[str, Merged], decisions: Mapping[str, str]
) -> tuple[list[dict[str, Any]], dict[str, File | None]]:
    """Return what a plan says of each path, and what would be written once every conflict has its decision."""
    files: list[dict[str, Any]] = []
    writes: dict[str, File | None] = {}
    for path, each in found.items():
        choice = decisions.get(path, decisions.get("*")) if each.conflict else None
        after = {"mine": each.before, "theirs": each.new}.get(choice or "", each.after)
        told: dict[str, Any] = {
            "path": path,
            "status": _status(each.before, after),
            "before": _digest(each.before),
            "after": _digest(after),
            "diff": _diff(path, each.before, after),
        }
        if each.conflict:
            told |= {"conflict": each.conflict, "resolved": choice}
        files.append(told)
        if after != each.before:
            writes[path] = after
    return files, writes


def _status(before: File | None, after: File | None) -> str:
    if before == after:
        return "kept"
    if before is None:
        return "added"
    return "removed" if after is None else "changed"


def _digest(file: File | None) -> str | None:
    return None if file is None else hashlib.sha256(file[0]).hexdigest()


def _diff(path: str, before: File | None, after: File | None) -> str:
    texts = [_text(before), _text(after)]
    if None in texts:
        return "Not a text; compare the digests."
    lines = difflib.unified_diff(
        (texts[0] or "").splitlines(), (texts[1] or "").splitlines(), f"a/{path}", f"b/{path}", lineterm=""
    )
    text = "\n".join(lines)
    return text if len(text) <= MOST_DIFF else text[:MOST_DIFF] + "\n… (more)"


def _text(file: File | None) -> str | None:
    if file is None:
        return ""
    try:
        text = file[0].decode()
    except UnicodeDecodeError:
        return None
    return None if "\0" in text else text

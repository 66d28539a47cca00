"""What is noted while a file is read: what is wrong with it and where; and how its texts become texts of wiring."""

import re
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from catalog.assets.findings import Finding, printable
from catalog.assets.located import Located, Place
from catalog.assets.shapes import dotted, suggestion

NAME = re.compile(r"[a-z](?:[a-z0-9-]{0,29}[a-z0-9])?")
VARIABLE = re.compile(r"[A-Za-z_][A-Za-z0-9_]{0,126}")
FOLDER = re.compile(r"[A-Za-z0-9_][A-Za-z0-9._-]*(?:/[A-Za-z0-9_][A-Za-z0-9._-]*)*")
LONGEST_TEXT = 2000
_SIZE = re.compile(r"([0-9]{1,9})\s*([kKmMgG]?)i?[bB]?")


@dataclass
class Notes:
    """The findings of one file."""

    path: str
    findings: list[Finding] = field(default_factory=list)
    document: Located | None = None

    def refuse(self, place: Place, message: str, fix: str, rule: str = "not-understood") -> None:
        """Note what is wrong at a place of the document."""
        line = None if self.document is None else self.document.line(place)
        self.findings.append(Finding(rule, self.path, line, message, fix))

    def refuse_line(self, line: int, message: str, fix: str) -> None:
        """Note what is wrong in a line, counted from 1."""
        self.findings.append(Finding("not-understood", self.path, line, message, fix))

    def mapping(self, value: Any, place: Place) -> Mapping[str, Any]:
        """Return a mapping as it is; note that something else is none, and return an empty one."""
        if isinstance(value, Mapping):
            return value
        if value is not None:
            self.refuse(place, f"{dotted(place)} is not a mapping.", "Write names and values.")
        return {}

    def entries(self, value: Any, place: Place) -> Iterator[tuple[Any, Place]]:
        """Yield what a list holds with its places; note that something else is none."""
        if isinstance(value, list):
            yield from ((each, (*place, index)) for index, each in enumerate(value))
        elif value is not None:
            self.refuse(place, f"{dotted(place)} is not a list.", "Write a list.")

    def text(self, value: Any, place: Place) -> str:
        """Return a plain value as text, a number as it is written; note anything else, and return ""."""
        if isinstance(value, bool):
            return "true" if value else "false"
        if isinstance(value, int | float):
            return str(value)
        if isinstance(value, str) and "\0" not in value and len(value) <= LONGEST_TEXT:
            return value
        self.refuse(place, f"{dotted(place)} is no short text.", f"Write a text of at most {LONGEST_TEXT} characters.")
        return ""

    def known(self, value: Mapping[str, Any], place: Place, names: Collection[str], why: Mapping[str, str]) -> None:
        """Note every name that is not among those that are understood; ``why`` has fixes for some of them."""
        for name in value:
            if name not in names and not name.startswith("x-"):
                shown = dotted((*place, name))
                fix = why.get(name) or suggestion(name, sorted(names))
                self.refuse((*place, name), f"{shown} is not understood.", fix)

    def is_name(self, name: str, place: Place) -> bool:
        """Tell whether a name is one of a component; note where it is not."""
        if NAME.fullmatch(name):
            return True
        fix = "Use at most 31 lower-case letters, digits and inner dashes, beginning with a letter."
        self.refuse(place, f"{printable(name[:80])} is no name for a component.", fix)
        return False

    def command(self, text: str, place: Place) -> str:
        """Return a command for a shell; note where it has several lines."""
        if "\n" in text or "\r" in text or not text.strip():
            self.refuse(place, f"{dotted(place)} is no command in one line.", "Put several lines into a script.")
            return "true"
        return text

    def folder(self, text: str, place: Place) -> str | None:
        """Return a folder of the repository as components name it, None for its top; note what leads elsewhere."""
        plain = text.removeprefix("./").rstrip("/")
        if plain in {"", "."}:
            return None
        if not FOLDER.fullmatch(plain) or len(plain) > 200:
            message = f"{dotted(place)} is no folder inside the repository."
            self.refuse(place, message, "Write one such as ./services/api.", "outside")
            return None
        return plain

    def megabytes(self, text: str, place: Place) -> int:
        """Return a size such as ``512M`` in MiB, at least 16; note what is none."""
        match = _SIZE.fullmatch(text.strip())
        if match is None:
            self.refuse(place, f"{dotted(place)} is no size.", "Write one such as 512M.")
            return 16
        unit = {"": 1, "k": 1024, "m": 1024 * 1024, "g": 1024 * 1024 * 1024}[match[2].lower()]
        return min(65_536, max(16, int(match[1]) * unit // (1024 * 1024)))


def literal(text: str) -> str:
    """Return a text as wiring reads it, so that it stands for itself."""
    return text.replace("${", "$${")

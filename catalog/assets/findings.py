"""What a check of a package finds: one value per problem, with the place and the fix."""

import re
from collections.abc import Iterable
from dataclasses import asdict, dataclass
from typing import Any, Literal

Level = Literal["error", "warning"]
_HALVES = re.compile("[\ud800-\udfff]")
_UNSTORABLE = re.compile("[\0\ud800-\udfff]")


@dataclass(frozen=True)
class Finding:
    """One problem of a package.

    ``rule`` is a stable name such as ``path-parent``; ``path`` is the file inside the package ("" means the archive
    itself); ``line`` counts from 1 where it is known; ``fix`` says what to do. Errors keep a package from being
    published, warnings do not.
    """

    rule: str
    path: str
    line: int | None
    message: str
    fix: str
    level: Level = "error"

    def __str__(self) -> str:
        """Read as one line of a report: place, message, fix and rule."""
        place = ":".join(str(part) for part in (self.path or "archive", self.line) if part is not None)
        return f"{place}: {self.message} {self.fix} [{self.rule}]"

    def as_json(self) -> dict[str, Any]:
        """Return the finding as JSON data."""
        return asdict(self)


def errors_of(findings: Iterable[Finding]) -> tuple[Finding, ...]:
    """Return the findings that keep a package from being published."""
    return tuple(finding for finding in findings if finding.level == "error")


def warnings_of(findings: Iterable[Finding]) -> tuple[Finding, ...]:
    """Return the findings that are worth knowing and no more."""
    return tuple(finding for finding in findings if finding.level == "warning")


def in_order(findings: Iterable[Finding]) -> tuple[Finding, ...]:
    """Return the findings without repeats: errors first, then by file, line and rule."""
    unique = dict.fromkeys(findings)
    return tuple(sorted(unique, key=lambda f: (f.level != "error", f.path, f.line or 0, f.rule, f.message)))


def printable(text: str) -> str:
    """Return a stranger's text with what cannot be printed written as escapes, fit for a report of any kind."""
    return "".join(char if char.isprintable() and not has_surrogates(char) else ascii(char)[1:-1] for char in text)


def has_surrogates(text: str) -> bool:
    """Tell whether a text holds half characters, which cannot be encoded."""
    return _HALVES.search(text) is not None


def storable(text: str) -> str:
    """Return a text with what PostgreSQL cannot store (NUL, half characters) replaced by U+FFFD."""
    return _UNSTORABLE.sub("\ufffd", text)

"""``semver.compare`` and ``semver.is_valid``, as OPA reads semantic versions (``internal/semver``)."""

import re
from typing import Any

from catalog.policies.engine.builtins.calls import BuiltinError, Table, into
from catalog.policies.engine.builtins.calls import text as string

FUNCTIONS: Table = {}

_IDENTIFIERS = r"[0-9A-Za-z-]+(?:\.[0-9A-Za-z-]+)*"
_VERSION = re.compile(
    rf"v?(0|[1-9][0-9]{{0,18}})\.(0|[1-9][0-9]{{0,18}})\.(0|[1-9][0-9]{{0,18}})(?:-({_IDENTIFIERS}))?(?:\+{_IDENTIFIERS})?"
)
_ZEROES = re.compile(r"(?:^|\.)0[0-9]+(?:\.|$)")
_MOST = 2**63

Version = tuple[tuple[int, int, int], tuple[tuple[int, int, str], ...]]


@into(FUNCTIONS, "semver.compare")
def compare(left: Any, right: Any) -> int:
    """Return -1, 0 or 1, by the order of the specification; what follows ``+`` does not count."""
    versions: list[Version] = []
    for position, value in enumerate((left, right), 1):
        parsed = _parse(string(value, position))
        if parsed is None:
            raise BuiltinError(f'operand {position}: string "{value}" is not a valid SemVer')
        versions.append(parsed)
    first, second = (_key(each) for each in versions)
    return (first > second) - (first < second)


@into(FUNCTIONS, "semver.is_valid")
def is_valid(value: Any) -> bool:
    """Tell whether the value is a semantic version."""
    return isinstance(value, str) and _parse(value) is not None


def _parse(value: str) -> Version | None:
    match = _VERSION.fullmatch(value)
    if match is None or _ZEROES.search(match[4] or ""):
        return None
    numbers = (int(match[1]), int(match[2]), int(match[3]))
    if max(numbers) >= _MOST:
        return None
    identifiers = match[4].split(".") if match[4] else ()
    return numbers, tuple((0, int(each), "") if each.isdigit() else (1, 0, each) for each in identifiers)


def _key(version: Version) -> tuple[tuple[int, int, int], bool, tuple[tuple[int, int, str], ...]]:
    numbers, identifiers = version
    return numbers, not identifiers, identifiers

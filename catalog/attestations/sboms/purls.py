"""Package URLs as the index keeps them, and versions compared as each ecosystem compares them.

Sources: the package URL specification (packageurl-python reads and writes them), PEP 440 for ``pypi``, Semantic
Versioning 2.0 for the ecosystems that follow it.
"""

import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from packageurl import PackageURL
from packaging.version import InvalidVersion, Version
from semver import Version as SemVer

from catalog.assets.findings import storable
from catalog.errors import FieldError, InvalidInputError

LONGEST = 1000
_SEMANTIC = frozenset({"npm", "cargo", "golang", "nuget", "hex", "pub", "swift", "composer", "github", "generic"})
ORDERED = tuple(sorted({"pypi", *_SEMANTIC}))
"""The types of package whose versions can be compared here; the others have orders of their own."""
_COMPARISON = re.compile(r"(>=|<=|==|!=|>|<|=)?\s*([0-9A-Za-z][0-9A-Za-z.+_!-]*)")
_NUMBERS = re.compile(r"v?(\d+)(?:\.(\d+))?(?:\.(\d+))?((?:[-+].*)?)")

Order = Callable[[Any, Any], bool]
_ORDERS: dict[str, Order] = {
    ">=": lambda a, b: a >= b,
    "<=": lambda a, b: a <= b,
    "==": lambda a, b: a == b,
    "!=": lambda a, b: a != b,
    ">": lambda a, b: a > b,
    "<": lambda a, b: a < b,
}


@dataclass(frozen=True)
class Purl:
    """A package URL taken apart: ``package`` is it without version, qualifiers and subpath, in canonical spelling."""

    type: str
    package: str
    version: str
    name: str


def read_purl(text: object) -> Purl | None:
    """Return a package URL of a document; None where it is none, so that one bad line spoils no document."""
    if not isinstance(text, str) or not text.startswith("pkg:") or len(text) > LONGEST or not text.isprintable():
        return None
    try:
        found = PackageURL.from_string(text)
        package = PackageURL(found.type, found.namespace, found.name).to_string()
    except ValueError:
        return None
    name = f"{found.namespace}/{found.name}" if found.namespace else found.name
    version = storable(found.version or "")
    return Purl(found.type, package, version, name) if len(package) <= 500 and len(version) <= 200 else None


def asked_purl(text: str) -> Purl:
    """Return a package URL that somebody asks for; raise ``InvalidInputError`` that says what it looks like."""
    found = read_purl(text.strip())
    if found is None:
        detail = "Write a package URL, such as pkg:pypi/requests or pkg:npm/%40angular/core@12.0.0."
        raise InvalidInputError("This is not a package URL.", [FieldError("/purl", detail)])
    return found


def version_of(kind: str, text: str) -> Any:
    """Return a version that compares as the ecosystem does; raise ``ValueError`` where it cannot be read."""
    if kind == "pypi":
        try:
            return Version(text)
        except InvalidVersion:
            raise ValueError(text) from None
    numbers = _NUMBERS.fullmatch(text)
    if kind not in _SEMANTIC or numbers is None:
        raise ValueError(text)
    major, minor, patch, rest = numbers.groups()
    return SemVer.parse(f"{int(major)}.{int(minor or 0)}.{int(patch or 0)}{rest}")


class Range:
    """Versions between bounds, such as ``>=2,<2.32`` or ``<1.4 || >=2,<2.1``: a comma means and, ``||`` means or."""

    def __init__(self, kind: str, text: str) -> None:
        """Read a range; raise ``InvalidInputError`` where it cannot be read, or the type's order is not known."""
        if kind not in ORDERED:
            known = ", ".join(ORDERED)
            raise _invalid(f"How versions of {kind} packages are ordered is not known here; it is for {known}.")
        self._kind = kind
        self._alternatives = [[self._comparison(part) for part in each.split(",")] for each in text.split("||")]

    def holds(self, version: str) -> bool | None:
        """Tell whether a version lies in the range; None where it cannot be told, as for no version at all."""
        try:
            given = version_of(self._kind, version)
        except ValueError:
            return None
        return any(all(order(given, bound) for order, bound in each) for each in self._alternatives)

    def _comparison(self, text: str) -> tuple[Order, Any]:
        found = _COMPARISON.fullmatch(text.strip())
        if found is None:
            raise _invalid(f"{text.strip()[:100]!a} is no bound; write such as >=2,<2.32.")
        sign = {None: "==", "=": "=="}.get(found[1], found[1])
        try:
            return _ORDERS[sign], version_of(self._kind, found[2])
        except ValueError:
            raise _invalid(f"{found[2][:100]!a} is no version of a {self._kind} package.") from None


def _invalid(detail: str) -> InvalidInputError:
    return InvalidInputError("The range of versions is not valid.", [FieldError("/versions", detail)])

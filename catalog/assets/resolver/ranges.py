"""Which versions of an ordered list a constraint allows, as one integer with a bit for each."""

from bisect import bisect_left
from collections.abc import Sequence

from packaging.specifiers import Specifier, SpecifierSet
from packaging.version import Version

from catalog.assets.versions import VersionNumber

_STAGES = {"a": 0, "b": 1, "rc": 2}
_FINAL = 3
_MOST_KNOWN = 1_000
_FIRST: "Key" = (-1,)
_LAST: "Key" = (10**9,)
Key = tuple[int, ...]


class Line:
    """The versions of one asset, oldest first.

    Comparisons are made on the five integers that order versions, so a clause is two binary searches instead of one
    comparison of PEP 440 versions for each version there is.
    """

    def __init__(self, numbers: Sequence[VersionNumber]) -> None:
        self.numbers = tuple(numbers)
        self._keys: list[Key] = [number.sort_key for number in numbers]
        self.everything = (1 << len(self._keys)) - 1
        self._known: dict[str, int] = {}

    def within(self, constraint: SpecifierSet) -> int:
        """Return the versions in the constraint's range, pre-releases included."""
        found = self.everything
        for clause in constraint:
            found &= self._clause(clause)
        return found

    def mask(self, constraint: SpecifierSet) -> int:
        """Return what `within` does, and keep it: for what versions need, of which there is only so much."""
        text = str(constraint)
        found = self._known.get(text)
        if found is None:
            found = self.within(constraint)
            if len(self._known) >= _MOST_KNOWN:
                self._known.clear()
            self._known[text] = found
        return found

    def _clause(self, clause: Specifier) -> int:
        operator, text = clause.operator, clause.version
        prefix = text.removesuffix(".*")
        version = Version(prefix)
        if not _is_comparable(version):
            allowed = (clause.contains(Version(each.canonical), prereleases=True) for each in self.numbers)
            return sum(1 << index for index, is_allowed in enumerate(allowed) if is_allowed)
        start, end = self._reach(operator, version, is_prefix=prefix != text)
        inside = _bits(bisect_left(self._keys, start), bisect_left(self._keys, end))
        return self.everything & ~inside if operator == "!=" else inside

    def _reach(self, operator: str, version: Version, *, is_prefix: bool) -> tuple[Key, Key]:
        """Return the first key that a clause (or, of ``!=``, its opposite) allows, and the first behind those."""
        key, release = _key(version), version.release
        if is_prefix:
            return _before(release), _before(_raised(release, len(release) - 1))
        # PEP 440: below a final version are none of its own pre-releases.
        below = key if version.is_prerelease else _before(release)
        return {
            "~=": (key, _before(_raised(release, len(release) - 2))),
            "==": (key, _behind(key)),
            "!=": (key, _behind(key)),
            ">=": (key, _LAST),
            ">": (_behind(key), _LAST),
            "<=": (_FIRST, _behind(key)),
            "<": (_FIRST, below),
        }[operator]


def _bits(start: int, end: int) -> int:
    """Return the integer whose bits from ``start`` up to ``end``, not included, are set."""
    return ((1 << end) - 1) & ~((1 << start) - 1) if end > start else 0


def _is_comparable(version: Version) -> bool:
    odd = version.epoch or version.local or version.is_postrelease or version.is_devrelease
    return not odd and not any(version.release[3:])


def _key(version: Version) -> Key:
    stage = (_STAGES[version.pre[0]], version.pre[1]) if version.pre else (_FINAL, 0)
    return (*_numbers(version.release), *stage)


def _before(release: Sequence[int]) -> Key:
    """Return what lies before every version of a release, its pre-releases included."""
    return (*_numbers(release), 0, 0)


def _behind(key: Key) -> Key:
    """Return what lies directly behind a version."""
    return (*key, 0)


def _numbers(release: Sequence[int]) -> Key:
    return (*release[:3], *(0,) * (3 - len(release)))


def _raised(release: Sequence[int], position: int) -> Key:
    return (*release[:position], release[position] + 1)

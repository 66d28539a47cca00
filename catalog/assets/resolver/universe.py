"""What a resolution knows: every version that the tenant can see of everything within reach, read at one moment."""

from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import NamedTuple
from weakref import ReferenceType, ref

from packaging.specifiers import SpecifierSet

from catalog.assets.life import MEANINGS, Choice
from catalog.assets.models import VersionState
from catalog.assets.resolver.ranges import Line
from catalog.assets.versions import VersionNumber, canonical_constraint, names_prerelease, pinned_version

_TURNS = {Choice.FIRST: 0, Choice.LAST: 1}
CHOSEN_FREELY = {state: _TURNS[each.choice] for state, each in MEANINGS.items() if each.choice in _TURNS}
"""The states from which a version is chosen without being named, with the turn in which they are tried."""
PINNED_ONLY = frozenset(state for state, each in MEANINGS.items() if each.choice is Choice.PINNED)
"""The states from which a version is chosen where it is pinned exactly, or in use already."""
_MOST_KNOWN = 1_000
"""How many constraints an asset's versions are kept for: listings outlive what needs them."""


@dataclass(frozen=True)
class Need:
    """What a version, or a request, needs of another asset; ``kind`` is "" where any is right."""

    asset: str
    kind: str
    constraint: SpecifierSet
    alias: str | None = None
    optional: bool = False

    @cached_property
    def text(self) -> str:
        """Return the constraint in its one spelling."""
        return canonical_constraint(self.constraint)


@dataclass(frozen=True)
class Ask:
    """One requirement of a request, with the field it came from."""

    need: Need
    given: str = ""
    pointer: str = ""


@dataclass(frozen=True, eq=False)
class Release:
    """One version of an asset; ``digest`` is SHA-256 in hexadecimal. Two of them are the same only if they are one."""

    asset: str
    kind: str
    number: VersionNumber
    state: VersionState
    digest: str
    needs: tuple[Need, ...] = ()
    reason: str | None = None
    replacement: str | None = None

    def __str__(self) -> str:
        return f"{self.asset} {self.number}"


class Tie(NamedTuple):
    """What some versions of one asset need of another: ``by`` and ``mask`` are masks over the one and the other.

    ``chosen`` are those of the other that the constraint chooses unless a request asks for more.
    """

    need: Need
    by: int
    mask: int
    chosen: int


@dataclass(frozen=True)
class Listing:
    """All versions of one asset that can be seen, oldest first, with masks over them as `Line` has them."""

    asset: str
    kind: str
    releases: tuple[Release, ...]
    line: Line = field(compare=False)
    # With the constraint itself, so that nothing else gets its identity meanwhile.
    _known: dict[int, tuple[SpecifierSet, int, int]] = field(default_factory=dict, compare=False, repr=False)
    # Weakly, so that what was kept of another asset before it changed is not kept by this one.
    _ties: dict[str, tuple[ReferenceType["Listing"], tuple["Tie", ...]]] = field(
        default_factory=dict, compare=False, repr=False
    )

    @classmethod
    def of(cls, found: Iterable[Release]) -> "Listing":
        """Return the listing of one asset's versions, of which there is one at least."""
        ordered = tuple(sorted(found, key=lambda each: each.number.sort_key))
        return cls(ordered[0].asset, ordered[-1].kind, ordered, Line([each.number for each in ordered]))

    @cached_property
    def replacements(self) -> frozenset[str]:
        """Return what versions name as their replacements, as it is written."""
        return frozenset(each.replacement for each in self.releases if each.replacement)

    def without_replacements(self, hidden: Collection[str]) -> "Listing":
        """Return the listing without those replacements, which whoever asks does not see."""
        if self.replacements.isdisjoint(hidden):
            return self
        told = (replace(each, replacement=None) if each.replacement in hidden else each for each in self.releases)
        return Listing.of(told)

    @cached_property
    def selectable(self) -> int:
        """Return what a constraint chooses without naming it: no pre-releases and no withdrawn versions."""
        return self._where(lambda each: each.state in CHOSEN_FREELY and not each.number.is_prerelease)

    @cached_property
    def prereleases(self) -> int:
        """Return the pre-releases that may be chosen where they are named."""
        return self._where(lambda each: each.state in CHOSEN_FREELY and each.number.is_prerelease)

    @cached_property
    def pinnable(self) -> int:
        """Return the versions that only an exact pin chooses."""
        return self._where(lambda each: each.state in PINNED_ONLY)

    def _where(self, test: Callable[[Release], bool]) -> int:
        return sum(1 << index for index, each in enumerate(self.releases) if test(each))

    def named_by(self, constraint: SpecifierSet) -> int:
        """Return what a constraint admits beyond `selectable`: named pre-releases, and one by its pin."""
        pin = pinned_version(constraint)
        named = self.prereleases if names_prerelease(constraint) else 0
        return named | (self.pinnable & self.line.within(constraint) if pin is not None else 0)

    def asked(self, constraint: SpecifierSet) -> tuple[int, int]:
        """Return what `satisfying` does and keep nothing of it: requests name what they like, and each its own."""
        return self.line.within(constraint), self.selectable | self.named_by(constraint)

    def satisfying(self, constraint: SpecifierSet) -> tuple[int, int]:
        """Return the versions in a constraint's range, and those among all that it chooses unless it is asked to."""
        found = self._known.get(id(constraint))
        if found is None:
            if len(self._known) >= _MOST_KNOWN:
                self._known.clear()
            chosen = self.selectable | self.named_by(constraint)
            found = self._known[id(constraint)] = (constraint, self.line.mask(constraint), chosen)
        return found[1:]

    @cached_property
    def needs(self) -> Mapping[str, Sequence[tuple[Need, int]]]:
        """Return by asset what is needed of it, each time with the mask of the versions that need it."""
        found: dict[str, dict[int, tuple[Need, int]]] = {}
        for index, release in enumerate(self.releases):
            for need in release.needs:
                same = found.setdefault(need.asset, {})
                _, by = same.get(id(need), (need, 0))
                same[id(need)] = (need, by | 1 << index)
        return {asset: tuple(same.values()) for asset, same in found.items()}

    def ties(self, other: "Listing") -> Sequence[Tie]:
        """Return what the versions need of another asset; made once for each listing of that."""
        known = self._ties.get(other.asset)
        if known is None or known[0]() is not other:
            needed = self.needs.get(other.asset, ())
            ties = tuple(Tie(need, by, *other.satisfying(need.constraint)) for need, by in needed)
            known = self._ties[other.asset] = (ref(other), ties)
        return known[1]

    def bit(self, number: VersionNumber) -> int:
        """Return the mask of one version, 0 where there is none of that number."""
        return next((1 << index for index, each in enumerate(self.releases) if each.number == number), 0)


class Universe:
    """Everything within reach by ``namespace/name``; what is missing here does not exist for this tenant."""

    def __init__(self, releases: Iterable[Release]) -> None:
        grouped: dict[str, list[Release]] = {}
        for each in releases:
            grouped.setdefault(each.asset, []).append(each)
        self.listings: Mapping[str, Listing] = {asset: Listing.of(found) for asset, found in grouped.items()}

    @classmethod
    def of(cls, listings: Iterable[Listing]) -> "Universe":
        """Return the universe of listings that are there already."""
        universe = cls(())
        universe.listings = {each.asset: each for each in listings}
        return universe

    def __getitem__(self, asset: str) -> Listing | None:
        return self.listings.get(asset)

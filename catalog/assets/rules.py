"""Which version a request gets, and which stands for its asset; what states mean is in `catalog.assets.life`."""

from collections.abc import Iterable
from dataclasses import dataclass

from packaging.specifiers import SpecifierSet

from catalog.assets.errors import VersionNotSelectableError
from catalog.assets.life import LISTED, MEANINGS, Choice, words
from catalog.assets.models import AssetVersion, VersionState
from catalog.assets.versions import VersionNumber, allows, canonical_constraint, names_prerelease, pinned_version


@dataclass(frozen=True)
class Candidate:
    """A version as choosing sees it."""

    number: VersionNumber
    state: VersionState


def number_of(version: AssetVersion) -> VersionNumber:
    """Return a row's version."""
    return VersionNumber(version.major, version.minor, version.patch, version.stage, version.stage_number)


def candidates(rows: Iterable[tuple[int, int, int, int, int, VersionState]]) -> list[Candidate]:
    """Return versions as choosing sees them, from their five numbers and their states."""
    return [Candidate(VersionNumber(*numbers), state) for *numbers, state in rows]


def choose(constraint: SpecifierSet, candidates: Iterable[Candidate]) -> VersionNumber:
    """Return the version that a request with ``constraint`` gets.

    The newest of those that are chosen like any other; of those chosen last where none of them fits; one chosen by
    pin only where it is pinned exactly (`catalog.assets.life.MEANINGS`). Pre-releases count only where the constraint
    names one. Raises ``VersionNotSelectableError`` that says why there is none.
    """
    everything = list(candidates)
    prereleases = names_prerelease(constraint)
    fitting = [each for each in everything if allows(constraint, each.number, prereleases=prereleases)]
    for choice in (Choice.FIRST, Choice.LAST):
        numbers = [each.number for each in fitting if MEANINGS[each.state].choice is choice]
        if numbers:
            return max(numbers)
    pin = pinned_version(constraint)
    if pin is not None and any(each.number == pin and MEANINGS[each.state].choice is Choice.PINNED for each in fitting):
        return pin
    raise VersionNotSelectableError(_why_none(constraint, everything, fitting))


def _why_none(constraint: SpecifierSet, everything: list[Candidate], fitting: list[Candidate]) -> str:
    wanted = canonical_constraint(constraint) or "any version"
    if fitting:
        states = ", ".join(
            f"{each.number} is {words(each.state)}" for each in sorted(fitting, key=lambda c: c.number)[-3:]
        )
        return f"No version can be chosen for {wanted}: {states}."
    if any(allows(constraint, each.number, prereleases=True) for each in everything):
        return f"Only pre-releases fit {wanted}. Name one, as in ==1.0.0rc1, to choose it."
    newest = max((each.number for each in everything), default=None)
    return f"No version fits {wanted}." + (f" The newest is {newest}." if newest else "")


def latest(candidates: Iterable[Candidate]) -> VersionNumber | None:
    """Return the version that stands for the asset: newest final, else newest pre-release, deprecated ones last."""
    selectable = [each for each in candidates if each.state in LISTED]
    best = max(
        selectable,
        key=lambda each: (each.state is VersionState.PUBLISHED, not each.number.is_prerelease, each.number),
        default=None,
    )
    return None if best is None else best.number

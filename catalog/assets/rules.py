"""The life of a version: which state follows which, and which version a request gets."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from packaging.specifiers import SpecifierSet

from catalog.assets.errors import VersionNotSelectableError, VersionStateError
from catalog.assets.models import AssetVersion, VersionState
from catalog.assets.versions import VersionNumber, allows, canonical_constraint, names_prerelease, pinned_version

_FROM: Mapping[VersionState, frozenset[VersionState]] = {
    VersionState.DEPRECATED: frozenset({VersionState.PUBLISHED, VersionState.DEPRECATED}),
    VersionState.YANKED: frozenset({VersionState.PUBLISHED, VersionState.DEPRECATED, VersionState.YANKED}),
    VersionState.REVOKED: frozenset(VersionState) - {VersionState.DRAFT},
    VersionState.QUARANTINED: frozenset(VersionState) - {VersionState.DRAFT, VersionState.REVOKED},
    VersionState.PUBLISHED: frozenset({VersionState.DEPRECATED, VersionState.YANKED, VersionState.QUARANTINED}),
}


def check_move(present: VersionState, wanted: VersionState) -> None:
    """Raise ``VersionStateError`` unless a version may go from ``present`` to ``wanted``."""
    if present in _FROM.get(wanted, frozenset()):
        return
    if present is VersionState.REVOKED:
        raise VersionStateError("A revoked version stays revoked. Publish a new version instead.")
    raise VersionStateError(f"A version that is {present} cannot become {wanted}.")


@dataclass(frozen=True)
class Candidate:
    """A version as choosing sees it."""

    number: VersionNumber
    state: VersionState


def number_of(version: AssetVersion) -> VersionNumber:
    """Return a row's version."""
    return VersionNumber(version.major, version.minor, version.patch, version.stage, version.stage_number)


def choose(constraint: SpecifierSet, candidates: Iterable[Candidate]) -> VersionNumber:
    """Return the version that a request with ``constraint`` gets.

    The newest published one; a deprecated one only where no published one fits; a yanked one only where it is pinned
    exactly; revoked and quarantined ones never. Pre-releases count only where the constraint names one. Raises
    ``VersionNotSelectableError`` that says why there is none.
    """
    everything = list(candidates)
    prereleases = names_prerelease(constraint)
    fitting = [each for each in everything if allows(constraint, each.number, prereleases=prereleases)]
    for state in (VersionState.PUBLISHED, VersionState.DEPRECATED):
        numbers = [each.number for each in fitting if each.state is state]
        if numbers:
            return max(numbers)
    pin = pinned_version(constraint)
    if pin is not None and any(each.number == pin and each.state is VersionState.YANKED for each in fitting):
        return pin
    raise VersionNotSelectableError(_why_none(constraint, everything, fitting))


def _why_none(constraint: SpecifierSet, everything: list[Candidate], fitting: list[Candidate]) -> str:
    wanted = canonical_constraint(constraint) or "any version"
    if fitting:
        states = ", ".join(f"{each.number} is {each.state}" for each in sorted(fitting, key=lambda c: c.number)[-3:])
        return f"No version can be chosen for {wanted}: {states}."
    if any(allows(constraint, each.number, prereleases=True) for each in everything):
        return f"Only pre-releases fit {wanted}. Name one, as in ==1.0.0rc1, to choose it."
    newest = max((each.number for each in everything), default=None)
    return f"No version fits {wanted}." + (f" The newest is {newest}." if newest else "")


def latest(candidates: Iterable[Candidate]) -> VersionNumber | None:
    """Return the version that stands for the asset: newest final, else newest pre-release, deprecated ones last."""
    selectable = [each for each in candidates if each.state in {VersionState.PUBLISHED, VersionState.DEPRECATED}]
    best = max(
        selectable,
        key=lambda each: (each.state is VersionState.PUBLISHED, not each.number.is_prerelease, each.number),
        default=None,
    )
    return None if best is None else best.number

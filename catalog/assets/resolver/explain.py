"""Why a resolution is refused, in a sentence that a person understands and as data that a program does."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from catalog.assets.findings import printable
from catalog.assets.life import words
from catalog.assets.resolver.errors import ResolutionRefusedError
from catalog.assets.resolver.lock import Cause
from catalog.assets.resolver.universe import CHOSEN_FREELY, PINNED_ONLY, Ask, Listing, Need, Release, Universe
from catalog.assets.versions import VersionNumber
from catalog.errors import FieldError

MOST_CLAUSES = 4
MOST_VERSIONS_NAMED = 3


@dataclass(frozen=True)
class Conflict:
    """One need that took part in the last failure; ``by`` is None for the request's own."""

    need: Need
    by: Release | None


class Explainer:
    """Turns the causes of one failure into words; ``asks`` are those that are needed for it to fail."""

    def __init__(self, universe: Universe, asks: Sequence[Ask], locked: Mapping[str, VersionNumber]) -> None:
        self._universe = universe
        self._asks = asks
        self._locked = locked
        self._parents = _parents(universe, asks)

    def refusal(self, conflicts: Sequence[Conflict]) -> ResolutionRefusedError:
        """Return the error: a sentence, the causes, and the fields of the request that lead there."""
        grouped: dict[str, list[Conflict]] = {}
        for each in conflicts:
            same = grouped.setdefault(each.need.asset, [])
            if not any((other.need.text, other.by) == (each.need.text, each.by) for other in same):
                same.append(each)
        clauses = [self._clause(asset, found) for asset, found in sorted(grouped.items())]
        text = "; and ".join(dict.fromkeys(clauses[:MOST_CLAUSES]))
        detail = f"{self._what()} cannot be had: {text}."
        causes = [self._cause(each) for found in grouped.values() for each in found]
        errors = [FieldError(ask.pointer, detail) for ask in self._asks if ask.pointer]
        return ResolutionRefusedError(detail, causes, errors)

    def _what(self) -> str:
        named = [_wanted(ask.need) for ask in self._asks]
        if len(named) == 1:
            return named[0]
        return f"{', '.join(named[:-1])} and {named[-1]} together"

    def _clause(self, asset: str, found: Sequence[Conflict]) -> str:
        listing = self._universe[asset]
        by = _joined([self._needs(each) for each in found])
        if listing is None:
            return f"because {by}, and there is no asset {printable(asset)}, or you may not see it"
        wrong = next((each.need for each in found if each.need.kind and each.need.kind != listing.kind), None)
        if wrong is not None:
            return f"because {by} as a {wrong.kind}, and it is a {listing.kind}"
        fitting = listing.line.everything
        for each in found:
            fitting &= listing.line.within(each.need.constraint)
        if fitting:
            return f"because {by}, and {self._why_not_chosen(listing, fitting)}"
        if all(listing.line.within(each.need.constraint) for each in found):
            which = "both" if len(found) == 2 else "them all"
            return f"because {by}, and no version of {asset} fits {which}"
        return f"because {by}, and the newest there is is {listing.releases[-1].number}"

    def _why_not_chosen(self, listing: Listing, fitting: int) -> str:
        """Say what keeps the versions in the range from being chosen: their states, or that one is in use."""
        releases = [each for index, each in enumerate(listing.releases) if fitting >> index & 1]
        present = self._locked.get(listing.asset)
        below = [each for each in releases if present is not None and each.number < present]
        above = [each for each in releases if each not in below]
        states = [_state(each) for each in above if each.state not in CHOSEN_FREELY]
        unnamed = [each for each in above if each.state in CHOSEN_FREELY and each.number.is_prerelease]
        if len(states) + len(unnamed) < len(above):
            versions = f"{len(releases)} versions fit" if len(releases) > 1 else f"{releases[0].number} fits"
            return f"although {versions}, what they need themselves cannot be had"
        reasons = states[-MOST_VERSIONS_NAMED:]
        if unnamed:
            reasons.append(f"only pre-releases fit; name one to choose it: {listing.asset}=={unnamed[-1].number}")
        if below:
            asking = f"{listing.asset}<{present}"
            reasons.append(f"{listing.asset} is in use at {present}, which goes down only if you ask for {asking}")
        return _and(reasons)

    def _needs(self, conflict: Conflict) -> str:
        wanted = _wanted(conflict.need)
        if conflict.by is None:
            return f"you ask for {wanted}"
        return f"{conflict.by}{self._origin(conflict.by)} needs {wanted}"

    def _origin(self, release: Release) -> str:
        parent = self._parents.get(release.asset)
        return f" (needed by {parent})" if parent else ""

    def _cause(self, conflict: Conflict) -> Cause:
        by = conflict.by
        asset = by.asset if by else None
        chain: list[str] = []
        while asset is not None and asset not in chain:
            chain.insert(0, asset)
            asset = self._parents.get(asset)
        return Cause(
            asset=conflict.need.asset,
            constraint=conflict.need.text,
            by=by.asset if by else None,
            version=by.number.canonical if by else None,
            chain=chain,
        )


def _parents(universe: Universe, asks: Sequence[Ask]) -> dict[str, str | None]:
    """Return one asset that needs each asset within reach, None for those that are asked for; nearest first."""
    found: dict[str, str | None] = {ask.need.asset: None for ask in asks}
    queue = sorted(found)
    for asset in queue:
        listing = universe[asset]
        for need in sorted({need.asset for each in (listing.releases if listing else ()) for need in each.needs}):
            if need not in found:
                found[need] = asset
                queue.append(need)
    return found


def _wanted(need: Need) -> str:
    return f"{printable(need.asset)} {need.text}".strip()


def _state(release: Release) -> str:
    if release.state in PINNED_ONLY:
        return f"{release.number} is {words(release.state)} and chosen only where it is pinned exactly"
    reason = f" ({release.reason.rstrip('.')})" if release.reason else ""
    return f"{release.number} is {words(release.state)}{reason}"


def _joined(parts: Sequence[str]) -> str:
    shown = list(parts[:MOST_CLAUSES])
    if len(parts) > MOST_CLAUSES:
        shown.append(f"{len(parts) - MOST_CLAUSES} more need it otherwise")
    return _and(shown)


def _and(parts: Sequence[str]) -> str:
    return parts[0] if len(parts) == 1 else f"{', '.join(parts[:-1])} and {parts[-1]}"

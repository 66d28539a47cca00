"""Choosing one version of everything within reach, with resolvelib: all or nothing, and the same answer each time."""

from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from graphlib import CycleError, TopologicalSorter
from typing import Any

from packaging.specifiers import SpecifierSet
from resolvelib import AbstractProvider, BaseReporter, Resolver
from resolvelib.resolvers import ResolutionImpossible, ResolutionTooDeep

from catalog.assets.life import MEANINGS, Choice, words
from catalog.assets.resolver.errors import ResolutionRefusedError
from catalog.assets.resolver.explain import Conflict, Explainer
from catalog.assets.resolver.lock import LockEntry, Resolution, Understood, Why
from catalog.assets.resolver.universe import CHOSEN_FREELY, Ask, Listing, Need, Release, Universe
from catalog.assets.versions import VersionNumber

MOST_ROUNDS = 20_000
"""How many choices one resolution may make; a count and not a time, so that the answer is the same everywhere."""
EXPLAINED_ROUNDS = 100
"""How many choices are made to find out what stands in the way of what cannot be had."""

MOST_ASKS_NARROWED = 25
EVERYTHING = "*"


@dataclass(frozen=True)
class Wanted:
    """What is asked for: the requirements, what is in use already, and what may change.

    ``locked`` are the versions in use by asset: they stay where ``upgrade`` does not name them (``*`` names all), and
    never become lower unless the request's own requirement excludes the present one. ``optional`` names the assets
    whose optional dependencies count as needed (``*``: all).
    """

    asks: Sequence[Ask]
    locked: Mapping[str, VersionNumber] = field(default_factory=dict)
    upgrade: Collection[str] = ()
    optional: Collection[str] = ()


@dataclass(frozen=True, eq=False)
class _Absent:
    """The choice of an asset that only optional dependencies name: none of its versions."""

    asset: str


@dataclass(frozen=True, eq=False)
class _Requirement:
    """A need as resolvelib sees it: ``mask`` holds the versions that satisfy it."""

    need: Need
    by: Release | None
    mask: int

    @property
    def is_binding(self) -> bool:
        return not self.need.optional


_Candidate = Release | _Absent


def resolve(universe: Universe, wanted: Wanted) -> Resolution:
    """Return the lock; raise ``ResolutionRefusedError`` with a sentence that says which requirements exclude which."""
    try:
        chosen = _solve(universe, wanted)
    except ResolutionImpossible as impossible:
        raise _refusal(universe, wanted, impossible) from None
    except ResolutionTooDeep:
        detail = f"No answer was found in {MOST_ROUNDS:,} steps. Name exact versions of some of the assets."
        raise ResolutionRefusedError(detail, []) from None
    reasons = _reasons(wanted, chosen)
    ordered = [chosen[asset] for asset in _order(chosen)]
    return Resolution(
        requirements=[
            Understood(given=ask.given, asset=ask.need.asset, constraint=ask.need.text) for ask in wanted.asks
        ],
        lock=[_entry(each, reasons[each.asset]) for each in ordered],
        warnings=[warning for each in ordered if (warning := _warning(each))],
    )


class _Straight(BaseReporter[_Requirement, _Candidate, str]):
    """Ends a search that would have to go back."""

    def resolving_conflicts(self, causes: object) -> None:
        """Give up."""
        del causes
        raise ResolutionTooDeep(0)


def _solve(universe: Universe, wanted: Wanted) -> dict[str, Release]:
    """Search straight on, and where that does not lead there, once more without what can be in no answer.

    Leaving that out hides what stood in the way, so that only the ends of it would be named: what cannot be had is
    looked for among everything again, if that is not long, so that it can be explained.
    """
    provider = _Provider(universe, wanted)
    try:
        return _search(provider, wanted, MOST_ROUNDS, _Straight())
    except ResolutionTooDeep:
        provider.thin()
    try:
        return _search(provider, wanted, MOST_ROUNDS)
    except ResolutionImpossible as impossible:
        try:
            _search(_Provider(universe, wanted), wanted, EXPLAINED_ROUNDS)
        except ResolutionTooDeep:
            raise impossible from None
        raise


def _search(
    provider: "_Provider",
    wanted: Wanted,
    rounds: int,
    reporter: BaseReporter[_Requirement, _Candidate, str] | None = None,
) -> dict[str, Release]:
    solver: Resolver[_Requirement, _Candidate, str] = Resolver(provider, reporter or BaseReporter())
    roots = [provider.requirement(ask.need, None) for ask in wanted.asks]
    result = solver.resolve(roots, max_rounds=rounds)
    pins = {asset: each for asset, each in result.mapping.items() if isinstance(each, Release)}
    return _needed(provider, wanted, pins)


def _needed(provider: "_Provider", wanted: Wanted, pins: Mapping[str, Release]) -> dict[str, Release]:
    """Leave out what was considered on the way and is needed by nothing that was chosen in the end."""
    open_assets = [ask.need.asset for ask in wanted.asks]
    found: dict[str, Release] = {}
    while open_assets:
        asset = open_assets.pop()
        if asset in found:
            continue
        found[asset] = pins[asset]
        open_assets += [need.asset for need in provider.needs_of(pins[asset]) if not need.optional]
    return found


class _Provider(AbstractProvider[_Requirement, _Candidate, str]):
    """Answers resolvelib's questions from one universe."""

    def __init__(self, universe: Universe, wanted: Wanted) -> None:
        self._universe = universe
        self._wanted = wanted
        self._asked: dict[str, list[Need]] = {}
        for ask in wanted.asks:
            self._asked.setdefault(ask.need.asset, []).append(ask.need)
        self._orders: dict[str, list[tuple[int, Release]]] = {}
        self._limits: dict[str, tuple[int, int]] = {}
        self._needs: dict[int, list[_Requirement]] = {}
        self._bits: dict[int, int] = {}
        self._absent: dict[str, _Absent] = {}
        self._alive: dict[str, int] = {}
        # With the constraint itself, so that nothing else gets its identity meanwhile.
        self._satisfying: dict[tuple[str, str, int], tuple[SpecifierSet, int]] = {}

    def thin(self) -> None:
        """Leave out every version that can be in no answer, because something it needs can be in none.

        What the request itself requires holds in every answer, and what follows from it is carried on until nothing
        changes (arc consistency, AC-3).
        """
        listings = self._universe.listings
        alive = {asset: listing.line.everything for asset, listing in listings.items()}
        for ask in self._wanted.asks:
            alive[ask.need.asset] = alive.get(ask.need.asset, 0) & self.requirement(ask.need, None).mask
        ties = {asset: list(self._ties(listing)) for asset, listing in listings.items()}
        needed_by: dict[str, set[str]] = {}
        for asset, others in ties.items():
            for other, _ in others:
                needed_by.setdefault(other, set()).add(asset)
        waiting = list(listings)
        while waiting:
            asset = waiting.pop()
            left = alive[asset]
            for other, needs in ties[asset]:
                there = alive.get(other, 0)
                for satisfying, by in needs:
                    if not satisfying & there:
                        left &= ~by
            if left != alive[asset]:
                alive[asset] = left
                waiting += needed_by.get(asset, set()) - set(waiting)
        self._alive = alive

    def _ties(self, listing: Listing) -> Iterator[tuple[str, list[tuple[int, int]]]]:
        """Yield what has to be there of each other asset: the versions that satisfy a need, and those that have it."""
        for asset, needs in listing.needs.items():
            other = self._universe[asset]
            if other is None:
                yield asset, [(0, by) for need, by in needs if self._is_binding(need)]
                continue
            allowed, admitted = self._limit(other)
            yield (
                asset,
                [
                    (mask & allowed & (chosen | admitted) if need.kind in ("", other.kind) else 0, by)
                    for need, by, mask, chosen in listing.ties(other)
                    if self._is_binding(need)
                ],
            )

    def _is_binding(self, need: Need) -> bool:
        return not need.optional or EVERYTHING in self._wanted.optional or need.asset in self._wanted.optional

    def requirement(self, need: Need, by: Release | None) -> _Requirement:
        """Return a need with the versions that satisfy it in this universe."""
        # Versions of one asset mostly need the same of another, and constraints are read once for each text.
        key = (need.asset, need.kind, id(need.constraint))
        found = self._satisfying.get(key)
        if found is None:
            found = self._satisfying[key] = (need.constraint, self._mask(need, is_kept=by is not None))
        return _Requirement(need, by, found[1])

    def _mask(self, need: Need, *, is_kept: bool) -> int:
        listing = self._universe[need.asset]
        if listing is None or (need.kind and need.kind != listing.kind):
            return 0
        allowed, admitted = self._limit(listing)
        mask, chosen = listing.satisfying(need.constraint) if is_kept else listing.asked(need.constraint)
        return mask & allowed & (chosen | admitted)

    def needs_of(self, release: Release) -> Iterator[Need]:
        """Yield what a version needs; optional dependencies that were asked for count as needed."""
        for need in release.needs:
            if need.optional and self._is_binding(need):
                yield Need(need.asset, need.kind, need.constraint, need.alias)
            else:
                yield need

    def _limit(self, listing: Listing) -> tuple[int, int]:
        """Return the versions not below the one in use, and those that request and lock admit by naming them."""
        found = self._limits.get(listing.asset)
        if found is None:
            admitted, allowed = 0, listing.line.everything
            asked = self._asked.get(listing.asset, ())
            for need in asked:
                admitted |= listing.named_by(need.constraint) & listing.line.within(need.constraint)
            present = self._wanted.locked.get(listing.asset)
            bit = listing.bit(present) if present is not None else 0
            if bit:
                admitted |= bit & (listing.pinnable | listing.prereleases)
                if all(listing.line.within(need.constraint) & bit for need in asked):
                    allowed &= ~(bit - 1)
            found = self._limits[listing.asset] = (allowed, admitted)
        return found

    def _order(self, asset: str) -> list[tuple[int, Release]]:
        """Return bit and version in the order of preference: the one in use, newest published, newest deprecated."""
        found = self._orders.get(asset)
        if found is None:
            listing = self._universe[asset]
            present = self._wanted.locked.get(asset)
            stays = present is not None and not {EVERYTHING, asset} & set(self._wanted.upgrade)
            found = [] if listing is None else [(1 << i, each) for i, each in enumerate(listing.releases)]
            found.sort(
                key=lambda pair: (
                    not (stays and pair[1].number == present),
                    CHOSEN_FREELY.get(pair[1].state, len(CHOSEN_FREELY)),
                    -pair[0],
                )
            )
            self._orders[asset] = found
            self._bits.update({id(each): bit for bit, each in found})
        return found

    # What resolvelib asks; the names and arguments are its own.

    def identify(self, requirement_or_candidate: _Requirement | _Candidate) -> str:
        """Return the asset that a requirement or a version is about."""
        if isinstance(requirement_or_candidate, _Requirement):
            return requirement_or_candidate.need.asset
        return requirement_or_candidate.asset

    def get_preference(
        self,
        identifier: str,
        resolutions: Mapping[str, _Candidate],
        candidates: Mapping[str, Iterator[_Candidate]],
        information: Mapping[str, Iterator[Any]],
        backtrack_causes: Sequence[Any],
    ) -> tuple[Any, ...]:
        """Choose first what has no choice, then what was in the way; assets that may stay away come last."""
        del resolutions, candidates
        mask, binding = self._alive.get(identifier, -1), False
        for each in information[identifier]:
            requirement = each.requirement
            binding = binding or requirement.is_binding
            mask &= requirement.mask
        in_the_way = any(self.identify(each.requirement) == identifier for each in backtrack_causes)
        return (not binding, mask.bit_count() > 1, not in_the_way, identifier not in self._asked, identifier)

    def find_matches(
        self,
        identifier: str,
        requirements: Mapping[str, Iterator[_Requirement]],
        incompatibilities: Mapping[str, Iterator[_Candidate]],
    ) -> Iterable[_Candidate]:
        """Return the versions that satisfy every requirement, best first."""
        excluded = {id(each) for each in incompatibilities[identifier]}
        mask, binding = self._alive.get(identifier, -1), False
        for requirement in requirements[identifier]:
            binding = binding or requirement.is_binding
            mask &= requirement.mask
        if not binding:
            absent = self._absent.setdefault(identifier, _Absent(identifier))
            return [] if id(absent) in excluded else [absent]
        return [each for bit, each in self._order(identifier) if mask & bit and id(each) not in excluded]

    def is_satisfied_by(self, requirement: _Requirement, candidate: _Candidate) -> bool:
        """Tell whether one version satisfies one requirement."""
        if isinstance(candidate, _Absent):
            return not requirement.is_binding
        return bool(requirement.mask & self._bits[id(candidate)])

    def get_dependencies(self, candidate: _Candidate) -> Iterable[_Requirement]:
        """Return what a version requires of others."""
        if isinstance(candidate, _Absent):
            return []
        found = self._needs.get(id(candidate))
        if found is None:
            found = [self.requirement(need, candidate) for need in self.needs_of(candidate)]
            self._needs[id(candidate)] = found
        return found


def _refusal(universe: Universe, wanted: Wanted, impossible: Any) -> ResolutionRefusedError:
    """Explain a refusal by the smallest part of the request that cannot be had, so that nothing unrelated is named."""
    asks, causes = list(wanted.asks), list(impossible.causes)
    for ask in wanted.asks if len(wanted.asks) <= MOST_ASKS_NARROWED else ():
        rest = [each for each in asks if each is not ask]
        try:
            _solve(universe, Wanted(rest, wanted.locked, wanted.upgrade, wanted.optional))
        except ResolutionImpossible as smaller:
            asks, causes = rest, list(smaller.causes)
        except ResolutionTooDeep:
            continue
    conflicts = [Conflict(each.requirement.need, each.parent) for each in causes]
    return Explainer(universe, asks, wanted.locked).refusal(conflicts)


def _reasons(wanted: Wanted, chosen: Mapping[str, Release]) -> dict[str, list[Why]]:
    reasons: dict[str, list[Why]] = {asset: [] for asset in chosen}
    for ask in wanted.asks:
        reasons[ask.need.asset].append(Why(constraint=ask.need.text))
    for release in sorted(chosen.values(), key=lambda each: each.asset):
        for need in release.needs:
            if need.asset in chosen:
                why = Why(
                    by=release.asset,
                    version=release.number.canonical,
                    constraint=need.text,
                    alias=need.alias,
                    optional=need.optional,
                )
                reasons[need.asset].append(why)
    return reasons


def _order(chosen: Mapping[str, Release]) -> list[str]:
    """Return the assets, dependencies first, otherwise by name; a circle of assets stands in the order of names."""
    needs = {asset: {need.asset for need in each.needs if need.asset in chosen} for asset, each in chosen.items()}
    sorter: TopologicalSorter[str] = TopologicalSorter(needs)
    try:
        sorter.prepare()
    except CycleError:
        return sorted(chosen)
    ordered: list[str] = []
    while sorter.is_active():
        ready = sorted(sorter.get_ready())
        ordered += ready
        sorter.done(*ready)
    return ordered


def _understood(ask: Ask) -> Understood:
    return Understood(given=ask.given, asset=ask.need.asset, constraint=ask.need.text)


def _entry(release: Release, why: list[Why]) -> LockEntry:
    return LockEntry(
        asset=release.asset,
        kind=release.kind,
        version=release.number.canonical,
        digest=f"sha256:{release.digest}",
        state=release.state.value,
        why=why,
    )


def _warning(release: Release) -> str | None:
    if MEANINGS[release.state].choice is Choice.FIRST:
        return None
    text = f"{release} is {words(release.state)}"
    text += f": {release.reason.rstrip('.')}." if release.reason else "."
    return text + (f" Use {release.replacement} instead." if release.replacement else "")

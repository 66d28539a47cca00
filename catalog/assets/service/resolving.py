"""Resolving: from requirements to a lock, over everything that the tenant can see at this moment."""

from collections.abc import Mapping, Sequence
from typing import Any
from uuid import UUID

from packaging.specifiers import SpecifierSet

from catalog.assets.curation.view import CatalogView
from catalog.assets.errors import InvalidConstraintError, InvalidVersionError
from catalog.assets.life import SELECTABLE
from catalog.assets.references import AssetReference, parse_reference
from catalog.assets.resolver import Ask, Need, Release, Resolution, ResolveAssets, Universe, Wanted, queries, resolve
from catalog.assets.resolver.kept import NOTHING_SEEN, Keeper, Kept, Path, mark_of
from catalog.assets.resolver.universe import Listing
from catalog.assets.service.reading import Reading
from catalog.assets.service.replacing import unseen
from catalog.assets.versions import VersionNumber, parse_constraint, parse_version

NOTHING = SpecifierSet("<0")
KEPT = Keeper()
"""What this process has read of assets."""


class Resolving(Reading):
    """What anyone may ask about versions that go together; what a tenant cannot see has no part in it."""

    def resolve_all(self, tenant_id: UUID, wanted: ResolveAssets) -> Resolution:
        """Return the lock of a request, from a fixed number of statements.

        Raises ``InvalidReferenceError`` naming the field, or ``ResolutionRefusedError`` with the explanation.
        """
        asks = [
            _ask(parse_reference(text, f"/requirements/{index}"), text, f"/requirements/{index}")
            for index, text in enumerate(wanted.requirements)
        ]
        locked = {each.asset: _locked(each.version, index) for index, each in enumerate(wanted.lock)}
        return self._resolve(tenant_id, Wanted(asks, locked, wanted.upgrade, wanted.optional))

    def resolve_reference(
        self, tenant_id: UUID, reference: AssetReference, locked: Sequence[Mapping[str, Any]] = (), pointer: str = ""
    ) -> Resolution:
        """Return the lock of one asset and all it needs; ``locked`` is the lock in use, which may rise, not fall."""
        present = {str(each["asset"]): parse_version(str(each["version"])) for each in locked}
        return self._resolve(tenant_id, Wanted([_ask(reference, str(reference), pointer)], present, upgrade=("*",)))

    def _resolve(self, tenant_id: UUID, wanted: Wanted) -> Resolution:
        named = sorted({_split(asset) for asset in (*(ask.need.asset for ask in wanted.asks), *wanted.locked)})
        listings = self._within_reach(tenant_id, named)
        hidden = unseen(self._session, tenant_id, (text for each in listings for text in each.replacements))
        listings = [each.without_replacements(hidden) for each in listings] if hidden else listings
        view = self.catalog_view(tenant_id)
        if not view.decides_nothing:
            listings = [fewer for each in listings if (fewer := _allowed(view, each))]
        return resolve(Universe.of(listings), wanted)

    def _within_reach(self, tenant_id: UUID, named: Sequence[Path]) -> list[Listing]:
        """Return every asset within reach as it is at this moment.

        Where everything was read before, one statement tells whether it is the same still; else one reads it all, and
        what of it is the same is not parsed again.
        """
        kept = KEPT.within_reach(tenant_id, named)
        known = [(path, each) for path, each in kept.items() if each is not None]
        if len(known) == len(kept):
            marks = queries.marks(self._session, tenant_id, list(kept))
            if all(marks.get(path, NOTHING_SEEN.mark) == each.mark for path, each in known):
                return [each.listing for _, each in known if each.listing is not None]
        return self._read(tenant_id, named)

    def _read(self, tenant_id: UUID, named: Sequence[Path]) -> list[Listing]:
        grouped: dict[Path, list[queries.ReachedRow]] = {path: [] for path in named}
        for row in queries.within_reach(self._session, tenant_id, named):
            grouped.setdefault((row.namespace, row.name), []).append(row)
        kept = KEPT.within_reach(tenant_id, grouped)
        # The same few needs stand in version after version; each is read once.
        needs: dict[tuple[object, ...], Need] = {}
        listings = []
        waiting: set[Path] = set()
        for path, rows in grouped.items():
            found = kept.get(path)
            mark = mark_of([row.mark for row in rows]) if rows else NOTHING_SEEN.mark
            if found is None or found.mark != mark:
                found = _kept(mark, rows, needs) if rows else NOTHING_SEEN
                KEPT.keep(tenant_id, path, found)
            waiting |= found.needs
            if found.listing is not None:
                listings.append(found.listing)
        for path in waiting - grouped.keys():
            KEPT.keep(tenant_id, path, NOTHING_SEEN)
        return listings


def _allowed(view: CatalogView, listing: Listing) -> Listing | None:
    """Return what the tenant's own catalog lets it choose of an asset; its own assets are always among that.

    What `Reading.choosable` rules out for one asset is left out here.
    """
    path = _split(listing.asset)
    allowed = [each for each in listing.releases if view.allows(*path, each.number)]
    if len(allowed) == len(listing.releases):
        return listing
    return Listing.of(allowed) if allowed else None


def _kept(mark: bytes, rows: Sequence[queries.ReachedRow], needs: dict[tuple[object, ...], Need]) -> Kept:
    listing = Listing.of([_release(row, needs) for row in rows])
    behind = {_split(need.asset) for each in listing.releases if each.state in SELECTABLE for need in each.needs}
    return Kept(mark, listing, frozenset(behind))


def _locked(version: str, index: int) -> VersionNumber:
    try:
        return parse_version(version)
    except InvalidVersionError as error:
        raise InvalidVersionError(version, error.reason, error.fix, f"/lock/{index}/version") from None


def _ask(reference: AssetReference, given: str, pointer: str) -> Ask:
    need = Need(f"{reference.namespace}/{reference.name}", "", reference.constraint)
    return Ask(need, given=given, pointer=pointer)


def _release(row: queries.ReachedRow, known: dict[tuple[object, ...], Need]) -> Release:
    return Release(
        asset=f"{row.namespace}/{row.name}",
        kind=row.kind,
        number=VersionNumber(row.major, row.minor, row.patch, row.stage, row.stage_number),
        state=row.state,
        digest=row.blob_digest,
        needs=tuple(_need(each, known) for each in row.dependencies),
        reason=row.state_reason,
        replacement=row.replacement,
    )


def _need(written: Mapping[str, Any], known: dict[tuple[object, ...], Need]) -> Need:
    # Written out, because this is done for every need of every version within reach.
    get = written.get
    key = (get("asset"), get("kind"), get("version"), get("alias"), get("optional"))
    if key not in known:
        try:
            constraint = parse_constraint(written["version"])
        except InvalidConstraintError:  # publishing refuses it; should a row have one, nothing satisfies it
            constraint = NOTHING
        optional = bool(written.get("optional", False))
        known[key] = Need(written["asset"], written["kind"], constraint, written.get("alias"), optional)
    return known[key]


def _split(asset: str) -> tuple[str, str]:
    namespace, _, name = asset.partition("/")
    return namespace, name

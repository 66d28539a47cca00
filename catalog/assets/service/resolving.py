"""Resolving: from requirements to a lock, over everything that the tenant can see at this moment."""

from collections.abc import Mapping, Sequence
from typing import Any
from uuid import UUID

from packaging.specifiers import SpecifierSet

from catalog.assets import queries
from catalog.assets.errors import InvalidConstraintError, InvalidVersionError
from catalog.assets.references import AssetReference, parse_reference
from catalog.assets.resolver import Ask, Need, Release, Resolution, ResolveAssets, Universe, Wanted, resolve
from catalog.assets.service.reading import Reading
from catalog.assets.versions import VersionNumber, parse_constraint, parse_version

NOTHING = SpecifierSet("<0")


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
        rows = queries.within_reach(self._session, tenant_id, named)
        return resolve(Universe(_releases(self._within_the_catalog(tenant_id, rows))), wanted)

    def _within_the_catalog(self, tenant_id: UUID, rows: Sequence[queries.ReachedRow]) -> list[queries.ReachedRow]:
        """Return the rows that the tenant's own catalog lets it choose; its own assets are always among them.

        What `Reading.choosable` rules out for one asset is left out here for all of them, in three statements.
        """
        view = self.catalog_view(tenant_id)
        return [row for row in rows if view.allows(row.namespace, row.name, _number(row))]


def _locked(version: str, index: int) -> VersionNumber:
    try:
        return parse_version(version)
    except InvalidVersionError as error:
        raise InvalidVersionError(version, error.reason, error.fix, f"/lock/{index}/version") from None


def _releases(rows: Sequence[queries.ReachedRow]) -> list[Release]:
    # The same few needs stand in version after version; each is read once.
    known: dict[tuple[object, ...], Need] = {}
    return [_release(row, known) for row in rows]


def _ask(reference: AssetReference, given: str, pointer: str) -> Ask:
    need = Need(f"{reference.namespace}/{reference.name}", "", reference.constraint)
    return Ask(need, given=given, pointer=pointer)


def _release(row: queries.ReachedRow, known: dict[tuple[object, ...], Need]) -> Release:
    return Release(
        asset=f"{row.namespace}/{row.name}",
        kind=row.kind,
        number=_number(row),
        state=row.state,
        digest=row.blob_digest,
        needs=tuple(_need(each, known) for each in row.dependencies),
        reason=row.state_reason,
        replacement=row.replacement,
    )


def _number(row: queries.ReachedRow) -> VersionNumber:
    return VersionNumber(row.major, row.minor, row.patch, row.stage, row.stage_number)


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

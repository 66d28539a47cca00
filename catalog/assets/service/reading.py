"""Searching and reading assets, and choosing the version that a request gets."""

from collections.abc import Mapping, Sequence
from typing import Any
from uuid import UUID

from packaging.specifiers import SpecifierSet
from sqlmodel import Session

from catalog.assets import queries, rules
from catalog.assets.curation import queries as curation
from catalog.assets.curation.view import DECIDES_NOTHING, CatalogView, Offer
from catalog.assets.errors import (
    ArchiveUnavailableError,
    AssetNotFoundError,
    InvalidVersionError,
    VersionNotSelectableError,
    VersionStateError,
)
from catalog.assets.examples import SHELF, Example
from catalog.assets.findings import printable
from catalog.assets.life import MEANINGS
from catalog.assets.models import (
    ArtifactRead,
    Asset,
    AssetRead,
    AssetVersion,
    AssetVersionRead,
    FacetCount,
    SearchHint,
    SearchQuery,
    SearchResult,
    VersionState,
    VersionSummary,
)
from catalog.assets.references import AssetReference, is_name
from catalog.assets.search import FILTERS, NO_WORD, Position, closest, similar_query, words_of
from catalog.assets.service.replacing import without_unseen
from catalog.assets.usage import queries as usage
from catalog.assets.usage.models import Totals
from catalog.assets.versions import VersionNumber, allows, parse_constraint, parse_version
from catalog.providers.blobs import BlobError, BlobStore

LATEST = "latest"
_KINDS_OF_ACTORS = {"member": "a member", "token": "an access token", "system": "Slipway itself"}
_MOST_GUESSES = 200
Standing = tuple[str, VersionState] | tuple[None, None]


class Reading:
    """What anyone may ask; a tenant sees its own assets and public ones, and nothing else exists for it."""

    def __init__(self, session: Session) -> None:
        self._session = session

    def search(self, tenant_id: UUID, query: SearchQuery) -> SearchResult:
        """Return one page of assets with the counts of every filter, in four statements (more where nothing fits)."""
        words = words_of(query.q)
        found = self._found(query)
        rows = queries.assets_by_id(self._session, tenant_id, [identifier for identifier, _ in found.items])
        self._bind_to_ranges(tenant_id, rows)
        page = [(rows[identifier], score) for identifier, score in found.items[: query.limit] if identifier in rows]
        last = page[-1] if len(found.items) > query.limit and page else None
        total = found.without["total"]
        totals = usage.totals(self._session, [asset.id for asset, _ in page])
        return SearchResult(
            items=[asset_read(asset, tenant_id, totals.get(asset.id)) for asset, _ in page],
            total=total,
            facets=_facets(found, query),
            hints=[] if total else self._hints(query, found),
            next_cursor=Position(last[1], last[0].name, last[0].namespace, query.sort).cursor() if last else None,
            suggestions=[] if total or not words else self._similar(query.q),
        )

    def _found(self, query: SearchQuery) -> queries.Found:
        words = words_of(query.q)
        asks_for_nothing = bool(query.q.strip()) and not words
        return queries.search(
            self._session, query, words or ([NO_WORD] if asks_for_nothing else []), limit=query.limit + 1
        )

    def _bind_to_ranges(self, tenant_id: UUID, found: Mapping[UUID, Asset]) -> None:
        """Let assets that the tenant's catalog binds to a range show the newest version within it."""
        for asset_id, allowed in curation.ranges(self._session, tenant_id, list(found)).items():
            asset = found[asset_id]
            self._session.expunge(asset)  # what is shown here is never written
            asset.latest_version, asset.latest_state = self._newest_within(tenant_id, asset_id, allowed)

    def _newest_within(self, tenant_id: UUID, asset_id: UUID, allowed: str) -> Standing:
        constraint = parse_constraint(allowed)
        numbers = rules.candidates(queries.version_numbers(self._session, tenant_id, asset_id))
        within = {each.number: each for each in numbers if allows(constraint, each.number, prereleases=True)}
        best = rules.latest(within.values())
        return (best.canonical, within[best].state) if best else (None, None)

    def _latest(self, tenant_id: UUID, asset: Asset) -> str | None:
        """Return the version that stands for an asset: the newest within the range of the tenant's own catalog."""
        is_own = asset.tenant_id == tenant_id
        allowed = None if is_own else curation.ranges(self._session, tenant_id, [asset.id]).get(asset.id)
        return asset.latest_version if allowed is None else self._newest_within(tenant_id, asset.id, allowed)[0]

    def _hints(self, query: SearchQuery, found: queries.Found) -> list[SearchHint]:
        hints = [
            SearchHint(remove=name, value=value, count=count)
            for name in FILTERS
            if (value := getattr(query, name)) and (count := found.without[name])
        ]
        if query.q.strip() and any(getattr(query, name) for name in FILTERS):
            count = queries.search(self._session, query.model_copy(update={"q": ""}), [], limit=1).without["total"]
            hints += [SearchHint(remove="q", value=query.q, count=count)] if count else []
        return sorted(hints, key=lambda hint: (-hint.count, hint.remove))

    def _similar(self, q: str) -> list[str]:
        asked = similar_query(q)
        return closest(q, queries.similar_names(self._session, asked, _MOST_GUESSES)) if asked else []

    def get(self, tenant_id: UUID, namespace: str, name: str) -> AssetRead:
        """Return an asset; raise ``AssetNotFoundError`` where there is none that the tenant may see."""
        asset = self._asset(tenant_id, namespace, name)
        return asset_read(asset, tenant_id).model_copy(update={"latest_version": self._latest(tenant_id, asset)})

    def versions(
        self,
        tenant_id: UUID,
        namespace: str,
        name: str,
        *,
        after: VersionNumber | None = None,
        first: int = 0,
        limit: int | None = None,
    ) -> list[VersionSummary]:
        """Return an asset's versions, newest first: those below ``after``, without the ``first`` so many, ``limit``."""
        asset = self._asset(tenant_id, namespace, name)
        place = after.sort_key if after is not None else None
        rows = queries.versions(self._session, tenant_id, asset.id, after=place, first=first, limit=limit)
        return without_unseen(self._session, tenant_id, map(VersionSummary.model_validate, rows))

    def count_versions(self, tenant_id: UUID, namespace: str, name: str) -> int:
        """Return how many versions of an asset the tenant may see."""
        return queries.count_versions(self._session, tenant_id, self._asset(tenant_id, namespace, name).id)

    def get_version(self, tenant_id: UUID, namespace: str, name: str, version: str = LATEST) -> AssetVersionRead:
        """Return one version, in either spelling or ``latest``; raise ``AssetNotFoundError`` where there is none."""
        read = version_read(self._version(tenant_id, namespace, name, version), tenant_id)
        return without_unseen(self._session, tenant_id, [read])[0]

    def making_environments(self, tenant_id: UUID, found: Sequence[AssetRead]) -> Sequence[AssetRead]:
        """Return those of the blueprints from which an environment can be made, and not releases moved alone."""
        paths = queries.making_environments(
            self._session, tenant_id, [f"{each.namespace}/{each.name}" for each in found]
        )
        return [each for each in found if f"{each.namespace}/{each.name}" in paths]

    def version_by_id(self, tenant_id: UUID, version_id: UUID) -> AssetVersion:
        """Return the row of a version; raise ``AssetNotFoundError`` where the tenant may see none of that id."""
        found = queries.version_by_id(self._session, tenant_id, version_id)
        if found is None:
            raise AssetNotFoundError(f"There is no version {version_id}.")
        return found

    def resolve(self, tenant_id: UUID, reference: AssetReference) -> AssetVersion:
        """Return the version that a request for ``reference`` gets.

        Raises ``AssetNotFoundError``, or ``VersionNotSelectableError`` that says why no version can be chosen.
        """
        asset = self._asset(tenant_id, reference.namespace, reference.name)
        candidates = self._candidates(tenant_id, asset)
        try:
            number = rules.choose(reference.constraint, candidates)
        except VersionNotSelectableError as error:
            raise VersionNotSelectableError(f"{reference.namespace}/{reference.name}: {error.detail}") from None
        return self._version(tenant_id, asset.namespace, asset.name, number.canonical)

    def version(self, tenant_id: UUID, namespace: str, name: str, version: str) -> AssetVersion:
        """Return the row of a version, in either spelling; raise ``AssetNotFoundError`` where there is none."""
        return self._version(tenant_id, namespace, name, version)

    def get_id(self, tenant_id: UUID, namespace: str, name: str) -> UUID:
        """Return an asset's id; raise ``AssetNotFoundError`` where there is none that the tenant may see."""
        return self._asset(tenant_id, namespace, name).id

    def version_with(self, tenant_id: UUID, asset_id: UUID, digest: str) -> AssetVersion | None:
        """Return the version whose archive or manifest has a digest (hexadecimal), None where the asset has none."""
        return queries.version_with(self._session, tenant_id, asset_id, digest)

    def versions_named(self, tenant_id: UUID, asset_id: UUID, names: Sequence[str]) -> Sequence[AssetVersion]:
        """Return the rows of several versions of an asset, by their canonical texts."""
        return queries.versions_named(self._session, tenant_id, asset_id, names)

    def choosable(self, tenant_id: UUID, namespace: str, name: str) -> list[rules.Candidate]:
        """Return the versions that the tenant may choose from, with their states, in no order.

        This is the one place that knows: what the tenant may see, what its catalog hides or does not adopt, and the
        range that its catalog allows. Raises ``AssetNotFoundError``, or ``VersionNotSelectableError`` where the
        tenant's own catalog rules the whole asset out.
        """
        return self._candidates(tenant_id, self._asset(tenant_id, namespace, name))

    def catalog_view(self, tenant_id: UUID) -> CatalogView:
        """Return what the tenant's own catalog lets it choose, of everything that it may see.

        One statement where it has decided nothing, four where it has.
        """
        if not curation.has_decided(self._session, tenant_id):
            return DECIDES_NOTHING
        decided = [
            ((asset.namespace, asset.name), entry) for entry, asset in curation.entries(self._session, tenant_id)
        ]
        catalog = curation.catalog(self._session, tenant_id)
        return CatalogView(
            own=frozenset(queries.namespaces(self._session, tenant_id)),
            is_curated=catalog is not None and catalog.is_curated,
            hidden=frozenset(path for path, entry in decided if entry.hidden_at is not None),
            adopted={path: parse_constraint(entry.allowed) for path, entry in decided if entry.hidden_at is None},
        )

    def offered_versions(self, tenant_id: UUID, namespace: str, name: str) -> tuple[list[VersionSummary], str | None]:
        """Return the versions that the tenant's own catalog offers, newest first, and the one that stands for them.

        Drafts are offered to nobody, their own publisher included. Raises ``AssetNotFoundError``, for an asset that
        the catalog hides or has not adopted as for none at all.
        """
        asset = self._asset(tenant_id, namespace, name)
        view = self.catalog_view(tenant_id)
        if not view.offers(namespace, name):
            raise no_asset(namespace, name)
        rows = [row for row in queries.versions(self._session, tenant_id, asset.id) if MEANINGS[row.state].seen]
        offered = [row for row in rows if view.allows(namespace, name, rules.number_of(row))]
        best = rules.latest(rules.Candidate(rules.number_of(row), row.state) for row in offered)
        told = without_unseen(self._session, tenant_id, map(VersionSummary.model_validate, offered))
        return told, best.canonical if best else None

    def _candidates(self, tenant_id: UUID, asset: Asset) -> list[rules.Candidate]:
        allowed = self._allowed(tenant_id, asset)
        everything = rules.candidates(queries.version_numbers(self._session, tenant_id, asset.id))
        return [each for each in everything if allowed is None or allows(allowed, each.number, prereleases=True)]

    def _allowed(self, tenant_id: UUID, asset: Asset) -> SpecifierSet | None:
        """Return the range that the tenant's own catalog binds an asset to, None where it lets every version be chosen.

        Raises ``VersionNotSelectableError`` where it lets none.
        """
        if asset.tenant_id == tenant_id:
            return None
        path = f"{asset.namespace}/{asset.name}"
        entry = curation.entry(self._session, tenant_id, asset.id)
        if entry is not None and entry.hidden_at is not None:
            raise VersionNotSelectableError(f"Your tenant's catalog hides {path}. {entry.reason}".strip())
        if entry is None:
            catalog = curation.catalog(self._session, tenant_id)
            if catalog is not None and catalog.is_curated:
                raise VersionNotSelectableError(f"Your tenant's catalog has not adopted {path}. Ask an administrator.")
            return None
        return parse_constraint(entry.allowed) if entry.allowed else None

    def offer(self, tenant_id: UUID, namespace: str, name: str) -> Offer:
        """Return what the tenant's own catalog lets its members choose of an asset; raise ``AssetNotFoundError``."""
        asset = self._asset(tenant_id, namespace, name)
        try:
            allowed = self._allowed(tenant_id, asset)
        except VersionNotSelectableError as error:
            return Offer(asset.latest_version, refused=error.detail)
        if allowed is None:
            return Offer(asset.latest_version)
        best = rules.latest(self._candidates(tenant_id, asset))
        return Offer(best.canonical if best else None, allowed)

    def archive(self, tenant_id: UUID, namespace: str, name: str, version: str, blobs: BlobStore) -> bytes:
        """Return the archive's bytes, whose digest was compared while reading.

        Raises ``AssetNotFoundError``, ``VersionStateError`` for a quarantined version, or ``ArchiveUnavailableError``.
        """
        return _content(self._handed_out(tenant_id, namespace, name, version), blobs)

    def examples(self, tenant_id: UUID, namespace: str, name: str, version: str, blobs: BlobStore) -> list[Example]:
        """Return the inputs from which a request for a version may start, by name; raises as ``archive`` does."""
        found = self._handed_out(tenant_id, namespace, name, version)
        return SHELF.examples(found.blob_digest, lambda: _content(found, blobs))

    def artifacts(self, tenant_id: UUID, namespace: str, name: str, version: str = LATEST) -> list[ArtifactRead]:
        """Return the files that the checks derived from a version, by name."""
        found = self._version(tenant_id, namespace, name, version)
        return [ArtifactRead.model_validate(row) for row in queries.artifacts(self._session, found.id)]

    def artifact(
        self, tenant_id: UUID, wanted: tuple[str, str, str], artifact: str, blobs: BlobStore
    ) -> tuple[ArtifactRead, bytes]:
        """Return one derived file of the version ``wanted`` (namespace, name, version), compared with its digest.

        Raises ``AssetNotFoundError``, ``VersionStateError`` for a quarantined version, or ``ArchiveUnavailableError``.
        """
        found = self._version(tenant_id, *wanted)
        if not MEANINGS[found.state].download:
            raise VersionStateError(f"{label(found)} is in quarantine: {found.state_reason}")
        row = next((each for each in queries.artifacts(self._session, found.id) if each.name == artifact), None)
        if row is None:
            raise AssetNotFoundError(f"Nothing called {printable(artifact[:100])} was derived from {label(found)}.")
        try:
            return ArtifactRead.model_validate(row), blobs.read(row.blob_digest)
        except BlobError as error:
            raise ArchiveUnavailableError(f"{row.name} of {label(found)} cannot be served: {error}") from None

    def _asset(self, tenant_id: UUID, namespace: str, name: str) -> Asset:
        could_exist = is_name(namespace) and is_name(name)
        found = queries.asset(self._session, tenant_id, namespace, name) if could_exist else None
        if found is None:
            raise no_asset(namespace, name)
        return found

    def _handed_out(self, tenant_id: UUID, namespace: str, name: str, version: str) -> AssetVersion:
        found = self._version(tenant_id, namespace, name, version)
        if not MEANINGS[found.state].download:
            raise VersionStateError(f"{label(found)} is in quarantine: {found.state_reason}")
        return found

    def _version(self, tenant_id: UUID, namespace: str, name: str, version: str) -> AssetVersion:
        asset = self._asset(tenant_id, namespace, name)
        try:
            canonical = self._latest(tenant_id, asset) if version == LATEST else parse_version(version).canonical
        except InvalidVersionError as error:
            raise AssetNotFoundError(f"{namespace}/{name} has no version like that. {error.detail}") from None
        found = queries.version(self._session, tenant_id, asset.id, canonical) if canonical else None
        if found is None:
            which = "version that may be chosen" if version == LATEST else f"version {canonical}"
            raise AssetNotFoundError(f"{namespace}/{name} has no {which}.")
        return found


def _content(found: AssetVersion, blobs: BlobStore) -> bytes:
    try:
        return blobs.read(found.blob_digest)
    except BlobError as error:
        raise ArchiveUnavailableError(f"The archive of {label(found)} cannot be served: {error}") from None


def label(version: AssetVersion) -> str:
    """Return how messages name a version."""
    return f"{version.namespace}/{version.name} {version.version}"


def asset_read(asset: Asset, tenant_id: UUID, totals: Totals | None = None) -> AssetRead:
    """Return an asset as others read it, with what is measured of it across tenants where that was asked for."""
    measured = {} if totals is None else {"installs": totals.installs, "success_percent": totals.success_percent}
    return AssetRead.model_validate(
        {**asset.model_dump(exclude={"terms"}), **measured, "owned": asset.tenant_id == tenant_id}
    )


def version_read(version: AssetVersion, tenant_id: UUID) -> AssetVersionRead:
    """Return a version as the tenant reads it.

    For its owner alone is what may name something that others do not see: what the checks noted, who published it, and
    the folder of a repository.
    """
    owned = version.tenant_id == tenant_id
    return AssetVersionRead.model_validate(
        {**version.model_dump(), **({} if owned else told_to_others(version)), "owned": owned}
    )


def told_to_others(version: AssetVersion) -> dict[str, Any]:
    """Return what readers of other tenants get of the fields whose whole values are the owner's alone."""
    origin = dict(version.published_from or {})
    if (repository := str(origin.get("repository") or "")) and "issuer" not in origin:
        origin["repository"] = without_private_parts(repository)
    is_job = "issuer" in origin
    return {
        "warnings": [],
        "published_by": "a CI job"
        if is_job
        else _KINDS_OF_ACTORS.get(version.author_actor.partition(":")[0], "its publisher"),
        "published_from": origin or None,
    }


def without_private_parts(repository: str) -> str:
    """Return the address of a repository without the folder it lies in on some machine, or who signs in to it."""
    path = repository.removeprefix("file://")
    if path.startswith("/"):
        return path.rstrip("/").rpartition("/")[2]
    scheme, separator, rest = repository.partition("://")
    host, slash, place = rest.partition("/")
    return f"{scheme}{separator}{host.rpartition('@')[2]}{slash}{place}" if separator else repository


def no_asset(namespace: str, name: str) -> AssetNotFoundError:
    """Return the error for an asset that does not exist, or not for this tenant."""
    wanted = printable(f"{namespace}/{name}"[:130])
    return AssetNotFoundError(f"There is no asset {wanted}, or you may not see it.")


def _facets(found: queries.Found, query: SearchQuery) -> dict[str, list[FacetCount]]:
    facets: dict[str, list[FacetCount]] = {name: [] for name in FILTERS}
    for facet, value, count in found.counts:
        is_selected = getattr(query, facet) == value
        facets[facet].append(FacetCount(value=value, count=count, selected=is_selected))
    return {name: sorted(counts, key=lambda each: (-each.count, each.value)) for name, counts in facets.items()}

"""Searching and reading assets, and choosing the version that a request gets."""

from collections.abc import Sequence
from uuid import UUID

from sqlmodel import Session

from catalog.assets import queries, rules
from catalog.assets.errors import (
    ArchiveUnavailableError,
    AssetNotFoundError,
    InvalidVersionError,
    VersionNotSelectableError,
    VersionStateError,
)
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
    VersionSummary,
)
from catalog.assets.references import AssetReference, is_name
from catalog.assets.versions import parse_version
from catalog.providers.blobs import BlobError, BlobStore

LATEST = "latest"


class Reading:
    """What anyone may ask; a tenant sees its own assets and public ones, and nothing else exists for it."""

    def __init__(self, session: Session) -> None:
        self._session = session

    def search(self, tenant_id: UUID, query: SearchQuery) -> SearchResult:
        """Return one page of assets with the counts of every filter, in two statements (three where nothing fits)."""
        rows = queries.search(self._session, tenant_id, query)
        counts = queries.facets(self._session, tenant_id, query)
        total = next(row.count for row in counts if row.facet == "total")
        has_more = len(rows) > query.limit
        page = rows[: query.limit]
        return SearchResult(
            items=[asset_read(asset, tenant_id) for asset, _ in page],
            total=total,
            facets=_facets(counts, query),
            hints=self._hints(tenant_id, query, counts) if total == 0 else [],
            next_cursor=page[-1][1].cursor() if has_more else None,
        )

    def _hints(self, tenant_id: UUID, query: SearchQuery, counts: Sequence[queries.FacetRow]) -> list[SearchHint]:
        hints = [
            SearchHint(remove=row.facet[1:], value=row.value, count=row.count)
            for row in counts
            if row.facet.startswith("!") and row.value and row.count
        ]
        if query.q.strip():
            count = queries.count_without_words(self._session, tenant_id, query)
            hints += [SearchHint(remove="q", value=query.q, count=count)] if count else []
        return sorted(hints, key=lambda hint: (-hint.count, hint.remove))

    def get(self, tenant_id: UUID, namespace: str, name: str) -> AssetRead:
        """Return an asset; raise ``AssetNotFoundError`` where there is none that the tenant may see."""
        return asset_read(self._asset(tenant_id, namespace, name), tenant_id)

    def versions(self, tenant_id: UUID, namespace: str, name: str) -> list[VersionSummary]:
        """Return an asset's versions, newest first."""
        asset = self._asset(tenant_id, namespace, name)
        rows = queries.versions(self._session, tenant_id, asset.id)
        return [VersionSummary.model_validate(row) for row in rows]

    def get_version(self, tenant_id: UUID, namespace: str, name: str, version: str = LATEST) -> AssetVersionRead:
        """Return one version, in either spelling or ``latest``; raise ``AssetNotFoundError`` where there is none."""
        return version_read(self._version(tenant_id, namespace, name, version), tenant_id)

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
        rows = queries.versions(self._session, tenant_id, asset.id)
        candidates = [rules.Candidate(rules.number_of(row), row.state) for row in rows]
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

    def archive(self, tenant_id: UUID, namespace: str, name: str, version: str, blobs: BlobStore) -> bytes:
        """Return the archive's bytes, whose digest was compared while reading.

        Raises ``AssetNotFoundError``, ``VersionStateError`` for a quarantined version, or ``ArchiveUnavailableError``.
        """
        found = self._version(tenant_id, namespace, name, version)
        if not MEANINGS[found.state].download:
            raise VersionStateError(f"{label(found)} is in quarantine: {found.state_reason}")
        try:
            return blobs.read(found.blob_digest)
        except BlobError as error:
            raise ArchiveUnavailableError(f"The archive of {label(found)} cannot be served: {error}") from None

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

    def _version(self, tenant_id: UUID, namespace: str, name: str, version: str) -> AssetVersion:
        asset = self._asset(tenant_id, namespace, name)
        try:
            canonical = asset.latest_version if version == LATEST else parse_version(version).canonical
        except InvalidVersionError as error:
            raise AssetNotFoundError(f"{namespace}/{name} has no version like that. {error.detail}") from None
        found = queries.version(self._session, tenant_id, asset.id, canonical) if canonical else None
        if found is None:
            which = "version that may be chosen" if version == LATEST else f"version {canonical}"
            raise AssetNotFoundError(f"{namespace}/{name} has no {which}.")
        return found


def label(version: AssetVersion) -> str:
    """Return how messages name a version."""
    return f"{version.namespace}/{version.name} {version.version}"


def asset_read(asset: Asset, tenant_id: UUID) -> AssetRead:
    """Return an asset as others read it."""
    return AssetRead.model_validate({**asset.model_dump(), "owned": asset.tenant_id == tenant_id})


def version_read(version: AssetVersion, tenant_id: UUID) -> AssetVersionRead:
    """Return a version as others read it."""
    return AssetVersionRead.model_validate({**version.model_dump(), "owned": version.tenant_id == tenant_id})


def no_asset(namespace: str, name: str) -> AssetNotFoundError:
    """Return the error for an asset that does not exist, or not for this tenant."""
    wanted = printable(f"{namespace}/{name}"[:130])
    return AssetNotFoundError(f"There is no asset {wanted}, or you may not see it.")


def _facets(counts: Sequence[queries.FacetRow], query: SearchQuery) -> dict[str, list[FacetCount]]:
    selected = {"kind": query.kind, "namespace": query.namespace, "archetype": query.archetype}
    facets: dict[str, list[FacetCount]] = {name: [] for name in selected}
    for row in counts:
        if row.facet in facets:
            is_selected = selected[row.facet] == row.value
            facets[row.facet].append(FacetCount(value=row.value, count=row.count, selected=is_selected))
    return {name: sorted(found, key=lambda each: (-each.count, each.value)) for name, found in facets.items()}

"""Every read of assets; the caller's tenant comes first, and row-level security stands behind it."""

from collections.abc import Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import Any, NamedTuple
from uuid import UUID

from sqlalchemy import (
    ColumnElement,
    FromClause,
    Numeric,
    String,
    and_,
    case,
    cast,
    column,
    false,
    func,
    literal,
    or_,
    text,
    true,
    tuple_,
    union_all,
    values,
)
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.orm import defer
from sqlmodel import Session, col, select

from catalog.assets.life import SELECTABLE, UNSEEN
from catalog.assets.models import (
    Asset,
    AssetVersion,
    Namespace,
    SearchQuery,
    VersionArtifact,
    VersionState,
    Visibility,
)
from catalog.assets.search import Position, position, words_query
from catalog.assets.versions import FINAL_STAGE

_HEAVY = (
    *("readme", "changelog", "files", "manifest", "dependencies"),
    *("input_schema", "input_hints", "output_schema", "warnings"),
)


class ReachedRow(NamedTuple):
    """What resolving needs to know of one version; the names are those of the columns."""

    namespace: str
    name: str
    kind: str
    major: int
    minor: int
    patch: int
    stage: int
    stage_number: int
    state: VersionState
    state_reason: str | None
    replacement: str | None
    blob_digest: str
    dependencies: list[dict[str, Any]]


def lock_own_namespace(session: Session, tenant_id: UUID, name: str) -> Namespace | None:
    """Return a namespace of the tenant's own, locked for the rest of the transaction."""
    statement = select(Namespace).where(Namespace.tenant_id == tenant_id, Namespace.name == name)
    return session.exec(statement.with_for_update()).first()


def namespaces(session: Session, tenant_id: UUID) -> Sequence[str]:
    """Return the names of the tenant's own namespaces."""
    statement = select(Namespace.name).where(Namespace.tenant_id == tenant_id)
    return session.exec(statement.order_by(col(Namespace.name))).all()


def asset_names(session: Session, tenant_id: UUID, namespace: str) -> Sequence[str]:
    """Return the names of the tenant's own assets in a namespace."""
    statement = select(Asset.name).where(Asset.tenant_id == tenant_id, Asset.namespace == namespace)
    return session.exec(statement).all()


def reviewed_namespaces(session: Session, tenant_id: UUID) -> Sequence[str]:
    """Return the names of the tenant's own namespaces whose versions a second person publishes."""
    statement = select(Namespace.name).where(Namespace.tenant_id == tenant_id, col(Namespace.review_required))
    return session.exec(statement.order_by(col(Namespace.name))).all()


def held_versions(session: Session, tenant_id: UUID, limit: int) -> Sequence[AssetVersion]:
    """Return the tenant's own drafts and versions in review, latest change first, with their light columns only."""
    statement = (
        select(AssetVersion)
        .where(AssetVersion.tenant_id == tenant_id, col(AssetVersion.state).in_(UNSEEN))
        .options(*(defer(getattr(AssetVersion, name)) for name in _HEAVY))
        .order_by(col(AssetVersion.state_changed_at).desc(), col(AssetVersion.id))
    )
    return session.exec(statement.limit(limit)).all()


def own_asset(session: Session, tenant_id: UUID, namespace: str, name: str, *, lock: bool = False) -> Asset | None:
    """Return an asset of the tenant's own, locked for the rest of the transaction where asked."""
    statement = select(Asset).where(Asset.tenant_id == tenant_id, Asset.namespace == namespace, Asset.name == name)
    return session.exec(statement.with_for_update() if lock else statement).first()


def marked_otherwise(session: Session, tenant_id: UUID, verified: str | None) -> Sequence[Asset]:
    """Return the tenant's own assets whose publisher is said to be verified as somebody else, locked."""
    statement = select(Asset).where(
        Asset.tenant_id == tenant_id, col(Asset.verified_publisher).is_distinct_from(verified)
    )
    return session.exec(statement.order_by(col(Asset.id)).with_for_update()).all()


def asset(session: Session, tenant_id: UUID, namespace: str, name: str) -> Asset | None:
    """Return an asset that the tenant may see."""
    statement = select(Asset).where(_visible(tenant_id), Asset.namespace == namespace, Asset.name == name)
    return session.exec(statement).first()


def version(session: Session, tenant_id: UUID, asset_id: UUID, canonical: str) -> AssetVersion | None:
    """Return one version of an asset that the tenant may see."""
    statement = select(AssetVersion).where(
        _visible_version(tenant_id), AssetVersion.asset_id == asset_id, AssetVersion.version == canonical
    )
    return session.exec(statement).first()


def version_with(session: Session, tenant_id: UUID, asset_id: UUID, digest: str) -> AssetVersion | None:
    """Return a version of an asset whose archive or manifest has a digest."""
    statement = select(AssetVersion).where(
        _visible_version(tenant_id),
        AssetVersion.asset_id == asset_id,
        or_(col(AssetVersion.blob_digest) == digest, col(AssetVersion.manifest_digest) == digest),
    )
    return session.exec(statement.limit(1)).first()


def versions_named(session: Session, tenant_id: UUID, asset_id: UUID, names: Sequence[str]) -> Sequence[AssetVersion]:
    """Return those versions of an asset that are named by their canonical text, as a whole."""
    statement = select(AssetVersion).where(
        _visible_version(tenant_id), AssetVersion.asset_id == asset_id, col(AssetVersion.version).in_(names)
    )
    return session.exec(statement).all()


def version_by_id(session: Session, tenant_id: UUID, version_id: UUID) -> AssetVersion | None:
    """Return a version by its id, where the tenant may see it."""
    statement = select(AssetVersion).where(_visible_version(tenant_id), AssetVersion.id == version_id)
    return session.exec(statement).first()


def versions(session: Session, tenant_id: UUID, asset_id: UUID) -> Sequence[AssetVersion]:
    """Return an asset's versions, newest first, with their light columns loaded only."""
    statement = (
        select(AssetVersion)
        .where(_visible_version(tenant_id), AssetVersion.asset_id == asset_id)
        .options(*(defer(getattr(AssetVersion, name)) for name in _HEAVY))
        .order_by(*_newest_first())
    )
    return session.exec(statement).all()


def making_environments(session: Session, tenant_id: UUID, paths: Sequence[str]) -> Sequence[str]:
    """Return those of the blueprints (``namespace/name``) of which a version says what an environment is made of."""
    path = col(AssetVersion.namespace) + "/" + col(AssetVersion.name)
    environment = col(AssetVersion.manifest).op("#>")(text("'{spec,environment}'"))
    statement = select(path).where(_visible_version(tenant_id), path.in_(paths), environment.is_not(None))
    return session.exec(statement.distinct()).all()


def artifacts(session: Session, version_id: UUID) -> Sequence[VersionArtifact]:
    """Return the derived files of a version that the tenant may see, by name."""
    statement = select(VersionArtifact).where(VersionArtifact.version_id == version_id)
    return session.exec(statement.order_by(col(VersionArtifact.name))).all()


def blob_in_use(session: Session, digest: str) -> bool:
    """Tell whether a version or a derived file of any tenant needs a blob; for the system's session."""
    rows = union_all(
        select(AssetVersion.blob_digest).where(AssetVersion.blob_digest == digest),
        select(VersionArtifact.blob_digest).where(VersionArtifact.blob_digest == digest),
    )
    return session.connection().execute(rows.limit(1)).first() is not None


def lock_blob(session: Session, digest: str) -> None:
    """Hold a blob for the rest of the transaction, so that nobody takes it into use or away meanwhile."""
    session.connection().execute(
        text("SELECT pg_advisory_xact_lock(hashtextextended('blob:' || :digest, 0))"), {"digest": digest}
    )


def standing_version(session: Session, tenant_id: UUID, asset_id: UUID) -> AssetVersion | None:
    """Return the tenant's own version that stands for an asset: the choice of ``rules.latest``, made by an index.

    The newest final one that is published, else the newest published pre-release, else deprecated ones likewise.
    """
    for state in (VersionState.PUBLISHED, VersionState.DEPRECATED):
        for kind_of_stage in (col(AssetVersion.stage) == FINAL_STAGE, col(AssetVersion.stage) != FINAL_STAGE):
            statement = (
                select(AssetVersion)
                .where(AssetVersion.tenant_id == tenant_id, AssetVersion.asset_id == asset_id, kind_of_stage)
                .where(AssetVersion.state == state)
                .options(*(defer(getattr(AssetVersion, name)) for name in _HEAVY))
                .order_by(*_newest_first())
                .limit(1)
            )
            found = session.exec(statement).first()
            if found is not None:
                return found
    return None


def _newest_first() -> list[ColumnElement[int]]:
    numbers = (
        AssetVersion.major,
        AssetVersion.minor,
        AssetVersion.patch,
        AssetVersion.stage,
        AssetVersion.stage_number,
    )
    return [col(each).desc() for each in numbers]


def within_reach(session: Session, tenant_id: UUID, names: Sequence[tuple[str, str]]) -> Sequence[ReachedRow]:
    """Return every version of the named assets and of all that any of them needs, however far, in one statement.

    ``names`` are pairs of namespace and name. What the tenant may not see is left out, and so is what only that needs.
    """
    asked = values(column("namespace", String), column("name", String), name="asked").data(list(names))
    reach = select(asked.c.namespace, asked.c.name).cte("reach", recursive=True)
    needed = func.jsonb_array_elements(AssetVersion.dependencies).table_valued(column("value", JSONB), name="needed")
    asset_name = needed.c.value["asset"].astext
    further = (
        select(func.split_part(asset_name, "/", 1), func.split_part(asset_name, "/", 2))
        .select_from(reach)
        .join(AssetVersion, and_(_is(AssetVersion, reach), _visible_version(tenant_id)))
        .join(needed, true())
        .where(col(AssetVersion.state).in_(SELECTABLE))
    )
    reach = reach.union(further)
    chosen = [getattr(AssetVersion, name) for name in ReachedRow._fields]
    statement = select(*chosen).join(reach, _is(AssetVersion, reach)).where(_visible_version(tenant_id))
    return [ReachedRow(*row) for row in session.connection().execute(statement)]


def _is(version: type[AssetVersion], place: FromClause) -> ColumnElement[bool]:
    return and_(col(version.namespace) == place.c.namespace, col(version.name) == place.c.name)


def search(session: Session, tenant_id: UUID, query: SearchQuery) -> list[tuple[Asset, Position]]:
    """Return one page of the assets that fit, best first, and one more where there is a next page."""
    words = words_query(query.q)
    asked = query.q.strip().lower()
    full_name = func.concat(Asset.namespace, "/", Asset.name)
    exact = case((or_(col(Asset.name) == asked, full_name == asked), 1), else_=0) if asked else literal(0)
    rank = literal(Decimal(0)) if words is None else _rank(words)
    statement = select(Asset, exact.label("exact"), rank.label("rank")).where(_listed(tenant_id), *_matching(query))
    for filtered, value in ((Asset.kind, query.kind), (Asset.namespace, query.namespace)):
        if value:
            statement = statement.where(col(filtered) == value)
    if query.archetype:
        statement = statement.where(col(Asset.archetypes).contains([query.archetype]))
    if query.cursor:
        after = position(query.cursor)
        place = tuple_(-exact, -rank, Asset.name, Asset.namespace)
        statement = statement.where(place > tuple_(-after.exact, -after.rank, after.name, after.namespace))
    statement = statement.order_by(exact.desc(), rank.desc(), col(Asset.name), col(Asset.namespace))
    rows = session.exec(statement.limit(query.limit + 1)).all()
    return [(found, Position(is_exact, score, found.name, found.namespace)) for found, is_exact, score in rows]


def _rank(words: str) -> ColumnElement[Decimal]:
    # Rounded to a decimal, so that a cursor compares equal to the row it came from.
    score = func.ts_rank(col(Asset.search), func.to_tsquery("simple", words))
    return func.round(cast(score, Numeric), 6)


def _matching(query: SearchQuery) -> list[ColumnElement[bool]]:
    if not query.q.strip():
        return []
    words = words_query(query.q)
    return [false()] if words is None else [col(Asset.search).op("@@")(func.to_tsquery("simple", words))]


@dataclass(frozen=True)
class FacetRow:
    """One count: ``facet`` is kind, namespace or archetype, ``!name`` counts without that filter, ``total`` all."""

    facet: str
    value: str
    count: int


_FACETS = text(
    """
    WITH found AS MATERIALIZED (
        SELECT kind, namespace, archetypes,
               (:kind = '' OR kind = :kind) AS k,
               (:namespace = '' OR namespace = :namespace) AS n,
               (:archetype = '' OR archetypes ? :archetype) AS a
        FROM assets
        WHERE (tenant_id = :tenant OR visibility = 'public') AND latest_version IS NOT NULL
          AND (:everything OR search @@ to_tsquery('simple', :words))
    )
    SELECT 'kind', kind, count(*) FROM found WHERE n AND a GROUP BY kind
    UNION ALL SELECT 'namespace', namespace, count(*) FROM found WHERE k AND a GROUP BY namespace
    UNION ALL SELECT 'archetype', value, count(*) FROM found, jsonb_array_elements_text(archetypes) AS value
              WHERE k AND n GROUP BY value
    UNION ALL SELECT 'total', '', count(*) FROM found WHERE k AND n AND a
    UNION ALL SELECT '!kind', :kind, count(*) FROM found WHERE n AND a
    UNION ALL SELECT '!namespace', :namespace, count(*) FROM found WHERE k AND a
    UNION ALL SELECT '!archetype', :archetype, count(*) FROM found WHERE k AND n
    """
)


def facets(session: Session, tenant_id: UUID, query: SearchQuery) -> list[FacetRow]:
    """Count the assets that fit, by each filter's values with the other filters as they are, in one statement."""
    parameters = {
        "tenant": tenant_id,
        "kind": query.kind or "",
        "namespace": query.namespace or "",
        "archetype": query.archetype or "",
        "everything": not query.q.strip(),
        "words": words_query(query.q) or "",
    }
    return [FacetRow(*row) for row in session.connection().execute(_FACETS, parameters)]


def count_without_words(session: Session, tenant_id: UUID, query: SearchQuery) -> int:
    """Count the assets that the filters alone would leave."""
    rows = facets(session, tenant_id, query.model_copy(update={"q": ""}))
    return next(row.count for row in rows if row.facet == "total")


def _visible(tenant_id: UUID) -> ColumnElement[bool]:
    return or_(col(Asset.tenant_id) == tenant_id, col(Asset.visibility) == Visibility.PUBLIC)


def _listed(tenant_id: UUID) -> ColumnElement[bool]:
    return and_(_visible(tenant_id), col(Asset.latest_version).is_not(None))


def _visible_version(tenant_id: UUID) -> ColumnElement[bool]:
    # Whether another tenant's asset is public is decided by the row-level policy of asset_versions.
    return or_(col(AssetVersion.tenant_id) == tenant_id, col(AssetVersion.state).not_in(UNSEEN))

"""Every read of assets; the caller's tenant comes first, and row-level security stands behind it."""

import json
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from uuid import UUID

from sqlalchemy import (
    ColumnElement,
    FromClause,
    String,
    and_,
    column,
    func,
    or_,
    text,
    tuple_,
    union_all,
    values,
)
from sqlalchemy import inspect as state_of
from sqlalchemy.orm import defer
from sqlalchemy.orm.util import identity_key
from sqlmodel import Session, col, select

from catalog.assets.life import UNSEEN
from catalog.assets.models import (
    Asset,
    AssetVersion,
    Namespace,
    SearchQuery,
    VersionArtifact,
    VersionState,
    Visibility,
)
from catalog.assets.search import FILTERS, position
from catalog.assets.versions import FINAL_STAGE

_HEAVY = (
    *("readme", "changelog", "files", "manifest", "dependencies"),
    *("input_schema", "input_hints", "output_schema", "warnings"),
)


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


def seen_paths(session: Session, tenant_id: UUID, paths: Collection[tuple[str, str]]) -> set[tuple[str, str]]:
    """Return those of the assets (pairs of namespace and name) that the tenant may see."""
    statement = select(Asset.namespace, Asset.name).where(
        _visible(tenant_id), tuple_(col(Asset.namespace), col(Asset.name)).in_(paths)
    )
    return set(session.exec(statement).all())


def version(session: Session, tenant_id: UUID, asset_id: UUID, canonical: str) -> AssetVersion | None:
    """Return one version of an asset that the tenant may see."""
    statement = select(AssetVersion).where(
        visible_version(tenant_id), AssetVersion.asset_id == asset_id, AssetVersion.version == canonical
    )
    return session.exec(statement).first()


def version_with(session: Session, tenant_id: UUID, asset_id: UUID, digest: str) -> AssetVersion | None:
    """Return a version of an asset whose archive or manifest has a digest."""
    statement = select(AssetVersion).where(
        visible_version(tenant_id),
        AssetVersion.asset_id == asset_id,
        or_(col(AssetVersion.blob_digest) == digest, col(AssetVersion.manifest_digest) == digest),
    )
    return session.exec(statement.limit(1)).first()


def versions_named(session: Session, tenant_id: UUID, asset_id: UUID, names: Sequence[str]) -> Sequence[AssetVersion]:
    """Return those versions of an asset that are named by their canonical text, as a whole."""
    statement = select(AssetVersion).where(
        visible_version(tenant_id), AssetVersion.asset_id == asset_id, col(AssetVersion.version).in_(names)
    )
    return session.exec(statement).all()


def digests(
    session: Session, tenant_id: UUID, versions: Sequence[tuple[str, str, str]]
) -> Sequence[tuple[str, str, str]]:
    """Return namespace, name and archive digest (hex) of versions that are named by their canonical text."""
    columns = (column(each, String) for each in ("namespace", "name", "version"))
    asked = values(*columns, name="asked").data(list(versions))
    statement = select(AssetVersion.namespace, AssetVersion.name, AssetVersion.blob_digest).join(
        asked, and_(is_at(AssetVersion, asked), col(AssetVersion.version) == asked.c.version)
    )
    return session.exec(statement.where(visible_version(tenant_id))).all()


def version_by_id(session: Session, tenant_id: UUID, version_id: UUID) -> AssetVersion | None:
    """Return a version by its id, where the tenant may see it."""
    here = session.identity_map.get(identity_key(AssetVersion, version_id))
    if isinstance(here, AssetVersion) and here.tenant_id == tenant_id and not state_of(here).expired:
        return here  # the tenant's own, read or written in this transaction: asking again would give the same object
    statement = select(AssetVersion).where(visible_version(tenant_id), AssetVersion.id == version_id)
    return session.exec(statement).first()


def versions(
    session: Session,
    tenant_id: UUID,
    asset_id: UUID,
    *,
    after: Sequence[int] | None = None,
    first: int = 0,
    limit: int | None = None,
) -> Sequence[AssetVersion]:
    """Return an asset's versions, newest first, with their light columns loaded only.

    ``after`` is the five numbers of the version before the first one wanted, ``first`` how many to leave out.
    """
    statement = (
        select(AssetVersion)
        .where(visible_version(tenant_id), AssetVersion.asset_id == asset_id)
        .options(*(defer(getattr(AssetVersion, name)) for name in _HEAVY))
        .order_by(*_newest_first())
    )
    if after is not None:
        statement = statement.where(tuple_(*(col(each) for each in _numbers())) < tuple_(*after))
    return session.exec(statement.offset(first or None).limit(limit)).all()


def count_versions(session: Session, tenant_id: UUID, asset_id: UUID) -> int:
    """Return how many versions of an asset the tenant may see."""
    statement = select(func.count()).where(visible_version(tenant_id), AssetVersion.asset_id == asset_id)
    return session.exec(statement).one()


def version_numbers(
    session: Session, tenant_id: UUID, asset_id: UUID
) -> list[tuple[int, int, int, int, int, VersionState]]:
    """Return the numbers and the state of each version of an asset, and nothing else, in no order."""
    statement = select(*_numbers(), AssetVersion.state)  # type: ignore[call-overload]  # six columns are too many
    statement = statement.where(visible_version(tenant_id), AssetVersion.asset_id == asset_id)
    return [tuple(row) for row in session.connection().execute(statement)]


def making_environments(session: Session, tenant_id: UUID, paths: Sequence[str]) -> Sequence[str]:
    """Return those of the blueprints (``namespace/name``) of which a version says what an environment is made of."""
    path = col(AssetVersion.namespace) + "/" + col(AssetVersion.name)
    environment = col(AssetVersion.manifest).op("#>")(text("'{spec,environment}'"))
    statement = select(path).where(visible_version(tenant_id), path.in_(paths), environment.is_not(None))
    return session.exec(statement.distinct()).all()


def replacements(session: Session, tenant_id: UUID, asset_id: UUID) -> list[tuple[str, str]]:
    """Return version and replacement of those versions of the tenant's own asset that name one."""
    statement = select(AssetVersion.version, AssetVersion.replacement).where(
        AssetVersion.tenant_id == tenant_id,
        AssetVersion.asset_id == asset_id,
        col(AssetVersion.replacement).is_not(None),
    )
    return [(version, replacement or "") for version, replacement in session.exec(statement.order_by(*_newest_first()))]


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


def lock_blobs(session: Session, digests: Sequence[str]) -> None:
    """Hold blobs for the rest of the transaction, in order, so that nobody takes them into use or away meanwhile."""
    session.connection().execute(
        text(
            "SELECT pg_advisory_xact_lock(hashtextextended('blob:' || digest, 0))"
            " FROM unnest(CAST(:digests AS text[])) AS digest"
        ),
        {"digests": list(digests)},
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


def _numbers() -> tuple[int, ...]:
    return (
        *(AssetVersion.major, AssetVersion.minor, AssetVersion.patch),
        *(AssetVersion.stage, AssetVersion.stage_number),
    )


def _newest_first() -> list[ColumnElement[int]]:
    return [col(each).desc() for each in _numbers()]


@dataclass(frozen=True)
class Found:
    """What a search answers: ids in order, counts by facet and value, and how many there are without each filter."""

    items: list[tuple[UUID, int]]
    counts: list[tuple[str, str, int]]
    without: dict[str, int]


_SEARCH = text("SELECT search_assets(:words, :asked, CAST(:filters AS jsonb), :sort, :score, :name, :namespace, :most)")


def search(session: Session, query: SearchQuery, words: Sequence[str], *, limit: int) -> Found:
    """Search as the transaction's tenant, in one statement; without ``words`` everything is found.

    The database's function applies the rule of the policies itself, because no policy lets a text index be used.
    """
    after = position(query.cursor, query.sort)
    values = {
        "words": list(words),
        "asked": query.q.strip().lower(),
        "filters": json.dumps({name: value for name in FILTERS if (value := getattr(query, name))}),
        "sort": query.sort,
        "score": after.score,
        "name": after.name,
        "namespace": after.namespace,
        "most": limit,
    }
    answer = session.connection().execute(_SEARCH, values).scalar_one()
    return Found(
        items=[(UUID(identifier), score) for identifier, score in answer["items"]],
        counts=[(facet, value, int(count)) for facet, value, count in answer["counts"]],
        without={facet: int(count) for facet, count in answer["without"].items()},
    )


def assets_of(session: Session, tenant_id: UUID, namespace: str) -> Sequence[Asset]:
    """Return the listed assets of a publisher that the tenant may see, by name, 200 at the most."""
    statement = select(Asset).where(
        _visible(tenant_id), Asset.namespace == namespace, col(Asset.latest_version).is_not(None)
    )
    return session.exec(statement.options(defer(col(Asset.terms))).order_by(col(Asset.name)).limit(200)).all()  # type: ignore[arg-type]


def assets_by_id(session: Session, tenant_id: UUID, ids: Sequence[UUID]) -> dict[UUID, Asset]:
    """Return those of the assets that the tenant may see; the policies decide once more."""
    del tenant_id
    statement = select(Asset).where(col(Asset.id).in_(ids)).options(defer(col(Asset.terms)))  # type: ignore[arg-type]
    return {found.id: found for found in session.exec(statement).all()}


def similar_names(session: Session, query: str, limit: int) -> list[tuple[str, str]]:
    """Return namespace and name of assets whose name shares pieces with ``query`` (`search.similar_query`)."""
    statement = text("SELECT namespace, name FROM similar_asset_names(:query, :most)")
    rows = session.connection().execute(statement, {"query": query, "most": limit})
    return [(row.namespace, row.name) for row in rows]


def _visible(tenant_id: UUID) -> ColumnElement[bool]:
    # Whether a shared asset is granted to the tenant is decided by the row-level policy of assets.
    return or_(col(Asset.tenant_id) == tenant_id, col(Asset.visibility) != Visibility.PRIVATE)


def visible_version(tenant_id: UUID) -> ColumnElement[bool]:
    """Return what holds of the versions that a tenant may see."""
    # Whether the tenant may see another's asset is decided by the row-level policy of asset_versions.
    return or_(col(AssetVersion.tenant_id) == tenant_id, col(AssetVersion.state).not_in(UNSEEN))


def is_at(version: type[AssetVersion], place: FromClause) -> ColumnElement[bool]:
    """Return what holds of the versions of the assets that ``place`` has by ``namespace`` and ``name``."""
    return and_(col(version.namespace) == place.c.namespace, col(version.name) == place.c.name)

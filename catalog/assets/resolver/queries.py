"""What resolving reads: every version within reach of some assets, and whether they are the same still."""

from collections.abc import Sequence
from typing import Any, NamedTuple
from uuid import UUID

from sqlalchemy import String, and_, column, func, literal_column, text, true, values
from sqlalchemy.dialects.postgresql import JSONB
from sqlmodel import Session, col, select

from catalog.assets.life import SELECTABLE, UNSEEN
from catalog.assets.models import AssetVersion, VersionState
from catalog.assets.queries import is_at, visible_version


class ReachedRow(NamedTuple):
    """What resolving needs to know of one version; the names are those of the columns.

    ``mark`` is another one whenever the row has been written again.
    """

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
    mark: str


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
        .join(AssetVersion, and_(is_at(AssetVersion, reach), visible_version(tenant_id)))
        .join(needed, true())
        .where(col(AssetVersion.state).in_(SELECTABLE))
    )
    reach = reach.union(further)
    chosen: list[Any] = [getattr(AssetVersion, name) for name in ReachedRow._fields if name != "mark"]
    chosen.append(literal_column(_MARK))
    statement = select(*chosen).join(reach, is_at(AssetVersion, reach)).where(visible_version(tenant_id))
    return [ReachedRow(*row) for row in session.connection().execute(statement).all()]


_MARK = (
    "concat_ws(' ', asset_versions.id, asset_versions.state, asset_versions.xmin, asset_versions.ctid,"
    " extract(epoch FROM asset_versions.state_changed_at))"
)
"""What is another text for each state of a row: who wrote it last, where, and when its state changed.

The last because transactions are numbered again after a database was brought back to an earlier moment.
"""
_MARKS = text(
    "SELECT asset_versions.namespace, asset_versions.name,"  # noqa: S608  # put together from constants alone
    f" sha256(convert_to(string_agg({_MARK}, E'\\n' ORDER BY {_MARK} COLLATE \"C\"), 'UTF8'))"
    " FROM unnest(CAST(:namespaces AS text[]), CAST(:names AS text[])) AS asked (namespace, name)"
    " JOIN asset_versions USING (namespace, name)"
    " WHERE asset_versions.tenant_id = :tenant OR asset_versions.state <> ALL (CAST(:unseen AS text[]))"
    " GROUP BY asset_versions.namespace, asset_versions.name"
)


def marks(session: Session, tenant_id: UUID, names: Sequence[tuple[str, str]]) -> dict[tuple[str, str], bytes]:
    """Return what stands for the versions that the tenant sees of each asset: SHA-256 of their rows' marks."""
    asked = {"namespaces": [each for each, _ in names], "names": [each for _, each in names]}
    unseen = [state.value for state in UNSEEN]
    rows = session.connection().execute(_MARKS, {**asked, "tenant": tenant_id, "unseen": unseen}).all()
    return {(namespace, name): bytes(mark) for namespace, name, mark in rows}

"""Reads for feeds; which rows a tenant sees is decided by the policies of versions and of the steps in their lives."""

from collections.abc import Sequence
from datetime import datetime
from typing import Any, NamedTuple
from uuid import UUID

from sqlalchemy import ColumnElement, text
from sqlmodel import Session, col, select

from catalog.assets.feeds.models import FeedEntry
from catalog.assets.life import UNSEEN
from catalog.assets.models import AssetVersion, VersionState
from catalog.assets.usage.models import VersionMove


class VersionRow(NamedTuple):
    """What an entry says of a version; the numbers order it."""

    id: UUID
    namespace: str
    name: str
    version: str
    state: VersionState
    major: int
    minor: int
    patch: int
    stage: int
    stage_number: int
    published_at: datetime | None
    metadata: dict[str, Any]


class MoveRow(NamedTuple):
    """One step in the life of a version."""

    id: UUID
    after: VersionState
    reason: str
    at: datetime
    of: VersionRow


def _columns() -> tuple[Any, ...]:
    names = [name for name in VersionRow._fields if name != "metadata"]
    return (*(getattr(AssetVersion, name) for name in names), col(AssetVersion.manifest)["metadata"])


def published(session: Session, tenant_id: UUID, where: ColumnElement[bool], limit: int) -> Sequence[VersionRow]:
    """Return the versions that fit ``where`` and are out, the latest published first."""
    statement = (
        select(*_columns())
        .where(where, _seen(tenant_id), col(AssetVersion.published_at).is_not(None))
        .order_by(col(AssetVersion.published_at).desc(), col(AssetVersion.id))
        .limit(limit)
    )
    return [VersionRow._make(row) for row in session.connection().execute(statement)]


def moved(session: Session, tenant_id: UUID, where: ColumnElement[bool], limit: int) -> Sequence[MoveRow]:
    """Return the steps of versions that fit ``where``, the latest first, none from before it was out."""
    statement = (
        select(VersionMove.id, VersionMove.after, VersionMove.reason, VersionMove.at, *_columns())
        .join(AssetVersion, col(AssetVersion.id) == VersionMove.version_id)
        .where(where, _seen(tenant_id))
        .where(col(VersionMove.before).not_in(UNSEEN), col(VersionMove.after).not_in(UNSEEN))
        .order_by(col(VersionMove.at).desc(), col(VersionMove.id))
        .limit(limit)
    )
    rows = session.connection().execute(statement)
    return [MoveRow(row[0], VersionState(row[1]), row[2], row[3], VersionRow._make(row[4:])) for row in rows]


_MOVES_IN_USE = text("""
    SELECT move_id AS id, at, namespace, name, version, after AS state, reason AS summary FROM moves_in_use(:most)
    ORDER BY at DESC, move_id
""")


def moved_in_use(session: Session, tenant_id: UUID, limit: int) -> list[FeedEntry]:
    """Return the steps of versions that something of the tenant's runs, seen or not, the latest first."""
    del tenant_id  # the function, which is SECURITY DEFINER, takes that of the transaction
    rows = session.connection().execute(_MOVES_IN_USE, {"most": limit}).mappings()
    return [FeedEntry(**{**row, "state": VersionState(row["state"])}, is_new=False) for row in rows]


def of_asset(asset_id: UUID) -> ColumnElement[bool]:
    """Return the condition on the versions of one asset."""
    return col(AssetVersion.asset_id) == asset_id


def of_namespace(namespace: str) -> ColumnElement[bool]:
    """Return the condition on the versions of one publisher."""
    return col(AssetVersion.namespace) == namespace


def of_assets(asset_ids: Sequence[UUID]) -> ColumnElement[bool]:
    """Return the condition on the versions of several assets."""
    return col(AssetVersion.asset_id).in_(asset_ids)


def of_all() -> ColumnElement[bool]:
    """Return the condition that every version fits."""
    return col(AssetVersion.id).is_not(None)


def _seen(tenant_id: UUID) -> ColumnElement[bool]:
    del tenant_id  # a draft is in nobody's feed, its own tenant's included
    return col(AssetVersion.state).not_in(UNSEEN)

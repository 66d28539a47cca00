"""Reads of overlays, their history and what was found of versions; the caller's tenant comes first."""

from collections.abc import Mapping, Sequence
from typing import Any
from uuid import UUID

from sqlalchemy import func, text, tuple_
from sqlmodel import Session, col, select

from catalog.assets.models import Asset
from catalog.overlays.models import Overlay, OverlayChange, OverlayCheck


def overlay(session: Session, tenant_id: UUID, asset_id: UUID) -> Overlay | None:
    """Return what the tenant narrows of an asset."""
    return session.exec(select(Overlay).where(Overlay.tenant_id == tenant_id, Overlay.asset_id == asset_id)).first()


def overlays(
    session: Session, tenant_id: UUID, after: tuple[str, str] | None, limit: int
) -> Sequence[tuple[Overlay, Asset]]:
    """Return overlays of the tenant with their assets, by name, beginning behind the asset ``after``.

    Those of assets that the tenant sees no more are left out.
    """
    statement = (
        select(Overlay, Asset)
        .join(Asset, col(Asset.id) == Overlay.asset_id)
        .where(Overlay.tenant_id == tenant_id)
        .order_by(col(Asset.namespace), col(Asset.name))
        .limit(limit)
    )
    if after is not None:
        statement = statement.where(tuple_(col(Asset.namespace), col(Asset.name)) > after)
    return session.exec(statement).all()


def changes(session: Session, tenant_id: UUID, asset_id: UUID) -> Sequence[OverlayChange]:
    """Return the latest 200 changes of an overlay, newest first."""
    statement = select(OverlayChange).where(OverlayChange.tenant_id == tenant_id, OverlayChange.asset_id == asset_id)
    return session.exec(statement.order_by(col(OverlayChange.revision).desc()).limit(200)).all()


def last_revision(session: Session, tenant_id: UUID, asset_id: UUID) -> int:
    """Return how often the overlay of an asset was changed."""
    statement = select(func.coalesce(func.max(OverlayChange.revision), 0)).where(
        OverlayChange.tenant_id == tenant_id, OverlayChange.asset_id == asset_id
    )
    return session.exec(statement).one()


def checked(session: Session, tenant_id: UUID, asset_id: UUID, revision: int) -> Mapping[UUID, list[dict[str, Any]]]:
    """Return what was found of the versions that were looked at under a revision."""
    statement = select(OverlayCheck).where(
        OverlayCheck.tenant_id == tenant_id, OverlayCheck.asset_id == asset_id, OverlayCheck.revision == revision
    )
    return {each.version_id: each.misfits for each in session.exec(statement).all()}


def tenants_with(session: Session, asset_id: UUID) -> list[UUID]:
    """Return the tenants that narrow an asset (system role)."""
    statement = select(Overlay.tenant_id).where(Overlay.asset_id == asset_id).order_by(col(Overlay.tenant_id))
    return list(session.exec(statement).all())


def hold(session: Session, tenant_id: UUID, asset_id: UUID) -> None:
    """Let only one transaction at a time change what the tenant narrows of an asset."""
    statement = text("SELECT pg_advisory_xact_lock(hashtextextended(:key, 0))")
    session.connection().execute(statement, {"key": f"overlays:{tenant_id}:{asset_id}"})

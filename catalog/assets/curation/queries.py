"""Reads of grants and of a tenant's own catalog; the caller's tenant comes first."""

from collections.abc import Sequence
from uuid import UUID

from sqlalchemy import text
from sqlmodel import Session, col, select

from catalog.assets.curation.models import AssetGrant, CatalogEntry, TenantCatalog
from catalog.assets.models import Asset

_HAS_DECIDED = text("""
    SELECT EXISTS (SELECT FROM tenant_catalogs WHERE tenant_id = :tenant)
        OR EXISTS (SELECT FROM catalog_entries WHERE tenant_id = :tenant)
""")


def grants(session: Session, tenant_id: UUID, asset_id: UUID) -> Sequence[AssetGrant]:
    """Return whom an asset of the tenant's own is shared with, by name."""
    statement = select(AssetGrant).where(AssetGrant.tenant_id == tenant_id, AssetGrant.asset_id == asset_id)
    return session.exec(statement.order_by(col(AssetGrant.grantee))).all()


def entry(session: Session, tenant_id: UUID, asset_id: UUID) -> CatalogEntry | None:
    """Return what the tenant decided about an asset."""
    statement = select(CatalogEntry).where(CatalogEntry.tenant_id == tenant_id, CatalogEntry.asset_id == asset_id)
    return session.exec(statement).first()


def ranges(session: Session, tenant_id: UUID, asset_ids: Sequence[UUID]) -> dict[UUID, str]:
    """Return the constraint that the tenant set on each of the assets, for those that have one."""
    statement = select(CatalogEntry.asset_id, CatalogEntry.allowed).where(
        CatalogEntry.tenant_id == tenant_id, col(CatalogEntry.asset_id).in_(asset_ids), CatalogEntry.allowed != ""
    )
    return dict(session.exec(statement).all())


def entries(session: Session, tenant_id: UUID) -> Sequence[tuple[CatalogEntry, Asset]]:
    """Return the tenant's decisions with their assets, by name; those of assets that it sees no more are left out."""
    statement = (
        select(CatalogEntry, Asset)
        .join(Asset, col(Asset.id) == CatalogEntry.asset_id)
        .where(CatalogEntry.tenant_id == tenant_id)
        .order_by(col(Asset.namespace), col(Asset.name))
    )
    return session.exec(statement).all()


def has_decided(session: Session, tenant_id: UUID) -> bool:
    """Tell whether the tenant has decided anything about its catalog, which most have not and every read asks."""
    return bool(session.connection().execute(_HAS_DECIDED, {"tenant": tenant_id}).scalar_one())


def catalog(session: Session, tenant_id: UUID) -> TenantCatalog | None:
    """Return how the tenant's catalog works, None where nobody has decided."""
    return session.exec(select(TenantCatalog).where(TenantCatalog.tenant_id == tenant_id)).first()

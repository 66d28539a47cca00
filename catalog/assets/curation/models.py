"""Grants, a tenant's choice of assets and versions, the counted groups of a search, and the shapes of these."""

from datetime import datetime
from uuid import UUID

from pydantic import BaseModel, ConfigDict
from pydantic import Field as Shape
from sqlalchemy import ForeignKeyConstraint, Index, text
from sqlmodel import Field, SQLModel

from catalog.assets.models import Text, Visibility
from catalog.clock import now
from catalog.columns import Json, Timestamp


class AssetGrant(SQLModel, table=True):
    """One tenant, by name, that an asset is shared with; a name that nobody has gives nobody access."""

    __tablename__ = "asset_grants"
    __table_args__ = (
        ForeignKeyConstraint(["tenant_id", "asset_id"], ["assets.tenant_id", "assets.id"], ondelete="CASCADE"),
        Index("ix_asset_grants_grantee_id", "grantee_id"),
    )

    asset_id: UUID = Field(primary_key=True)
    grantee: str = Field(max_length=63, primary_key=True)
    tenant_id: UUID
    grantee_id: UUID | None = None
    granted_by: str
    granted_at: datetime = Field(default_factory=now, sa_type=Timestamp)


class AssetGroup(SQLModel, table=True):
    """How many listed assets of a tenant are alike in everything that a search counts; the database keeps it."""

    __tablename__ = "asset_groups"
    __table_args__ = (Index("ix_asset_groups_is_public", "tenant_id", postgresql_where=text("is_public")),)

    tenant_id: UUID = Field(primary_key=True)
    key: str = Field(max_length=32, primary_key=True)
    is_public: bool
    namespace: str
    kind: str
    license: str
    trust: str
    state: str | None = None
    archetypes: list[str] = Field(default_factory=list, sa_type=Json)
    clouds: list[str] = Field(default_factory=list, sa_type=Json)
    count: int


class CatalogEntry(SQLModel, table=True):
    """What a tenant decided about an asset of another: adopted, with the versions it allows, or hidden."""

    __tablename__ = "catalog_entries"
    __table_args__ = (ForeignKeyConstraint(["asset_id"], ["assets.id"], ondelete="CASCADE"),)

    tenant_id: UUID = Field(primary_key=True)
    asset_id: UUID = Field(primary_key=True)
    allowed: str = Field(default="", max_length=200)
    hidden_at: datetime | None = Field(default=None, sa_type=Timestamp)
    reason: str = ""
    changed_by: str
    changed_at: datetime = Field(default_factory=now, sa_type=Timestamp)


class TenantCatalog(SQLModel, table=True):
    """Whether a tenant's members see everything they may, or only their own assets and adopted ones."""

    __tablename__ = "tenant_catalogs"

    tenant_id: UUID = Field(primary_key=True)
    is_curated: bool = False
    changed_by: str
    changed_at: datetime = Field(default_factory=now, sa_type=Timestamp)


class _Read(BaseModel):
    model_config = ConfigDict(from_attributes=True, frozen=True)


class Sharing(_Read):
    """Who may see an asset: everybody, the named tenants, or its own alone."""

    visibility: Visibility
    tenants: list[str]


class ShareAsset(BaseModel):
    """Who may see an asset from now on; ``tenants`` counts where it is shared."""

    visibility: Visibility
    tenants: list[Text] = Shape(default_factory=list, max_length=200)


class EntryRead(_Read):
    """One decision of a tenant about an asset; ``allowed`` is a constraint, "" for every version."""

    namespace: str
    name: str
    hidden: bool
    allowed: str
    reason: str
    changed_by: str
    changed_at: datetime


class Catalog(_Read):
    """A tenant's own catalog: whether it is curated, and its entries by name."""

    is_curated: bool
    entries: list[EntryRead]


class DecideEntry(BaseModel):
    """What a tenant decides about an asset: hidden or adopted, and which versions its members may choose."""

    hidden: bool = False
    allowed: Text = Shape(default="", max_length=200, examples=[">=1.2,<2"])
    reason: Text = Shape(default="", max_length=1000)


class DecideCatalog(BaseModel):
    """Whether members see only their own and adopted assets."""

    is_curated: bool

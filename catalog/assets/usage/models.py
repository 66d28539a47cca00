"""Uses, dependencies and outcomes of versions, and the history of their states."""

from datetime import date, datetime
from typing import Any
from uuid import UUID, uuid4

from pydantic import BaseModel, ConfigDict
from sqlalchemy import Column, ForeignKeyConstraint, Index, UniqueConstraint, text
from sqlalchemy.dialects.postgresql import JSONB
from sqlmodel import Field, SQLModel

from catalog.assets.models import AssetRead, VersionState
from catalog.clock import now
from catalog.columns import Timestamp, one_of


class AssetUse(SQLModel, table=True):
    """One thing of a tenant that runs a version, such as an environment; ``tenant_id`` is the user's.

    ``subject`` names the row (``environments/<id>``), ``label`` is its name for people. ``until`` is None while it is
    in use. ``told`` is the last `VersionMove` that the user was told of.
    """

    __tablename__ = "asset_uses"
    __table_args__ = (
        UniqueConstraint("tenant_id", "subject", "version_id"),
        ForeignKeyConstraint(["version_id"], ["asset_versions.id"], ondelete="CASCADE"),
        Index("ix_asset_uses_version_id", "version_id", postgresql_where=text("until IS NULL")),
        Index("ix_asset_uses_tenant_id_asset_id", "tenant_id", "asset_id"),
    )

    id: UUID = Field(default_factory=uuid4, primary_key=True)
    tenant_id: UUID
    asset_id: UUID
    version_id: UUID
    subject: str
    label: str
    since: datetime = Field(default_factory=now, sa_type=Timestamp)
    until: datetime | None = Field(default=None, sa_type=Timestamp)
    told: UUID | None = None


class AssetOutcome(SQLModel, table=True):
    """How one attempt to bring a version into use ended, and how many seconds it took."""

    __tablename__ = "asset_outcomes"
    __table_args__ = (
        ForeignKeyConstraint(["version_id"], ["asset_versions.id"], ondelete="CASCADE"),
        Index("ix_asset_outcomes_asset_id_at", "asset_id", "at"),
    )

    id: UUID = Field(default_factory=uuid4, primary_key=True)
    tenant_id: UUID
    asset_id: UUID
    version_id: UUID
    subject: str
    succeeded: bool
    seconds: float
    at: datetime = Field(default_factory=now, sa_type=Timestamp)


class AssetDependency(SQLModel, table=True):
    """One asset that a version builds on, as its manifest says; kept apart so that it can be asked for backwards."""

    __tablename__ = "asset_dependencies"
    __table_args__ = (
        ForeignKeyConstraint(
            ["tenant_id", "version_id"], ["asset_versions.tenant_id", "asset_versions.id"], ondelete="CASCADE"
        ),
        Index("ix_asset_dependencies_needs", "needs_namespace", "needs_name"),
    )

    version_id: UUID = Field(primary_key=True)
    needs_namespace: str = Field(max_length=63, primary_key=True)
    needs_name: str = Field(max_length=63, primary_key=True)
    needs_version: str = Field(max_length=200, primary_key=True)
    tenant_id: UUID
    is_optional: bool = False


class VersionMove(SQLModel, table=True):
    """One step in the life of a version: who took it, when and why.

    ``said`` is what the version said of its state before it (``state_reason``, ``replacement``, ``end_of_life``,
    ``state_link``), where the step may be taken back.
    """

    __tablename__ = "asset_version_moves"
    __table_args__ = (
        ForeignKeyConstraint(
            ["tenant_id", "version_id"], ["asset_versions.tenant_id", "asset_versions.id"], ondelete="CASCADE"
        ),
        Index("ix_asset_version_moves_version_id_at", "version_id", "at"),
        Index("ix_asset_version_moves_at", "at"),
    )

    id: UUID = Field(default_factory=uuid4, primary_key=True)
    tenant_id: UUID
    version_id: UUID
    before: VersionState = Field(sa_type=one_of(VersionState))
    after: VersionState = Field(sa_type=one_of(VersionState))
    reason: str
    actor: str
    name: str
    at: datetime = Field(default_factory=now, sa_type=Timestamp)
    said: dict[str, Any] | None = Field(default=None, sa_column=Column(JSONB(none_as_null=True)))


class AssetTotal(SQLModel, table=True):
    """What is measured of an asset across tenants, where five at least make it up; written by ``measure_assets`` alone.

    ``tenants`` and ``installs`` are the steps (5, 10, 20, 50, 100 ...) that the numbers have reached, the rate is in
    fives of a hundred, and ``lag_days`` is the median of how long tenants have run what a newer version replaces.
    """

    __tablename__ = "asset_totals"
    __table_args__ = (
        ForeignKeyConstraint(["tenant_id", "asset_id"], ["assets.tenant_id", "assets.id"], ondelete="CASCADE"),
    )

    asset_id: UUID = Field(primary_key=True)
    tenant_id: UUID
    tenants: int
    installs: int
    success_percent: int | None = None
    lag_days: int | None = None
    measured_at: datetime = Field(sa_type=Timestamp)


class _Read(BaseModel):
    model_config = ConfigDict(from_attributes=True, frozen=True)


class MoveRead(_Read):
    """One step in the life of a version; ``by`` is left out for readers of other tenants."""

    before: VersionState
    after: VersionState
    reason: str
    by: str | None
    at: datetime


class Notice(_Read):
    """What a user of a version should know of its state."""

    namespace: str
    name: str
    version: str
    state: VersionState
    reason: str | None
    replacement: str | None
    end_of_life: date | None
    link: str | None


class Measured(_Read):
    """What the caller's own tenant has measured of an asset; nothing here comes from another tenant.

    ``active`` counts what runs it, ``behind`` those of them on another version than the one that stands for the asset.
    ``attempts`` and ``successes`` are of the latest 500 times it was brought into use, ``median_seconds`` how long a
    success took; None where there was none.
    """

    active: int
    behind: int
    attempts: int
    successes: int
    median_seconds: float | None

    @property
    def success_percent(self) -> int:
        """Return how many of a hundred attempts succeeded, rounded down so that 100 means all."""
        return self.successes * 100 // self.attempts if self.attempts else 0


class Totals(_Read):
    """What is measured across tenants, in steps that name nobody (`AssetTotal`); None where too few make it up."""

    tenants: int
    installs: int
    success_percent: int | None
    lag_days: int | None
    measured_at: datetime


class PublisherRead(_Read):
    """A publisher as the caller sees it, with those of its assets that it may choose; ``owned`` as in `AssetRead`."""

    namespace: str
    owned: bool
    verified_publisher: str | None
    assets: list[AssetRead]
    totals: Totals | None

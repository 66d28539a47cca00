"""Which asset stands for a project name, the file of each version, and what an index shows of them."""

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from uuid import UUID, uuid4

from sqlalchemy import Column, ForeignKeyConstraint, Index, LargeBinary, UniqueConstraint
from sqlmodel import Field, SQLModel

from catalog.assets.models import VersionState
from catalog.clock import now
from catalog.columns import Timestamp


class Project(SQLModel, table=True):
    """The claim of one asset on a project name (normalised, PEP 503) among its tenant's assets.

    ``public_since`` is when the asset was last made public, None while it is not; a trigger on ``assets`` keeps it,
    so that a name that was claimed in secret never displaces one that others were served already.
    """

    __tablename__ = "distribution_projects"
    __table_args__ = (
        UniqueConstraint("tenant_id", "asset_id", "project"),
        ForeignKeyConstraint(["tenant_id", "asset_id"], ["assets.tenant_id", "assets.id"], ondelete="CASCADE"),
    )

    project: str = Field(primary_key=True, max_length=100)
    tenant_id: UUID = Field(foreign_key="tenants.id", primary_key=True)
    asset_id: UUID
    claimed_at: datetime = Field(default_factory=now, sa_type=Timestamp)
    public_since: datetime | None = Field(default=None, sa_type=Timestamp)


class Distribution(SQLModel, table=True):
    """The wheel of one version: its name, digests in hexadecimal, size in bytes, and its METADATA byte for byte."""

    __tablename__ = "distributions"
    __table_args__ = (
        UniqueConstraint("tenant_id", "version_id"),
        UniqueConstraint("tenant_id", "filename"),
        ForeignKeyConstraint(
            ["tenant_id", "project"],
            ["distribution_projects.tenant_id", "distribution_projects.project"],
            ondelete="CASCADE",
        ),
        ForeignKeyConstraint(
            ["tenant_id", "version_id"], ["asset_versions.tenant_id", "asset_versions.id"], ondelete="CASCADE"
        ),
        Index("ix_distributions_tenant_id_project", "tenant_id", "project"),
        Index("ix_distributions_blob_digest", "blob_digest"),
    )

    id: UUID = Field(default_factory=uuid4, primary_key=True)
    tenant_id: UUID = Field(foreign_key="tenants.id")
    project: str = Field(max_length=100)
    version_id: UUID
    filename: str = Field(max_length=204)
    version: str = Field(max_length=64)
    requires_python: str = ""
    blob_digest: str = Field(max_length=64)
    size: int
    core: bytes = Field(sa_column=Column(LargeBinary, nullable=False))
    core_digest: str = Field(max_length=64)
    uploaded_at: datetime = Field(default_factory=now, sa_type=Timestamp)


class ProjectStatus(StrEnum):
    """What an index says of a project as a whole (PEP 792)."""

    ACTIVE = "active"
    DEPRECATED = "deprecated"
    ARCHIVED = "archived"
    QUARANTINED = "quarantined"


@dataclass(frozen=True)
class IndexFile:
    """One file as an index lists it; ``yanked`` is the reason, None where it is not yanked."""

    filename: str
    version: str
    requires_python: str
    digest: str
    size: int
    core_digest: str
    uploaded_at: datetime
    yanked: str | None


@dataclass(frozen=True)
class ProjectPage:
    """A project as one tenant sees it: all files are of one asset of one publisher, oldest version first."""

    project: str
    owner: UUID
    asset: str
    status: ProjectStatus
    status_reason: str
    files: tuple[IndexFile, ...]


@dataclass(frozen=True)
class FileRow:
    """A file with the state of its version, as the database tells of it."""

    filename: str
    version: str
    requires_python: str
    digest: str
    size: int
    core_digest: str
    uploaded_at: datetime
    state: VersionState
    state_reason: str | None

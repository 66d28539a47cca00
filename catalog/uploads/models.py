"""Uploads and the shape in which they leave the process."""

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Any
from uuid import UUID, uuid4

from pydantic import BaseModel, ConfigDict
from sqlalchemy import ForeignKeyConstraint, Index, text
from sqlmodel import Field, SQLModel

from catalog.assets.models import AssetVersionRead, Visibility
from catalog.clock import now
from catalog.columns import Json, Timestamp, one_of


class UploadState(StrEnum):
    """Where an upload is: in ``received`` checks wait or run, in ``checked`` none is left; the last two are final."""

    RECEIVED = "received"
    CHECKED = "checked"
    PUBLISHED = "published"
    REJECTED = "rejected"


class Upload(SQLModel, table=True):
    """One archive that was sound enough to be kept, from its arrival to its version.

    ``findings`` are what the checks found, ``version_id`` is set once it is published, ``operation_id`` names the
    operation of its sandboxed checks where it needed some. An archive that is refused at the door leaves no upload.
    """

    __tablename__ = "uploads"
    __table_args__ = (
        ForeignKeyConstraint(["version_id"], ["asset_versions.id"], ondelete="SET NULL"),
        Index("ix_uploads_tenant_id_created_at", "tenant_id", "created_at"),
        Index(
            "ix_uploads_unfinished",
            "tenant_id",
            "namespace",
            "name",
            "version",
            unique=True,
            postgresql_where=text("state IN ('received', 'checked')"),
        ),
        Index("ix_uploads_blob_digest", "blob_digest"),
    )

    id: UUID = Field(default_factory=uuid4, primary_key=True)
    tenant_id: UUID = Field(foreign_key="tenants.id")
    state: UploadState = Field(default=UploadState.RECEIVED, sa_type=one_of(UploadState))
    namespace: str = Field(max_length=63)
    name: str = Field(max_length=63)
    version: str = Field(max_length=64)
    kind: str = Field(max_length=63)
    visibility: Visibility | None = Field(default=None, sa_type=one_of(Visibility))
    blob_digest: str = Field(max_length=64)
    size: int
    findings: list[dict[str, Any]] = Field(default_factory=list, sa_type=Json)
    version_id: UUID | None = None
    operation_id: UUID | None = None
    publisher: str
    origin: dict[str, Any] | None = Field(default=None, sa_type=Json)
    actor: str
    created_at: datetime = Field(default_factory=now, sa_type=Timestamp)
    finished_at: datetime | None = Field(default=None, sa_type=Timestamp)


class UploadRead(BaseModel):
    """An upload as others read it; sizes in bytes."""

    model_config = ConfigDict(from_attributes=True, frozen=True)

    id: UUID
    state: UploadState
    namespace: str
    name: str
    version: str
    kind: str
    blob_digest: str
    size: int
    findings: list[dict[str, Any]]
    operation_id: UUID | None
    publisher: str
    created_at: datetime
    finished_at: datetime | None


class Publication(BaseModel):
    """What came of an upload: the version, what the checks would like better, and whether it is new.

    ``created`` is false where just these bytes were published before; ``upload`` is None then. ``version`` is None
    while sandboxed checks wait or run: ``upload`` names their operation.
    """

    model_config = ConfigDict(frozen=True)

    created: bool
    version: AssetVersionRead | None
    findings: list[dict[str, Any]]
    upload: UploadRead | None

    @property
    def published(self) -> AssetVersionRead:
        """The version, where there is one; raises ``ValueError`` while checks wait or run."""
        if self.version is None:
            raise ValueError("the upload is still being checked")
        return self.version


@dataclass(frozen=True)
class CheckPlan:
    """What a worker needs to check one upload."""

    tenant_id: UUID
    upload_id: UUID
    operation_id: UUID
    kind: str
    blob_digest: str

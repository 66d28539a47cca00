"""Uploads and the shape in which they leave the process."""

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Annotated, Any
from uuid import UUID, uuid4

from pydantic import AfterValidator, BaseModel, ConfigDict
from pydantic import Field as ShapeField
from sqlalchemy import ForeignKeyConstraint, Index, UniqueConstraint, text
from sqlmodel import Field, SQLModel

from catalog.assets.findings import storable
from catalog.assets.models import AssetVersionRead, VersionState, Visibility
from catalog.clock import now
from catalog.columns import Json, Timestamp, one_of


class UploadState(StrEnum):
    """Where an upload is: in ``received`` checks wait or run, in ``checked`` none is left; the last three are final.

    ``held`` means that the version is a draft or waits for review.
    """

    RECEIVED = "received"
    CHECKED = "checked"
    PUBLISHED = "published"
    HELD = "held"
    REJECTED = "rejected"


class Upload(SQLModel, table=True):
    """One archive that was sound enough to be kept, from its arrival to its version.

    ``findings`` are what the checks found, ``version_id`` is set once it is published, ``operation_id`` names the
    operation of its sandboxed checks where it needed some. An archive that is refused at the door leaves no upload.
    """

    __tablename__ = "uploads"
    __table_args__ = (
        ForeignKeyConstraint(["version_id"], ["asset_versions.id"], ondelete="SET NULL"),
        ForeignKeyConstraint(["tenant_id", "session_id"], ["publishing_sessions.tenant_id", "publishing_sessions.id"]),
        Index("ix_uploads_session_id", "session_id"),
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
    draft: bool = False
    session_id: UUID | None = None
    publisher: str
    member_id: UUID | None = None
    origin: dict[str, Any] | None = Field(default=None, sa_type=Json)
    actor: str
    created_at: datetime = Field(default_factory=now, sa_type=Timestamp)
    finished_at: datetime | None = Field(default=None, sa_type=Timestamp)


class SessionState(StrEnum):
    """Where a publishing session is; the last two are final."""

    OPEN = "open"
    IN_REVIEW = "in_review"
    PUBLISHED = "published"
    DISCARDED = "discarded"


class PublishingSession(SQLModel, table=True):
    """Versions of several assets that come out together, or not at all."""

    __tablename__ = "publishing_sessions"
    __table_args__ = (
        UniqueConstraint("tenant_id", "id"),
        Index("ix_publishing_sessions_tenant_id_created_at", "tenant_id", "created_at"),
    )

    id: UUID = Field(default_factory=uuid4, primary_key=True)
    tenant_id: UUID = Field(foreign_key="tenants.id")
    title: str = Field(max_length=200)
    state: SessionState = Field(default=SessionState.OPEN, sa_type=one_of(SessionState))
    opened_by: str
    created_at: datetime = Field(default_factory=now, sa_type=Timestamp)
    ended_at: datetime | None = Field(default=None, sa_type=Timestamp)


class OpenPublishingSession(BaseModel):
    """What a session is called, for people."""

    model_config = ConfigDict(extra="forbid", str_strip_whitespace=True)

    title: Annotated[str, AfterValidator(storable)] = ShapeField(min_length=1, max_length=200)


class SessionMember(BaseModel):
    """One upload of a session, and the state of its version, None while there is none."""

    model_config = ConfigDict(frozen=True)

    upload: UUID
    namespace: str
    name: str
    version: str
    kind: str
    upload_state: UploadState
    version_state: VersionState | None
    operation_id: UUID | None


class PublishingSessionRead(BaseModel):
    """A session as others read it, with what is in it."""

    model_config = ConfigDict(frozen=True)

    id: UUID
    title: str
    state: SessionState
    opened_by: str
    created_at: datetime
    ended_at: datetime | None
    members: list[SessionMember]


class ImportTag(BaseModel):
    """A tag of a repository to publish from: ``folder`` holds the asset, "" for the repository itself.

    The tag reads as the version, with or without a leading ``v``, or as ``name/v1.2.3`` or ``name-v1.2.3``.
    """

    model_config = ConfigDict(extra="forbid", str_strip_whitespace=True)

    repository: str = ShapeField(min_length=1, max_length=500)
    tag: str = ShapeField(min_length=1, max_length=200)
    folder: str = ShapeField(default="", max_length=240)
    visibility: Visibility | None = None
    draft: bool = False
    session: UUID | None = None


@dataclass(frozen=True)
class Terms:
    """On what terms an archive is taken in.

    ``visibility`` left out keeps what the asset has. A ``draft`` is kept for its publisher alone, and so is a member of
    a ``session`` until the session is published.
    """

    visibility: Visibility | None = None
    draft: bool = False
    session_id: UUID | None = None

    @property
    def holds(self) -> bool:
        """Whether the version is not put out at once."""
        return self.draft or self.session_id is not None


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

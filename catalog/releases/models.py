"""What a tenant ships, its releases, and the shapes that are asked and answered."""

from datetime import datetime
from typing import Annotated, Any
from uuid import UUID, uuid4

from pydantic import AfterValidator, BaseModel, ConfigDict, StringConstraints
from pydantic import Field as Shape
from sqlalchemy import ForeignKeyConstraint, Index, UniqueConstraint
from sqlmodel import Field, SQLModel

from catalog.assets.findings import storable
from catalog.clock import now
from catalog.columns import Json, Timestamp
from catalog.gating import VerdictSummary

LABEL = r"^[A-Za-z0-9](?:[A-Za-z0-9._/-]{0,61}[A-Za-z0-9])?$"
DIGEST = r"^(?:sha256:[0-9a-f]{64}|sha384:[0-9a-f]{96}|sha512:[0-9a-f]{128})$"

ServiceName = Annotated[str, StringConstraints(pattern=r"^[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?$")]
ReleaseVersion = Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9][A-Za-z0-9._+-]{0,127}$")]
Line = Annotated[str, StringConstraints(min_length=1, max_length=1000), AfterValidator(storable)]
Labels = dict[
    Annotated[str, StringConstraints(pattern=LABEL)],
    Annotated[str, StringConstraints(max_length=200), AfterValidator(storable)],
]


class Service(SQLModel, table=True):
    """What a tenant ships under one name, built from one repository; ``labels`` are what policies are bound by."""

    __tablename__ = "services"
    __table_args__ = (UniqueConstraint("tenant_id", "id"), UniqueConstraint("tenant_id", "name"))

    id: UUID = Field(default_factory=uuid4, primary_key=True)
    tenant_id: UUID = Field(foreign_key="tenants.id")
    name: str = Field(max_length=63)
    repository: str
    owner: str = ""
    labels: dict[str, str] = Field(default_factory=dict, sa_type=Json)
    created_at: datetime = Field(default_factory=now, sa_type=Timestamp)


class Release(SQLModel, table=True):
    """One version of a service, which never changes; ``verdict`` is what policies said when it was made.

    ``environment_id`` names the preview environment that it was made from, ``pipeline`` the run of a pipeline.
    """

    __tablename__ = "releases"
    __table_args__ = (
        UniqueConstraint("tenant_id", "id"),
        UniqueConstraint("tenant_id", "service_id", "version"),
        ForeignKeyConstraint(["tenant_id", "service_id"], ["services.tenant_id", "services.id"], ondelete="CASCADE"),
        Index("ix_releases_tenant_id_created_at", "tenant_id", "created_at"),
        Index("ix_releases_artifacts", "artifacts", postgresql_using="gin"),
    )

    id: UUID = Field(default_factory=uuid4, primary_key=True)
    tenant_id: UUID = Field(foreign_key="tenants.id")
    service_id: UUID
    service: str = Field(max_length=63)
    version: str = Field(max_length=128)
    repository: str
    commit: str = Field(max_length=64)
    environment_id: UUID | None = None
    pipeline: str | None = None
    artifacts: list[dict[str, Any]] = Field(default_factory=list, sa_type=Json)
    notes: str = ""
    verdict: dict[str, Any] = Field(default_factory=dict, sa_type=Json)
    created_by: str
    created_at: datetime = Field(default_factory=now, sa_type=Timestamp)


class Artifact(BaseModel):
    """One thing that a release consists of: ``type`` is a short word such as oci-image, wheel, npm or archive."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    name: Line = Shape(max_length=300, examples=["registry.example.com/acme/web"])
    type: Annotated[str, StringConstraints(pattern=r"^[a-z0-9][a-z0-9.+-]{0,62}$")] = Shape(examples=["oci-image"])
    digest: Annotated[str, StringConstraints(pattern=DIGEST)] = Shape(examples=["sha256:" + "9f" * 32])
    uri: Line | None = Shape(default=None, examples=["oci://registry.example.com/acme/web:1.4.0"])


class CreateRelease(BaseModel):
    """What a release is made of: a commit that a pipeline built, or the environment that shows what is released.

    From an environment come repository and commit (the one that is deployed there). ``repository`` is needed for the
    first release of a service that no environment shows. ``labels`` and ``owner`` are the service's, and replace those
    that it had.
    """

    model_config = ConfigDict(extra="forbid", str_strip_whitespace=True)

    service: ServiceName = Shape(examples=["web"])
    version: ReleaseVersion = Shape(examples=["1.4.0"])
    commit: Annotated[str, StringConstraints(pattern=r"^[0-9a-f]{7,64}$")] | None = Shape(
        default=None, examples=["9fceb02d0ae598e95dc970b74767f19372d61af8"]
    )
    repository: Line | None = Shape(default=None, examples=["https://git.example.com/acme/web"])
    environment: UUID | None = None
    pipeline: Line | None = Shape(default=None, examples=["https://ci.example.com/runs/118"])
    owner: Annotated[str, StringConstraints(max_length=200), AfterValidator(storable)] | None = None
    labels: Labels | None = Shape(default=None, max_length=50, examples=[{"tier": "critical"}])
    artifacts: list[Artifact] = Shape(default_factory=list, max_length=200)
    notes: Annotated[str, StringConstraints(max_length=20_000), AfterValidator(storable)] = ""


class ServiceRead(BaseModel):
    """What a tenant ships, as others read it."""

    model_config = ConfigDict(from_attributes=True, frozen=True)

    id: UUID
    name: str
    repository: str
    owner: str
    labels: dict[str, str]
    created_at: datetime


class ReleaseRead(BaseModel):
    """A release as others read it; ``service`` is the name of what it is a version of."""

    model_config = ConfigDict(from_attributes=True, frozen=True)

    id: UUID
    service: str
    version: str
    repository: str
    commit: str
    environment_id: UUID | None
    pipeline: str | None
    artifacts: list[Artifact]
    notes: str
    verdict: VerdictSummary
    created_by: str
    created_at: datetime

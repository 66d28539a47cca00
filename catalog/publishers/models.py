"""Trusted publishers, and the shapes in which they enter and leave the process."""

from datetime import datetime
from uuid import UUID, uuid4

from pydantic import BaseModel, ConfigDict
from pydantic import Field as ShapeField
from sqlalchemy import ForeignKeyConstraint, Index, UniqueConstraint
from sqlmodel import Field, SQLModel

from catalog.clock import now
from catalog.columns import Timestamp


class TrustedPublisher(SQLModel, table=True):
    """Whose jobs may publish one asset of the tenant, which need not exist yet.

    ``issuer`` is the address of the identity provider; ids are the issuer's immutable ones, ``repository`` is for
    people. ``workflow`` and ``environment`` are "" where any will do.
    """

    __tablename__ = "trusted_publishers"
    __table_args__ = (
        UniqueConstraint(
            *("tenant_id", "namespace", "name", "issuer", "owner_id", "repository_id", "workflow", "environment"),
            name="uq_trusted_publishers_job",
        ),
        Index("ix_trusted_publishers_job", "namespace", "name", "issuer", "repository_id"),
        ForeignKeyConstraint(["tenant_id"], ["tenants.id"]),
    )

    id: UUID = Field(default_factory=uuid4, primary_key=True)
    tenant_id: UUID
    namespace: str = Field(max_length=63)
    name: str = Field(max_length=63)
    issuer: str
    provider: str = Field(max_length=63)
    owner_id: str
    repository_id: str
    repository: str
    workflow: str = ""
    environment: str = ""
    created_by: str
    created_at: datetime = Field(default_factory=now, sa_type=Timestamp)
    last_used_at: datetime | None = Field(default=None, sa_type=Timestamp)


class UsedIdentityToken(SQLModel, table=True):
    """An identity token that was exchanged; of no tenant, because it is used once whoever shows it.

    Only the function ``use_identity_token`` reaches these rows; it also forgets those that have expired.
    """

    __tablename__ = "used_identity_tokens"
    __table_args__ = (Index("ix_used_identity_tokens_expires_at", "expires_at"),)

    issuer: str = Field(primary_key=True)
    token_id: str = Field(primary_key=True)
    expires_at: datetime = Field(sa_type=Timestamp)


class AddTrustedPublisher(BaseModel):
    """Whose jobs shall be let; ``asset`` reads ``namespace/name`` and need not exist yet."""

    model_config = ConfigDict(extra="forbid", str_strip_whitespace=True)

    asset: str = ShapeField(max_length=127)
    issuer: str = ShapeField(max_length=300)
    owner_id: str = ShapeField(min_length=1, max_length=100)
    repository_id: str = ShapeField(min_length=1, max_length=300)
    repository: str = ShapeField(min_length=1, max_length=300)
    workflow: str = ShapeField(default="", max_length=300)
    environment: str = ShapeField(default="", max_length=100)


class TrustedPublisherRead(BaseModel):
    """A trusted publisher as others read it; ``pending`` until its asset exists."""

    model_config = ConfigDict(from_attributes=True, frozen=True)

    id: UUID
    namespace: str
    name: str
    pending: bool
    issuer: str
    provider: str
    owner_id: str
    repository_id: str
    repository: str
    workflow: str
    environment: str
    created_by: str
    created_at: datetime
    last_used_at: datetime | None


class ExchangeIdentity(BaseModel):
    """A CI job's identity token, and the asset that the job wants to publish.

    ``asset`` may be left out where the job may publish just one.
    """

    token: str = ShapeField(max_length=20_000)
    asset: str | None = ShapeField(default=None, max_length=127)


class PublishingToken(BaseModel):
    """A token that can publish ``asset``, with ``tenant`` as the owner, until ``expires_at``, and nothing else."""

    token: str
    tenant: str
    asset: str
    expires_at: datetime

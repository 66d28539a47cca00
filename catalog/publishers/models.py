"""Trusted publishers, and the shapes in which they enter and leave the process."""

from datetime import datetime
from enum import StrEnum
from uuid import UUID, uuid4

from pydantic import BaseModel, ConfigDict
from pydantic import Field as ShapeField
from sqlalchemy import ForeignKeyConstraint, Index, UniqueConstraint
from sqlmodel import Field, SQLModel

from catalog.clock import now
from catalog.columns import Timestamp, one_of


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


class ProofKind(StrEnum):
    """Where a publisher shows that it is who it says: its domain, or a repository of its own."""

    DOMAIN = "domain"
    REPOSITORY = "repository"


class ProofState(StrEnum):
    """Where a proof stands; a verified one that is not found any more lapses after a week of looking."""

    PENDING = "pending"
    VERIFIED = "verified"
    LAPSED = "lapsed"


class PublisherProof(SQLModel, table=True):
    """A tenant's claim to a domain or repository, and what was found there.

    ``challenge`` is what has to stand there. ``problem`` says why the last look failed, None where it did not.
    """

    __tablename__ = "publisher_proofs"
    __table_args__ = (
        UniqueConstraint("tenant_id", "kind", "subject"),
        ForeignKeyConstraint(["tenant_id"], ["tenants.id"]),
        Index("ix_publisher_proofs_due", "look_at"),
    )

    id: UUID = Field(default_factory=uuid4, primary_key=True)
    tenant_id: UUID
    kind: ProofKind = Field(sa_type=one_of(ProofKind))
    subject: str
    challenge: str
    state: ProofState = Field(default=ProofState.PENDING, sa_type=one_of(ProofState))
    problem: str | None = None
    created_at: datetime = Field(default_factory=now, sa_type=Timestamp)
    looked_at: datetime | None = Field(default=None, sa_type=Timestamp)
    verified_at: datetime | None = Field(default=None, sa_type=Timestamp)
    look_at: datetime | None = Field(default=None, sa_type=Timestamp)


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


class ClaimProof(BaseModel):
    """What a tenant says is its own: a domain such as ``example.com``, or the address of a repository."""

    model_config = ConfigDict(extra="forbid", str_strip_whitespace=True)

    kind: ProofKind
    subject: str = ShapeField(min_length=1, max_length=300)


class PublisherProofRead(BaseModel):
    """A proof as its tenant reads it: ``challenge`` has to stand at ``place``."""

    model_config = ConfigDict(frozen=True)

    id: UUID
    kind: ProofKind
    subject: str
    place: str
    challenge: str
    state: ProofState
    problem: str | None
    created_at: datetime
    looked_at: datetime | None
    verified_at: datetime | None


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

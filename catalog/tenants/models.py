"""Tenants, members, credentials (kept as hashes only) and the audit log."""

from datetime import datetime
from typing import Any
from uuid import UUID, uuid4

from pydantic import BaseModel, ConfigDict, SecretStr, field_validator
from pydantic import Field as Shape
from sqlalchemy import BigInteger, Column, Identity, Index, String, UniqueConstraint
from sqlalchemy.dialects.postgresql import ARRAY
from sqlmodel import Field, SQLModel

from catalog.clock import now
from catalog.columns import Json, Timestamp, one_of
from catalog.tenancy import Role

MOST_OF_A_PATTERN = 200
"""How many characters a pattern of blueprints has at the most."""


class Tenant(SQLModel, table=True):
    """An organisation: everything else belongs to exactly one."""

    __tablename__ = "tenants"

    id: UUID = Field(default_factory=uuid4, primary_key=True)
    name: str = Field(max_length=63, unique=True)
    display_name: str
    created_at: datetime = Field(default_factory=now, sa_type=Timestamp)


class Member(SQLModel, table=True):
    """A person in a tenant, with one role."""

    __tablename__ = "members"
    __table_args__ = (UniqueConstraint("tenant_id", "id"), UniqueConstraint("tenant_id", "email"))

    id: UUID = Field(default_factory=uuid4, primary_key=True)
    tenant_id: UUID = Field(foreign_key="tenants.id")
    name: str
    email: str
    role: Role = Field(sa_type=one_of(Role))
    created_at: datetime = Field(default_factory=now, sa_type=Timestamp)
    removed_at: datetime | None = Field(default=None, sa_type=Timestamp)


class ApiToken(SQLModel, table=True):
    """A token for programs: bound to a tenant and to scopes; only its SHA-256 is kept.

    One with ``publishes`` (``namespace/name``) can publish that asset and nothing else; ``origin`` says which CI job
    it was given to.
    """

    __tablename__ = "api_tokens"
    __table_args__ = (Index("ix_api_tokens_tenant_id", "tenant_id"),)

    id: UUID = Field(default_factory=uuid4, primary_key=True)
    tenant_id: UUID = Field(foreign_key="tenants.id")
    member_id: UUID | None = Field(default=None, foreign_key="members.id")
    name: str
    token_hash: str = Field(max_length=64, unique=True)
    scopes: list[str] = Field(sa_column=Column(ARRAY(String), nullable=False))
    publishes: str | None = Field(default=None, max_length=127)
    origin: dict[str, Any] | None = Field(default=None, sa_type=Json)
    created_at: datetime = Field(default_factory=now, sa_type=Timestamp)
    expires_at: datetime | None = Field(default=None, sa_type=Timestamp)
    last_used_at: datetime | None = Field(default=None, sa_type=Timestamp)
    revoked_at: datetime | None = Field(default=None, sa_type=Timestamp)


class TenantSecret(SQLModel, table=True):
    """A value that blueprints name and nobody reads: sealed, and given to processes of environments alone.

    Blueprints of the tenant's own may name it; of others', those that a pattern in ``blueprints`` matches
    (``namespace/name``, with ``*``).
    """

    __tablename__ = "tenant_secrets"
    __table_args__ = (UniqueConstraint("tenant_id", "id"), UniqueConstraint("tenant_id", "name"))

    id: UUID = Field(default_factory=uuid4, primary_key=True)
    tenant_id: UUID = Field(foreign_key="tenants.id")
    name: str = Field(max_length=63)
    blueprints: list[str] = Field(default_factory=list, sa_column=Column(ARRAY(String), nullable=False))
    sealed: str
    set_by: str
    set_at: datetime = Field(default_factory=now, sa_type=Timestamp)


class SignInLink(SQLModel, table=True):
    """A link that signs a member in once, shortly after it was made."""

    __tablename__ = "sign_in_links"

    id: UUID = Field(default_factory=uuid4, primary_key=True)
    tenant_id: UUID = Field(foreign_key="tenants.id")
    member_id: UUID = Field(foreign_key="members.id")
    token_hash: str = Field(max_length=64, unique=True)
    created_at: datetime = Field(default_factory=now, sa_type=Timestamp)
    expires_at: datetime = Field(sa_type=Timestamp)
    used_at: datetime | None = Field(default=None, sa_type=Timestamp)


class BrowserSession(SQLModel, table=True):
    """A signed-in browser; the cookie holds the secret, this row its SHA-256."""

    __tablename__ = "browser_sessions"

    id: UUID = Field(default_factory=uuid4, primary_key=True)
    tenant_id: UUID = Field(foreign_key="tenants.id")
    member_id: UUID = Field(foreign_key="members.id")
    token_hash: str = Field(max_length=64, unique=True)
    created_at: datetime = Field(default_factory=now, sa_type=Timestamp)
    expires_at: datetime = Field(sa_type=Timestamp)
    ended_at: datetime | None = Field(default=None, sa_type=Timestamp)


class AuditEntry(SQLModel, table=True):
    """Who did what to what; appended, never changed (the application role may not update or delete)."""

    __tablename__ = "audit_entries"
    __table_args__ = (Index("ix_audit_entries_tenant_id_id", "tenant_id", "id"),)

    id: int | None = Field(default=None, sa_column=Column(BigInteger, Identity(always=True), primary_key=True))
    tenant_id: UUID
    at: datetime = Field(default_factory=now, sa_type=Timestamp)
    actor: str
    action: str
    subject: str
    detail: dict[str, Any] = Field(default_factory=dict, sa_type=Json)


class TokenRead(BaseModel):
    """A token as others read it, without its secret."""

    id: UUID
    name: str
    scopes: list[str]
    created_at: datetime
    expires_at: datetime | None
    last_used_at: datetime | None
    revoked_at: datetime | None


class NewToken(TokenRead):
    """A token at its making: the one time its secret is shown."""

    token: str


class CreateToken(BaseModel):
    """What a new token is asked for with; ``expires_in_days`` bounds its life, 365 at the most."""

    name: str
    scopes: list[str]
    expires_in_days: int | None = 90


class SetSecret(BaseModel):
    """A secret's new value, and whose blueprints beside the tenant's own may name it (``slipway/preview-*``)."""

    model_config = ConfigDict(extra="forbid")

    value: SecretStr = Shape(min_length=1, max_length=16_384)
    blueprints: list[str] = Shape(default_factory=list, max_length=50)

    @field_validator("value")
    @classmethod
    def _can_be_given(cls, value: SecretStr) -> SecretStr:
        if "\0" in value.get_secret_value():
            raise ValueError("A process cannot be given a NUL character. Encode the value, such as in Base64.")
        return value

    @field_validator("blueprints")
    @classmethod
    def _can_be_a_name(cls, blueprints: list[str]) -> list[str]:
        if any(len(each) > MOST_OF_A_PATTERN or not each.isprintable() for each in blueprints):
            raise ValueError(f"Each pattern is one of names of assets: {MOST_OF_A_PATTERN} characters at the most.")
        return blueprints


class SecretRead(BaseModel):
    """A secret as anybody may see it: never its value."""

    name: str
    blueprints: list[str]
    set_by: str
    set_at: datetime

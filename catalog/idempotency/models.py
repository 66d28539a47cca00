"""One row for each idempotency key in use."""

from dataclasses import dataclass
from datetime import datetime
from uuid import UUID, uuid4

from sqlalchemy import Index, LargeBinary, UniqueConstraint
from sqlmodel import Field, SQLModel

from catalog.clock import now
from catalog.columns import Timestamp


class IdempotencyKey(SQLModel, table=True):
    """A key that a caller gave to one request. ``answer`` is sealed with the caller's own credential.

    ``attempt`` fences: a request that was taken for dead and comes back late cannot commit. ``fingerprint`` is a
    keyed hash, so that it tells nothing of the request's content.
    """

    __tablename__ = "idempotency_keys"
    __table_args__ = (
        UniqueConstraint("tenant_id", "actor", "route", "key"),
        Index("ix_idempotency_keys_tenant_id_expires_at", "tenant_id", "expires_at"),
    )

    id: UUID = Field(default_factory=uuid4, primary_key=True)
    tenant_id: UUID
    actor: str
    route: str
    key: str = Field(max_length=255)
    fingerprint: str = Field(max_length=64)
    attempt: UUID = Field(default_factory=uuid4)
    answer: bytes | None = Field(default=None, sa_type=LargeBinary)
    created_at: datetime = Field(default_factory=now, sa_type=Timestamp)
    locked_until: datetime = Field(sa_type=Timestamp)
    expires_at: datetime = Field(sa_type=Timestamp)


@dataclass(frozen=True)
class KeyedRequest:
    """A request that carries a key: whose it is, what it is, and a hash of all that it says."""

    tenant_id: UUID
    actor: str
    route: str
    key: str
    fingerprint: str


@dataclass(frozen=True)
class Attempt:
    """The right to carry a keyed request out."""

    tenant_id: UUID
    row_id: UUID
    attempt: UUID


@dataclass(frozen=True)
class KeptAnswer:
    """The answer that the request got the first time, as it was sealed then."""

    sealed: bytes

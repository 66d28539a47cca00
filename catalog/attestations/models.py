"""Attestations, keys, identities, trust policies and the registry's log, as they are kept."""

from datetime import datetime
from enum import StrEnum
from typing import Any
from uuid import UUID, uuid4

from sqlalchemy import ForeignKeyConstraint, Index, UniqueConstraint, text
from sqlmodel import Field, SQLModel

from catalog.clock import now
from catalog.columns import Json, Timestamp, one_of


class Verdict(StrEnum):
    """What is held of an attestation: evidence, no longer evidence, or never evidence."""

    VERIFIED = "verified"
    INVALIDATED = "invalidated"
    REJECTED = "rejected"


class KeyState(StrEnum):
    """Where a key is in its life.

    ``active`` signs and verifies, ``retiring`` verifies until its overlap is over, ``retired`` verifies only what it
    signed while it could, ``revoked`` verifies nothing from the moment on since which it is not trusted.
    """

    ACTIVE = "active"
    RETIRING = "retiring"
    RETIRED = "retired"
    REVOKED = "revoked"


class SigningKey(SQLModel, table=True):
    """A public key that a tenant vouches for; where ``provider`` is set, Slipway signs with it.

    ``key_id`` is ``sha256:`` and the digest of the SPKI. ``retires_at`` ends the overlap after a rotation.
    ``untrusted_since`` is None in a revoked key where nothing that it ever signed is trusted.
    """

    __tablename__ = "signing_keys"
    __table_args__ = (
        UniqueConstraint("tenant_id", "id"),
        UniqueConstraint("tenant_id", "key_id"),
        Index(
            "ix_signing_keys_signs",
            "tenant_id",
            unique=True,
            postgresql_where=text("state = 'active' AND provider IS NOT NULL"),
        ),
    )

    id: UUID = Field(default_factory=uuid4, primary_key=True)
    tenant_id: UUID = Field(foreign_key="tenants.id")
    key_id: str = Field(max_length=71)
    name: str = Field(max_length=100)
    algorithm: str = Field(max_length=32)
    public_key: str
    provider: str | None = Field(default=None, max_length=63)
    provider_ref: str | None = None
    state: KeyState = Field(default=KeyState.ACTIVE, sa_type=one_of(KeyState))
    state_reason: str | None = None
    created_by: str
    created_at: datetime = Field(default_factory=now, sa_type=Timestamp)
    retires_at: datetime | None = Field(default=None, sa_type=Timestamp)
    revoked_at: datetime | None = Field(default=None, sa_type=Timestamp)
    untrusted_since: datetime | None = Field(default=None, sa_type=Timestamp)

    def state_at(self, moment: datetime) -> KeyState:
        """Return the state at ``moment``: the end of an overlap needs nobody to write it down."""
        is_over = self.retires_at is not None and self.retires_at <= moment
        return KeyState.RETIRED if self.state is KeyState.RETIRING and is_over else self.state


class PublisherIdentity(SQLModel, table=True):
    """A workflow or person whose keyless signatures a tenant vouches for; ``subject`` may hold ``*``."""

    __tablename__ = "publisher_identities"
    __table_args__ = (
        UniqueConstraint("tenant_id", "id"),
        UniqueConstraint("tenant_id", "issuer", "subject"),
    )

    id: UUID = Field(default_factory=uuid4, primary_key=True)
    tenant_id: UUID = Field(foreign_key="tenants.id")
    name: str = Field(max_length=100)
    issuer: str = Field(max_length=500)
    subject: str = Field(max_length=500)
    created_by: str
    created_at: datetime = Field(default_factory=now, sa_type=Timestamp)


class TrustPolicyVersion(SQLModel, table=True):
    """One version of a tenant's trust policy; the highest counts, and none is ever changed."""

    __tablename__ = "trust_policies"
    __table_args__ = (UniqueConstraint("tenant_id", "version"),)

    id: UUID = Field(default_factory=uuid4, primary_key=True)
    tenant_id: UUID = Field(foreign_key="tenants.id")
    version: int
    document: dict[str, Any] = Field(sa_type=Json)
    note: str = ""
    created_by: str
    created_at: datetime = Field(default_factory=now, sa_type=Timestamp)


class EvidenceWatch(SQLModel, table=True):
    """A tenant whose trust policy gives evidence an age: ``swept_at`` is up to when what grew too old was told."""

    __tablename__ = "evidence_watches"
    __table_args__ = (Index("ix_evidence_watches_swept_at", "swept_at"),)

    tenant_id: UUID = Field(primary_key=True, foreign_key="tenants.id")
    swept_at: datetime = Field(default_factory=now, sa_type=Timestamp)


class Attestation(SQLModel, table=True):
    """One signed statement, its exact bytes in the blob store under ``envelope_digest``.

    ``verdict`` is what is held of it now, ``reason`` why it is not evidence. ``key_state`` is that of the key when it
    was verified, ``public_key`` the key itself, so that anybody who may see the statement can verify it alone.
    ``asset_id`` is set where it travels with an asset of the tenant: whoever sees the asset then sees it. ``untold``
    is true between the moment at which it counts no longer and that at which those who relied on it are told.
    """

    __tablename__ = "attestations"
    __table_args__ = (
        UniqueConstraint("tenant_id", "id"),
        UniqueConstraint("tenant_id", "envelope_digest"),
        ForeignKeyConstraint(["tenant_id", "signing_key_id"], ["signing_keys.tenant_id", "signing_keys.id"]),
        ForeignKeyConstraint(["tenant_id", "asset_id"], ["assets.tenant_id", "assets.id"], ondelete="CASCADE"),
        Index("ix_attestations_tenant_id_received_at", "tenant_id", "received_at"),
        Index("ix_attestations_signing_key_id", "signing_key_id"),
        Index("ix_attestations_asset_id", "asset_id"),
        Index("ix_attestations_issuer", "tenant_id", "issuer", postgresql_where=text("issuer <> ''")),
    )

    id: UUID = Field(default_factory=uuid4, primary_key=True)
    tenant_id: UUID = Field(foreign_key="tenants.id")
    envelope_digest: str = Field(max_length=64)
    size: int
    media_type: str = Field(default="", max_length=100)
    verdict: Verdict = Field(sa_type=one_of(Verdict))
    reason: str | None = Field(default=None, max_length=63)
    detail: str | None = None
    predicate_type: str = Field(default="", max_length=500)
    evidence: str = Field(default="", max_length=500)
    facts: dict[str, Any] = Field(default_factory=dict, sa_type=Json)
    signer: str = ""
    signing_key_id: UUID | None = None
    key_id: str = Field(default="", max_length=71)
    key_state: KeyState | None = Field(default=None, sa_type=one_of(KeyState))
    public_key: str = ""
    issuer: str = ""
    identity: str = ""
    signed_at: datetime | None = Field(default=None, sa_type=Timestamp)
    asset_id: UUID | None = None
    received_at: datetime = Field(default_factory=now, sa_type=Timestamp)
    received_by: str
    verified_at: datetime | None = Field(default=None, sa_type=Timestamp)
    untold: bool = False


class AttestationSubject(SQLModel, table=True):
    """One digest that a verified attestation is about."""

    __tablename__ = "attestation_subjects"
    __table_args__ = (
        ForeignKeyConstraint(
            ["tenant_id", "attestation_id"], ["attestations.tenant_id", "attestations.id"], ondelete="CASCADE"
        ),
        Index("ix_attestation_subjects_algorithm_digest", "algorithm", "digest"),
        Index("ix_attestation_subjects_attestation_id", "attestation_id"),
    )

    id: UUID = Field(default_factory=uuid4, primary_key=True)
    tenant_id: UUID
    attestation_id: UUID
    algorithm: str = Field(max_length=64)
    digest: str = Field(max_length=512)
    name: str = Field(default="", max_length=500)


class Reliance(SQLModel, table=True):
    """Something of a tenant's that is, or is made of, the artifact with ``digest`` (SHA-256).

    ``kind`` is asset, environment, release or rollout; ``is_itself`` tells the digest of the thing from one that it
    uses. Only what is current is kept: what a thing relies on is written anew each time it changes.
    """

    __tablename__ = "attestation_reliances"
    __table_args__ = (
        UniqueConstraint("tenant_id", "kind", "thing_id", "digest"),
        Index("ix_attestation_reliances_digest", "tenant_id", "digest"),
        Index("ix_attestation_reliances_digest_alone", "digest"),
    )

    id: UUID = Field(default_factory=uuid4, primary_key=True)
    tenant_id: UUID = Field(foreign_key="tenants.id")
    kind: str = Field(max_length=32)
    thing_id: UUID
    label: str = Field(max_length=300)
    digest: str = Field(max_length=64)
    is_itself: bool = False
    used_as: str = Field(default="", max_length=300)
    created_at: datetime = Field(default_factory=now, sa_type=Timestamp)


class RelianceNotice(SQLModel, table=True):
    """That a tenant was told what an event of another tenant (``event_id``) means for what it relies on."""

    __tablename__ = "reliance_notices"
    __table_args__ = (UniqueConstraint("tenant_id", "event_id"),)

    id: UUID = Field(default_factory=uuid4, primary_key=True)
    tenant_id: UUID = Field(foreign_key="tenants.id")
    event_id: UUID
    told_at: datetime = Field(default_factory=now, sa_type=Timestamp)


class RegistryRecord(SQLModel, table=True):
    """One entry of an asset's log: what the registry said of a version, chained to what it had said before.

    ``hash`` is SHA-256 over the record in canonical JSON (RFC 8785), which holds the hash of the one before;
    ``signature`` (base64) is the registry's over that hash.
    """

    __tablename__ = "registry_records"
    __table_args__ = (
        UniqueConstraint("tenant_id", "asset_id", "sequence"),
        UniqueConstraint("tenant_id", "event_id"),
        ForeignKeyConstraint(["tenant_id", "asset_id"], ["assets.tenant_id", "assets.id"], ondelete="CASCADE"),
    )

    id: UUID = Field(default_factory=uuid4, primary_key=True)
    tenant_id: UUID = Field(foreign_key="tenants.id")
    asset_id: UUID
    event_id: UUID
    sequence: int
    record: dict[str, Any] = Field(sa_type=Json)
    hash: str = Field(max_length=64)
    signature: str = ""
    created_at: datetime = Field(default_factory=now, sa_type=Timestamp)

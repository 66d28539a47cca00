"""Bindings, waivers, overrides and evaluations of policies, as rows."""

from datetime import datetime
from enum import StrEnum
from typing import Any
from uuid import UUID, uuid4

from sqlalchemy import Column, ForeignKeyConstraint, Index, LargeBinary, UniqueConstraint, text
from sqlmodel import Field, SQLModel

from catalog.clock import now
from catalog.columns import Counter, Json, Timestamp, one_of
from catalog.gating import GatePoint, Level


class ScopeKind(StrEnum):
    """What a binding or a waiver holds for."""

    TENANT = "tenant"
    SERVICE = "service"
    ENVIRONMENT = "environment"
    ASSET = "asset"


class Mode(StrEnum):
    """How much a bundle counts at a moment: not yet, only to be watched, told, or with the level of its binding."""

    PENDING = "pending"
    SHADOW = "shadow"
    ADVISORY = "advisory"
    ENFORCED = "enforced"


class Binding(SQLModel, table=True):
    """One bundle that counts for some subjects: the newest version that fits ``constraint``, at ``level``.

    ``points`` are the gates it stands at (all where empty), ``stages`` the dates from which it counts more or for a
    larger share of the subjects.
    """

    __tablename__ = "policy_bindings"
    __table_args__ = (
        UniqueConstraint("tenant_id", "id"),
        Index("ix_policy_bindings_living", "tenant_id", postgresql_where=text("ended_at IS NULL")),
    )

    id: UUID = Field(default_factory=uuid4, primary_key=True)
    tenant_id: UUID = Field(foreign_key="tenants.id")
    asset: str = Field(max_length=127)
    constraint: str = ""
    level: Level = Field(sa_type=one_of(Level))
    scope: dict[str, Any] = Field(default_factory=dict, sa_type=Json)
    points: list[str] = Field(default_factory=list, sa_type=Json)
    stages: list[dict[str, Any]] = Field(default_factory=list, sa_type=Json)
    reason: str = ""
    created_by: str
    created_at: datetime = Field(default_factory=now, sa_type=Timestamp)
    ended_at: datetime | None = Field(default=None, sa_type=Timestamp)
    ended_by: str | None = None


class Waiver(SQLModel, table=True):
    """One rule that does not count for some subjects until ``expires_at``."""

    __tablename__ = "policy_waivers"
    __table_args__ = (Index("ix_policy_waivers_tenant_id_expires_at", "tenant_id", "expires_at"),)

    id: UUID = Field(default_factory=uuid4, primary_key=True)
    tenant_id: UUID = Field(foreign_key="tenants.id")
    rule: str = Field(max_length=200)
    asset: str | None = Field(default=None, max_length=127)
    scope: dict[str, Any] = Field(default_factory=dict, sa_type=Json)
    reason: str
    owner: str
    expires_at: datetime = Field(sa_type=Timestamp)
    created_by: str
    created_at: datetime = Field(default_factory=now, sa_type=Timestamp)
    ended_at: datetime | None = Field(default=None, sa_type=Timestamp)


class Evaluation(SQLModel, table=True):
    """One decision with everything that it takes to make it again, bit for bit.

    ``input`` are the bytes that the engine was given, secrets masked before; ``results`` is what each entry point
    answered; ``now_ns`` and ``seed`` are what the policies could read beside their input. ``about`` is the name of what
    was decided about, which outlives a refused row. ``results_digest`` is the SHA-256 of ``results`` as canonical JSON.
    ``grounds`` is what the verdict was made of beside the results: the bindings asked with level and mode, what held
    the subject, the waivers and overrides that held; empty in rows from before it was kept.
    """

    __tablename__ = "policy_evaluations"
    __table_args__ = (
        UniqueConstraint("tenant_id", "id"),
        Index("ix_policy_evaluations_tenant_id_created_at", "tenant_id", "created_at"),
        Index("ix_policy_evaluations_tenant_id_about", "tenant_id", "about"),
    )

    id: UUID = Field(default_factory=uuid4, primary_key=True)
    tenant_id: UUID = Field(foreign_key="tenants.id")
    point: GatePoint | None = Field(default=None, sa_type=one_of(GatePoint))
    about: str
    subject: dict[str, Any] = Field(default_factory=dict, sa_type=Json)
    actor: str
    allowed: bool
    level: Level = Field(sa_type=one_of(Level))
    violations: list[dict[str, Any]] = Field(default_factory=list, sa_type=Json)
    waived: list[dict[str, Any]] = Field(default_factory=list, sa_type=Json)
    overridden: list[dict[str, Any]] = Field(default_factory=list, sa_type=Json)
    shadow: list[dict[str, Any]] = Field(default_factory=list, sa_type=Json)
    bundles: list[dict[str, Any]] = Field(default_factory=list, sa_type=Json)
    results: list[dict[str, Any]] = Field(default_factory=list, sa_type=Json)
    results_digest: str = Field(max_length=64)
    input: bytes = Field(sa_column=Column(LargeBinary, nullable=False))
    input_digest: str = Field(max_length=64)
    engine: str = Field(max_length=32)
    engine_version: str = Field(default="", max_length=200)
    grounds: dict[str, Any] = Field(default_factory=dict, sa_type=Json)
    now_ns: int = Field(sa_type=Counter)
    seed: str = Field(max_length=64)
    microseconds: int = 0
    created_at: datetime = Field(default_factory=now, sa_type=Timestamp)


class Override(SQLModel, table=True):
    """A person's decision to let one subject through, although the named rules are not kept, until ``expires_at``.

    It counts at the gate ``point`` alone, and for just what was judged there: ``covers`` names its digests, commit and
    inputs. One from before that was written down covers nothing.
    """

    __tablename__ = "policy_overrides"
    __table_args__ = (
        ForeignKeyConstraint(
            ["tenant_id", "evaluation_id"],
            ["policy_evaluations.tenant_id", "policy_evaluations.id"],
            ondelete="CASCADE",
        ),
        ForeignKeyConstraint(["tenant_id", "member_id"], ["members.tenant_id", "members.id"]),
        Index("ix_policy_overrides_tenant_id_about", "tenant_id", "about"),
    )

    id: UUID = Field(default_factory=uuid4, primary_key=True)
    tenant_id: UUID = Field(foreign_key="tenants.id")
    evaluation_id: UUID
    point: GatePoint | None = Field(default=None, sa_type=one_of(GatePoint))
    about: str
    covers: dict[str, Any] = Field(default_factory=dict, sa_type=Json)
    rules: list[dict[str, str]] = Field(default_factory=list, sa_type=Json)
    member_id: UUID | None = None
    person: str
    reason: str
    expires_at: datetime = Field(sa_type=Timestamp)
    created_at: datetime = Field(default_factory=now, sa_type=Timestamp)


class Impact(SQLModel, table=True):
    """What one version of a bundle would have stopped, had it been in force at ``level``.

    ``cases`` are the subjects with what was found, those that would have been stopped first.
    """

    __tablename__ = "policy_impacts"
    __table_args__ = (Index("ix_policy_impacts_tenant_id_created_at", "tenant_id", "created_at"),)

    id: UUID = Field(default_factory=uuid4, primary_key=True)
    tenant_id: UUID = Field(foreign_key="tenants.id")
    asset: str = Field(max_length=127)
    version: str = Field(max_length=64)
    digest: str = Field(max_length=80)
    level: Level = Field(sa_type=one_of(Level))
    points: list[str] = Field(default_factory=list, sa_type=Json)
    scope: dict[str, Any] = Field(default_factory=dict, sa_type=Json)
    most: int
    operation_id: UUID = Field(foreign_key="operations.id")
    looked_at: int = 0
    blocked: int = 0
    warned: int = 0
    total: int = 0
    cases: list[dict[str, Any]] = Field(default_factory=list, sa_type=Json)
    created_by: str
    created_at: datetime = Field(default_factory=now, sa_type=Timestamp)
    finished_at: datetime | None = Field(default=None, sa_type=Timestamp)


class Trial(SQLModel, table=True):
    """A policy that somebody writes, tried on an input; ``outcome`` is what OPA said of it, None until it is known."""

    __tablename__ = "policy_trials"
    __table_args__ = (Index("ix_policy_trials_tenant_id_created_at", "tenant_id", "created_at"),)

    id: UUID = Field(default_factory=uuid4, primary_key=True)
    tenant_id: UUID = Field(foreign_key="tenants.id")
    source: str
    query: str = Field(max_length=200)
    input: bytes = Field(sa_column=Column(LargeBinary, nullable=False))
    operation_id: UUID = Field(foreign_key="operations.id")
    outcome: dict[str, Any] | None = Field(default=None, sa_type=Json, nullable=True)
    created_by: str
    created_at: datetime = Field(default_factory=now, sa_type=Timestamp)
    finished_at: datetime | None = Field(default=None, sa_type=Timestamp)


class ReceivedDecision(SQLModel, table=True):
    """One line of a decision log that an OPA agent sent, as it came but for what is masked."""

    __tablename__ = "policy_decisions"
    __table_args__ = (
        UniqueConstraint("tenant_id", "decision_id"),
        Index("ix_policy_decisions_tenant_id_decided_at", "tenant_id", "decided_at"),
    )

    id: UUID = Field(default_factory=uuid4, primary_key=True)
    tenant_id: UUID = Field(foreign_key="tenants.id")
    decision_id: str = Field(max_length=200)
    path: str = ""
    labels: dict[str, Any] = Field(default_factory=dict, sa_type=Json)
    bundles: dict[str, Any] = Field(default_factory=dict, sa_type=Json)
    result: Any = Field(default=None, sa_type=Json, nullable=True)
    event: dict[str, Any] = Field(default_factory=dict, sa_type=Json)
    decided_at: datetime = Field(sa_type=Timestamp)
    received_at: datetime = Field(default_factory=now, sa_type=Timestamp)

"""Installs, their plans and their revisions, as rows."""

from datetime import datetime
from enum import StrEnum
from typing import Any
from uuid import UUID, uuid4

from sqlalchemy import ForeignKeyConstraint, Index, UniqueConstraint, text
from sqlmodel import Field, SQLModel

from catalog.clock import now
from catalog.columns import Json, Timestamp, one_of


class InstallState(StrEnum):
    """Where an install stands.

    ``waiting`` is for somebody outside, such as whoever merges its pull request; ``held`` for people who have to
    approve its first revision.
    """

    PENDING = "pending"
    APPLYING = "applying"
    WAITING = "waiting"
    APPLIED = "applied"
    FAILED = "failed"
    DECLINED = "declined"
    REMOVED = "removed"
    HELD = "held"


class Action(StrEnum):
    """What a plan does; every one but ``install`` is about an install that is there."""

    INSTALL = "install"
    UPGRADE = "upgrade"
    ROLLBACK = "rollback"
    UNINSTALL = "uninstall"


class PlanState(StrEnum):
    """Where a plan stands; ``moved`` means that the world was another one when it was to be applied."""

    PLANNING = "planning"
    READY = "ready"
    FAILED = "failed"
    APPLYING = "applying"
    APPLIED = "applied"
    MOVED = "moved"


class OutcomeState(StrEnum):
    """How an attempt to bring a revision about ended, or what it waits for."""

    WAITING = "waiting"
    APPLIED = "applied"
    FAILED = "failed"
    DECLINED = "declined"
    SUPERSEDED = "superseded"


class Install(SQLModel, table=True):
    """One asset that a tenant has taken into use at one place.

    ``desired_revision`` is the number of the revision that is wanted, ``applied_revision`` of the one that is there.
    ``becomes`` says what it is made of (``pull-request``, ``policy-binding``, ...), ``place`` where, as one text.
    """

    __tablename__ = "installs"
    __table_args__ = (
        UniqueConstraint("tenant_id", "id"),
        Index("ix_installs_name", "tenant_id", "name", unique=True, postgresql_where=text("state <> 'removed'")),
        Index(
            "ix_installs_place",
            "tenant_id",
            "asset",
            "place",
            unique=True,
            postgresql_where=text("state <> 'removed'"),
        ),
        Index("ix_installs_tenant_id_created_at", "tenant_id", "created_at"),
        Index("ix_installs_waiting", "changed_at", postgresql_where=text("state = 'waiting'")),
    )

    id: UUID = Field(default_factory=uuid4, primary_key=True)
    tenant_id: UUID = Field(foreign_key="tenants.id")
    name: str = Field(max_length=100)
    asset: str = Field(max_length=127)
    kind: str = Field(max_length=63)
    becomes: str = Field(max_length=32)
    place: str = Field(max_length=1200)
    target: dict[str, Any] = Field(default_factory=dict, sa_type=Json)
    owner: str = Field(default="", max_length=200)
    labels: dict[str, str] = Field(default_factory=dict, sa_type=Json)
    state: InstallState = Field(default=InstallState.PENDING, sa_type=one_of(InstallState))
    desired_revision: int | None = None
    applied_revision: int | None = None
    plan_id: UUID | None = None
    operation_id: UUID | None = Field(default=None, foreign_key="operations.id")
    failure: dict[str, Any] | None = Field(default=None, sa_type=Json)
    created_by: str
    created_at: datetime = Field(default_factory=now, sa_type=Timestamp)
    changed_at: datetime = Field(default_factory=now, sa_type=Timestamp)
    removed_at: datetime | None = Field(default=None, sa_type=Timestamp)


class InstallPlan(SQLModel, table=True):
    """What would happen, worked out before it does.

    ``asked`` is what was asked for, pinned, with secrets as references. ``document`` is what ``digest`` stands for;
    ``evidence`` is worth knowing, and may change without the plan being another one. ``files_blob`` names the files
    that would be written; ``auto`` says that it is applied by itself where nothing stands against it. ``member_id`` is
    who asked, where that is a person. ``wanted`` (actor, name, member, at) is who wants it applied as soon as those who
    have to approve have done so.
    """

    __tablename__ = "install_plans"
    __table_args__ = (
        UniqueConstraint("tenant_id", "id"),
        ForeignKeyConstraint(["tenant_id", "install_id"], ["installs.tenant_id", "installs.id"], ondelete="CASCADE"),
        Index("ix_install_plans_tenant_id_created_at", "tenant_id", "created_at"),
        Index("ix_install_plans_tenant_id_install_id", "tenant_id", "install_id"),
        Index("ix_install_plans_tenant_id_digest", "tenant_id", "digest"),
    )

    id: UUID = Field(default_factory=uuid4, primary_key=True)
    tenant_id: UUID = Field(foreign_key="tenants.id")
    install_id: UUID | None = None
    action: Action = Field(sa_type=one_of(Action))
    state: PlanState = Field(default=PlanState.PLANNING, sa_type=one_of(PlanState))
    asked: dict[str, Any] = Field(default_factory=dict, sa_type=Json)
    base_revision: int | None = None
    document: dict[str, Any] = Field(default_factory=dict, sa_type=Json)
    digest: str | None = Field(default=None, max_length=80)
    evidence: dict[str, Any] = Field(default_factory=dict, sa_type=Json)
    files_blob: str | None = Field(default=None, max_length=64)
    auto: bool = False
    operation_id: UUID = Field(foreign_key="operations.id")
    problem: dict[str, Any] | None = Field(default=None, sa_type=Json)
    follows: UUID | None = None
    actor: str
    member_id: UUID | None = None
    wanted: dict[str, Any] | None = Field(default=None, sa_type=Json)
    created_by: str
    created_at: datetime = Field(default_factory=now, sa_type=Timestamp)
    finished_at: datetime | None = Field(default=None, sa_type=Timestamp)


class InstallRevision(SQLModel, table=True):
    """One revision of an install; the application may add such rows and never change or remove them.

    ``content`` is what was asked to be there: asset, version, digest, lock, inputs, target and the digests of every
    file. ``content_digest`` covers it and the digest of the revision before, so that the chain can be checked.
    """

    __tablename__ = "install_revisions"
    __table_args__ = (
        UniqueConstraint("tenant_id", "id"),
        UniqueConstraint("tenant_id", "install_id", "number"),
        UniqueConstraint("tenant_id", "plan_id"),
        ForeignKeyConstraint(["tenant_id", "install_id"], ["installs.tenant_id", "installs.id"]),
        ForeignKeyConstraint(["tenant_id", "plan_id"], ["install_plans.tenant_id", "install_plans.id"]),
    )

    id: UUID = Field(default_factory=uuid4, primary_key=True)
    tenant_id: UUID = Field(foreign_key="tenants.id")
    install_id: UUID
    number: int
    action: Action = Field(sa_type=one_of(Action))
    content: dict[str, Any] = Field(default_factory=dict, sa_type=Json)
    content_digest: str = Field(max_length=80)
    parent_digest: str | None = Field(default=None, max_length=80)
    files_blob: str | None = Field(default=None, max_length=64)
    plan_id: UUID
    plan_digest: str = Field(max_length=80)
    operation_id: UUID = Field(foreign_key="operations.id")
    verification: dict[str, Any] = Field(default_factory=dict, sa_type=Json)
    verdicts: list[dict[str, Any]] = Field(default_factory=list, sa_type=Json)
    approvals: list[dict[str, Any]] = Field(default_factory=list, sa_type=Json)
    created_by: str
    created_at: datetime = Field(default_factory=now, sa_type=Timestamp)


class InstallOutcome(SQLModel, table=True):
    """What became of a revision, as one more line of its story; lines are added and never changed."""

    __tablename__ = "install_outcomes"
    __table_args__ = (
        ForeignKeyConstraint(["tenant_id", "revision_id"], ["install_revisions.tenant_id", "install_revisions.id"]),
        Index("ix_install_outcomes_revision_id_at", "revision_id", "at"),
    )

    id: UUID = Field(default_factory=uuid4, primary_key=True)
    tenant_id: UUID = Field(foreign_key="tenants.id")
    revision_id: UUID
    state: OutcomeState = Field(sa_type=one_of(OutcomeState))
    outputs: dict[str, Any] = Field(default_factory=dict, sa_type=Json)
    outputs_digest: str = Field(max_length=80)
    problem: dict[str, Any] | None = Field(default=None, sa_type=Json)
    at: datetime = Field(default_factory=now, sa_type=Timestamp)


class InstallSecret(SQLModel, table=True):
    """One secret input, sealed; revisions hold its id and never its value."""

    __tablename__ = "install_secrets"
    __table_args__ = (Index("ix_install_secrets_tenant_id", "tenant_id"),)

    id: UUID = Field(default_factory=uuid4, primary_key=True)
    tenant_id: UUID = Field(foreign_key="tenants.id")
    sealed: str
    created_at: datetime = Field(default_factory=now, sa_type=Timestamp)


class InstallApprovalRule(SQLModel, table=True):
    """Which plans take an approval, and whose: empty conditions leave nothing out.

    ``actions`` and ``kinds`` name some, ``asset`` is a pattern with ``*``, ``labels`` have to be the install's,
    ``policy_rule`` (a pattern) has to be among what policies remark. ``need`` is a ``Need`` of ``catalog.approvals``.
    """

    __tablename__ = "install_approval_rules"
    __table_args__ = (UniqueConstraint("tenant_id", "id"), UniqueConstraint("tenant_id", "name"))

    id: UUID = Field(default_factory=uuid4, primary_key=True)
    tenant_id: UUID = Field(foreign_key="tenants.id")
    name: str = Field(max_length=63)
    actions: list[str] = Field(default_factory=list, sa_type=Json)
    kinds: list[str] = Field(default_factory=list, sa_type=Json)
    asset: str = Field(default="", max_length=200)
    labels: dict[str, str] = Field(default_factory=dict, sa_type=Json)
    policy_rule: str = Field(default="", max_length=200)
    need: dict[str, Any] = Field(sa_type=Json)
    expires_in_hours: int = 72
    created_by: str
    created_at: datetime = Field(default_factory=now, sa_type=Timestamp)

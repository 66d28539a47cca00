"""Campaigns, their waves and the installs in them, as rows."""

from datetime import datetime
from enum import StrEnum
from typing import Any
from uuid import UUID, uuid4

from sqlalchemy import ForeignKeyConstraint, Index, UniqueConstraint, text
from sqlmodel import Field, SQLModel

from catalog.clock import now
from catalog.columns import Json, Timestamp, one_of


class CampaignState(StrEnum):
    """Where a campaign stands; the last two are final."""

    PLANNING = "planning"
    PLANNED = "planned"
    RUNNING = "running"
    SOAKING = "soaking"
    PAUSED = "paused"
    STOPPED = "stopped"
    ROLLING_BACK = "rolling_back"
    DONE = "done"
    ABORTED = "aborted"


class WaveState(StrEnum):
    """Where a wave stands."""

    PENDING = "pending"
    RUNNING = "running"
    SOAKING = "soaking"
    PASSED = "passed"
    STOPPED = "stopped"
    ROLLED_BACK = "rolled_back"


class MemberState(StrEnum):
    """Where an install stands in a campaign.

    ``held`` waits for a person of the tenant (an override, an approval, a decision about a conflict), ``waiting`` for
    somebody outside (whoever merges). ``skipped`` was left alone, ``left`` waited too long, ``kept`` stayed.
    """

    PLANNING = "planning"
    EXCLUDED = "excluded"
    PLANNED = "planned"
    RUNNING = "running"
    HELD = "held"
    WAITING = "waiting"
    UPGRADED = "upgraded"
    FAILED = "failed"
    SKIPPED = "skipped"
    LEFT = "left"
    ROLLING_BACK = "rolling_back"
    ROLLED_BACK = "rolled_back"
    KEPT = "kept"


class Campaign(SQLModel, table=True):
    """An upgrade of many installs.

    ``asked`` is the whole request; ``version`` what it came to mean. It acts with ``scopes`` alone as ``actor`` (called
    ``acts_as``, and ``member_id`` where that is a person): whoever created, started, resumed or retried it last.
    ``resume_to`` is what a pause interrupted; ``back_all`` and ``end_aborted`` say what a rollback covers and ends as.
    """

    __tablename__ = "campaigns"
    __table_args__ = (
        UniqueConstraint("tenant_id", "id"),
        Index("ix_campaigns_tenant_id_created_at", "tenant_id", "created_at"),
        Index(
            "ix_campaigns_due",
            "next_at",
            postgresql_where=text("state IN ('planning', 'running', 'soaking', 'paused', 'stopped', 'rolling_back')"),
        ),
    )

    id: UUID = Field(default_factory=uuid4, primary_key=True)
    tenant_id: UUID = Field(foreign_key="tenants.id")
    name: str = Field(max_length=100)
    asset: str = Field(max_length=127)
    version: str = Field(max_length=127)
    asked: dict[str, Any] = Field(default_factory=dict, sa_type=Json)
    state: CampaignState = Field(default=CampaignState.PLANNING, sa_type=one_of(CampaignState))
    wave: int = 0
    reason: str = ""
    resume_to: CampaignState | None = Field(default=None, sa_type=one_of(CampaignState))
    back_all: bool = False
    end_aborted: bool = False
    scopes: list[str] = Field(default_factory=list, sa_type=Json)
    actor: str
    acts_as: str
    member_id: UUID | None = None
    created_by: str
    next_at: datetime = Field(default_factory=now, sa_type=Timestamp)
    created_at: datetime = Field(default_factory=now, sa_type=Timestamp)
    started_at: datetime | None = Field(default=None, sa_type=Timestamp)
    changed_at: datetime = Field(default_factory=now, sa_type=Timestamp)
    finished_at: datetime | None = Field(default=None, sa_type=Timestamp)


class CampaignWave(SQLModel, table=True):
    """One wave: at most ``at_once`` of its ``size`` installs are under way at the same time."""

    __tablename__ = "campaign_waves"
    __table_args__ = (
        UniqueConstraint("tenant_id", "id"),
        UniqueConstraint("tenant_id", "campaign_id", "number"),
        ForeignKeyConstraint(["tenant_id", "campaign_id"], ["campaigns.tenant_id", "campaigns.id"], ondelete="CASCADE"),
    )

    id: UUID = Field(default_factory=uuid4, primary_key=True)
    tenant_id: UUID = Field(foreign_key="tenants.id")
    campaign_id: UUID
    number: int
    size: int
    at_once: int
    state: WaveState = Field(default=WaveState.PENDING, sa_type=one_of(WaveState))
    analysis_id: UUID | None = None
    message: str = ""
    started_at: datetime | None = Field(default=None, sa_type=Timestamp)
    soak_until: datetime | None = Field(default=None, sa_type=Timestamp)
    finished_at: datetime | None = Field(default=None, sa_type=Timestamp)


class CampaignMember(SQLModel, table=True):
    """One install in a campaign: ``base_revision`` is what was there when it was planned, ``revision`` what came of it.

    ``problem`` says why it is left out, waits or failed, ``waits_since`` when it began to wait for somebody or for
    another change. An install is under way in one campaign at a time.
    """

    __tablename__ = "campaign_members"
    __table_args__ = (
        UniqueConstraint("tenant_id", "campaign_id", "install_id"),
        ForeignKeyConstraint(["tenant_id", "campaign_id"], ["campaigns.tenant_id", "campaigns.id"], ondelete="CASCADE"),
        ForeignKeyConstraint(["tenant_id", "install_id"], ["installs.tenant_id", "installs.id"], ondelete="CASCADE"),
        Index(
            "uq_campaign_members_under_way",
            "tenant_id",
            "install_id",
            unique=True,
            postgresql_where=text("state IN ('running', 'held', 'waiting', 'rolling_back')"),
        ),
    )

    id: UUID = Field(default_factory=uuid4, primary_key=True)
    tenant_id: UUID = Field(foreign_key="tenants.id")
    campaign_id: UUID
    install_id: UUID
    name: str = Field(max_length=100)
    wave: int | None = None
    from_version: str = ""
    state: MemberState = Field(default=MemberState.PLANNING, sa_type=one_of(MemberState))
    base_revision: int | None = None
    revision: int | None = None
    plan_id: UUID | None = None
    attempt: int = 0
    problem: dict[str, Any] | None = Field(default=None, sa_type=Json)
    waits_since: datetime | None = Field(default=None, sa_type=Timestamp)
    began_at: datetime | None = Field(default=None, sa_type=Timestamp)
    changed_at: datetime = Field(default_factory=now, sa_type=Timestamp)

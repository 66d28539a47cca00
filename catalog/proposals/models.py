"""Proposals, the blocks that stand behind them, runs of agents, and how far each agent may go, as rows."""

from datetime import datetime
from enum import StrEnum
from typing import Any
from uuid import UUID, uuid4

from sqlalchemy import Column, ForeignKeyConstraint, Index, String, UniqueConstraint, text
from sqlalchemy.dialects.postgresql import ARRAY
from sqlmodel import Field, SQLModel

from catalog.clock import now
from catalog.columns import Json, Timestamp, one_of

EVERY_AGENT = ""
"""The name under which what holds for all agents of a tenant is kept."""


class Autonomy(StrEnum):
    """How far an agent may go: each level includes those before it."""

    OFF = "off"
    OBSERVE = "observe"
    PROPOSE = "propose"
    ACT_WITH_APPROVAL = "act-with-approval"
    ACT = "act"

    @property
    def rank(self) -> int:
        """Return how far it goes, from 0."""
        return list(Autonomy).index(self)


class ProposalState(StrEnum):
    """Where a proposal is in its life; see ``rules.MOVES``."""

    PROPOSED = "proposed"
    APPROVED = "approved"
    APPLIED = "applied"
    REJECTED = "rejected"
    SUPERSEDED = "superseded"
    EXPIRED = "expired"
    WITHDRAWN = "withdrawn"


class RunState(StrEnum):
    """How a run of an agent went; ``stopped`` is one that the kill switch ended."""

    RUNNING = "running"
    DONE = "done"
    STOPPED = "stopped"
    FAILED = "failed"


class KnownAgent(SQLModel, table=True):
    """An agent that this installation has, as its worker declared it; every tenant has its own limits for it."""

    __tablename__ = "agents"

    name: str = Field(primary_key=True, max_length=63)
    title: str = Field(max_length=100)
    summary: str
    usual: Autonomy = Field(sa_type=one_of(Autonomy))
    watches: list[str] = Field(sa_column=Column(ARRAY(String), nullable=False))
    actions: list[str] = Field(sa_column=Column(ARRAY(String), nullable=False))
    declared_at: datetime = Field(default_factory=now, sa_type=Timestamp)


class AgentLimit(SQLModel, table=True):
    """How far one agent of a tenant may go, or all of them where ``agent`` is empty.

    ``autonomy`` is None where nobody chose: then an agent's usual level counts, and all agents have no common bound.
    """

    __tablename__ = "agent_limits"
    __table_args__ = (UniqueConstraint("tenant_id", "agent"),)

    id: UUID = Field(default_factory=uuid4, primary_key=True)
    tenant_id: UUID = Field(foreign_key="tenants.id")
    agent: str = Field(max_length=63)
    autonomy: Autonomy | None = Field(default=None, sa_type=one_of(Autonomy))
    is_stopped: bool = False
    reason: str = ""
    changed_by: str
    changed_at: datetime = Field(default_factory=now, sa_type=Timestamp)


class AgentRun(SQLModel, table=True):
    """One run of an agent: what started it, what it saw, what it did, and how it ended.

    ``saw`` and ``did`` hold at most ``rules.MOST_NOTES`` entries; the counters are exact. ``place`` is the last subject
    that was looked at, from where an interrupted run goes on.
    """

    __tablename__ = "agent_runs"
    __table_args__ = (
        UniqueConstraint("tenant_id", "id"),
        UniqueConstraint("tenant_id", "agent", "event_id"),
        Index("ix_agent_runs_tenant_id_agent_started_at", "tenant_id", "agent", "started_at"),
    )

    id: UUID = Field(default_factory=uuid4, primary_key=True)
    tenant_id: UUID = Field(foreign_key="tenants.id")
    agent: str = Field(max_length=63)
    event_id: UUID
    event: str = Field(max_length=200)
    about: str = Field(max_length=300)
    autonomy: Autonomy = Field(sa_type=one_of(Autonomy))
    state: RunState = Field(default=RunState.RUNNING, sa_type=one_of(RunState))
    looked: int = 0
    found: int = 0
    saw: list[dict[str, Any]] = Field(default_factory=list, sa_type=Json)
    did: list[dict[str, Any]] = Field(default_factory=list, sa_type=Json)
    place: str = Field(default="", max_length=300)
    attempts: int = 1
    error: str = ""
    started_at: datetime = Field(default_factory=now, sa_type=Timestamp)
    finished_at: datetime | None = Field(default=None, sa_type=Timestamp)


class Proposal(SQLModel, table=True):
    """What an agent found about ``subject`` (``releases/<id>``) and suggests; the same finding makes one proposal.

    ``evidence`` links to the facts that were seen, ``action`` is what the agent itself would do (empty where it can do
    nothing), ``steps`` what people can do. ``outcome`` is what was done, ``problem`` why it could not be, ``reason``
    why the proposal ended. ``resolved_at`` is when the finding no longer held.
    """

    __tablename__ = "proposals"
    __table_args__ = (
        UniqueConstraint("tenant_id", "id"),
        ForeignKeyConstraint(["tenant_id", "run_id"], ["agent_runs.tenant_id", "agent_runs.id"]),
        ForeignKeyConstraint(["tenant_id", "successor_id"], ["proposals.tenant_id", "proposals.id"]),
        Index(
            "uq_proposals_open",
            "tenant_id",
            "agent",
            "subject",
            unique=True,
            postgresql_where=text("state IN ('proposed', 'approved', 'applied')"),
        ),
        Index("ix_proposals_tenant_id_created_at", "tenant_id", "created_at"),
        Index("ix_proposals_tenant_id_subject", "tenant_id", "subject"),
        Index("ix_proposals_run_id", "run_id"),
    )

    id: UUID = Field(default_factory=uuid4, primary_key=True)
    tenant_id: UUID = Field(foreign_key="tenants.id")
    agent: str = Field(max_length=63)
    kind: str = Field(max_length=63)
    subject: str = Field(max_length=300)
    label: str = Field(max_length=300)
    title: str = Field(max_length=300)
    summary: str
    evidence: list[dict[str, Any]] = Field(default_factory=list, sa_type=Json)
    action: dict[str, Any] = Field(default_factory=dict, sa_type=Json)
    steps: list[dict[str, Any]] = Field(default_factory=list, sa_type=Json)
    fingerprint: str = Field(max_length=64)
    state: ProposalState = Field(default=ProposalState.PROPOSED, sa_type=one_of(ProposalState))
    autonomy: Autonomy = Field(sa_type=one_of(Autonomy))
    run_id: UUID | None = None
    successor_id: UUID | None = None
    decided_by: str = ""
    decided_at: datetime | None = Field(default=None, sa_type=Timestamp)
    comment: str = ""
    reason: str = ""
    outcome: str = ""
    problem: str = ""
    applied_at: datetime | None = Field(default=None, sa_type=Timestamp)
    ended_at: datetime | None = Field(default=None, sa_type=Timestamp)
    resolved_at: datetime | None = Field(default=None, sa_type=Timestamp)
    expires_at: datetime = Field(sa_type=Timestamp)
    created_at: datetime = Field(default_factory=now, sa_type=Timestamp)


class Block(SQLModel, table=True):
    """Something that gates do not let through while it stands, because a proposal was applied that asks for it.

    ``holds`` are the keys by which gates find it: a subject such as ``environments/<id>``, or an artifact in a role
    such as ``release:sha256:...``. ``missing`` says for each key what is missing and what would help.
    """

    __tablename__ = "proposal_blocks"
    __table_args__ = (
        ForeignKeyConstraint(["tenant_id", "proposal_id"], ["proposals.tenant_id", "proposals.id"]),
        Index("ix_proposal_blocks_holds", "holds", postgresql_using="gin"),
        Index("ix_proposal_blocks_proposal_id", "proposal_id"),
        Index("ix_proposal_blocks_tenant_id", "tenant_id"),
    )

    id: UUID = Field(default_factory=uuid4, primary_key=True)
    tenant_id: UUID = Field(foreign_key="tenants.id")
    proposal_id: UUID
    agent: str = Field(max_length=63)
    subject: str = Field(max_length=300)
    label: str = Field(max_length=300)
    holds: list[str] = Field(sa_type=Json)
    missing: list[dict[str, Any]] = Field(sa_type=Json)
    created_at: datetime = Field(default_factory=now, sa_type=Timestamp)
    lifted_at: datetime | None = Field(default=None, sa_type=Timestamp)
    lifted_by: str = ""
    reason: str = ""

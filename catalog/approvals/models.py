"""Approvals, decisions and delegations, and the shapes in which they are asked for and read."""

from datetime import datetime
from enum import StrEnum
from typing import Annotated, Any, Literal
from uuid import UUID, uuid4

from pydantic import BaseModel, ConfigDict, StringConstraints
from pydantic import Field as Shape
from sqlalchemy import ForeignKeyConstraint, Index, UniqueConstraint
from sqlmodel import Field, SQLModel

from catalog.clock import now
from catalog.columns import Json, Timestamp, one_of
from catalog.tenancy import Role

EXTERNAL = "external"
"""The kind of whatever another system than Slipway waits with, such as a step of a pipeline."""

_NO_CONTROLS = r"^[^\x00-\x08\x0b\x0c\x0e-\x1f\x7f]*$"
Kind = Annotated[str, StringConstraints(pattern=r"^[a-z][a-z0-9-]{0,62}$")]
Digest = Annotated[str, StringConstraints(pattern=r"^[0-9a-f]{64}$")]
Line = Annotated[str, StringConstraints(min_length=1, max_length=200, pattern=r"^[^\x00-\x1f\x7f]+$")]
Prose = Annotated[str, StringConstraints(max_length=4000, pattern=_NO_CONTROLS)]
Link = Annotated[
    str, StringConstraints(max_length=1000, pattern=r"^$|^/$|^/[^/\\\x00-\x20][^\\\x00-\x20]*$|^https://[^\x00-\x20]+$")
]


class ApprovalMode(StrEnum):
    """How many of those who may approve have to."""

    ANY = "any"
    ALL = "all"
    QUORUM = "quorum"


class ApprovalState(StrEnum):
    """Where a gate stands; only ``pending`` and ``granted`` can still change."""

    PENDING = "pending"
    GRANTED = "granted"
    DENIED = "denied"
    EXPIRED = "expired"
    VOIDED = "voided"


class Approval(SQLModel, table=True):
    """One gate: ``subject`` names what waits (unique within ``kind``), ``plan_digest`` what would be done (SHA-256).

    ``approvers`` are the members who could approve when it was asked for, ``requesters`` those who never may.
    """

    __tablename__ = "approvals"
    __table_args__ = (
        UniqueConstraint("tenant_id", "id"),
        Index("ix_approvals_tenant_id_requested_at", "tenant_id", "requested_at"),
        Index("ix_approvals_tenant_id_kind_subject", "tenant_id", "kind", "subject"),
        Index("ix_approvals_state_expires_at", "state", "expires_at"),
    )

    id: UUID = Field(default_factory=uuid4, primary_key=True)
    tenant_id: UUID = Field(foreign_key="tenants.id")
    kind: str = Field(max_length=63)
    subject: str = Field(max_length=200)
    title: str
    link: str = ""
    summary: str = ""
    plan_digest: str = Field(max_length=64)
    need: dict[str, Any] = Field(sa_type=Json)
    approvers: list[str] = Field(sa_type=Json)
    requesters: list[str] = Field(sa_type=Json)
    requested_by: str
    requested_actor: str
    requested_at: datetime = Field(default_factory=now, sa_type=Timestamp)
    expires_at: datetime = Field(sa_type=Timestamp)
    state: ApprovalState = Field(default=ApprovalState.PENDING, sa_type=one_of(ApprovalState))
    closed_at: datetime | None = Field(default=None, sa_type=Timestamp)
    reason: str = ""


class Decision(SQLModel, table=True):
    """What one person said; ``stands_for`` are those whose word it counts for, the person's own among them or not."""

    __tablename__ = "approval_decisions"
    __table_args__ = (
        UniqueConstraint("tenant_id", "approval_id", "member_id"),
        ForeignKeyConstraint(["tenant_id", "approval_id"], ["approvals.tenant_id", "approvals.id"], ondelete="CASCADE"),
        ForeignKeyConstraint(["tenant_id", "member_id"], ["members.tenant_id", "members.id"]),
    )

    id: UUID = Field(default_factory=uuid4, primary_key=True)
    tenant_id: UUID = Field(foreign_key="tenants.id")
    approval_id: UUID
    member_id: UUID
    name: str
    stands_for: list[str] = Field(sa_type=Json)
    approves: bool
    comment: str = ""
    decided_at: datetime = Field(default_factory=now, sa_type=Timestamp)


class Delegation(SQLModel, table=True):
    """A person who decides in another's place until ``until``, unless it was taken back before."""

    __tablename__ = "approval_delegations"
    __table_args__ = (
        ForeignKeyConstraint(["tenant_id", "giver_id"], ["members.tenant_id", "members.id"]),
        ForeignKeyConstraint(["tenant_id", "taker_id"], ["members.tenant_id", "members.id"]),
        Index("ix_approval_delegations_tenant_id_taker_id", "tenant_id", "taker_id"),
    )

    id: UUID = Field(default_factory=uuid4, primary_key=True)
    tenant_id: UUID = Field(foreign_key="tenants.id")
    giver_id: UUID
    taker_id: UUID
    reason: str = ""
    created_at: datetime = Field(default_factory=now, sa_type=Timestamp)
    until: datetime = Field(sa_type=Timestamp)
    ended_at: datetime | None = Field(default=None, sa_type=Timestamp)


class Need(BaseModel):
    """Whose word is needed: ``mode`` of those that ``chosen_by`` names.

    By ``role``: who holds ``role`` (an administrator holds every role). By ``members``: those, as long as they may
    approve at all. By ``policy``: whom the asking area's policy names. ``quorum`` counts where the mode is quorum.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    mode: ApprovalMode = ApprovalMode.ANY
    quorum: int = Shape(default=1, ge=1, le=50)
    chosen_by: Literal["role", "members", "policy"] = "role"
    role: Literal[Role.APPROVER, Role.ADMIN] = Role.APPROVER
    members: tuple[UUID, ...] = Shape(default=(), max_length=200)


class Ask(BaseModel):
    """What an area asks a decision about.

    ``kind`` and ``subject`` name what waits, such as ``install-plan`` and ``installs/<id>``; ``plan_digest`` is the
    SHA-256, in hexadecimal, of exactly what would be done. ``link`` is a path of the portal or an https address.
    ``not_by`` are members who had a hand in it, besides the requester, and may not approve either.
    """

    model_config = ConfigDict(extra="forbid", frozen=True, str_strip_whitespace=True)

    kind: Kind
    subject: Line
    title: Line
    plan_digest: Digest
    link: Link = ""
    summary: Prose = ""
    need: Need = Need()
    expires_in_hours: int = Shape(default=72, ge=1, le=720)
    not_by: tuple[UUID, ...] = ()


class AskOutside(BaseModel):
    """What another system asks over the API; ``subject`` is its own name for what waits."""

    model_config = ConfigDict(extra="forbid", str_strip_whitespace=True)

    subject: Line = Shape(examples=["pipelines/118/deploy"])
    title: Line = Shape(examples=["Deploy web 1.4.0 to production"])
    plan_digest: Digest = Shape(examples=["9f" * 32])
    link: Link = Shape(default="", examples=["https://ci.example.com/runs/118"])
    summary: Prose = ""
    mode: ApprovalMode = ApprovalMode.ANY
    quorum: int = Shape(default=1, ge=1, le=50)
    expires_in_hours: int = Shape(default=72, ge=1, le=720)

    def ask(self) -> Ask:
        """Return it as an area would ask; what is outside never opens a gate of Slipway's own."""
        values = self.model_dump(exclude={"mode", "quorum"})
        return Ask(kind=EXTERNAL, need=Need(mode=self.mode, quorum=self.quorum), **values)


class Decide(BaseModel):
    """A decision: ``plan_digest``, where given, has to be the one that waits, so that nobody approves unseen."""

    model_config = ConfigDict(extra="forbid", str_strip_whitespace=True)

    comment: Prose = Shape(default="", examples=["Read the plan; the database is kept."])
    plan_digest: Digest | None = None


class Delegate(BaseModel):
    """Whom a member lets decide in its place (by e-mail address or id), until when, and why."""

    model_config = ConfigDict(extra="forbid", str_strip_whitespace=True)

    to: Line = Shape(examples=["bob@example.com"])
    until: datetime
    reason: Prose = ""


class PersonRead(BaseModel):
    """A member, as far as an approval shows it; ``counts`` tells whether its word counts at the moment."""

    model_config = ConfigDict(frozen=True)

    id: UUID
    name: str
    counts: bool


class ApprovalDecisionRead(BaseModel):
    """What one person said; ``instead_of`` names those it stood for, ``counts`` whether it still does."""

    model_config = ConfigDict(frozen=True)

    member_id: UUID
    name: str
    instead_of: list[str]
    approves: bool
    comment: str
    decided_at: datetime
    counts: bool


class ApprovalRead(BaseModel):
    """A gate as others read it.

    ``given`` of ``needed`` approvals count at the moment. ``counts`` tells whether it opens the gate now: granted, not
    expired, and by people who still may approve. ``problem`` says why it cannot be granted, or no longer counts.
    """

    model_config = ConfigDict(frozen=True)

    id: UUID
    kind: str
    subject: str
    title: str
    link: str
    summary: str
    plan_digest: str
    need: Need
    state: ApprovalState
    counts: bool
    given: int
    needed: int
    problem: str | None
    approvers: list[PersonRead]
    decisions: list[ApprovalDecisionRead]
    requested_by: str
    requested_at: datetime
    expires_at: datetime
    closed_at: datetime | None
    reason: str


class DelegationRead(BaseModel):
    """A delegation as others read it; ``holds`` tells whether it is in force."""

    model_config = ConfigDict(frozen=True)

    id: UUID
    giver_id: UUID
    giver: str
    taker_id: UUID
    taker: str
    reason: str
    created_at: datetime
    until: datetime
    holds: bool


class Grant(BaseModel):
    """An open gate: what an area keeps beside what it then does."""

    model_config = ConfigDict(frozen=True)

    approval_id: UUID
    plan_digest: str
    approvers: tuple[str, ...]
    granted_at: datetime
    expires_at: datetime

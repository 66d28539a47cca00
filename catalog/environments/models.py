"""Environments: what is wanted, what is there, and the shapes that are asked and answered."""

from datetime import datetime
from enum import StrEnum
from typing import Any, Literal
from uuid import UUID, uuid4

from pydantic import BaseModel, ConfigDict, field_validator
from pydantic import Field as Shape
from sqlalchemy import Index, UniqueConstraint, text
from sqlmodel import Field, SQLModel

from catalog.clock import now
from catalog.columns import Json, Timestamp, one_of
from catalog.environments.life import TtlBase
from catalog.environments.places import Placement
from catalog.environments.triggers import Decision, Weighed
from catalog.gating import VerdictSummary
from catalog.operations.models import Problem
from catalog.stacks.models import StackResource


class Phase(StrEnum):
    """Where an environment stands; ``destroyed`` is claimed only after its absence was verified."""

    REQUESTED = "requested"
    REJECTED = "rejected"
    PENDING_APPROVAL = "pending_approval"
    QUEUED = "queued"
    PROVISIONING = "provisioning"
    UPDATING = "updating"
    READY = "ready"
    SLEEPING = "sleeping"
    WAKING = "waking"
    FAILED = "failed"
    UNKNOWN = "unknown"
    DESTROYING = "destroying"
    VERIFYING_GONE = "verifying_gone"
    DESTROYED = "destroyed"
    DESTROY_FAILED = "destroy_failed"


class Desired(StrEnum):
    """What is wanted of an environment, whatever is there at the moment."""

    PRESENT = "present"
    ABSENT = "absent"


class Rest(StrEnum):
    """Why an environment sleeps: nobody used it, its active hours were over, somebody said so, or for another one."""

    IDLE = "idle"
    HOURS = "hours"
    HAND = "hand"
    ROOM = "room"


class Environment(SQLModel, table=True):
    """The environment of one pull request.

    ``generation`` counts what was wanted, ``observed_generation`` says up to where it is there; ``incarnation`` counts
    the lives of the same pull request's environment. Secret inputs are sealed. ``due_at`` is when the clock looks
    next, None once it is gone, ``signs_due_at`` when signs are shown again. ``waits_since`` is set while it waits for
    room. ``size`` is what it takes of each measure of room, ``backlog`` the commits that wait for their turn, oldest
    first. ``withheld`` names the inputs, and the variables made from them, that a fork's commit does without.
    ``comes_back`` says that it ended with its pull request, and not by hand or by the clock: it comes back with it.
    """

    __tablename__ = "environments"
    __table_args__ = (
        UniqueConstraint("tenant_id", "repository", "pull_request"),
        Index("ix_environments_hostname", "hostname", unique=True),
        Index("ix_environments_tenant_id_created_at", "tenant_id", "created_at"),
        Index("ix_environments_living", "expires_at", postgresql_where=text("phase <> 'destroyed'")),
        Index("ix_environments_due_at", "due_at", postgresql_where=text("due_at IS NOT NULL")),
        Index("ix_environments_signs_due_at", "signs_due_at", postgresql_where=text("signs_due_at IS NOT NULL")),
        Index("ix_environments_coming_back", "tenant_id", "repository", postgresql_where=text("comes_back")),
        Index("ix_environments_waiting", "tenant_id", "waits_since", postgresql_where=text("waits_since IS NOT NULL")),
    )

    id: UUID = Field(default_factory=uuid4, primary_key=True)
    tenant_id: UUID
    repository: str
    pull_request: int
    branch: str | None = None
    name: str
    hostname: str

    phase: Phase = Field(default=Phase.REQUESTED, sa_type=one_of(Phase))
    desired: Desired = Field(default=Desired.PRESENT, sa_type=one_of(Desired))
    incarnation: int = 1
    generation: int = 1
    observed_generation: int = 0
    touched: bool = False
    wanted_again: bool = False
    comes_back: bool = False

    target: str = "local"
    blueprint: str
    blueprint_version: str
    lock: list[dict[str, Any]] = Field(default_factory=list, sa_type=Json)
    spec: dict[str, Any] = Field(default_factory=dict, sa_type=Json)
    inputs: dict[str, Any] = Field(default_factory=dict, sa_type=Json)
    sealed_inputs: str | None = None

    head_sha: str
    seen_sha: str
    deployed_sha: str | None = None
    absences: int = 0

    stack_id: UUID | None = Field(default=None, foreign_key="stacks.id")
    operation_id: UUID | None = Field(default=None, foreign_key="operations.id")
    url: str | None = None
    outputs: dict[str, Any] = Field(default_factory=dict, sa_type=Json)
    failure: dict[str, Any] | None = Field(default=None, sa_type=Json)
    removal: dict[str, Any] | None = Field(default=None, sa_type=Json)
    conditions: list[dict[str, Any]] = Field(default_factory=list, sa_type=Json)
    verdict: dict[str, Any] = Field(default_factory=dict, sa_type=Json)
    attempt: int = 0

    requested_by: str
    ttl_seconds: int
    ttl_base: TtlBase = Field(default=TtlBase.LAST_DEPLOY, sa_type=one_of(TtlBase))
    sleep_after_seconds: int | None = None
    visits_count: bool = True
    waiting_sha: str | None = None
    approved_sha: str | None = None
    seen_base: str | None = None
    seen_base_sha: str | None = None
    withheld: list[str] = Field(default_factory=list, sa_type=Json)
    pin: dict[str, Any] | None = Field(default=None, sa_type=Json)
    extension: dict[str, Any] | None = Field(default=None, sa_type=Json)
    size: dict[str, Any] = Field(default_factory=dict, sa_type=Json)
    backlog: list[str] = Field(default_factory=list, sa_type=Json)
    slept_for: Rest | None = Field(default=None, sa_type=one_of(Rest))
    warned_seconds: int | None = None
    created_at: datetime = Field(default_factory=now, sa_type=Timestamp)
    lived_since: datetime = Field(default_factory=now, sa_type=Timestamp)
    last_deploy_at: datetime | None = Field(default=None, sa_type=Timestamp)
    last_activity_at: datetime | None = Field(default=None, sa_type=Timestamp)
    retry_at: datetime | None = Field(default=None, sa_type=Timestamp)
    waits_since: datetime | None = Field(default=None, sa_type=Timestamp)
    due_at: datetime | None = Field(default=None, sa_type=Timestamp)
    signs_due_at: datetime | None = Field(default=None, sa_type=Timestamp)
    expires_at: datetime = Field(sa_type=Timestamp)
    hard_expires_at: datetime = Field(sa_type=Timestamp)
    destroyed_at: datetime | None = Field(default=None, sa_type=Timestamp)

    @property
    def locked(self) -> list[dict[str, Any]]:
        """The lock with every digest as ``sha256:...``; rows from before there was a resolver lack the prefix."""
        return [{**each, "digest": f"sha256:{each['digest'].removeprefix('sha256:')}"} for each in self.lock]


class RequestEnvironment(BaseModel):
    """What an environment is asked for with.

    ``blueprint`` is ``namespace/name`` with an optional constraint such as ``==1.2.0`` or ``>=1,<2``; ``ttl`` is an
    ISO 8601 duration such as ``PT8H`` or ``P3D``; without ``head_sha`` the pull request's head is used, which waits for
    an approval where it comes from a fork. ``target`` is where it runs; without it, where it runs already, else where
    what begins by itself, the tenant, the operator or the installation wants it (``catalog.environments.places``).
    """

    model_config = ConfigDict(extra="forbid", str_strip_whitespace=True)

    repository: str = Shape(min_length=1, max_length=1000, examples=["/home/ann/hello"])
    pull_request: int = Shape(ge=1, le=2_000_000_000, examples=[42])
    branch: str | None = Shape(default=None, max_length=200)
    head_sha: str | None = Shape(default=None, pattern=r"^[0-9a-f]{7,64}$")
    blueprint: str = Shape(min_length=3, max_length=300, examples=["slipway/preview-web"])
    inputs: dict[str, Any] = Shape(default_factory=dict)
    ttl: str | None = Shape(default=None, examples=["P1D"])
    target: str | None = Shape(default=None, max_length=30, examples=["local"])

    @field_validator("branch", "head_sha", "ttl", "target", mode="before")
    @classmethod
    def _empty_is_absent(cls, value: object) -> object:
        return None if value == "" else value


class ScmHook(BaseModel):
    """What happened in a repository, as a hint: the repository itself is asked before anything is done."""

    model_config = ConfigDict(extra="forbid")

    repository: str
    action: Literal["push", "closed", "reopened"] = "push"
    pull_request: int | None = Shape(default=None, ge=1)
    head_sha: str | None = Shape(default=None, pattern=r"^[0-9a-f]{7,64}$")


class Pin(BaseModel):
    """Who keeps an environment as it is, why, and until when: until then it neither sleeps nor expires."""

    by: str
    reason: str
    until: datetime


class Extension(BaseModel):
    """Who prolonged an environment's life last, when, until when, and why where that was said."""

    by: str
    at: datetime
    until: datetime
    reason: str = ""


class QueuePlace(BaseModel):
    """Where an environment stands among those of its tenant that wait for room; the first is ``place`` 1."""

    place: int
    length: int
    since: datetime


class Removal(BaseModel):
    """How an environment was looked for after its removal: what was asked, and what was still found.

    ``left`` is empty once it is gone; else ``next_try_at`` says when it is tried again, ``tries`` how often it was.
    """

    checked_at: datetime
    looked_for: list[str]
    left: list[str]
    tries: int
    next_try_at: datetime | None = None


class Condition(BaseModel):
    """Something worth knowing beside the phase, such as ``Serving`` while an update failed."""

    type: str
    status: bool
    reason: str
    message: str
    at: datetime


class EnvironmentRead(BaseModel):
    """An environment as others read it; secret inputs are left out, ``secrets`` are the names of those it is given.

    ``ends_at`` is when it goes: at ``expires_at``, or at the end of its pin where that is later.
    """

    id: UUID
    name: str
    hostname: str
    url: str | None
    phase: Phase
    conditions: list[Condition]
    repository: str
    pull_request: int
    branch: str | None
    head_sha: str
    deployed_sha: str | None
    target: str = "local"
    blueprint: str
    blueprint_version: str
    lock: list[dict[str, Any]]
    inputs: dict[str, Any]
    incarnation: int
    generation: int
    observed_generation: int
    resources: list[StackResource]
    outputs: dict[str, Any]
    failure: Problem | None
    verdict: VerdictSummary = Shape(default_factory=VerdictSummary)
    operation_id: UUID | None
    requested_by: str
    created_at: datetime
    last_deploy_at: datetime | None
    last_activity_at: datetime | None = None
    ttl_base: TtlBase = TtlBase.LAST_DEPLOY
    sleeps_at: datetime | None = None
    secrets: list[str] = Shape(default_factory=list)
    pin: Pin | None = None
    extension: Extension | None = None
    queue: QueuePlace | None = None
    size: dict[str, int] = Shape(default_factory=dict)
    backlog: list[str] = Shape(default_factory=list)
    slept_for: Rest | None = None
    wakes_at: datetime | None = None
    retry_at: datetime | None = None
    removal: Removal | None = None
    waiting_sha: str | None = None
    approved_sha: str | None = None
    withheld: list[str] = Shape(default_factory=list)
    expires_at: datetime
    ends_at: datetime
    hard_expires_at: datetime
    destroyed_at: datetime | None


class Explanation(BaseModel):
    """What a pull request means for its environment now; ``environment`` and ``head_sha`` where there are such.

    ``rules`` is what every rule says, in the order in which they are asked; ``placement`` is where its environment is,
    or would go without another word, and who says so.
    """

    repository: str
    pull_request: int
    decision: Decision
    environment: UUID | None = None
    head_sha: str | None = None
    rules: list[Weighed] = Shape(default_factory=list)
    placement: Placement | None = None


class EnvironmentAccepted(BaseModel):
    """The answer to a request: where the environment will be, and the operation that makes it."""

    id: UUID
    phase: Phase
    url: str
    expires_at: datetime
    operation: UUID | None

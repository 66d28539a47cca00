"""The shapes in which findings, proposals, blocks, runs and agents are given and answered."""

from datetime import datetime
from typing import Annotated, Any
from uuid import UUID

from pydantic import AfterValidator, BaseModel, ConfigDict, Field

from catalog.assets.findings import storable
from catalog.proposals.models import Autonomy, ProposalState, RunState

Text = Annotated[str, AfterValidator(storable)]
BLOCK = "block"
"""The kind of action that lets gates stop something; ``parameters`` is a ``BlockAsked``."""


class _Shape(BaseModel):
    model_config = ConfigDict(frozen=True, from_attributes=True)


class _Asked(BaseModel):
    model_config = ConfigDict(extra="forbid", str_strip_whitespace=True)


class Fact(_Shape):
    """Something that an agent saw; ``href`` leads to it on the pages, "" where there is no page."""

    title: str = Field(max_length=300)
    detail: str = Field(default="", max_length=2000)
    href: str = Field(default="", max_length=500)
    is_fault: bool = False


class Remedy(_Shape):
    """Something that people can do about a finding: a command, or a page to go to."""

    title: str = Field(max_length=300)
    command: str = Field(default="", max_length=2000)
    href: str = Field(default="", max_length=500)
    detail: str = Field(default="", max_length=2000)


class ProposedAction(_Shape):
    """What the agent itself would do; ``kind`` is one that it has declared, ``parameters`` are for the agent alone."""

    kind: str = Field(max_length=63)
    title: str = Field(max_length=300)
    parameters: dict[str, Any] = Field(default_factory=dict)


class MissingEvidence(_Shape):
    """What keeps something from passing gates: ``key`` is how gates find it (see ``models.Block``)."""

    key: str = Field(max_length=300)
    about: str = Field(max_length=300)
    evidence: str = Field(max_length=500)
    detail: str = Field(default="", max_length=2000)
    fix: str = Field(default="", max_length=2000)


class BlockAsked(_Shape):
    """The parameters of an action of the kind ``block``; ``holds`` are keys held beside those of ``missing``."""

    missing: list[MissingEvidence] = Field(min_length=1, max_length=1000)
    holds: list[str] = Field(default_factory=list, max_length=1000)


class Finding(_Shape):
    """What an agent found at a subject: at most one per agent and subject at any time.

    ``same_by`` is what makes it the same finding the next time, in values that do not change with time or wording.
    ``days`` is how long anybody has to decide.
    """

    kind: str = Field(pattern=r"^[a-z][a-z0-9_]{0,62}$")
    label: str = Field(max_length=300, description="What people call the subject.")
    title: str = Field(max_length=300)
    summary: str = Field(max_length=5000)
    evidence: list[Fact] = Field(min_length=1, max_length=200)
    action: ProposedAction | None = None
    steps: list[Remedy] = Field(default_factory=list, max_length=50)
    same_by: dict[str, Any] = Field(default_factory=dict)
    days: int = Field(default=14, ge=1, le=365)


class ProposalRead(_Shape):
    """A proposal: what was found, the facts behind it, what is suggested, and what became of it.

    ``autonomy`` is how far the agent might go when it proposed; ``problem`` why it could not be carried out so far.
    """

    id: UUID
    agent: str
    kind: str
    subject: str
    label: str
    title: str
    summary: str
    evidence: list[Fact]
    action: ProposedAction | None
    steps: list[Remedy]
    state: ProposalState
    autonomy: Autonomy
    run_id: UUID | None
    successor_id: UUID | None
    decided_by: str
    decided_at: datetime | None
    comment: str
    reason: str
    outcome: str
    problem: str
    applied_at: datetime | None
    ended_at: datetime | None
    expires_at: datetime
    created_at: datetime


class BlockRead(_Shape):
    """Something that gates do not let through, with what is missing."""

    id: UUID
    proposal_id: UUID
    agent: str
    subject: str
    label: str
    missing: list[MissingEvidence]
    created_at: datetime
    lifted_at: datetime | None
    lifted_by: str
    reason: str


class RunRead(_Shape):
    """One run of an agent: what started it, what it saw and did, how long it took (in seconds), how it ended."""

    id: UUID
    agent: str
    event: str
    about: str
    autonomy: Autonomy
    state: RunState
    looked: int
    found: int
    saw: list[Fact]
    did: list[Fact]
    attempts: int
    error: str
    started_at: datetime
    finished_at: datetime | None
    seconds: float | None


class AgentRead(_Shape):
    """An agent in a tenant: ``autonomy`` is how far it goes now, ``chosen`` what the tenant chose, ``usual`` what else.

    ``actions`` are the kinds of what it can do itself, ``watches`` the types of the events that start it.
    """

    name: str
    title: str
    summary: str
    watches: list[str]
    actions: list[str]
    usual: Autonomy
    chosen: Autonomy | None
    autonomy: Autonomy
    is_stopped: bool
    reason: str
    changed_by: str
    changed_at: datetime | None
    open_proposals: int
    last_run: RunRead | None


class AgentsRead(_Shape):
    """All agents of a tenant, with what bounds every one of them."""

    items: list[AgentRead]
    bound: Autonomy | None
    is_stopped: bool
    reason: str
    next_cursor: str | None = None


class Decide(_Asked):
    """A decision about a proposal; whoever rejects one says why."""

    comment: Text = Field(default="", max_length=2000, examples=["The image is replaced tomorrow."])


class ChangeLimit(_Asked):
    """How far an agent may go from now on; None lets its usual level (for all agents: no bound) count again."""

    autonomy: Autonomy | None
    reason: Text = Field(default="", max_length=500)


class StopAgent(_Asked):
    """Why an agent is stopped or started again."""

    reason: Text = Field(default="", max_length=500)

"""What happens to proposals, to the blocks behind them, and to the limits of agents."""

from uuid import UUID

from catalog.events.registry import EventData, event


class _ProposalEvent(EventData):
    proposal_id: UUID
    agent: str
    kind: str
    about: str


@event("proposal.made", version=1)
class ProposalMade(_ProposalEvent):
    """An agent found something and suggests what to do; ``about`` names the row it found it at."""

    title: str
    supersedes: UUID | None


@event("proposal.approved", version=1)
class ProposalApproved(_ProposalEvent):
    """A person wants a proposal carried out; an agent that may, does it."""

    decided_by: str


@event("proposal.applied", version=1)
class ProposalApplied(_ProposalEvent):
    """What a proposal suggests was carried out."""

    outcome: str


@event("proposal.rejected", version=1)
class ProposalRejected(_ProposalEvent):
    """A person does not want it; what was carried out is taken back where that is possible."""

    decided_by: str


@event("proposal.closed", version=1)
class ProposalClosed(_ProposalEvent):
    """A proposal ended by itself: superseded by facts or by another one, expired, or withdrawn."""

    state: str
    reason: str
    successor: UUID | None


@event("block.placed", version=1)
class BlockPlaced(EventData):
    """Gates no longer let something through; ``missing`` names the evidence."""

    block_id: UUID
    proposal_id: UUID
    about: str
    missing: list[str]


@event("block.lifted", version=1)
class BlockLifted(EventData):
    """Gates let it through again."""

    block_id: UUID
    proposal_id: UUID
    about: str
    reason: str


@event("agent.limited", version=1)
class AgentLimited(EventData):
    """How far an agent (or every agent, where ``agent`` is empty) may go has changed, or it was stopped or started."""

    agent: str
    autonomy: str | None
    is_stopped: bool
    reason: str

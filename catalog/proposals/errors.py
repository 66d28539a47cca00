"""How work on proposals and agents fails."""

from catalog.errors import ConflictError, SlipwayError


class ProposalMoveError(ConflictError):
    """The proposal is in a state from which it cannot go where it was asked to go."""

    code = "proposal_decided"
    title = "The proposal is not open for this"


class AgentStoppedError(SlipwayError):
    """The agent may not go on: it was stopped, or its autonomy does not reach so far."""

    code = "agent_stopped"
    status = 409
    title = "The agent may not do this now"

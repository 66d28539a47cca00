"""ProposalService: what agents found, what people decide about it, and how far agents may go."""

from catalog.proposals.service.deciding import Deciding
from catalog.proposals.service.limits import declare
from catalog.proposals.service.reading import read, read_block, read_run

__all__ = ["ProposalService", "declare", "read", "read_block", "read_run"]


class ProposalService(Deciding):
    """One unit of work on proposals and agents; everything happens in the session's transaction."""

"""Proposals, blocks and runs as others read them."""

from collections.abc import Collection, Sequence
from datetime import datetime
from uuid import UUID

from sqlmodel import Session

from catalog.errors import NotFoundError
from catalog.proposals import queries
from catalog.proposals.models import AgentRun, Block, Proposal, ProposalState
from catalog.proposals.rules import OPEN
from catalog.proposals.shapes import BlockRead, ProposalRead, RunRead


class Reading:
    """What a tenant reads of its agents."""

    def __init__(self, session: Session) -> None:
        self._session = session

    def get(self, tenant_id: UUID, proposal_id: UUID) -> Proposal:
        """Return a proposal; raise ``NotFoundError`` where the tenant has none of that id."""
        found = queries.proposal(self._session, tenant_id, proposal_id)
        if found is None:
            raise NotFoundError(f"There is no proposal {proposal_id}.")
        return found

    def page(
        self,
        tenant_id: UUID,
        states: Collection[ProposalState] = (),
        agent: str | None = None,
        before: tuple[datetime, UUID] | None = None,
        limit: int = 50,
    ) -> Sequence[Proposal]:
        """Return proposals, newest first; ``before`` is the creation time and id of the last one already seen."""
        return queries.page(self._session, tenant_id, states, agent, before, limit)

    def counts(self, tenant_id: UUID) -> dict[ProposalState, int]:
        """Return how many proposals of the tenant are in each state."""
        return queries.count_by_state(self._session, tenant_id)

    def open_states(self) -> list[ProposalState]:
        """Return the states in which something may still become of a proposal."""
        return [each for each in ProposalState if each in OPEN]

    def blocks_of(self, tenant_id: UUID, proposal_id: UUID) -> list[BlockRead]:
        """Return the blocks behind a proposal, also those that were lifted."""
        return [read_block(each) for each in queries.blocks_of(self._session, tenant_id, proposal_id)]

    def standing(self, tenant_id: UUID, keys: Sequence[str]) -> list[BlockRead]:
        """Return the blocks that stand and hold one of some keys (see ``models.Block``), oldest first."""
        if not keys:
            return []
        return [read_block(each) for each in queries.standing_blocks(self._session, tenant_id, keys)]

    def run(self, tenant_id: UUID, run_id: UUID) -> RunRead:
        """Return a run; raise ``NotFoundError`` where the tenant has none of that id."""
        found = queries.run(self._session, tenant_id, run_id)
        if found is None:
            raise NotFoundError(f"There is no run {run_id}.")
        return read_run(found)

    def runs(
        self, tenant_id: UUID, agent: str, before: tuple[datetime, UUID] | None = None, limit: int = 50
    ) -> list[RunRead]:
        """Return the runs of an agent, newest first; ``before`` is the start and id of the last one already seen."""
        return [read_run(each) for each in queries.runs(self._session, tenant_id, agent, before, limit)]


def read(proposal: Proposal) -> ProposalRead:
    """Return a proposal as others read it."""
    values = {name: getattr(proposal, name) for name in ProposalRead.model_fields}
    return ProposalRead.model_validate({**values, "action": proposal.action or None})


def read_block(block: Block) -> BlockRead:
    """Return a block as others read it."""
    return BlockRead.model_validate(block)


def read_run(run: AgentRun) -> RunRead:
    """Return a run as others read it."""
    values = {name: getattr(run, name) for name in RunRead.model_fields if name != "seconds"}
    taken = None if run.finished_at is None else (run.finished_at - run.started_at).total_seconds()
    return RunRead.model_validate({**values, "seconds": taken})

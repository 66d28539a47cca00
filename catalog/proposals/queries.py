"""Reads of proposals, blocks, runs and limits; the tenant comes first."""

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from sqlalchemy import func, tuple_
from sqlalchemy.dialects.postgresql import array
from sqlmodel import Session, col, select

from catalog.proposals.models import AgentLimit, AgentRun, Block, KnownAgent, Proposal, ProposalState
from catalog.proposals.rules import OPEN


@dataclass(frozen=True)
class Due:
    """A proposal whose time may be up."""

    tenant_id: UUID
    proposal_id: UUID


def hold_agents(session: Session, tenant_id: UUID, *, alone: bool) -> None:
    """Wait until nobody changes the limits of the tenant's agents, and keep it so to the end of the transaction.

    With ``alone`` nothing that agents do is under way either: that is how the kill switch knows that it has worked.
    """
    key = func.hashtextextended(f"{tenant_id}/agents", 0)
    lock = func.pg_advisory_xact_lock(key) if alone else func.pg_advisory_xact_lock_shared(key)
    session.exec(select(lock))


def hold_subject(session: Session, tenant_id: UUID, agent: str, subject: str) -> None:
    """Wait until nobody else settles what an agent found at a subject, until the end of the transaction."""
    key = func.hashtextextended(f"{tenant_id}/agents/{agent}/{subject}", 0)
    session.exec(select(func.pg_advisory_xact_lock(key)))


def agents(session: Session) -> Sequence[KnownAgent]:
    """Return the agents of this installation, by title."""
    return session.exec(select(KnownAgent).order_by(col(KnownAgent.title), col(KnownAgent.name))).all()


def agent(session: Session, name: str) -> KnownAgent | None:
    """Return an agent of this installation by name."""
    return session.exec(select(KnownAgent).where(KnownAgent.name == name)).first()


def limits(session: Session, tenant_id: UUID, names: Collection[str]) -> dict[str, AgentLimit]:
    """Return the tenant's limits by the name of the agent, as they are in the database now."""
    statement = select(AgentLimit).where(AgentLimit.tenant_id == tenant_id, col(AgentLimit.agent).in_(names))
    rows = session.exec(statement.execution_options(populate_existing=True)).all()
    return {each.agent: each for each in rows}


def run(session: Session, tenant_id: UUID, run_id: UUID) -> AgentRun | None:
    """Return one run."""
    return session.exec(select(AgentRun).where(AgentRun.tenant_id == tenant_id, AgentRun.id == run_id)).first()


def run_of_event(session: Session, tenant_id: UUID, agent: str, event_id: UUID) -> AgentRun | None:
    """Return the run of an agent that an event started."""
    statement = select(AgentRun).where(AgentRun.tenant_id == tenant_id, AgentRun.agent == agent)
    return session.exec(statement.where(AgentRun.event_id == event_id)).first()


def runs(
    session: Session, tenant_id: UUID, agent: str, before: tuple[datetime, UUID] | None, limit: int
) -> Sequence[AgentRun]:
    """Return the runs of an agent, newest first, after the cursor ``before``."""
    statement = select(AgentRun).where(AgentRun.tenant_id == tenant_id, AgentRun.agent == agent)
    if before is not None:
        statement = statement.where(tuple_(col(AgentRun.started_at), col(AgentRun.id)) < before)
    return session.exec(statement.order_by(col(AgentRun.started_at).desc(), col(AgentRun.id).desc()).limit(limit)).all()


def forgettable_runs(session: Session, tenant_id: UUID, agent: str, before: datetime, limit: int) -> Sequence[UUID]:
    """Return the runs of an agent from before a moment that made no proposal."""
    has_proposal = select(Proposal.id).where(
        Proposal.tenant_id == AgentRun.tenant_id, col(Proposal.run_id) == col(AgentRun.id)
    )
    statement = select(AgentRun.id).where(
        AgentRun.tenant_id == tenant_id,
        AgentRun.agent == agent,
        col(AgentRun.started_at) < before,
        ~has_proposal.exists(),
    )
    return session.exec(statement.limit(limit)).all()


def proposal(session: Session, tenant_id: UUID, proposal_id: UUID, *, lock: bool = False) -> Proposal | None:
    """Return one proposal, locked for the rest of the transaction where asked."""
    statement = select(Proposal).where(Proposal.tenant_id == tenant_id, Proposal.id == proposal_id)
    if lock:
        statement = statement.with_for_update().execution_options(populate_existing=True)
    return session.exec(statement).first()


def about(session: Session, tenant_id: UUID, agent: str, subject: str) -> Sequence[Proposal]:
    """Return what an agent has proposed about a subject and that is open or was rejected, newest first, locked."""
    statement = select(Proposal).where(
        Proposal.tenant_id == tenant_id,
        Proposal.agent == agent,
        Proposal.subject == subject,
        col(Proposal.state).in_([*OPEN, ProposalState.REJECTED]),
        col(Proposal.resolved_at).is_(None),
    )
    return session.exec(statement.order_by(col(Proposal.created_at).desc()).with_for_update()).all()


def page(
    session: Session,
    tenant_id: UUID,
    states: Collection[ProposalState],
    agent_name: str | None,
    before: tuple[datetime, UUID] | None,
    limit: int,
) -> Sequence[Proposal]:
    """Return proposals, newest first, in some states and of one agent where asked, after the cursor ``before``."""
    statement = select(Proposal).where(Proposal.tenant_id == tenant_id)
    if states:
        statement = statement.where(col(Proposal.state).in_(states))
    if agent_name:
        statement = statement.where(Proposal.agent == agent_name)
    if before is not None:
        statement = statement.where(tuple_(col(Proposal.created_at), col(Proposal.id)) < before)
    return session.exec(statement.order_by(col(Proposal.created_at).desc(), col(Proposal.id).desc()).limit(limit)).all()


def count_by_state(session: Session, tenant_id: UUID) -> dict[ProposalState, int]:
    """Count the tenant's proposals by state."""
    statement = select(Proposal.state, func.count()).where(Proposal.tenant_id == tenant_id)
    return {ProposalState(state): count for state, count in session.exec(statement.group_by(col(Proposal.state))).all()}


def count_open(session: Session, tenant_id: UUID) -> dict[str, int]:
    """Count the tenant's open proposals by agent."""
    statement = select(Proposal.agent, func.count()).where(
        Proposal.tenant_id == tenant_id, col(Proposal.state).in_(OPEN)
    )
    return dict(session.exec(statement.group_by(col(Proposal.agent))).all())


def expired(session: Session, moment: datetime, limit: int) -> list[Due]:
    """Return proposals of all tenants that nobody carried out in time (system role)."""
    waiting = [ProposalState.PROPOSED, ProposalState.APPROVED]
    statement = select(Proposal.tenant_id, Proposal.id).where(
        col(Proposal.state).in_(waiting), col(Proposal.expires_at) <= moment
    )
    rows = session.exec(statement.order_by(col(Proposal.expires_at)).limit(limit)).all()
    return [Due(tenant_id, proposal_id) for tenant_id, proposal_id in rows]


def blocks_of(session: Session, tenant_id: UUID, proposal_id: UUID) -> Sequence[Block]:
    """Return the blocks behind a proposal, also those that were lifted."""
    statement = select(Block).where(Block.tenant_id == tenant_id, Block.proposal_id == proposal_id)
    return session.exec(statement.order_by(col(Block.created_at), col(Block.id))).all()


def standing_blocks(session: Session, tenant_id: UUID, keys: Sequence[str]) -> Sequence[Block]:
    """Return the blocks that stand and hold one of some keys, oldest first."""
    statement = select(Block).where(
        Block.tenant_id == tenant_id,
        col(Block.lifted_at).is_(None),
        col(Block.holds).op("?|")(array(keys)),
    )
    return session.exec(statement.order_by(col(Block.created_at), col(Block.id)).limit(100)).all()

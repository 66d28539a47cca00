"""What agents and their proposals need by the clock: to be known to the portal, and to end when their time is up."""

from datetime import timedelta

from catalog.clock import now
from catalog.proposals.service import ProposalService, declare
from workers.runtime.registry import discover_agents
from workers.runtime.worker import JobContext, Worker

WORKER = Worker("agent_upkeep", queue="clock")

DUE_AT_ONCE = 200


@WORKER.every(timedelta(minutes=5))
@WORKER.job("proposals.declare_agents", time_limit=timedelta(seconds=60))
def declare_agents(context: JobContext) -> None:
    """Tell the portal which agents this installation has, those of other distributions included."""
    with context.system_session() as session:
        declare(session, [agent.declaration() for agent in discover_agents().values()])


@WORKER.every(timedelta(minutes=1))
@WORKER.job("proposals.expire_due", time_limit=timedelta(seconds=60))
def expire_due(context: JobContext) -> None:
    """End the proposals that nobody carried out in time."""
    with context.system_session() as session:
        due = ProposalService.due_for_expiry(session, now(), DUE_AT_ONCE)
    for each in due:
        if context.should_stop():
            return
        with context.session(each.tenant_id) as session:
            ProposalService(session).expire(each.tenant_id, each.proposal_id)

"""Agents: what each saw and did, how far it may go, and the switch that stops it."""

from typing import Annotated

from litestar import get, post
from litestar.params import FromPath, JSONBody, PathParameter
from pydantic import BaseModel

from catalog.proposals.models import EVERY_AGENT
from catalog.proposals.service import ProposalService
from catalog.proposals.shapes import AgentRead, AgentsRead, ChangeLimit, RunRead, StopAgent
from portal.api.documentation import changes, reads
from portal.api.listing import Cursor, Limit, cut, moment_and_id, page
from portal.auth.guards import requires
from portal.boundary import Caller, OpenSession, WebRequest
from portal.idempotency import Answer

TAGS = ["agents"]
READ = [requires("proposals:read")]
ADMIN = [requires("proposals:admin")]
Name = Annotated[str, PathParameter(max_length=63, description="The agent's name, such as supply_chain_compliance.")]


class RunList(BaseModel):
    """One page of an agent's runs, newest first."""

    items: list[RunRead]
    next_cursor: str | None


@get(
    "/agents",
    operation_id="list_agents",
    summary="List agents",
    **reads(TAGS, READ),
)
def list_agents(session: OpenSession, principal: Caller) -> AgentsRead:
    """Return every agent of this installation, and how far each may go in the tenant."""
    return ProposalService(session).agents(principal.tenant_id)


@get(
    "/agents/{name:str}",
    operation_id="get_agent",
    summary="Get one agent",
    **reads(TAGS, READ, 404),
)
def get_agent(name: FromPath[Name], session: OpenSession, principal: Caller) -> AgentRead:
    """Return an agent: what starts it, what it can do, how far it may go, and its latest run."""
    return ProposalService(session).agent(principal.tenant_id, name)


@get(
    "/agents/{name:str}/runs",
    operation_id="list_agent_runs",
    summary="List an agent's runs",
    **reads(TAGS, READ, 404, 422),
)
def list_agent_runs(  # each is a parameter of its own
    request: WebRequest,
    name: FromPath[Name],
    session: OpenSession,
    principal: Caller,
    limit: Limit = 50,
    cursor: Cursor = None,
) -> Answer[RunList]:
    """Return what an agent saw and did, newest first."""
    rows = ProposalService(session).runs_of(principal.tenant_id, name, moment_and_id(cursor), limit + 1)
    found, following = cut(rows, limit, lambda each: (each.started_at, each.id))
    return page(request, RunList(items=list(found), next_cursor=following), following)


@post(
    "/agents/{name:str}/limit",
    operation_id="limit_agent",
    summary="Choose how far an agent may go",
    status_code=200,
    **changes(TAGS, ADMIN, 404, 413, 415, 422),
)
def limit_agent(
    name: FromPath[Name], data: JSONBody[ChangeLimit], session: OpenSession, principal: Caller
) -> AgentRead | AgentsRead:
    """Let an agent go as far as this from now on; null lets its usual level count again."""
    return ProposalService(session).limit(principal, name, data)


@post(
    "/agents/{name:str}/stop",
    operation_id="stop_agent",
    summary="Stop an agent",
    status_code=200,
    **changes(TAGS, ADMIN, 404, 413, 415, 422),
)
def stop_agent(
    name: FromPath[Name], data: JSONBody[StopAgent], session: OpenSession, principal: Caller
) -> AgentRead | AgentsRead:
    """Stop an agent at once: after this answer it has no further effect. What it has blocked stays blocked."""
    return ProposalService(session).stop(principal, name, data)


@post(
    "/agents/{name:str}/start",
    operation_id="start_agent",
    summary="Start an agent again",
    status_code=200,
    **changes(TAGS, ADMIN, 404, 413, 415, 422),
)
def start_agent(
    name: FromPath[Name], data: JSONBody[StopAgent], session: OpenSession, principal: Caller
) -> AgentRead | AgentsRead:
    """Let an agent go on, as far as it may; it looks at everything anew."""
    return ProposalService(session).start(principal, name, data)


@post(
    "/agents/limit",
    operation_id="limit_every_agent",
    summary="Bound all agents",
    status_code=200,
    **changes(TAGS, ADMIN, 413, 415, 422),
)
def limit_every_agent(data: JSONBody[ChangeLimit], session: OpenSession, principal: Caller) -> AgentRead | AgentsRead:
    """Let no agent of the tenant go further than this; null takes the bound away."""
    return ProposalService(session).limit(principal, EVERY_AGENT, data)


@post(
    "/agents/stop",
    operation_id="stop_every_agent",
    summary="Stop all agents",
    status_code=200,
    **changes(TAGS, ADMIN, 413, 415, 422),
)
def stop_every_agent(data: JSONBody[StopAgent], session: OpenSession, principal: Caller) -> AgentRead | AgentsRead:
    """Stop every agent of the tenant at once."""
    return ProposalService(session).stop(principal, EVERY_AGENT, data)


@post(
    "/agents/start",
    operation_id="start_every_agent",
    summary="Start all agents again",
    status_code=200,
    **changes(TAGS, ADMIN, 413, 415, 422),
)
def start_every_agent(data: JSONBody[StopAgent], session: OpenSession, principal: Caller) -> AgentRead | AgentsRead:
    """Let the tenant's agents go on; one that was stopped by itself stays so."""
    return ProposalService(session).start(principal, EVERY_AGENT, data)


ROUTES = (
    list_agents,
    limit_every_agent,
    stop_every_agent,
    start_every_agent,
    get_agent,
    list_agent_runs,
    limit_agent,
    stop_agent,
    start_agent,
)

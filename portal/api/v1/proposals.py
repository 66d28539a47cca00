"""Proposals: what agents found and suggest, and the decisions of people about it."""

from typing import Annotated
from uuid import UUID

from litestar import get, post
from litestar.params import FromPath, JSONBody, QueryParameter
from pydantic import BaseModel

from catalog.proposals.models import ProposalState
from catalog.proposals.service import ProposalService, read
from catalog.proposals.shapes import BlockRead, Decide, ProposalRead
from portal.api.documentation import changes, reads
from portal.api.listing import Cursor, Limit, cut, moment_and_id, page
from portal.auth.guards import requires
from portal.boundary import Caller, OpenSession, WebRequest
from portal.idempotency import Answer

TAGS = ["proposals"]
READ = [requires("proposals:read")]
WRITE = [requires("proposals:write")]


class ProposalList(BaseModel):
    """One page of proposals, newest first."""

    items: list[ProposalRead]
    next_cursor: str | None


class ProposalDetail(ProposalRead):
    """A proposal with what is, or was, blocked for it."""

    blocks: list[BlockRead]


@get(
    "/proposals",
    operation_id="list_proposals",
    summary="List proposals",
    **reads(TAGS, READ, 422),
)
def list_proposals(  # each is a query parameter of its own
    request: WebRequest,
    session: OpenSession,
    principal: Caller,
    states: Annotated[
        list[ProposalState] | None,
        QueryParameter(name="state", required=False, description="Only in these."),
    ] = None,
    agent: Annotated[str | None, QueryParameter(max_length=63, description="Only those of one agent.")] = None,
    limit: Limit = 50,
    cursor: Cursor = None,
) -> Answer[ProposalList]:
    """Return what agents have proposed, newest first."""
    service = ProposalService(session)
    rows = service.page(principal.tenant_id, states or (), agent, moment_and_id(cursor), limit + 1)
    found, following = cut(rows, limit, lambda each: (each.created_at, each.id))
    return page(request, ProposalList(items=[read(each) for each in found], next_cursor=following), following)


@get(
    "/proposals/{proposal_id:uuid}",
    operation_id="get_proposal",
    summary="Get one proposal",
    **reads(TAGS, READ, 404),
)
def get_proposal(proposal_id: FromPath[UUID], session: OpenSession, principal: Caller) -> ProposalDetail:
    """Return what was found, the facts behind it, what is suggested, and what is blocked meanwhile."""
    return _detail(session, principal, proposal_id)


@post(
    "/proposals/{proposal_id:uuid}/approve",
    operation_id="approve_proposal",
    summary="Approve a proposal",
    status_code=200,
    **changes(TAGS, WRITE, 404, 409, 413, 415, 422),
)
def approve_proposal(
    proposal_id: FromPath[UUID], data: JSONBody[Decide], session: OpenSession, principal: Caller
) -> ProposalDetail:
    """Want a proposal carried out: the agent does it where it may. Approving again changes nothing."""
    ProposalService(session).approve(principal, proposal_id, data)
    return _detail(session, principal, proposal_id)


@post(
    "/proposals/{proposal_id:uuid}/reject",
    operation_id="reject_proposal",
    summary="Reject a proposal",
    status_code=200,
    **changes(TAGS, WRITE, 404, 409, 413, 415, 422),
)
def reject_proposal(
    proposal_id: FromPath[UUID], data: JSONBody[Decide], session: OpenSession, principal: Caller
) -> ProposalDetail:
    """Refuse a proposal, with a reason; what was blocked for it is let through. Rejecting again changes nothing."""
    ProposalService(session).reject(principal, proposal_id, data)
    return _detail(session, principal, proposal_id)


def _detail(session: OpenSession, principal: Caller, proposal_id: UUID) -> ProposalDetail:
    service = ProposalService(session)
    proposal = read(service.get(principal.tenant_id, proposal_id))
    return ProposalDetail(**proposal.model_dump(), blocks=service.blocks_of(principal.tenant_id, proposal_id))


ROUTES = (list_proposals, get_proposal, approve_proposal, reject_proposal)

"""Approvals: gates that wait for people, what people decide, and who decides in whose place."""

from typing import Annotated
from uuid import UUID

from litestar import delete, get, post
from litestar.openapi.datastructures import ResponseSpec
from litestar.params import FromPath, JSONBody, QueryParameter
from pydantic import BaseModel

from catalog.approvals.models import (
    ApprovalRead,
    ApprovalState,
    AskOutside,
    Decide,
    Delegate,
    DelegationRead,
)
from catalog.approvals.service import ApprovalService
from portal.api.documentation import REPLAYED, changes, problems, reads
from portal.api.listing import Cursor, Limit, cut, moment_and_id, page
from portal.auth.guards import requires
from portal.boundary import Caller, OpenSession, WebRequest
from portal.idempotency import API_BASE, Answer

TAGS = ["approvals"]
READ = [requires("approvals:read")]
WRITE = [requires("approvals:write")]
ASK = [requires("operations:write")]


class ApprovalList(BaseModel):
    """One page of approvals, newest first."""

    items: list[ApprovalRead]
    next_cursor: str | None


class DelegationList(BaseModel):
    """The tenant's delegations, newest first."""

    items: list[DelegationRead]
    next_cursor: str | None = None


@get(
    "/approvals",
    operation_id="list_approvals",
    summary="List approvals",
    **reads(TAGS, READ, 422),
)
def list_approvals(
    request: WebRequest,
    session: OpenSession,
    principal: Caller,
    in_state: Annotated[
        ApprovalState | None, QueryParameter(name="state", description="Only those in one state.")
    ] = None,
    waiting_for_me: Annotated[bool | None, QueryParameter(description="Only those that you may decide now.")] = None,
    limit: Limit = 50,
    cursor: Cursor = None,
) -> Answer[ApprovalList]:
    """Return the tenant's approvals, newest first; those that wait for the caller come on one page."""
    service = ApprovalService(session)
    if waiting_for_me:
        return page(request, ApprovalList(items=service.waiting_for(principal), next_cursor=None), None)
    states = [in_state] if in_state else []
    rows = service.page(principal.tenant_id, states, moment_and_id(cursor), limit + 1)
    found, following = cut(rows, limit, lambda each: (each.requested_at, each.id))
    return page(request, ApprovalList(items=list(found), next_cursor=following), following)


@post(
    "/approvals",
    operation_id="ask_approval",
    summary="Ask for an approval",
    tags=TAGS,
    guards=ASK,
    status_code=201,
    responses={
        200: ResponseSpec(ApprovalRead, description="Just this was asked before", generate_examples=False),
        **problems(401, 403, 409, 413, 415, 422),
    },
    response_headers=REPLAYED,
    sync_to_thread=True,
)
def ask_approval(data: JSONBody[AskOutside], session: OpenSession, principal: Caller) -> Answer[ApprovalRead]:
    """Ask people to approve what another system is about to do; asking for the same plan again changes nothing."""
    found, created = ApprovalService(session).ask_outside(principal, data)
    headers = {"Location": f"{API_BASE}/approvals/{found.id}"}
    return Answer(found, status_code=201 if created else 200, headers=headers)


@get(
    "/approvals/{approval_id:uuid}",
    operation_id="get_approval",
    summary="Get one approval",
    **reads(TAGS, READ, 404),
)
def get_approval(approval_id: FromPath[UUID], session: OpenSession, principal: Caller) -> ApprovalRead:
    """Return an approval: what waits, who may decide, what was said, and whether it counts at this moment."""
    return ApprovalService(session).get(principal.tenant_id, approval_id)


@post(
    "/approvals/{approval_id:uuid}/approve",
    operation_id="approve",
    summary="Approve",
    status_code=200,
    **changes(TAGS, WRITE, 404, 409, 413, 415, 422),
)
def approve(
    approval_id: FromPath[UUID], data: JSONBody[Decide], session: OpenSession, principal: Caller
) -> ApprovalRead:
    """Approve, as a person who is asked and did not ask."""
    return ApprovalService(session).decide(principal, approval_id, data, approves=True)


@post(
    "/approvals/{approval_id:uuid}/deny",
    operation_id="deny",
    summary="Deny",
    status_code=200,
    **changes(TAGS, WRITE, 404, 409, 413, 415, 422),
)
def deny(approval_id: FromPath[UUID], data: JSONBody[Decide], session: OpenSession, principal: Caller) -> ApprovalRead:
    """Deny: one denial of anybody who is asked closes it."""
    return ApprovalService(session).decide(principal, approval_id, data, approves=False)


@delete(
    "/approvals/{approval_id:uuid}",
    operation_id="withdraw_approval",
    summary="Take a question back",
    tags=TAGS,
    guards=READ,
    status_code=200,
    responses=problems(401, 403, 404, 409),
    sync_to_thread=True,
)
def withdraw_approval(approval_id: FromPath[UUID], session: OpenSession, principal: Caller) -> ApprovalRead:
    """Void an approval: for whoever asked for it, and for administrators."""
    return ApprovalService(session).withdraw(principal, approval_id)


@get(
    "/approvals/delegations",
    operation_id="list_delegations",
    summary="List delegations",
    **reads(TAGS, READ),
)
def list_delegations(session: OpenSession, principal: Caller) -> DelegationList:
    """Return who decides in whose place, newest first; what has ended is among them."""
    return DelegationList(items=ApprovalService(session).delegations(principal.tenant_id))


@post(
    "/approvals/delegations",
    operation_id="delegate",
    summary="Let somebody decide in your place",
    status_code=201,
    **changes(TAGS, WRITE, 409, 413, 415, 422),
)
def delegate(data: JSONBody[Delegate], session: OpenSession, principal: Caller) -> DelegationRead:
    """Let another approver decide in your place until a moment. It cannot be handed on."""
    return ApprovalService(session).delegate(principal, data)


@delete(
    "/approvals/delegations/{delegation_id:uuid}",
    operation_id="end_delegation",
    summary="End a delegation",
    tags=TAGS,
    guards=READ,
    status_code=200,
    responses=problems(401, 403, 404),
    sync_to_thread=True,
)
def end_delegation(delegation_id: FromPath[UUID], session: OpenSession, principal: Caller) -> DelegationRead:
    """End a delegation at once: for both sides and for administrators. Doing so again changes nothing."""
    return ApprovalService(session).end_delegation(principal, delegation_id)


ROUTES = (
    list_approvals,
    ask_approval,
    get_approval,
    approve,
    deny,
    withdraw_approval,
    list_delegations,
    delegate,
    end_delegation,
)

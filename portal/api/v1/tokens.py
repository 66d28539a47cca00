"""API tokens: made, listed, revoked."""

from uuid import UUID

from litestar import delete, get, post
from litestar.params import FromPath, JSONBody
from pydantic import BaseModel

from catalog.tenants.models import CreateToken, NewToken, TokenRead
from catalog.tenants.service import TenantService, read_token
from portal.api.documentation import CONDITIONAL, REPLAYED, problems
from portal.api.listing import Cursor, Limit, cut, moment_and_id, page
from portal.auth.guards import requires, signed_in
from portal.boundary import Caller, OpenSession, WebRequest
from portal.idempotency import Answer

TAGS = ["tokens"]


class TokenList(BaseModel):
    """One page of tokens, newest first."""

    items: list[TokenRead]
    next_cursor: str | None


class Myself(BaseModel):
    """Who is calling: ``tenant`` is the tenant's name, ``scopes`` are what the caller may do in it."""

    tenant: str
    tenant_id: UUID
    actor: str
    name: str
    scopes: list[str]


@post(
    "/tokens",
    operation_id="create_token",
    summary="Make a token",
    tags=TAGS,
    guards=[requires("tenants:admin")],
    responses=problems(401, 403, 409, 413, 415, 422),
    response_headers=REPLAYED,
    sync_to_thread=True,
)
def create_token(data: JSONBody[CreateToken], session: OpenSession, principal: Caller) -> NewToken:
    """Make a token with no more scopes than its maker has. Its secret is in this answer and nowhere else."""
    return TenantService(session).create_token(principal, data)


@get(
    "/tokens",
    operation_id="list_tokens",
    summary="List tokens",
    tags=TAGS,
    guards=[requires("tenants:read")],
    responses={**CONDITIONAL, **problems(401, 403, 422)},
    sync_to_thread=True,
)
def list_tokens(
    request: WebRequest, session: OpenSession, principal: Caller, limit: Limit = 50, cursor: Cursor = None
) -> Answer[TokenList]:
    """Return the tenant's tokens, newest first, without their secrets."""
    rows = TenantService(session).tokens(principal.tenant_id, moment_and_id(cursor), limit + 1)
    found, following = cut(rows, limit, lambda each: (each.created_at, each.id))
    return page(request, TokenList(items=[read_token(each) for each in found], next_cursor=following), following)


@get(
    "/tokens/self",
    operation_id="get_myself",
    summary="Who am I?",
    tags=TAGS,
    guards=[signed_in],
    responses={**CONDITIONAL, **problems(401)},
    sync_to_thread=False,
)
def get_myself(principal: Caller) -> Myself:
    """Return who is calling, in which tenant, with which scopes."""
    return Myself(
        tenant=principal.tenant_name,
        tenant_id=principal.tenant_id,
        actor=principal.actor,
        name=principal.name,
        scopes=sorted(principal.scopes),
    )


@delete(
    "/tokens/{token_id:uuid}",
    operation_id="revoke_token",
    summary="Revoke a token",
    tags=TAGS,
    guards=[requires("tenants:admin")],
    status_code=200,
    responses=problems(401, 403, 404),
    sync_to_thread=True,
)
def revoke_token(token_id: FromPath[UUID], session: OpenSession, principal: Caller) -> TokenRead:
    """Revoke a token: it stops working at once. Doing so again changes nothing."""
    return read_token(TenantService(session).revoke_token(principal, token_id))

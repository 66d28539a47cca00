"""What was signed of a decision: read, and signed now where the worker has not come to it."""

from uuid import UUID

from litestar import get, post
from litestar.params import FromPath
from pydantic import BaseModel

from catalog.attestations.shapes import AttestationRead
from catalog.gates import DecisionDesk
from portal.api.documentation import CONDITIONAL, REPLAYED, problems
from portal.auth.guards import requires
from portal.boundary import AppSettings, Caller, OpenSession

TAGS = ["policies"]


class StatementList(BaseModel):
    """What was signed of one decision, the verification summary first."""

    items: list[AttestationRead]
    next_cursor: str | None = None


@get(
    "/policies/evaluations/{evaluation_id:uuid}/statements",
    operation_id="list_policy_statements",
    summary="What was signed of a decision",
    tags=TAGS,
    guards=[requires("policies:read"), requires("attestations:read")],
    responses={**CONDITIONAL, **problems(401, 403, 404)},
    sync_to_thread=True,
)
def list_statements(
    evaluation_id: FromPath[UUID], session: OpenSession, settings: AppSettings, principal: Caller
) -> StatementList:
    """Return the statements that Slipway signed of what a gate decided; each is downloaded as an attestation."""
    return StatementList(items=DecisionDesk(session, settings).statements(principal, evaluation_id))


@post(
    "/policies/evaluations/{evaluation_id:uuid}/statements",
    operation_id="sign_policy_statements",
    summary="Sign a decision",
    tags=TAGS,
    guards=[requires("policies:read"), requires("attestations:write")],
    status_code=200,
    responses=problems(401, 403, 404, 409, 503),
    response_headers=REPLAYED,
    sync_to_thread=True,
)
def sign_statements(
    evaluation_id: FromPath[UUID], session: OpenSession, settings: AppSettings, principal: Caller
) -> StatementList:
    """Sign what a gate decided, unless that is done: a SLSA verification summary and the whole of the decision.

    A worker does so for every gate within seconds. An evaluation that was asked for without a gate answers 409.
    """
    return StatementList(items=DecisionDesk(session, settings).sign(principal, evaluation_id))


ROUTES = (list_statements, sign_statements)

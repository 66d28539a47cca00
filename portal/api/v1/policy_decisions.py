"""What bundles would have stopped, and the decision logs of OPA agents."""

import gzip
from datetime import datetime
from typing import Annotated
from uuid import UUID

from litestar import get, post
from litestar.openapi.datastructures import ResponseSpec
from litestar.params import FromPath, HeaderParameter, JSONBody, QueryParameter
from pydantic import BaseModel

from catalog.errors import FieldError, InvalidInputError, NotFoundError
from catalog.gates import ImpactDesk, PolicyDesk
from catalog.policies.decision_log import unpack
from catalog.policies.shapes import AskImpact, DecisionRead, ImpactRead, LogPage
from portal.api.documentation import ACCEPTED, CONDITIONAL, REPLAYED, problems, reads
from portal.api.listing import Cursor, Limit, cut, moment_and_id, next_link, page, write_cursor
from portal.auth.guards import requires
from portal.boundary import AppDatabase, AppSettings, AppThreads, Caller, OpenSession, WebRequest
from portal.idempotency import API_BASE, Answer

TAGS = ["policies"]
READ = [requires("policies:read")]
WRITE = [requires("policies:write")]
LOG_BODY = 8 * 1024 * 1024
NDJSON = "application/x-ndjson"


class ImpactList(BaseModel):
    """The latest assessments of impact, newest first."""

    items: list[ImpactRead]
    next_cursor: str | None = None


class DecisionList(BaseModel):
    """One page of decisions that agents made, newest first."""

    items: list[DecisionRead]
    next_cursor: str | None


class LogAccepted(BaseModel):
    """How many decisions of a log were new."""

    received: int


@post(
    "/policies/impact",
    operation_id="assess_policy_impact",
    summary="What a bundle would have stopped",
    tags=TAGS,
    guards=WRITE,
    status_code=202,
    responses=problems(401, 403, 413, 415, 422),
    response_headers=ACCEPTED,
    sync_to_thread=True,
)
def assess_impact(
    data: JSONBody[AskImpact], session: OpenSession, settings: AppSettings, principal: Caller
) -> Answer[ImpactRead]:
    """Ask a bundle about past releases, environments and publications, before anybody activates it."""
    impact = ImpactDesk(session, settings).request(principal, data)
    headers = {"Location": f"{API_BASE}/operations/{impact.operation_id}"}
    return Answer(ImpactRead.model_validate(impact), status_code=202, headers=headers)


@get(
    "/policies/impact",
    operation_id="list_policy_impacts",
    summary="List assessments of impact",
    **reads(TAGS, READ),
)
def list_impacts(session: OpenSession, settings: AppSettings, principal: Caller) -> ImpactList:
    """Return the latest assessments, newest first."""
    return ImpactList(items=ImpactDesk(session, settings).impacts(principal.tenant_id))


@get(
    "/policies/impact/{impact_id:uuid}",
    operation_id="get_policy_impact",
    summary="Get one assessment of impact",
    **reads(TAGS, READ, 404),
)
def get_impact(impact_id: FromPath[UUID], session: OpenSession, settings: AppSettings, principal: Caller) -> ImpactRead:
    """Return how many subjects a bundle would have stopped, and which."""
    return ImpactDesk(session, settings).impact(principal.tenant_id, impact_id)


@get(
    "/policies/decisions",
    operation_id="list_policy_decisions",
    summary="List decisions of agents",
    **reads(TAGS, READ, 422),
)
def list_decisions(
    request: WebRequest,
    session: OpenSession,
    settings: AppSettings,
    principal: Caller,
    limit: Limit = 50,
    cursor: Cursor = None,
) -> Answer[DecisionList]:
    """Return what OPA agents of the tenant decided and logged here, newest first."""
    service = PolicyDesk(session, settings).policies
    rows = service.decisions(principal.tenant_id, moment_and_id(cursor), limit + 1)
    found, following = cut(rows, limit, lambda each: (each.decided_at, each.id))
    return page(request, DecisionList(items=list(found), next_cursor=following), following)


@post(
    "/t/{tenant:str}/logs",
    operation_id="receive_decision_log",
    summary="Receive a decision log",
    tags=TAGS,
    guards=WRITE,
    status_code=200,
    request_max_body_size=LOG_BODY,
    responses=problems(401, 403, 404, 413, 422),
    response_headers=REPLAYED,
)
async def receive_log(
    request: WebRequest,
    tenant: FromPath[str],
    settings: AppSettings,
    principal: Caller,
    database: AppDatabase,
    threads: AppThreads,
    content_encoding: Annotated[str, HeaderParameter(name="Content-Encoding", max_length=20)] = "",
) -> LogAccepted:
    """Take a decision log as OPA's decision log plug-in sends it: a JSON list of events, packed with gzip."""
    if tenant != principal.tenant_name:
        raise NotFoundError(f"There is no tenant {tenant}, or the token is not one of it.")
    body = await request.body()

    def keep() -> int:
        events = unpack(body, content_encoding)
        with database.tenant_session(principal.tenant_id) as session:
            policies = PolicyDesk(session, settings).policies
            return policies.receive_decisions(principal, events, settings.policy_masks)

    return LogAccepted(received=await threads.run(keep))


@get(
    "/policies/decision-log",
    operation_id="download_decision_log",
    summary="Download a decision log",
    tags=TAGS,
    guards=READ,
    media_type=NDJSON,
    responses={
        200: ResponseSpec(
            bytes, description="One event of OPA's format a line", media_type=NDJSON, generate_examples=False
        ),
        **CONDITIONAL,
        **problems(401, 403, 422),
    },
    sync_to_thread=True,
)
def download_log(  # noqa: PLR0913, PLR0917  # most are query parameters
    request: WebRequest,
    session: OpenSession,
    settings: AppSettings,
    principal: Caller,
    since: Annotated[datetime | None, QueryParameter(description="Decided at this moment or later.")] = None,
    until: Annotated[datetime | None, QueryParameter(description="Decided before this moment.")] = None,
    agents: Annotated[bool, QueryParameter(description="What OPA agents sent, not what Slipway decided.")] = False,  # noqa: FBT002
    limit: Annotated[int, QueryParameter(ge=1, le=1000, description="How many lines at the most.")] = 500,
    cursor: Cursor = None,
) -> Answer[bytes]:
    """Return decisions oldest first, one event of OPA's decision log format a line, packed where the caller takes gzip.

    Where there is more, the Link header leads on. A decision is there once the request that it let through or refused
    has ended, so whoever follows the log asks with ``until`` a minute ago.
    """
    wanted = LogPage(
        since=_aware("since", since), until=_aware("until", until), after=moment_and_id(cursor), limit=limit
    )
    policies = PolicyDesk(session, settings).policies
    lines, following = policies.decision_log(principal.tenant_id, wanted, of_agents=agents)
    headers = {"Vary": "Accept-Encoding", "Content-Disposition": 'attachment; filename="decisions.ndjson"'}
    if following is not None:
        headers["Link"] = next_link(request, write_cursor(following))
    if "gzip" in request.headers.get("accept-encoding", ""):
        headers["Content-Encoding"] = "gzip"
        lines = gzip.compress(lines, mtime=0)
    return Answer(lines, media_type=NDJSON, headers=headers)


def _aware(name: str, moment: datetime | None) -> datetime | None:
    if moment is not None and moment.tzinfo is None:
        fix = "Give a moment with its zone, such as 2026-11-25T10:00:00Z."
        raise InvalidInputError("The moment is not valid.", [FieldError(f"/{name}", fix)])
    return moment


ROUTES = (assess_impact, list_impacts, get_impact, list_decisions, download_log)

"""Policies: asked, bound, waived, overridden, and what they decided."""

from typing import Annotated, Any
from uuid import UUID

from litestar import delete, get, post
from litestar.openapi.spec import Example
from litestar.params import Body, FromPath, JSONBody, QueryParameter
from pydantic import BaseModel

from catalog.gates import PolicyDesk
from catalog.gates.inputs import input_schema
from catalog.gating import GatePoint
from catalog.policies.service import read_evaluation, summarise_evaluation
from catalog.policies.shapes import (
    BindingRead,
    Bound,
    CreateBinding,
    CreateOverride,
    CreateWaiver,
    Effective,
    Evaluate,
    Evaluated,
    EvaluationFilter,
    EvaluationRead,
    EvaluationSummary,
    OverrideRead,
    ReplayedEvaluation,
    WaiverRead,
)
from portal.api.documentation import REPLAYED, changes, problems, reads
from portal.api.listing import Cursor, Limit, cut, moment_and_id, page
from portal.auth.guards import requires
from portal.boundary import AppSettings, Caller, OpenSession, WebRequest
from portal.idempotency import Answer

TAGS = ["policies"]
READ = [requires("policies:read")]
WRITE = [requires("policies:write")]

_ASKED = [
    Example(
        summary="One bundle about an input",
        value={"bundle": "slipway/baseline@1.0.0", "input": {"release": {"service": "web", "artifacts": []}}},
    ),
    Example(
        summary="Everything that is bound about a release", value={"release": "6f1c7a52-3c6e-4a0c-9a4e-6b1a5d1f2c3d"}
    ),
]
Name = Annotated[str | None, QueryParameter(max_length=1000)]
Gate = Annotated[GatePoint | None, QueryParameter(required=False)]


class BindingList(BaseModel):
    """The bindings that have not ended, oldest first."""

    items: list[BindingRead]
    next_cursor: str | None = None


class WaiverList(BaseModel):
    """Waivers, those that end first first."""

    items: list[WaiverRead]
    next_cursor: str | None = None


class OverrideList(BaseModel):
    """The latest overrides, newest first."""

    items: list[OverrideRead]
    next_cursor: str | None = None


class EvaluationList(BaseModel):
    """One page of evaluations, newest first."""

    items: list[EvaluationSummary]
    next_cursor: str | None


def _evaluate(
    data: Annotated[Evaluate, Body(media_type="application/json", examples=_ASKED)],
    session: OpenSession,
    settings: AppSettings,
    principal: Caller,
) -> Evaluated:
    """Ask policies: one bundle about an input, or everything that is bound about a release or an environment.

    The answer is 200 where every policy had an answer, whether it allows or not; where one had none, it is a problem.
    """
    return PolicyDesk(session, settings).evaluate(principal, data)


_EVALUATE: dict[str, Any] = {
    "summary": "Evaluate policies",
    "tags": TAGS,
    "guards": READ,
    "status_code": 200,
    "responses": problems(401, 403, 404, 409, 413, 415, 422),
    "response_headers": REPLAYED,
    "request_max_body_size": 8 * 1024 * 1024,
    "sync_to_thread": True,
}
evaluate = post("/policies/evaluate", operation_id="evaluate_policies", **_EVALUATE)(_evaluate)
evaluate_at_root = post("/policies/evaluate", operation_id="evaluate_policies_at_root", **_EVALUATE)(_evaluate)


@get(
    "/policies/effective",
    operation_id="get_effective_policies",
    summary="What counts for a subject",
    **reads(TAGS, READ, 404, 422),
)
def get_effective(  # noqa: PLR0913, PLR0917  # each is a query parameter of its own
    session: OpenSession,
    settings: AppSettings,
    principal: Caller,
    release: Annotated[UUID | None, QueryParameter(required=False)] = None,
    environment: Annotated[UUID | None, QueryParameter(required=False)] = None,
    service: Name = None,
    asset: Name = None,
    point: Gate = None,
) -> Effective:
    """Return every bundle that counts for a release, an environment, a service or an asset, and overlapping roots."""
    desk = PolicyDesk(session, settings)
    if release is not None:
        return desk.effective(principal, f"releases/{release}", point)
    if environment is not None:
        return desk.effective(principal, f"environments/{environment}", point)
    return desk.effective_for(principal, service or "", asset or "", point)


@post(
    "/policies/bindings",
    operation_id="create_policy_binding",
    summary="Bind a bundle",
    **changes(TAGS, WRITE, 413, 415, 422),
)
def create_binding(
    data: JSONBody[CreateBinding], session: OpenSession, settings: AppSettings, principal: Caller
) -> Bound:
    """Let a bundle count: for whom, at which gates, how much, and from when. Overlapping roots are told at once."""
    return PolicyDesk(session, settings).policies.bind(principal, data)


@get(
    "/policies/bindings",
    operation_id="list_policy_bindings",
    summary="List bindings",
    **reads(TAGS, READ),
)
def list_bindings(session: OpenSession, settings: AppSettings, principal: Caller) -> BindingList:
    """Return the bindings that have not ended, oldest first."""
    return BindingList(items=PolicyDesk(session, settings).policies.bindings(principal.tenant_id))


@delete(
    "/policies/bindings/{binding_id:uuid}",
    operation_id="end_policy_binding",
    summary="End a binding",
    tags=TAGS,
    guards=WRITE,
    status_code=200,
    responses=problems(401, 403, 404),
    sync_to_thread=True,
)
def end_binding(
    binding_id: FromPath[UUID], session: OpenSession, settings: AppSettings, principal: Caller
) -> BindingRead:
    """Let a bundle no longer count. Doing so again changes nothing."""
    return PolicyDesk(session, settings).policies.unbind(principal, binding_id)


@post(
    "/policies/waivers",
    operation_id="create_policy_waiver",
    summary="Waive a rule",
    **changes(TAGS, WRITE, 413, 415, 422),
)
def create_waiver(
    data: JSONBody[CreateWaiver], session: OpenSession, settings: AppSettings, principal: Caller
) -> WaiverRead:
    """Let a rule not count for some subjects for a while; it counts again by itself when the waiver expires."""
    return PolicyDesk(session, settings).policies.waive(principal, data)


@get(
    "/policies/waivers",
    operation_id="list_policy_waivers",
    summary="List waivers",
    **reads(TAGS, READ),
)
def list_waivers(session: OpenSession, settings: AppSettings, principal: Caller) -> WaiverList:
    """Return waivers with those that have ended, those that end first first."""
    return WaiverList(items=PolicyDesk(session, settings).policies.waivers(principal.tenant_id))


@delete(
    "/policies/waivers/{waiver_id:uuid}",
    operation_id="end_policy_waiver",
    summary="End a waiver",
    tags=TAGS,
    guards=WRITE,
    status_code=200,
    responses=problems(401, 403, 404),
    sync_to_thread=True,
)
def end_waiver(waiver_id: FromPath[UUID], session: OpenSession, settings: AppSettings, principal: Caller) -> WaiverRead:
    """Take a waiver back before it expires. Doing so again changes nothing."""
    return PolicyDesk(session, settings).policies.end_waiver(principal, waiver_id)


@post(
    "/policies/overrides",
    operation_id="create_policy_override",
    summary="Override a refusal",
    tags=TAGS,
    guards=[requires("approvals:write")],
    responses=problems(401, 403, 409, 413, 415, 422),
    response_headers=REPLAYED,
    sync_to_thread=True,
)
def create_override(
    data: JSONBody[CreateOverride], session: OpenSession, settings: AppSettings, principal: Caller
) -> OverrideRead:
    """Let what one evaluation refused through, on record: who, why, and until when. Then it can be tried again."""
    return PolicyDesk(session, settings).policies.override(principal, data)


@get(
    "/policies/overrides",
    operation_id="list_policy_overrides",
    summary="List overrides",
    **reads(TAGS, READ),
)
def list_overrides(session: OpenSession, settings: AppSettings, principal: Caller) -> OverrideList:
    """Return the latest overrides, newest first."""
    return OverrideList(items=PolicyDesk(session, settings).policies.overrides(principal.tenant_id))


@get(
    "/policies/evaluations",
    operation_id="list_policy_evaluations",
    summary="List evaluations",
    **reads(TAGS, READ, 422),
)
def list_evaluations(  # noqa: PLR0913, PLR0917  # each is a query parameter of its own
    request: WebRequest,
    session: OpenSession,
    settings: AppSettings,
    principal: Caller,
    allowed: Annotated[bool | None, QueryParameter(required=False)] = None,
    point: Gate = None,
    about: Annotated[str | None, QueryParameter(max_length=1000, description="How the subject's name begins.")] = None,
    rule: Annotated[str | None, QueryParameter(max_length=200, description="A rule that was not kept.")] = None,
    limit: Limit = 50,
    cursor: Cursor = None,
) -> Answer[EvaluationList]:
    """Return what policies decided, newest first."""
    wanted = EvaluationFilter(allowed=allowed, point=point, about=about, rule=rule)
    service = PolicyDesk(session, settings).policies
    rows = service.evaluations(principal.tenant_id, wanted, moment_and_id(cursor), limit + 1)
    found, following = cut(rows, limit, lambda each: (each.created_at, each.id))
    content = EvaluationList(items=[summarise_evaluation(each) for each in found], next_cursor=following)
    return page(request, content, following)


@get(
    "/policies/evaluations/{evaluation_id:uuid}",
    operation_id="get_policy_evaluation",
    summary="Get one evaluation",
    **reads(TAGS, READ, 404),
)
def get_evaluation(
    evaluation_id: FromPath[UUID], session: OpenSession, settings: AppSettings, principal: Caller
) -> EvaluationRead:
    """Return a decision with everything that it was made of: input, bundles, answers, moment."""
    return read_evaluation(PolicyDesk(session, settings).policies.evaluation(principal.tenant_id, evaluation_id))


@post(
    "/policies/evaluations/{evaluation_id:uuid}/replay",
    operation_id="replay_policy_evaluation",
    summary="Evaluate again",
    status_code=200,
    **changes(TAGS, READ, 404, 409),
)
def replay_evaluation(
    evaluation_id: FromPath[UUID], session: OpenSession, settings: AppSettings, principal: Caller
) -> ReplayedEvaluation:
    """Evaluate the same bytes with the same bundles at the same moment, and say whether the results are the same."""
    return PolicyDesk(session, settings).replay(principal, evaluation_id)


@get(
    "/schemas/policy-input",
    operation_id="get_policy_input_schema",
    summary="The shape of what policies look at",
    **reads(TAGS, READ),
)
def get_policy_input_schema() -> dict[str, Any]:
    """Return the JSON Schema (2020-12) of the document that policies are given as their input."""
    return input_schema()


ROUTES = (
    evaluate,
    get_effective,
    create_binding,
    list_bindings,
    end_binding,
    create_waiver,
    list_waivers,
    end_waiver,
    create_override,
    list_overrides,
    list_evaluations,
    get_evaluation,
    replay_evaluation,
    get_policy_input_schema,
)

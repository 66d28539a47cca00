"""The pages of what policies decided: the list, one evaluation with the reason, and the button that decides again."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import ClassVar
from urllib.parse import urlencode
from uuid import UUID

from litestar import Response, get, post
from litestar.params import FromPath
from litestar.response import Redirect
from sqlmodel import Session

from catalog.attestations.shapes import AttestationRead
from catalog.errors import ConflictError, FieldError, InvalidInputError
from catalog.gates import DecisionDesk, PolicyDesk
from catalog.gating import GatePoint, Level
from catalog.policies.service import read_evaluation, summarise_evaluation
from catalog.policies.shapes import (
    CreateOverride,
    EvaluationFilter,
    EvaluationRead,
    EvaluationSummary,
    ReplayedEvaluation,
)
from catalog.settings import Settings
from catalog.tenancy import Principal
from portal.api.listing import cut, moment_and_id
from portal.auth.guards import requires
from portal.boundary import AppSettings, Caller, OpenSession, WebRequest
from portal.pages.forms import SentForm, Text, last_values, renderer_of, sent_fields
from portal.pages.policies import FormPage, end_of_day, read_body
from portal.pages.render import Page, redirect

READ = [requires("policies:read")]
PAGE_SIZE = 50
FILTERS = (("", "All", ""), ("denied", "Denied", "false"), ("allowed", "Allowed", "true"))


@dataclass(frozen=True)
class EvaluationListPage(Page):
    """What policies decided, newest first, in one group."""

    template: ClassVar[str] = "policies/evaluations.html"
    fragments: ClassVar[Mapping[str, str]] = {"policy-evaluation-list": "policies/_evaluation_list.html"}

    evaluations: Sequence[EvaluationSummary]
    group: str
    about: str
    rule: str
    point: str
    next_href: str = ""
    previous_href: str = ""

    @property
    def tabs(self) -> list[tuple[str, str, str, int | None]]:
        """Return key, name, address and no count of each group."""
        given = {"about": self.about, "rule": self.rule, "point": self.point}
        kept = {name: text for name, text in given.items() if text}
        return [
            (key, name, "/policies/evaluations?" + urlencode({**({"group": key} if key else {}), **kept}), None)
            for key, name, _ in FILTERS
        ]

    @property
    def points(self) -> list[tuple[str, str]]:
        """Return the gates, as options."""
        return [("", "Every gate"), *((str(each), str(each).replace("_", " ")) for each in GatePoint)]


@dataclass(frozen=True)
class EvaluationPage(FormPage):
    """One decision: why, on what ground, and whether it would be the same again."""

    template: ClassVar[str] = "policies/evaluation.html"

    evaluation: EvaluationRead
    may_override: bool
    statements: Sequence[AttestationRead] = ()
    replayed: ReplayedEvaluation | None = None
    problem: str = ""

    @property
    def verdict(self) -> str:
        """Return ``allowed``, ``remarks`` or ``denied``."""
        if not self.evaluation.allowed:
            return "denied"
        return "remarks" if self.evaluation.violations else "allowed"

    @property
    def input_text(self) -> str:
        """Return the input as people read it."""
        return json.dumps(self.evaluation.input, indent=2, ensure_ascii=False)

    @property
    def is_overridable(self) -> bool:
        """Tell whether a person may let it through: what a gate refused, where it is known what just was judged."""
        evaluation = self.evaluation
        is_known = evaluation.point is not None and bool(evaluation.subject.get("judged"))
        return is_known and not evaluation.allowed and evaluation.level is Level.OVERRIDABLE


@get("/policies/evaluations", guards=READ, sync_to_thread=True)
def list_evaluations(  # noqa: PLR0913, PLR0917  # each is a query parameter of its own
    request: WebRequest,
    session: OpenSession,
    settings: AppSettings,
    principal: Caller,
    group: Text = None,
    about: Text = None,
    rule: Text = None,
    point: Text = None,
    cursor: Text = None,
) -> Response[str]:
    """Show what policies decided, newest first."""
    chosen = group if group in {"denied", "allowed"} else ""
    gate = GatePoint(point) if point in set(GatePoint) else None
    wanted = EvaluationFilter(
        allowed={"denied": False, "allowed": True}.get(chosen), about=about or None, rule=rule or None, point=gate
    )
    policies = PolicyDesk(session, settings).policies
    rows = policies.evaluations(principal.tenant_id, wanted, moment_and_id(cursor or None), PAGE_SIZE + 1)
    found, following = cut(rows, PAGE_SIZE, lambda each: (each.created_at, each.id))
    given = {"group": chosen, "about": about, "rule": rule, "point": str(gate or "")}
    kept = {name: text for name, text in given.items() if text}
    page = EvaluationListPage(
        evaluations=[summarise_evaluation(each) for each in found],
        group=chosen,
        about=about or "",
        rule=rule or "",
        point=str(gate or ""),
        next_href="/policies/evaluations?" + urlencode({**kept, "cursor": following}) if following else "",
        previous_href="/policies/evaluations?" + urlencode(kept) if cursor else "",
    )
    return renderer_of(request).respond(request, page)


@get("/policies/evaluations/{evaluation_id:uuid}", guards=READ, sync_to_thread=True)
def show_evaluation(
    request: WebRequest, evaluation_id: FromPath[UUID], session: OpenSession, settings: AppSettings, principal: Caller
) -> Response[str]:
    """Show one decision."""
    return renderer_of(request).respond(request, _load(session, settings, principal, evaluation_id))


@post("/policies/evaluations/{evaluation_id:uuid}/replay", guards=READ, sync_to_thread=True)
def replay(
    request: WebRequest, evaluation_id: FromPath[UUID], session: OpenSession, settings: AppSettings, principal: Caller
) -> Response[str]:
    """Decide again from what was kept, and show whether it is the same."""
    replayed, problem, status = None, "", 200
    try:
        replayed = PolicyDesk(session, settings).replay(principal, evaluation_id)
    except (ConflictError, InvalidInputError) as error:
        problem, status = error.detail, error.status
    page = _load(session, settings, principal, evaluation_id, replayed=replayed, problem=problem)
    return renderer_of(request).respond(request, page, status_code=status)


@post("/policies/evaluations/{evaluation_id:uuid}/override", guards=[requires("approvals:write")], sync_to_thread=True)
def override(
    request: WebRequest,
    evaluation_id: FromPath[UUID],
    data: SentForm,
    session: OpenSession,
    settings: AppSettings,
    principal: Caller,
) -> Response[str] | Redirect:
    """Let what was refused through, on record; then it can be tried again."""
    values = last_values(sent_fields(data))
    body = {
        "evaluation": str(evaluation_id),
        "reason": values.get("reason", ""),
        "expires_at": end_of_day(values.get("expires_at", "")),
    }
    asked, errors = read_body(CreateOverride, body)
    status = 422
    if isinstance(asked, CreateOverride):
        try:
            PolicyDesk(session, settings).policies.override(principal, asked)
        except (InvalidInputError, ConflictError) as error:
            session.rollback()
            errors, status = error.errors or (FieldError("", error.detail),), error.status
        else:
            return redirect(f"/policies/evaluations/{evaluation_id}", "refusal-overridden")
    page = _load(session, settings, principal, evaluation_id, values=values, errors=errors)
    return renderer_of(request).respond(request, page, status_code=status)


def _load(  # noqa: PLR0913  # what may have come of a form is named one by one
    session: Session,
    settings: Settings,
    principal: Principal,
    evaluation_id: UUID,
    *,
    replayed: ReplayedEvaluation | None = None,
    problem: str = "",
    values: Mapping[str, str] | None = None,
    errors: Sequence[FieldError] = (),
) -> EvaluationPage:
    evaluation = PolicyDesk(session, settings).policies.evaluation(principal.tenant_id, evaluation_id)
    return EvaluationPage(
        evaluation=read_evaluation(evaluation),
        may_override=principal.may("approvals:write"),
        statements=_statements(session, settings, principal, evaluation_id),
        replayed=replayed,
        problem=problem,
        values=values or {},
        errors=errors,
    )


def _statements(
    session: Session, settings: Settings, principal: Principal, evaluation_id: UUID
) -> Sequence[AttestationRead]:
    if not principal.may("attestations:read"):
        return ()
    return DecisionDesk(session, settings).statements(principal, evaluation_id)


ROUTES = (list_evaluations, show_evaluation, replay, override)

"""Sample pages of policies: usual ones, empty ones, refusals, and forms with errors."""

from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

from catalog.errors import FieldError
from catalog.gating import GatePoint, Level, Violation
from catalog.operations.models import OperationRead, OperationState, Problem, Step, StepState
from catalog.policies.models import Mode, ScopeKind
from catalog.policies.shapes import (
    BindingRead,
    Effective,
    EvaluationRead,
    EvaluationSummary,
    ImpactCase,
    ImpactRead,
    InForce,
    Overlap,
    OverrideRead,
    ReplayedEvaluation,
    Scope,
    Stage,
    TrialRead,
    WaiverRead,
)
from portal.pages.policies import BindPage, ExemptionsPage, PoliciesPage
from portal.pages.policy_evaluations import EvaluationListPage, EvaluationPage
from portal.pages.policy_impact import ImpactListPage, ImpactPage
from portal.pages.policy_trials import TryPage
from portal.pages.render import Page
from tests.portal.pages.samples.attestations import EVIDENCE

NOW = datetime(2026, 11, 23, 12, 20, 11, tzinfo=UTC)
ID = UUID("6f1c7a52-3c6e-4a0c-9a4e-6b1a5d1f2c3d")
LONG = "a-name-that-somebody-chose-without-thinking-of-the-page-it-stands-on"
CRITICAL = Scope(kind=ScopeKind.SERVICE, name="w*", labels={"tier": "critical"})
VIOLATIONS = [
    Violation(
        rule="provenance",
        level=Level.OVERRIDABLE,
        message="The artifact registry.example.com/acme/web has no verified provenance.",
        path="/release/artifacts/0",
        remediation="Let the build attest its provenance.",
        bundle="slipway/baseline",
    ),
    Violation(rule="notes", level=Level.ADVISORY, message=LONG, bundle="slipway/baseline"),
]


def binding(**changes: Any) -> BindingRead:
    values: dict[str, Any] = {
        "id": ID,
        "asset": "slipway/baseline",
        "constraint": ">=1",
        "level": Level.MANDATORY,
        "scope": Scope(),
        "points": [],
        "stages": [],
        "reason": "Agreed by the architecture board.",
        "created_by": "ann",
        "created_at": NOW - timedelta(days=3),
        "ended_at": None,
    }
    return BindingRead(**{**values, **changes})


COVERS: dict[str, Any] = {
    "digests": ["sha256:" + "9f" * 32, "sha256:" + "ab" * 32],
    "release_commit": "https://git.example.com/acme/web@" + "9f" * 20,
}


def evaluation(**changes: Any) -> EvaluationRead:
    values: dict[str, Any] = {
        "id": ID,
        "point": GatePoint.RELEASE,
        "about": "releases/web@1.4.0",
        "actor": "token:6f1c7a52",
        "allowed": False,
        "level": Level.OVERRIDABLE,
        "violations": VIOLATIONS,
        "bundles": [{"asset": "slipway/baseline", "version": "1.0.0", "digest": "sha256:" + "9f" * 32}],
        "microseconds": 2310,
        "created_at": NOW - timedelta(minutes=5),
        "subject": {"about": "releases/web@1.4.0", "judged": COVERS},
        "waived": [VIOLATIONS[1]],
        "overridden": [VIOLATIONS[0]],
        "shadow": [VIOLATIONS[1]],
        "results": [],
        "results_digest": "ab" * 32,
        "input_digest": "cd" * 32,
        "input": {"release": {"service": "web", "notes": "<script>alert(1)</script>"}},
        "engine": "wasm",
        "engine_version": "wasmtime 40.0.0, builtins of slipway 0.1.0",
        "grounds": {},
        "now_ns": 1,
        "seed": "s",
    }
    return EvaluationRead(**{**values, **changes})


def impact(**changes: Any) -> ImpactRead:
    case: dict[str, Any] = {"point": GatePoint.RELEASE, "was_allowed": True}
    cases = [
        ImpactCase(about="releases/web@1.4.0", evaluation=ID, outcome="blocked", violations=VIOLATIONS * 3, **case),
        ImpactCase(about=f"releases/{LONG}@1", evaluation=None, outcome="warned", violations=VIOLATIONS[1:], **case),
        ImpactCase(about="assets/acme/web@1.0.0", evaluation=ID, outcome="kept", violations=[], **case),
    ]
    values: dict[str, Any] = {
        "id": ID,
        "asset": "slipway/baseline",
        "version": "1.1.0",
        "digest": "sha256:" + "9f" * 32,
        "level": Level.MANDATORY,
        "points": [],
        "scope": Scope(),
        "operation_id": ID,
        "total": 120,
        "blocked": 7,
        "warned": 3,
        "cases": cases,
        "created_by": "ann",
        "created_at": NOW,
        "finished_at": NOW,
    }
    return ImpactRead(**{**values, **changes})


def operation(state: OperationState, step: StepState, error: Problem | None = None) -> OperationRead:
    steps = [
        Step(name="collect", title="Collect past releases", state=StepState.SUCCEEDED),
        Step(name="evaluate", title="Ask the bundle about each of them", state=step, message="37 of 120"),
        Step(name="report", title="Write the report"),
    ]
    return OperationRead(
        id=ID,
        kind="policy.impact",
        subject="policies/slipway/baseline",
        state=state,
        steps=steps,
        progress=40,
        error=error,
        created_at=NOW,
        started_at=NOW,
        finished_at=None,
    )


def _bindings() -> dict[str, Page]:
    staged = [
        Stage(mode=Mode.SHADOW, starts_at=NOW - timedelta(days=1)),
        Stage(mode=Mode.ENFORCED, starts_at=NOW + timedelta(days=7), share=10),
    ]
    bound = [
        binding(),
        binding(asset="acme/cost", level=Level.OVERRIDABLE, scope=CRITICAL, points=[GatePoint.RELEASE], stages=staged),
        binding(asset=f"acme/{LONG[:60]}", level=Level.ADVISORY, constraint="", reason=LONG),
    ]
    force = [
        InForce(binding=bound[0], version="1.0.0", digest="d", mode=Mode.ENFORCED, level=Level.MANDATORY),
        InForce(
            binding=bound[1], version=None, digest=None, mode=Mode.SHADOW, level=Level.OVERRIDABLE, problem="Revoked."
        ),
    ]
    effective = Effective(
        subject={}, bundles=force, overlaps=[Overlap(root="baseline", bundles=("acme/cost", "slipway/baseline"))]
    )
    errors = (FieldError("/bundle", "There is no such asset."), FieldError("", "There are too many."))
    return {
        "policies": PoliciesPage(bound, None, "", "", may_bind=True, services=["web"]),
        "policies-empty": PoliciesPage([], None, "", "", may_bind=False),
        "policies-effective": PoliciesPage(bound, effective, "web", "", may_bind=True),
        "policies-nothing": PoliciesPage([], Effective(subject={}, bundles=[], overlaps=[]), "web", "", may_bind=True),
        "policies-unknown": PoliciesPage([], None, "", "acme/none", may_bind=True, problem="There is no asset."),
        "policy-bind": BindPage(bundles=[]),
        "policy-bind-errors": BindPage(bundles=[], values={"bundle": "acme/none"}, errors=errors),
    }


def _listed() -> list[EvaluationSummary]:
    fields = set(EvaluationSummary.model_fields)
    return [
        EvaluationSummary(**evaluation(**changes).model_dump(include=fields))
        for changes in ({}, {"allowed": True}, {"allowed": True, "violations": [], "point": None, "about": LONG})
    ]


def _evaluations() -> dict[str, Page]:
    listed = _listed()
    kept: dict[str, Any] = {name: [] for name in ("violations", "waived", "overridden", "shadow", "bundles")}
    again: dict[str, Any] = {"evaluation": ID, "results_digest": "a", "engine": "wasm", "engine_version": ""}
    same = ReplayedEvaluation(**again, equal=True, verdict_equal=True, replayed_digest="a", differences=[])
    differing = ["x/y t/deny", "verdict: violations"]
    other = ReplayedEvaluation(**again, equal=False, verdict_equal=False, replayed_digest="b", differences=differing)
    errors = (FieldError("/reason", "Say why."), FieldError("/expires_at", "Give an end."))
    allowed = evaluation(**kept, allowed=True, level=Level.NONE, point=None)
    return {
        "evaluations": EvaluationListPage(listed, "", "", "", "", next_href="/policies/evaluations?cursor=x"),
        "evaluations-empty": EvaluationListPage([], "denied", "releases/", "notes", "release"),
        "evaluation": EvaluationPage(evaluation(), may_override=True, statements=[EVIDENCE]),
        "evaluation-same": EvaluationPage(evaluation(), may_override=False, replayed=same),
        "evaluation-other": EvaluationPage(evaluation(), may_override=False, replayed=other),
        "evaluation-errors": EvaluationPage(evaluation(), may_override=True, errors=errors, problem="It is gone."),
        "evaluation-kept": EvaluationPage(allowed, may_override=True),
    }


def _exemptions() -> dict[str, Page]:
    waivers = [
        WaiverRead(
            id=ID,
            rule="provenance",
            asset=asset,
            scope=CRITICAL,
            reason=LONG,
            owner="Ann",
            expires_at=NOW + timedelta(days=days),
            created_by="ann",
            created_at=NOW,
            ended_at=None,
        )
        for days, asset in ((5, "slipway/baseline"), (-1, None))
    ]
    override = OverrideRead(
        id=ID,
        evaluation_id=ID,
        point=GatePoint.RELEASE,
        about="releases/web@1.4.0",
        covers=COVERS,
        rules=[{"rule": "provenance", "bundle": "slipway/baseline"}],
        person="Ann",
        reason="Incident 12",
        expires_at=NOW + timedelta(hours=3),
        created_at=NOW,
    )
    older = override.model_copy(update={"covers": {}})
    errors = (FieldError("/rule", "Name the rule."), FieldError("/expires_at", "Give an end."))
    return {
        "exemptions": ExemptionsPage(waivers, [override, older], may_waive=True, moment=NOW),
        "exemptions-empty": ExemptionsPage([], [], may_waive=False, moment=NOW),
        "exemptions-errors": ExemptionsPage([], [], may_waive=True, errors=errors, values={"rule": ""}, moment=NOW),
    }


def _impacts() -> dict[str, Page]:
    moving: dict[str, Any] = {"finished_at": None, "cases": [], "total": 0, "blocked": 0, "warned": 0}
    done = operation(OperationState.SUCCEEDED, StepState.SUCCEEDED)
    failed = Problem(code="impact_failed", message="The worker stopped.", hint="Ask again.")
    options = [("", "Choose a bundle"), ("slipway/baseline", "Baseline 1.1.0")]
    errors = (FieldError("/bundle", "Choose one."),)
    return {
        "impacts": ImpactListPage([impact(), impact(**moving)], options, may_ask=True),
        "impacts-empty": ImpactListPage([], options, may_ask=False),
        "impacts-errors": ImpactListPage([], options, may_ask=True, errors=errors),
        "impact": ImpactPage(impact(), done),
        "impact-nothing": ImpactPage(impact(cases=[], total=0, blocked=0, warned=0), done),
        "impact-running": ImpactPage(impact(**moving), operation(OperationState.RUNNING, StepState.RUNNING)),
        "impact-failed": ImpactPage(impact(**moving), operation(OperationState.FAILED, StepState.FAILED, failed)),
    }


def _trials() -> dict[str, Page]:
    source = 'package release\n\ndeny contains "no" if {\n\tinput.a\n\tinput.b\n}\n'
    values = {"source": source, "rule": "deny", "input": "{}"}
    inputs = _listed()
    outcome: dict[str, Any] = {
        "errors": [],
        "defined": True,
        "result": ["no"],
        "trace": ["query:1     Enter data.release.deny = _", "| Eval data.release.deny"],
        "trace_cut": True,
        "coverage": {"content/trial.rego": {"covered": [3, 4], "uncovered": [5]}},
    }

    def trial(said: dict[str, Any] | None) -> TrialRead:
        return TrialRead(
            id=ID,
            source=source,
            query="release/deny",
            input=b"{}",
            operation_id=ID,
            outcome=said,
            created_by="ann",
            created_at=NOW,
            finished_at=NOW if said else None,
        )

    done = operation(OperationState.SUCCEEDED, StepState.SUCCEEDED)
    running = operation(OperationState.RUNNING, StepState.RUNNING)
    failed = operation(OperationState.FAILED, StepState.FAILED, Problem(code="x", message="OPA is missing."))
    wrong = {"errors": [{"message": "rego_parse_error: unexpected }", "code": "", "file": "", "row": 3}]}
    errors = (FieldError("/source", "Begin with the package."), FieldError("/input", "This is not JSON."))
    return {
        "try": TryPage(inputs, may_try=True, values=values),
        "try-viewer": TryPage([], may_try=False, values=values),
        "try-errors": TryPage(inputs, may_try=True, values=values, errors=errors),
        "try-running": TryPage(inputs, True, trial(None), running, values=values),
        "try-done": TryPage(inputs, True, trial(outcome), done, values=values),
        "try-undefined": TryPage(inputs, True, trial({**outcome, "defined": False}), done, values=values),
        "try-wrong": TryPage(inputs, True, trial(wrong), done, values=values),
        "try-failed": TryPage(inputs, True, trial(None), failed, values=values),
    }


def pages() -> dict[str, Page]:
    return {**_trials(), **_bindings(), **_evaluations(), **_exemptions(), **_impacts()}

"""The pages where a person writes a policy and tries it: editor and input, then result, coverage and trace."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar
from uuid import UUID

from litestar import Response, get, post
from litestar.params import FromPath
from litestar.response import Stream
from sqlmodel import Session

from catalog.assets.archive import PackageFile, build_archive
from catalog.assets.skeletons import skeleton
from catalog.errors import InvalidInputError, NotFoundError
from catalog.gates import PolicyDesk, TrialDesk
from catalog.operations.models import OperationRead
from catalog.operations.service import OperationService
from catalog.operations.service import read as read_operation
from catalog.policies.service import read_evaluation, summarise_evaluation
from catalog.policies.shapes import AskTrial, EvaluationFilter, EvaluationSummary, TrialRead
from catalog.settings import Settings
from catalog.tenancy import Principal
from portal.auth.guards import requires
from portal.boundary import AppSettings, Caller, OpenSession, WebRequest
from portal.pages.forms import SentForm, Text, last_values, renderer_of, sent_fields
from portal.pages.live import EVENT_STREAM, Moment, follow_page
from portal.pages.policies import FormPage, read_body
from portal.pages.render import redirect

READ = [requires("policies:read")]
WRITE = [requires("policies:write")]
FORM_BODY = 2 * 1024 * 1024
BEGINNING = """package release

# METADATA
# title: Every release has an owner
deny contains violation if {
\tinput.release
\tinput.release.owner == ""
\tviolation := {
\t\t"rule": "release-owner",
\t\t"level": "mandatory",
\t\t"message": "The release has no owner.",
\t\t"path": "/release/owner",
\t\t"remediation": "Name the team that owns the service.",
\t}
}
"""
EXAMPLE = {"version": 1, "subject": "releases/web@1.4.0", "release": {"service": "web", "owner": ""}}


@dataclass(frozen=True)
class TryPage(FormPage):
    """The editor, the input, and where there is one the trial that came of them."""

    template: ClassVar[str] = "policies/try.html"
    fragments: ClassVar[Mapping[str, str]] = {"policy-trial": "policies/_trial.html"}

    inputs: Sequence[EvaluationSummary]
    may_try: bool
    trial: TrialRead | None = None
    operation: OperationRead | None = None

    @property
    def is_moving(self) -> bool:
        """Tell whether a worker still tries."""
        return self.operation is not None and self.operation.state in {"pending", "running"}

    @property
    def outcome(self) -> Mapping[str, Any]:
        """Return what OPA said, empty where it has not."""
        return (self.trial.outcome if self.trial else None) or {}

    @property
    def result_text(self) -> str:
        """Return the rule's value as people read it."""
        if not self.outcome.get("defined", False):
            return "undefined: as a gate, this denies"
        return json.dumps(self.outcome.get("result"), indent=2, ensure_ascii=False)

    @property
    def covered(self) -> list[tuple[int, str, str]]:
        """Return number, state (``yes``, ``no`` or nothing) and text of each line of the policy."""
        found: Mapping[str, Any] = next(iter((self.outcome.get("coverage") or {}).values()), {})
        yes, no = set(found.get("covered", ())), set(found.get("uncovered", ()))
        lines = self.trial.source.splitlines() if self.trial else []
        return [
            (number, "yes" if number in yes else "no" if number in no else "", text)
            for number, text in enumerate(lines, 1)
        ]


@get("/policies/try", guards=READ, sync_to_thread=True)
def show_try(
    request: WebRequest, session: OpenSession, settings: AppSettings, principal: Caller, evaluation: Text = None
) -> Response[str]:
    """Show the editor; ``evaluation`` brings the input that it looked at."""
    values = {"source": BEGINNING, "rule": "deny", "input": json.dumps(EXAMPLE, indent=2)}
    if evaluation:
        try:
            stored = PolicyDesk(session, settings).policies.evaluation(principal.tenant_id, UUID(evaluation))
        except (ValueError, NotFoundError):
            raise NotFoundError(f"There is no evaluation {evaluation}.") from None
        values["input"] = json.dumps(read_evaluation(stored).input, indent=2, ensure_ascii=False)
    page = TryPage(_inputs(session, settings, principal), principal.may("policies:write"), values=values)
    return renderer_of(request).respond(request, page)


@post("/policies/try", guards=WRITE, request_max_body_size=FORM_BODY, sync_to_thread=True)
def try_policy(
    request: WebRequest, data: SentForm, session: OpenSession, settings: AppSettings, principal: Caller
) -> Response[Any]:
    """Let a worker try the policy and go to the page that says how it went; or give it back as a bundle's draft."""
    values = last_values(sent_fields(data))
    values["source"] = values.get("source", "").replace("\r\n", "\n")
    if values.get("action") == "download":
        return _draft(principal, values["source"])
    body = {name: values.get(name, "") for name in ("source", "input")}
    asked, errors = read_body(AskTrial, {**body, "rule": values.get("rule") or "deny"})
    if isinstance(asked, AskTrial):
        try:
            trial = TrialDesk(session, settings).request(principal, asked)
        except InvalidInputError as error:
            session.rollback()
            errors = error.errors
        else:
            return redirect(f"/policies/try/{trial.id}")
    page = TryPage(_inputs(session, settings, principal), may_try=True, values=values, errors=errors)
    return renderer_of(request).respond(request, page, status_code=422)


@get("/policies/try/{trial_id:uuid}", guards=READ, sync_to_thread=True)
def show_trial(
    request: WebRequest, trial_id: FromPath[UUID], session: OpenSession, settings: AppSettings, principal: Caller
) -> Response[str]:
    """Show how a trial went, with the policy and the input to go on with."""
    return renderer_of(request).respond(request, _load(session, settings, principal, trial_id))


@get("/policies/try/{trial_id:uuid}/stream", guards=READ, media_type=EVENT_STREAM)
async def follow_trial(
    request: WebRequest, trial_id: FromPath[UUID], settings: AppSettings, principal: Caller
) -> Stream:
    """Stream the trial until OPA has answered."""

    def look(session: Session) -> Moment:
        page = _load(session, settings, principal, trial_id)
        operation = None if page.operation is None else page.operation.id
        return Moment(page, operation, is_moving=page.is_moving, is_over=not page.is_moving)

    return await follow_page(request, principal, look)


def _load(session: Session, settings: Settings, principal: Principal, trial_id: UUID) -> TryPage:
    trial = TrialDesk(session, settings).get(principal.tenant_id, trial_id)
    operation = OperationService(session).get(principal.tenant_id, trial.operation_id)
    document = json.dumps(json.loads(trial.input), indent=2, ensure_ascii=False)
    values = {"source": trial.source, "rule": trial.query.rpartition("/")[2], "input": document}
    return TryPage(
        _inputs(session, settings, principal),
        principal.may("policies:write"),
        trial,
        read_operation(operation),
        values=values,
    )


def _inputs(session: Session, settings: Settings, principal: Principal) -> Sequence[EvaluationSummary]:
    """Return the latest evaluations whose input can be tried on."""
    found = PolicyDesk(session, settings).policies.evaluations(principal.tenant_id, EvaluationFilter(), limit=20)
    return [summarise_evaluation(each) for each in found]


def _draft(principal: Principal, source: str) -> Response[Any]:
    """Answer with the archive of a policy bundle that holds the policy, ready to be given a name and tests."""
    texts = dict(skeleton("policy-bundle", principal.tenant_name, "draft"))
    rules = [path for path in texts if path.startswith("content/") and path.endswith(".rego")]
    files = {path: PackageFile(data) for path, data in texts.items() if path not in rules}
    files["content/draft/policy.rego"] = PackageFile(source.encode())
    name = f"{principal.tenant_name}-draft.slipway.tar.gz"
    headers = {"Content-Disposition": f'attachment; filename="{name}"'}
    return Response(build_archive(files).data, media_type="application/gzip", headers=headers)


ROUTES = (show_try, try_policy, show_trial, follow_trial)

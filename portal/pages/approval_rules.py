"""The page of rules: which plans of installs people have to approve first, and whose word counts."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, ClassVar

from litestar import Response, get, post
from litestar.params import FromPath
from litestar.response import Redirect
from pydantic import ValidationError

from catalog.assets.kinds import kinds
from catalog.errors import ConflictError, FieldError, InvalidInputError
from catalog.installs.models import Action
from catalog.installs.service import InstallService
from catalog.installs.shapes import ApprovalRuleRead, RequireApproval
from catalog.refusals import sentence
from portal.auth.guards import requires
from portal.boundary import AppSettings, Caller, OpenSession, WebRequest
from portal.pages.forms import FormErrors, SentForm, last_values, renderer_of, sent_fields
from portal.pages.render import Page, redirect

READ = [requires("installs:read")]
ADMIN = [requires("installs:admin")]
PATH = "/approvals/rules"
LABELS = {
    "name": "Name",
    "action": "What is planned",
    "kind": "Kind of asset",
    "asset": "Asset",
    "labels": "Labels",
    "policy_rule": "Policy rule",
    "chosen_by": "Who approves",
    "mode": "How many",
    "quorum": "Quorum",
    "expires_in_hours": "Expires after",
}
WHO = (("role:approver", "Approvers"), ("role:admin", "Administrators"), ("policy", "Whoever owns the install"))
HOW_MANY = (("any", "Any one of them"), ("all", "All of them"), ("quorum", "A quorum"))


@dataclass(frozen=True)
class ApprovalRulesPage(FormErrors, Page):
    """The rules, and the form for a new one."""

    template: ClassVar[str] = "approvals/rules.html"
    labels: ClassVar[Mapping[str, str]] = LABELS

    rules: Sequence[ApprovalRuleRead]
    may_change: bool
    values: Mapping[str, str] = field(default_factory=dict)
    errors: Sequence[FieldError] = ()

    who: ClassVar[Sequence[tuple[str, str]]] = WHO
    how_many: ClassVar[Sequence[tuple[str, str]]] = HOW_MANY
    actions: ClassVar[Sequence[tuple[str, str]]] = (("", "Anything"), *((each, each.capitalize()) for each in Action))

    @property
    def kinds(self) -> list[tuple[str, str]]:
        """Return the choices of kinds of assets."""
        return [("", "Any kind"), *((name, kind.title) for name, kind in sorted(kinds().items()))]

    def value(self, name: str) -> str:
        """Return what a field shows."""
        return self.values.get(name, "")

    def conditions(self, rule: ApprovalRuleRead) -> list[str]:
        """Return what a rule means, part by part, in words."""
        found = [*(str(each) for each in rule.actions), *rule.kinds, *([rule.asset] if rule.asset else [])]
        found += [f"{name}={value}" for name, value in sorted(rule.labels.items())]
        return [*found, *([f"policies remark {rule.policy_rule}"] if rule.policy_rule else [])]

    def wanted(self, rule: ApprovalRuleRead) -> str:
        """Return whose word a rule asks for, in words."""
        need = rule.need
        who = {"role": f"{need.role}s", "members": f"{len(need.members)} named members", "policy": "the owner"}
        many = f"{need.quorum} of" if need.mode == "quorum" else str(need.mode)
        return f"{many} {who[need.chosen_by]}, within {rule.expires_in_hours} hours"


@get(PATH, guards=READ, sync_to_thread=True)
def show_rules(request: WebRequest, session: OpenSession, settings: AppSettings, principal: Caller) -> Response[str]:
    """Show which plans take an approval."""
    return renderer_of(request).respond(request, _page(InstallService(session, settings), principal))


@post(PATH, guards=ADMIN, sync_to_thread=True)
def make_rule(
    request: WebRequest, data: SentForm, session: OpenSession, settings: AppSettings, principal: Caller
) -> Response[str] | Redirect:
    """Make a rule; whatever is wrong with the form is shown in it."""
    values = last_values(sent_fields(data))
    service = InstallService(session, settings)
    try:
        service.require_approval(principal, _asked(values))
    except (InvalidInputError, ConflictError) as error:
        session.rollback()
        errors = error.errors or (FieldError("/name", error.detail),)
        page = _page(service, principal, values, errors)
        return renderer_of(request).respond(request, page, status_code=error.status)
    return redirect(PATH, "approval-rule-made")


@post(PATH + "/{name:str}/end", guards=ADMIN, sync_to_thread=True)
def end_rule(name: FromPath[str], session: OpenSession, settings: AppSettings, principal: Caller) -> Redirect:
    """Ask nobody because of a rule any more."""
    InstallService(session, settings).end_approval_rule(principal, name)
    return redirect(PATH, "approval-rule-ended")


def _page(
    service: InstallService,
    principal: Caller,
    values: Mapping[str, str] | None = None,
    errors: Sequence[FieldError] = (),
) -> ApprovalRulesPage:
    rules = service.approval_rules(principal.tenant_id)
    return ApprovalRulesPage(rules, principal.may("installs:admin"), values or {}, errors)


def _asked(values: Mapping[str, str]) -> RequireApproval:
    pairs = [each.partition("=") for each in values.get("labels", "").split()]
    if not all(name and equals for name, equals, _ in pairs):
        detail = "A label reads NAME=VALUE, such as tier=critical."
        raise InvalidInputError(detail, [FieldError("/labels", detail)])
    chosen, _, role = values.get("chosen_by", "role:approver").partition(":")
    need: dict[str, Any] = {"chosen_by": chosen, "mode": values.get("mode") or "any"}
    need |= {"role": role} if role else {}
    need |= {"quorum": values["quorum"]} if values.get("quorum", "").strip() else {}
    body: dict[str, Any] = {
        "name": values.get("name", "").strip(),
        "actions": [values["action"]] if values.get("action") else [],
        "kinds": [values["kind"]] if values.get("kind") else [],
        "asset": values.get("asset", "").strip(),
        "labels": {name: value for name, _, value in pairs},
        "policy_rule": values.get("policy_rule", "").strip(),
        "need": need,
    }
    if hours := values.get("expires_in_hours", "").strip():
        body["expires_in_hours"] = hours
    try:
        return RequireApproval.model_validate(body)
    except ValidationError as refused:
        errors = [
            FieldError(_field([str(part) for part in each["loc"]]), sentence(each))
            for each in refused.errors(include_url=False)
        ]
        raise InvalidInputError("The rule cannot be made as asked.", errors) from None


def _field(place: Sequence[str]) -> str:
    """Return the pointer of the field of the form that a part of a rule comes from."""
    name = place[1] if place[:1] == ["need"] and len(place) > 1 else place[0] if place else ""
    return "/" + {"actions": "action", "kinds": "kind", "role": "chosen_by", "need": "mode"}.get(name, name)


ROUTES = (show_rules, make_rule, end_rule)

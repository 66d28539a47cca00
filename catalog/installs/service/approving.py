"""Approving: which plans take an approval, whose, and how that stands; what is asked is bound to the plan's digest."""

import re
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from sqlmodel import Session

from catalog.approvals.errors import ApprovalNeededError, NoApproversError
from catalog.approvals.models import ApprovalRead, Ask, Grant, Need
from catalog.approvals.service import ApprovalService
from catalog.clock import now
from catalog.errors import ConflictError, FieldError, InvalidInputError
from catalog.installs import queries, rules
from catalog.installs.errors import InstallNotFoundError
from catalog.installs.events import InstallApprovalNeeded, InstallApprovalRuleEnded, InstallApprovalRuleMade
from catalog.installs.models import InstallApprovalRule, InstallPlan, PlanState
from catalog.installs.service.base import Base
from catalog.installs.shapes import ApprovalRuleRead, PlanApproval, RequireApproval
from catalog.tenancy import ROLE_SCOPES, Principal, system_principal
from catalog.tenants.service import TenantService

_NOT_SHOWN = re.compile(r"[\x00-\x09\x0b-\x1f\x7f]")
KIND = "install-plan"
"""The kind of approvals that plans ask for; nothing from outside can open one of these."""


@dataclass(frozen=True)
class Owners:
    """Whoever owns the install may approve: the members whose name or e-mail address is that of its owner."""

    owner: str

    def approvers(self, session: Session, requester: Principal, asked: Ask) -> Collection[UUID]:  # noqa: ARG002  # as any policy is asked
        """See ``ApproverPolicy``."""
        wanted = self.owner.strip().casefold()
        members = TenantService(session).members(requester.tenant_id)
        return [each.id for each in members if wanted and wanted in {each.name.casefold(), each.email.casefold()}]


class Approving(Base):
    """The tenant's rules, the approvals that they ask for, and the proof that these are there."""

    def require_approval(self, principal: Principal, asked: RequireApproval) -> ApprovalRuleRead:
        """Let plans that a rule means take an approval from now on; raise ``ConflictError`` where the name is taken."""
        principal.require("installs:admin")
        if queries.approval_rule(self._session, principal.tenant_id, asked.name) is not None:
            detail = f"There is a rule called {asked.name} already. End it first, or choose another name."
            raise ConflictError(detail, [FieldError("/name", detail)])
        self._check_members(principal.tenant_id, asked.need)
        rule = InstallApprovalRule(
            tenant_id=principal.tenant_id, created_by=principal.name, **asked.model_dump(mode="json")
        )
        self._session.add(rule)
        self._session.flush()
        self._note(principal, "install_approval_rule.make", rule, InstallApprovalRuleMade)
        return ApprovalRuleRead.model_validate(rule)

    def approval_rules(self, tenant_id: UUID) -> list[ApprovalRuleRead]:
        """Return the tenant's rules, by name."""
        return [ApprovalRuleRead.model_validate(each) for each in queries.approval_rules(self._session, tenant_id)]

    def end_approval_rule(self, principal: Principal, name: str) -> None:
        """Ask nobody because of a rule any more; raise ``InstallNotFoundError`` where there is none of that name."""
        principal.require("installs:admin")
        rule = queries.approval_rule(self._session, principal.tenant_id, name)
        if rule is None:
            raise InstallNotFoundError(f"There is no rule called {name}.")
        self._note(principal, "install_approval_rule.end", rule, InstallApprovalRuleEnded)
        self._session.delete(rule)

    def _demanded(self, plan: InstallPlan) -> list[InstallApprovalRule]:
        """Return the rules that ask for an approval of a plan, as they are now."""
        gates = plan.document.get("gates", ())
        remarks = [each["rule"] for gate in gates for each in gate["violations"]]
        known = queries.approval_rules(self._session, plan.tenant_id)
        return [each for each in known if rules.demands(each, plan.action, plan.asked, remarks)]

    def _grants(self, plan: InstallPlan) -> list[tuple[str, Grant]]:
        """Return what lets just this plan through, by rule; raise ``ApprovalNeededError`` where anything is missing."""
        service, found = ApprovalService(self._session), []
        for rule in self._demanded(plan):
            try:
                grant = service.require_grant(plan.tenant_id, KIND, _subject(plan, rule), _hexadecimal(plan))
            except ApprovalNeededError as error:
                raise ApprovalNeededError(f"The rule {rule.name} asks for an approval. {error.detail}") from None
            found.append((rule.name, grant))
        return found

    def let_go(self, tenant_id: UUID, plan_id: UUID, reason: str) -> None:
        """Let nothing count any more that was asked or granted for a plan, because nobody wants it applied now."""
        plan = self._plan(tenant_id, plan_id, lock=True)
        if plan.state is PlanState.READY:
            plan.wanted = None
            self._session.add(plan)
            self._void_approvals(plan, reason)

    def _ask_people(self, principal: Principal, plan: InstallPlan, *, by_itself: bool = True) -> list[ApprovalRead]:
        """Ask whoever has to approve a plan, and remember who wants it applied ``by_itself`` then.

        Raises ``NoApproversError`` where nobody could: nothing is applied then either.
        """
        service, demanded = ApprovalService(self._session), self._demanded(plan)
        hands = tuple(each for each in {plan.member_id, principal.member_id} if each is not None)
        asked: list[ApprovalRead] = []
        for rule in demanded:
            question = Ask(
                kind=KIND,
                subject=_subject(plan, rule),
                title=_title(plan),
                plan_digest=_hexadecimal(plan),
                link=f"/installs/plans/{plan.id}",
                summary=_summary(plan, rule),
                need=Need.model_validate(rule.need),
                expires_in_hours=rule.expires_in_hours,
                not_by=hands,
            )
            try:
                asked.append(service.ask(principal, question, Owners(plan.asked["owner"])))
            except NoApproversError as error:
                raise NoApproversError(f"The rule {rule.name} asks for an approval. {error.detail}") from None
        member = None if principal.member_id is None else str(principal.member_id)
        if by_itself:
            plan.wanted = {"actor": principal.actor, "name": principal.name, "member": member, "at": now().isoformat()}
        self._session.add(plan)
        data = InstallApprovalNeeded(
            plan_id=plan.id,
            install_id=plan.install_id,
            asset=plan.asked["asset"],
            digest=plan.digest or "",
            rules=[each.name for each in demanded],
            approvals=[each.id for each in asked],
        )
        self._tell(plan.tenant_id, f"install-plans/{plan.id}", data, principal.actor)
        return asked

    def _void_approvals(self, plan: InstallPlan, reason: str) -> None:
        """Let nothing that was asked or granted for a plan count any more."""
        service = ApprovalService(self._session)
        for rule in queries.approval_rules(self._session, plan.tenant_id):
            service.void(system_principal(plan.tenant_id), KIND, _subject(plan, rule), reason)

    def _approvals_of(self, plan: InstallPlan) -> list[PlanApproval]:
        """Return how the approvals stand that a plan takes; none where it cannot be applied any more."""
        if plan.state not in {PlanState.READY, PlanState.APPLYING} or plan.digest is None:
            return []
        service = ApprovalService(self._session)
        found = []
        for rule in self._demanded(plan):
            need = Need.model_validate(rule.need)
            latest = service.latest(plan.tenant_id, KIND, _subject(plan, rule), _hexadecimal(plan))
            standing: dict[str, Any] = {} if latest is None else _standing(latest)
            found.append(PlanApproval(rule=rule.name, need=need, **standing))
        return found

    def _requester(self, plan: InstallPlan) -> Principal:
        """Return who wants a plan applied, as they are known now; raise ``ApprovalNeededError`` where they left."""
        wanted = plan.wanted or {"actor": plan.actor, "name": plan.created_by, "member": plan.member_id}
        if wanted["member"] is None:
            scopes = frozenset({"installs:write", "policies:write", "environments:write"})
            return Principal(plan.tenant_id, "", wanted["actor"], wanted["name"], scopes)
        member_id = UUID(str(wanted["member"]))
        member = next((e for e in TenantService(self._session).members(plan.tenant_id) if e.id == member_id), None)
        if member is None:
            raise ApprovalNeededError(
                f"{wanted['name']}, who wanted this, has left. Somebody else has to plan it anew."
            )
        return Principal(plan.tenant_id, "", wanted["actor"], wanted["name"], ROLE_SCOPES[member.role], member_id)

    def _check_members(self, tenant_id: UUID, need: Need) -> None:
        if need.chosen_by != "members":
            return
        known = {each.id for each in TenantService(self._session).members(tenant_id)}
        strangers = [each for each in need.members if each not in known]
        if strangers or not need.members:
            named = f"There is no member {strangers[0]}." if strangers else "No member is named."
            raise InvalidInputError(
                f"{named} Name members by their ids.",
                [FieldError("/need/members", f"{named} Name members by their ids.")],
            )

    def _note(
        self,
        principal: Principal,
        action: str,
        rule: InstallApprovalRule,
        made: type[InstallApprovalRuleMade] | type[InstallApprovalRuleEnded],
    ) -> None:
        subject = f"install-approval-rules/{rule.id}"
        self._tell(principal.tenant_id, subject, made(rule_id=rule.id, name=rule.name), principal.actor)
        TenantService(self._session).audit(
            principal.tenant_id, principal.actor, action, subject, {"name": rule.name, "need": rule.need}
        )


def kept_grants(grants: Sequence[tuple[str, Grant]]) -> list[dict[str, Any]]:
    """Return what a revision keeps of the approvals that let it through."""
    return [{"rule": rule, **grant.model_dump(mode="json")} for rule, grant in grants]


def _subject(plan: InstallPlan, rule: InstallApprovalRule) -> str:
    return f"installs/{plan.asked['name']}#{rule.name}"


def _hexadecimal(plan: InstallPlan) -> str:
    return (plan.digest or "").removeprefix("sha256:")


def _title(plan: InstallPlan) -> str:
    document = plan.document
    return f"{str(plan.action).capitalize()} {document['asset']} {document['version']} ({plan.asked['name']})"[:200]


def _summary(plan: InstallPlan, rule: InstallApprovalRule) -> str:
    """Return what approvers should know before they open the plan itself."""
    document = plan.document
    lines = [
        f"{plan.created_by} planned this at {document['place'][:300]}; the rule {rule.name} asks for an approval.",
        *(f"It asks to {each['meaning'] or 'do what is called'} ({each['name']})." for each in document["permissions"]),
    ]
    files = [each for each in document.get("changes", {}).get("files", ()) if each["status"] != "kept"]
    lines += [f"{each['status']} {each['path'][:200]}" for each in files[:20]]
    if len(files) > 20:
        lines.append(f"... and {len(files) - 20} more files")
    return _NOT_SHOWN.sub(" ", "\n".join(lines))[:4000]


def _standing(found: ApprovalRead) -> dict[str, Any]:
    names = ("state", "counts", "given", "needed", "problem")
    return {"approval": found.id, **{name: getattr(found, name) for name in names}}

"""Asking for a gate, and taking one back: bound to one plan, and to nobody who wants it done."""

from collections.abc import Collection, Sequence
from datetime import timedelta
from typing import Literal
from uuid import UUID

from catalog.approvals import queries, rules
from catalog.approvals.errors import ApprovalClosedError, NoApproversError, NotYourDecisionError
from catalog.approvals.events import ApprovalData, ApprovalExpired, ApprovalRequested, ApprovalVoided
from catalog.approvals.models import Approval, ApprovalRead, ApprovalState, Ask, AskOutside, Need
from catalog.approvals.service.policy import ApproverPolicy
from catalog.approvals.service.reading import Crowd, ReadingApprovals, gate_of
from catalog.clock import now
from catalog.errors import NotFoundError
from catalog.events import outbox
from catalog.tenancy import Principal
from catalog.tenants.service import TenantService

OPEN = (ApprovalState.PENDING, ApprovalState.GRANTED)
PLAN_CHANGED = "The plan has changed since."
VoidCause = Literal["plan_changed", "withdrawn"]


class Asking(ReadingApprovals):
    """What areas do with gates."""

    def ask(self, principal: Principal, asked: Ask, policy: ApproverPolicy | None = None) -> ApprovalRead:
        """Ask people to approve a plan, and return the gate; the same plan again returns the same gate.

        What was asked or granted for another plan of the subject, or by another need, is voided. Whoever asks again
        may not approve either. Raises ``NoApproversError`` where nobody, or too few people, could approve: nothing is
        made then, so what waits for it cannot go on. Scopes are the asking area's to check.
        """
        queries.hold_subject(self._session, principal.tenant_id, asked.kind, asked.subject)
        barred = {str(each) for each in (principal.member_id, *asked.not_by) if each is not None}
        same = None
        for found in self._open(principal.tenant_id, asked.kind, asked.subject):
            if same is None and self._answers(found, asked):
                same = found
            else:
                self._void(principal, found, "plan_changed", PLAN_CHANGED)
        if same is not None:
            return self._ask_again(principal, same, barred)
        crowd = self._crowd(principal.tenant_id)
        chosen = self._chosen(principal, asked, policy)
        approval = _approval(principal, asked, barred, crowd)
        gate = gate_of(approval.model_copy(update={"approvers": [str(each) for each in chosen or crowd.people]}))
        able = rules.roster(gate, crowd.people)
        needed = max(rules.tally(gate, crowd.people).needed, 1)
        if len(able) < needed:
            raise NoApproversError(_nobody(asked.need, len(able), needed))
        approval.approvers = sorted(map(str, able))
        self._session.add(approval)
        self._session.flush()
        data = ApprovalRequested(
            **facts(approval).model_dump(),
            approvers=sorted(able, key=str),
            needed=needed,
            expires_at=approval.expires_at,
        )
        self._tell(approval, data, principal.actor)
        return self._read(principal.tenant_id, [approval])[0]

    def ask_outside(self, principal: Principal, asked: AskOutside) -> tuple[ApprovalRead, bool]:
        """Ask for another system, and tell whether it is new; it can open no gate of an area of Slipway."""
        moment = now()
        found = self.ask(principal, asked.ask())
        return found, found.requested_at >= moment

    def void(self, principal: Principal, kind: str, subject: str, reason: str) -> int:
        """Void whatever was asked or granted for a subject, for an area that needs no decision any more."""
        queries.hold_subject(self._session, principal.tenant_id, kind, subject)
        found = self._open(principal.tenant_id, kind, subject)
        for each in found:
            self._void(principal, each, "withdrawn", reason)
        return len(found)

    def withdraw(self, principal: Principal, approval_id: UUID, reason: str = "") -> ApprovalRead:
        """Take a question back: for whoever asked it, and for administrators. Doing so again changes nothing."""
        approval = self._locked(principal.tenant_id, approval_id)
        if not _may_withdraw(principal, approval):
            raise NotYourDecisionError("Only whoever asked, or an administrator, can take this back.")
        if approval.state in OPEN:
            self._void(principal, approval, "withdrawn", reason or f"{principal.name} took it back.")
        elif approval.state is not ApprovalState.VOIDED:
            raise ApprovalClosedError(f"It is {approval.state} already, so there is nothing to take back.")
        return self._read(principal.tenant_id, [approval])[0]

    def may_withdraw(self, principal: Principal, approval_id: UUID) -> bool:
        """Tell whether the caller may take a question back now, for a page that offers it."""
        found = queries.by_id(self._session, principal.tenant_id, approval_id)
        return found is not None and found.state in OPEN and _may_withdraw(principal, found)

    def expire(self, tenant_id: UUID, approval_id: UUID) -> bool:
        """Close a gate that nobody decided in time, and tell whether it was open until now."""
        approval = queries.by_id(self._session, tenant_id, approval_id, lock=True)
        if approval is None or approval.state is not ApprovalState.PENDING:
            return False
        if not rules.is_over(now(), approval.expires_at):
            return False
        self._close(approval, ApprovalState.EXPIRED, "Nobody decided in time.")
        self._tell(approval, ApprovalExpired(**facts(approval).model_dump()), "system")
        return True

    def _open(self, tenant_id: UUID, kind: str, subject: str) -> Sequence[Approval]:
        return queries.of_subject(self._session, tenant_id, kind, subject, OPEN, lock=True)

    def _answers(self, found: Approval, asked: Ask) -> bool:
        """Tell whether a gate is just what is asked for, and can still be opened or used."""
        if found.plan_digest != asked.plan_digest or Need.model_validate(found.need) != asked.need:
            return False
        (read,) = self._read(found.tenant_id, [found])
        return read.state is ApprovalState.PENDING or read.counts

    def _ask_again(self, principal: Principal, approval: Approval, barred: Collection[str]) -> ApprovalRead:
        joined = sorted({*approval.requesters, *barred})
        if joined != approval.requesters:
            approval.requesters = joined
            self._session.add(approval)
            self._session.flush()
        return self._read(principal.tenant_id, [approval])[0]

    def _chosen(self, principal: Principal, asked: Ask, policy: ApproverPolicy | None) -> frozenset[UUID] | None:
        """Return who was named, None where whoever holds a role may approve."""
        if asked.need.chosen_by == "role":
            return None
        if asked.need.chosen_by == "members":
            named = frozenset(asked.need.members)
        elif policy is None:
            raise NoApproversError("A policy was to say who may approve, and there is none.")
        else:
            named = frozenset(policy.approvers(self._session, principal, asked))
        if not named:
            raise NoApproversError(_nobody(asked.need, 0, 1))
        return named

    def _locked(self, tenant_id: UUID, approval_id: UUID) -> Approval:
        found = queries.by_id(self._session, tenant_id, approval_id, lock=True)
        if found is None:
            raise NotFoundError(f"There is no approval {approval_id}.")
        return found

    def _void(self, principal: Principal, approval: Approval, cause: VoidCause, reason: str) -> None:
        self._close(approval, ApprovalState.VOIDED, reason)
        self._tell(approval, ApprovalVoided(**facts(approval).model_dump(), cause=cause), principal.actor)
        audit = TenantService(self._session).audit
        audit(approval.tenant_id, principal.actor, "approval.void", subject_of(approval), {"cause": cause})

    def _close(self, approval: Approval, state: ApprovalState, reason: str = "") -> None:
        approval.state = state
        approval.reason = reason
        approval.closed_at = now()
        self._session.add(approval)
        self._session.flush()

    def _tell(self, approval: Approval, data: ApprovalData, actor: str) -> None:
        outbox.append(self._session, data, tenant_id=approval.tenant_id, subject=subject_of(approval), actor=actor)


def subject_of(approval: Approval) -> str:
    """Return the name under which events and the audit log speak of a gate."""
    return f"approvals/{approval.id}"


def facts(approval: Approval) -> ApprovalData:
    """Return what every event of a gate tells."""
    return ApprovalData(
        approval_id=approval.id,
        kind=approval.kind,
        subject=approval.subject,
        title=approval.title,
        plan_digest=approval.plan_digest,
    )


def _may_withdraw(principal: Principal, approval: Approval) -> bool:
    mine = str(principal.member_id) in approval.requesters or approval.requested_actor == principal.actor
    return mine or principal.may("approvals:admin")


def _approval(principal: Principal, asked: Ask, barred: Collection[str], crowd: Crowd) -> Approval:
    return Approval(
        tenant_id=principal.tenant_id,
        kind=asked.kind,
        subject=asked.subject,
        title=asked.title,
        link=asked.link,
        summary=asked.summary,
        plan_digest=asked.plan_digest,
        need=asked.need.model_dump(mode="json"),
        approvers=[],
        requesters=sorted(barred),
        requested_by=principal.name,
        requested_actor=principal.actor,
        requested_at=crowd.moment,
        expires_at=crowd.moment + timedelta(hours=asked.expires_in_hours),
    )


def _nobody(need: Need, able: int, needed: int) -> str:
    whom = {
        "role": f"members with the role {need.role.value}",
        "members": "the members who were named",
        "policy": "the members whom the policy names",
    }[need.chosen_by]
    return (
        f"{needed} of {whom} would have to approve this, and {able} could: the requester never counts, nor does "
        "anybody who has left or may not approve. An administrator has to give somebody that role first."
    )

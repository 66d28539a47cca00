"""Deciding: one person says yes or no, and the gate opens or is closed for good."""

from collections.abc import Sequence
from uuid import UUID

from catalog.approvals import queries, rules
from catalog.approvals.errors import ApprovalClosedError, NotYourDecisionError, PlanChangedError
from catalog.approvals.events import ApprovalDecided, ApprovalDenied, ApprovalGranted
from catalog.approvals.models import Approval, ApprovalRead, ApprovalState, Decide, Decision
from catalog.approvals.service.asking import Asking, facts, subject_of
from catalog.approvals.service.reading import Crowd, gate_of
from catalog.clock import now
from catalog.tenancy import Principal
from catalog.tenants.service import TenantService


class Deciding(Asking):
    """What approvers do with gates."""

    def decide(self, principal: Principal, approval_id: UUID, decision: Decide, *, approves: bool) -> ApprovalRead:
        """Record the caller's decision; the same again changes nothing, a later one of the same person replaces it.

        Raises ``NotYourDecisionError`` for the requester, for a token that belongs to no person and for whoever is not
        asked, ``PlanChangedError`` where another plan waits than was looked at, ``ApprovalClosedError`` where nothing
        is left to decide.
        """
        principal.require(rules.SCOPE)
        approval = self._locked(principal.tenant_id, approval_id)
        member, voices, crowd = self._voices(principal, approval)
        if decision.plan_digest not in {None, approval.plan_digest}:
            raise PlanChangedError("You looked at another plan than the one that waits. Read it and decide again.")
        decisions = list(queries.decisions(self._session, principal.tenant_id, [approval.id]))
        self._check_open(approval, decisions, crowd)
        before = next((each for each in decisions if each.member_id == member), None)
        if before is not None and (before.approves, before.comment) == (approves, decision.comment):
            return self._read(principal.tenant_id, [approval])[0]
        made = before or Decision(
            tenant_id=principal.tenant_id,
            approval_id=approval.id,
            member_id=member,
            name=crowd.name(member),
            stands_for=[],
            approves=approves,
        )
        made.approves, made.comment, made.decided_at = approves, decision.comment, now()
        made.stands_for = sorted(map(str, voices))
        self._session.add(made)
        self._session.flush()
        self._count(principal, approval, made, [*(each for each in decisions if each is not before), made])
        return self._read(principal.tenant_id, [approval])[0]

    def _voices(self, principal: Principal, approval: Approval) -> tuple[UUID, frozenset[UUID], Crowd]:
        member = principal.member_id
        if member is None:
            raise NotYourDecisionError(
                "A person has to decide this, and this token belongs to nobody. Sign in, or use a token of your own."
            )
        if str(member) in approval.requesters:
            raise NotYourDecisionError(
                "You asked for this yourself, or had a hand in it, so somebody else has to decide. "
                "Another token of yours, or a delegation, changes nothing."
            )
        crowd = self._crowd(principal.tenant_id)
        voices = rules.stands_for(gate_of(approval), member, crowd.people, crowd.delegations)
        if not voices:
            able = sorted(crowd.name(each) for each in rules.roster(gate_of(approval), crowd.people))
            raise NotYourDecisionError(f"You are not asked. Who may decide: {', '.join(able) or 'nobody'}.")
        return member, voices, crowd

    @staticmethod
    def _check_open(approval: Approval, decisions: Sequence[Decision], crowd: Crowd) -> None:
        if rules.is_over(crowd.moment, approval.expires_at):
            raise ApprovalClosedError("The time to decide is over. It has to be asked for again.")
        # A grant that no longer counts, because an approver left, waits for somebody else's word.
        lapsed = not rules.tally(gate_of(approval, decisions), crowd.people).granted
        if approval.state is not ApprovalState.PENDING and not (approval.state is ApprovalState.GRANTED and lapsed):
            raise ApprovalClosedError(f"It is {approval.state} already, so there is nothing left to decide.")

    def _count(self, principal: Principal, approval: Approval, made: Decision, decisions: Sequence[Decision]) -> None:
        tally = rules.tally(gate_of(approval, decisions), self._crowd(principal.tenant_id).people)
        told = facts(approval).model_dump()
        data = ApprovalDecided(
            **told, member_id=made.member_id, approves=made.approves, given=tally.given, needed=tally.needed
        )
        self._tell(approval, data, principal.actor)
        audit = TenantService(self._session).audit
        detail = {"approves": made.approves, "plan_digest": approval.plan_digest, "stands_for": made.stands_for}
        audit(approval.tenant_id, principal.actor, "approval.decide", subject_of(approval), detail)
        if tally.denied:
            self._close(approval, ApprovalState.DENIED, made.comment)
            self._tell(approval, ApprovalDenied(**told, member_id=made.member_id), principal.actor)
        elif tally.granted:
            self._close(approval, ApprovalState.GRANTED)
            self._tell(approval, ApprovalGranted(**told, approvers=sorted(tally.counted, key=str)), principal.actor)

"""Decisions about proposals, by people or by the autonomy of an agent, and what it takes to carry one out."""

from collections.abc import Callable, Mapping
from datetime import datetime
from uuid import UUID

from sqlmodel import Session

from catalog.clock import now
from catalog.errors import FieldError, InvalidInputError, SlipwayError
from catalog.gating import GatePoint, PolicyRefusedError, pass_gate
from catalog.proposals import queries, rules
from catalog.proposals.errors import AgentStoppedError, ProposalMoveError
from catalog.proposals.events import ProposalApplied, ProposalApproved, ProposalRejected
from catalog.proposals.models import Autonomy, Proposal, ProposalState
from catalog.proposals.service.settling import Settling, named
from catalog.proposals.shapes import Decide, Fact, Finding
from catalog.tenancy import Principal
from catalog.tenants.service import TenantService

Effect = Callable[[Proposal], str]
"""Writes what a proposal suggests, in the transaction that it is given, and says what it did."""


class Deciding(Settling):
    """What becomes of proposals."""

    def approve(self, principal: Principal, proposal_id: UUID, asked: Decide) -> Proposal:
        """Want a proposal carried out; the agent does it where it may. Approving again changes nothing.

        Raises ``ProposalMoveError`` where it has ended, or its time is up.
        """
        principal.require("proposals:write")
        proposal = self._locked(principal.tenant_id, proposal_id)
        if proposal.state in {ProposalState.APPROVED, ProposalState.APPLIED}:
            return proposal
        if rules.has_expired(proposal.state, proposal.expires_at, now()):
            raise ProposalMoveError("The time to decide about this proposal is over.")
        proposal.state = rules.moved(proposal.state, ProposalState.APPROVED)
        self._decided(principal, proposal, asked, "proposal.approve")
        self._tell(proposal, ProposalApproved(decided_by=principal.name, **named(proposal)), principal.actor)
        return proposal

    def reject(self, principal: Principal, proposal_id: UUID, asked: Decide) -> Proposal:
        """Refuse a proposal, with a reason; what was blocked for it is let through. Rejecting again changes nothing.

        The same finding is not proposed again until it has ceased to hold in between.
        """
        principal.require("proposals:write")
        if not asked.comment:
            detail = "Say why: whoever meets the same finding later will want to know."
            raise InvalidInputError(detail, [FieldError("/comment", detail)])
        proposal = self._locked(principal.tenant_id, proposal_id)
        if proposal.state is ProposalState.REJECTED:
            return proposal
        self._end(proposal, ProposalState.REJECTED, asked.comment, principal.actor)
        self._decided(principal, proposal, asked, "proposal.reject")
        self._tell(proposal, ProposalRejected(decided_by=principal.name, **named(proposal)), principal.actor)
        return proposal

    def carry_out(self, tenant_id: UUID, proposal: Proposal, usual: Autonomy, effect: Effect) -> Proposal:
        """Let an agent do what a proposal suggests: ``effect`` writes it in this transaction and says what it did.

        This is the only door to what agents do. Without an approval the agent needs the level ``act``; either way the
        gate ``agent_action`` has to let it through. Raises ``AgentStoppedError``, ``PolicyRefusedError``, or
        ``ProposalMoveError`` where it ended or was carried out already.
        """
        level = self.hold(tenant_id, proposal.agent, usual)
        row = self._locked(tenant_id, proposal.id)
        wanted = Autonomy.ACT if row.state is ProposalState.PROPOSED else Autonomy.ACT_WITH_APPROVAL
        if level.rank < wanted.rank or not row.action:
            raise AgentStoppedError(f"The agent {row.agent} may not do this itself: it may go as far as {level}.")
        actor = f"agent:{row.agent}"
        if row.state is ProposalState.PROPOSED:
            row.state = rules.moved(row.state, ProposalState.APPROVED)
            row.decided_by, row.decided_at = actor, now()
        row.state = rules.moved(row.state, ProposalState.APPLIED)
        pass_gate(self._session, tenant_id, GatePoint.AGENT_ACTION, f"proposals/{row.id}", actor)
        row.outcome, row.applied_at, row.problem = effect(row), now(), ""
        self._session.add(row)
        self._session.flush()
        self._tell(row, ProposalApplied(outcome=row.outcome, **named(row)), actor)
        detail = {"action": row.action.get("kind", ""), "about": row.subject}
        TenantService(self._session).audit(tenant_id, actor, "proposal.apply", f"proposals/{row.id}", detail)
        return row

    def report(  # what an agent says of itself, each by its name
        self,
        tenant_id: UUID,
        agent: str,
        subject: str,
        finding: Finding | None,
        *,
        usual: Autonomy,
        effects: Mapping[str, Effect],
        run_id: UUID,
    ) -> list[Fact]:
        """Take in what an agent found at a subject, and let it do what it may; return what was done, in words.

        Everything is one transaction. What policies refuse is left proposed, with the reason beside it. Raises
        ``AgentStoppedError`` where the agent was stopped while it looked.
        """
        level = self.hold(tenant_id, agent, usual)
        course = rules.course(level, has_action=finding is not None and finding.action is not None)
        if course is rules.Course.NOTE:
            return [] if finding is None else [Fact(title=f"Would propose: {finding.title}", is_fault=True)]
        settled = self.settle(tenant_id, agent, subject, finding, level=level, run_id=run_id)
        done = [Fact(title=f"Ended: {each.title}", href=_href(each), detail=each.reason) for each in settled.ended]
        if settled.made is not None:
            done.append(Fact(title=f"Proposed: {settled.made.title}", href=_href(settled.made)))
        row = settled.made or settled.stays
        is_due = row is not None and (
            (row.state is ProposalState.PROPOSED and course is rules.Course.ACT)
            or (row.state is ProposalState.APPROVED and rules.carries_out(level))
        )
        if row is not None and is_due and row.action.get("kind") in effects:
            done.append(self._tried(tenant_id, row, usual, effects[row.action["kind"]]))
        return done

    def _tried(self, tenant_id: UUID, row: Proposal, usual: Autonomy, effect: Effect) -> Fact:
        try:
            with self._session.begin_nested():
                applied = self.carry_out(tenant_id, row, usual, effect)
        except PolicyRefusedError as refusal:
            refusal.keep(self._session)
            problem = refusal.detail
        except SlipwayError as error:
            problem = error.detail
        else:
            return Fact(title=applied.outcome[:300], href=_href(applied))
        self.hinder(tenant_id, row.id, problem)
        return Fact(title="Was not allowed to act", detail=problem[:2000], href=_href(row), is_fault=True)

    def hinder(self, tenant_id: UUID, proposal_id: UUID, problem: str) -> None:
        """Write down why a proposal could not be carried out, for its page; one that has ended stays as it is."""
        row = self._locked(tenant_id, proposal_id)
        if row.state in {ProposalState.PROPOSED, ProposalState.APPROVED}:
            row.problem = problem[:1000]
            self._session.add(row)

    @staticmethod
    def due_for_expiry(session: Session, moment: datetime, limit: int) -> list[queries.Due]:
        """Return proposals of all tenants whose time is up at ``moment``; needs a session of the system role."""
        return queries.expired(session, moment, limit)

    def _decided(self, principal: Principal, proposal: Proposal, asked: Decide, done: str) -> None:
        proposal.decided_by, proposal.decided_at, proposal.comment = principal.name, now(), asked.comment
        self._session.add(proposal)
        self._session.flush()
        subject = f"proposals/{proposal.id}"
        detail = {"about": proposal.subject, "comment": asked.comment}
        TenantService(self._session).audit(principal.tenant_id, principal.actor, done, subject, detail)


def _href(proposal: Proposal) -> str:
    return f"/proposals/{proposal.id}"

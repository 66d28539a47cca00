"""What follows from looking at a subject: a proposal is made, stays, or ends with the finding that it was about."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import Any
from uuid import UUID

from catalog.clock import now
from catalog.errors import NotFoundError
from catalog.events import outbox
from catalog.events.registry import EventData
from catalog.proposals import queries, rules
from catalog.proposals.events import BlockLifted, BlockPlaced, ProposalClosed, ProposalMade
from catalog.proposals.models import Autonomy, Block, Proposal, ProposalState
from catalog.proposals.service.running import Running
from catalog.proposals.shapes import BlockAsked, Finding

RESOLVED = "What it was about no longer holds."


@dataclass(frozen=True)
class Settled:
    """What came of a finding: the proposal that was made, or the one that says so already, and those that ended."""

    made: Proposal | None
    stays: Proposal | None
    ended: tuple[Proposal, ...]


class Settling(Running):
    """Findings turned into proposals, each of them once."""

    def hold_subject(self, tenant_id: UUID, agent: str, subject: str) -> None:
        """Let nobody else settle what an agent finds at a subject, until the end of this transaction."""
        queries.hold_subject(self._session, tenant_id, agent, subject)

    def settle(
        self,
        tenant_id: UUID,
        agent: str,
        subject: str,
        finding: Finding | None,
        *,
        level: Autonomy,
        run_id: UUID | None = None,
        because: str = RESOLVED,
    ) -> Settled:
        """Write down what an agent found at a subject.

        The same finding again changes nothing. Another one supersedes what was proposed before; none ends it, with
        ``because`` as the reason, and lifts what was blocked for it.
        """
        queries.hold_subject(self._session, tenant_id, agent, subject)
        rows = {each.id: each for each in queries.about(self._session, tenant_id, agent, subject)}
        known = [rules.Known(each.id, each.state, each.fingerprint) for each in rows.values()]
        found = None if finding is None else rules.fingerprint(agent, subject, finding)
        outcome = rules.settle(known, found)
        for rejected in outcome.resolves:
            rows[rejected].resolved_at = now()
            self._session.add(rows[rejected])
        ended = [rows[each] for each in outcome.ends]
        made = None
        if finding is not None and found is not None and outcome.is_due:
            made = self._made(tenant_id, agent, subject, finding, found)
            made.autonomy, made.run_id = level, run_id
        reason = because if made is None else "Something else is found there by now."
        for each in ended:
            self._close(each, ProposalState.SUPERSEDED, reason, made)
        if made is not None:
            self._session.add(made)
            self._session.flush()
            self._link(ended, made)
            before = ended[0].id if ended else None
            self._tell(made, ProposalMade(title=made.title, supersedes=before, **named(made)), f"agent:{agent}")
        return Settled(made, None if outcome.stays is None else rows[outcome.stays], tuple(ended))

    def withdraw(self, tenant_id: UUID, agent: str, proposal_id: UUID, reason: str) -> Proposal:
        """Take a proposal of an agent back; raise ``ProposalMoveError`` where it has ended already."""
        proposal = self._locked(tenant_id, proposal_id)
        if proposal.agent != agent:
            raise NotFoundError(f"There is no proposal {proposal_id}.")
        return self._close(proposal, ProposalState.WITHDRAWN, reason)

    def expire(self, tenant_id: UUID, proposal_id: UUID) -> bool:
        """End a proposal if nobody carried it out in time; tell whether it did."""
        proposal = self._locked(tenant_id, proposal_id)
        if not rules.has_expired(proposal.state, proposal.expires_at, now()):
            return False
        self._close(proposal, ProposalState.EXPIRED, "Nobody carried it out in time.")
        return True

    def block(self, proposal: Proposal, asked: BlockAsked) -> Block:
        """Let gates stop what a proposal names, until the proposal ends."""
        keys = [*(each.key for each in asked.missing), *asked.holds]
        row = Block(
            tenant_id=proposal.tenant_id,
            proposal_id=proposal.id,
            agent=proposal.agent,
            subject=proposal.subject,
            label=proposal.label,
            holds=list(dict.fromkeys(keys)),
            missing=[each.model_dump(mode="json") for each in asked.missing],
        )
        self._session.add(row)
        self._session.flush()
        missing = list(dict.fromkeys(each.evidence for each in asked.missing))
        data = BlockPlaced(block_id=row.id, proposal_id=proposal.id, about=proposal.subject, missing=missing)
        self._tell(proposal, data, f"agent:{proposal.agent}")
        return row

    def _made(self, tenant_id: UUID, agent: str, subject: str, finding: Finding, found: str) -> Proposal:
        content = finding.model_dump(mode="json")
        return Proposal(
            tenant_id=tenant_id,
            agent=agent,
            kind=finding.kind,
            subject=subject,
            label=finding.label,
            title=finding.title,
            summary=finding.summary,
            evidence=content["evidence"],
            action=content["action"] or {},
            steps=content["steps"],
            fingerprint=found,
            autonomy=Autonomy.PROPOSE,
            expires_at=now() + timedelta(days=finding.days),
        )

    def _link(self, ended: Sequence[Proposal], made: Proposal) -> None:
        for each in ended:
            each.successor_id = made.id
            self._session.add(each)
        self._session.flush()

    def _close(self, proposal: Proposal, to: ProposalState, reason: str, successor: Proposal | None = None) -> Proposal:
        self._end(proposal, to, reason, f"agent:{proposal.agent}")
        proposal.resolved_at = now()
        data = ProposalClosed(
            state=str(to),
            reason=reason,
            successor=None if successor is None else successor.id,
            **named(proposal),
        )
        self._tell(proposal, data, f"agent:{proposal.agent}")
        return proposal

    def _end(self, proposal: Proposal, to: ProposalState, reason: str, actor: str) -> None:
        proposal.state = rules.moved(proposal.state, to)
        proposal.ended_at = now()
        proposal.reason = reason
        self._session.add(proposal)
        for each in queries.blocks_of(self._session, proposal.tenant_id, proposal.id):
            if each.lifted_at is None:
                each.lifted_at, each.lifted_by, each.reason = now(), actor, reason[:1000]
                self._session.add(each)
                data = BlockLifted(block_id=each.id, proposal_id=proposal.id, about=proposal.subject, reason=reason)
                self._tell(proposal, data, actor)
        self._session.flush()

    def _locked(self, tenant_id: UUID, proposal_id: UUID) -> Proposal:
        found = queries.proposal(self._session, tenant_id, proposal_id, lock=True)
        if found is None:
            raise NotFoundError(f"There is no proposal {proposal_id}.")
        return found

    def _tell(self, proposal: Proposal, data: EventData, actor: str) -> None:
        subject = f"proposals/{proposal.id}"
        outbox.append(self._session, data, tenant_id=proposal.tenant_id, subject=subject, actor=actor)


def named(proposal: Proposal) -> dict[str, Any]:
    """Return what every event of a proposal says."""
    return {
        "proposal_id": proposal.id,
        "agent": proposal.agent,
        "kind": proposal.kind,
        "about": proposal.subject,
    }

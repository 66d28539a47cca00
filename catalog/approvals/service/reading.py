"""What gates there are, and how each stands with the people of this moment."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from sqlmodel import Session

from catalog.approvals import queries, rules
from catalog.approvals.errors import ApprovalNeededError
from catalog.approvals.models import (
    Approval,
    ApprovalDecisionRead,
    ApprovalRead,
    ApprovalState,
    Decision,
    Grant,
    Need,
    PersonRead,
)
from catalog.clock import now
from catalog.errors import NotFoundError
from catalog.tenancy import Principal
from catalog.tenants.models import Member
from catalog.tenants.service import TenantService

MOST_WAITING = 200
"""How many gates that wait are looked through for those that one person may open."""


@dataclass(frozen=True)
class Crowd:
    """The members of a tenant and who decides in whose place, at one moment."""

    members: Mapping[UUID, Member]
    delegations: Sequence[rules.Instead]
    moment: datetime

    @property
    def people(self) -> rules.People:
        """Return the role of each member."""
        return {member.id: member.role for member in self.members.values()}

    def name(self, member_id: UUID) -> str:
        """Return how a member is called, also one that has left."""
        return self.members[member_id].name if member_id in self.members else "somebody who has left"


class ReadingApprovals:
    """Reads of gates; nothing here changes anything."""

    def __init__(self, session: Session) -> None:
        self._session = session

    def get(self, tenant_id: UUID, approval_id: UUID) -> ApprovalRead:
        """Return a gate; raise ``NotFoundError`` where the tenant has none of that id."""
        found = queries.by_id(self._session, tenant_id, approval_id)
        if found is None:
            raise NotFoundError(f"There is no approval {approval_id}.")
        return self._read(tenant_id, [found])[0]

    def page(
        self,
        tenant_id: UUID,
        states: Collection[ApprovalState] = (),
        before: tuple[datetime, UUID] | None = None,
        limit: int = 50,
    ) -> list[ApprovalRead]:
        """Return gates, newest first; ``before`` is the time and id of the last one already seen."""
        return self._read(tenant_id, queries.page(self._session, tenant_id, states, before, limit))

    def waiting_for(self, principal: Principal) -> list[ApprovalRead]:
        """Return the gates that the caller may open and has said nothing about, newest first."""
        pending = queries.page(self._session, principal.tenant_id, [ApprovalState.PENDING], None, MOST_WAITING)
        crowd = self._crowd(principal.tenant_id)
        said = {
            each.approval_id
            for each in queries.decisions(self._session, principal.tenant_id, [each.id for each in pending])
            if each.member_id == principal.member_id
        }
        mine = [
            each
            for each in pending
            if each.id not in said
            and not rules.is_over(crowd.moment, each.expires_at)
            and self._speaks_for(each, principal, crowd)
        ]
        return self._read(principal.tenant_id, mine)

    def speaks_for(self, principal: Principal, approval_id: UUID) -> list[str]:
        """Return the names of those for whom the caller may decide here, its own among them; none where it may not."""
        found = queries.by_id(self._session, principal.tenant_id, approval_id)
        if found is None:
            raise NotFoundError(f"There is no approval {approval_id}.")
        crowd = self._crowd(principal.tenant_id)
        return sorted(crowd.name(each) for each in self._speaks_for(found, principal, crowd))

    def latest(self, tenant_id: UUID, kind: str, subject: str, plan_digest: str) -> ApprovalRead | None:
        """Return the newest gate for just this plan of a subject, None where nobody was asked about it."""
        found = queries.of_subject(self._session, tenant_id, kind, subject, list(ApprovalState))
        of_plan = [each for each in found if each.plan_digest == plan_digest]
        return self._read(tenant_id, of_plan[:1])[0] if of_plan else None

    def granted_for(self, tenant_id: UUID, kind: str, subject: str, plan_digest: str) -> Grant | None:
        """Return what opens the gate for just this plan at this moment, None where nothing does.

        A grant counts until it expires, as long as enough of those who gave it are still members who may approve.
        """
        granted = queries.of_subject(self._session, tenant_id, kind, subject, [ApprovalState.GRANTED])
        for approval in granted:
            (read,) = self._read(tenant_id, [approval])
            if approval.plan_digest == plan_digest and read.counts:
                return Grant(
                    approval_id=approval.id,
                    plan_digest=plan_digest,
                    approvers=tuple(each.name for each in read.decisions if each.counts and each.approves),
                    granted_at=approval.closed_at or approval.requested_at,
                    expires_at=approval.expires_at,
                )
        return None

    def require_grant(self, tenant_id: UUID, kind: str, subject: str, plan_digest: str) -> Grant:
        """Return what ``granted_for`` does; raise ``ApprovalNeededError`` saying what is missing where it is None."""
        grant = self.granted_for(tenant_id, kind, subject, plan_digest)
        if grant is not None:
            return grant
        latest = queries.of_subject(self._session, tenant_id, kind, subject, list(ApprovalState))
        if not latest:
            raise ApprovalNeededError("Nobody has been asked to approve this yet.")
        (read,) = self._read(tenant_id, latest[:1])
        if read.plan_digest != plan_digest:
            raise ApprovalNeededError("What was approved is another plan than the one to be carried out. Ask again.")
        said = {
            ApprovalState.PENDING: f"It waits for approval: {read.given} of {read.needed} given.",
            ApprovalState.GRANTED: "It was approved, but that does not count any more.",
            ApprovalState.DENIED: "It was denied.",
            ApprovalState.EXPIRED: "Nobody decided in time. Ask again.",
            ApprovalState.VOIDED: f"The approval was voided: {read.reason}",
        }
        raise ApprovalNeededError(" ".join(filter(None, (said[read.state], read.problem))))

    def _crowd(self, tenant_id: UUID) -> Crowd:
        moment = now()
        members = {each.id: each for each in TenantService(self._session).members(tenant_id)}
        held = queries.delegations(self._session, tenant_id, moment)
        return Crowd(members, [rules.Instead(each.giver_id, each.taker_id) for each in held], moment)

    @staticmethod
    def _speaks_for(approval: Approval, principal: Principal, crowd: Crowd) -> frozenset[UUID]:
        if principal.member_id is None or not principal.may(rules.SCOPE):
            return frozenset()
        return rules.stands_for(gate_of(approval), principal.member_id, crowd.people, crowd.delegations)

    def _read(self, tenant_id: UUID, found: Sequence[Approval]) -> list[ApprovalRead]:
        crowd = self._crowd(tenant_id)
        said: dict[UUID, list[Decision]] = {each.id: [] for each in found}
        for decision in queries.decisions(self._session, tenant_id, list(said)):
            said[decision.approval_id].append(decision)
        return [_approval_read(each, said[each.id], crowd) for each in found]


def gate_of(approval: Approval, decisions: Sequence[Decision] = ()) -> rules.Gate:
    """Return a gate with what was said, as the rules take it."""
    need = Need.model_validate(approval.need)
    return rules.Gate(
        mode=need.mode,
        quorum=need.quorum,
        approvers=frozenset(map(UUID, approval.approvers)),
        barred=frozenset(map(UUID, approval.requesters)),
        role=need.role if need.chosen_by == "role" else None,
        voices=tuple(
            rules.Voice(each.member_id, frozenset(map(UUID, each.stands_for)), each.approves) for each in decisions
        ),
    )


def _approval_read(approval: Approval, decisions: Sequence[Decision], crowd: Crowd) -> ApprovalRead:
    tally = rules.tally(gate_of(approval, decisions), crowd.people)
    over = rules.is_over(crowd.moment, approval.expires_at)
    state = ApprovalState.EXPIRED if over and approval.state is ApprovalState.PENDING else approval.state
    known = tally.roster | frozenset(map(UUID, approval.approvers))
    return ApprovalRead(
        **approval.model_dump(
            include={"id", "kind", "subject", "title", "link", "summary", "plan_digest", "requested_by"}
            | {"requested_at", "expires_at", "closed_at", "reason"}
        ),
        need=Need.model_validate(approval.need),
        state=state,
        counts=state is ApprovalState.GRANTED and not over and tally.granted,
        given=tally.given,
        needed=tally.needed,
        problem=_problem(state, tally, over=over),
        approvers=sorted(
            (PersonRead(id=each, name=crowd.name(each), counts=each in tally.roster) for each in known),
            key=lambda person: (not person.counts, person.name, person.id),
        ),
        decisions=[_decision_read(each, tally, crowd) for each in decisions],
    )


def _decision_read(decision: Decision, tally: rules.Tally, crowd: Crowd) -> ApprovalDecisionRead:
    others = [UUID(each) for each in decision.stands_for if each != str(decision.member_id)]
    return ApprovalDecisionRead(
        member_id=decision.member_id,
        name=decision.name,
        instead_of=sorted(crowd.name(each) for each in others),
        approves=decision.approves,
        comment=decision.comment,
        decided_at=decision.decided_at,
        counts=decision.member_id in tally.counted,
    )


def _problem(state: ApprovalState, tally: rules.Tally, *, over: bool) -> str | None:
    if state is ApprovalState.GRANTED and over:
        return "The time in which it could be used is over. Ask again."
    if state is ApprovalState.GRANTED and not tally.granted:
        return (
            "Somebody who approved has left or may not approve any more: "
            f"{tally.given} of {tally.needed} approvals still count."
        )
    if state is ApprovalState.PENDING and not tally.possible:
        return (
            f"{max(tally.needed, 1)} of those who may approve are needed, and there are {len(tally.roster)}. "
            "An administrator has to give somebody the role, or it has to be asked for anew."
        )
    return None

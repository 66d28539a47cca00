"""Delegation: who decides in whose place, and until when."""

from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from uuid import UUID

from sqlmodel import Session

from catalog.approvals import queries, rules
from catalog.approvals.errors import NotYourDecisionError
from catalog.approvals.events import ApprovalDelegated, ApprovalDelegationEnded
from catalog.approvals.models import Delegate, Delegation, DelegationRead
from catalog.approvals.service.deciding import Deciding
from catalog.clock import now
from catalog.errors import FieldError, InvalidInputError, NotFoundError
from catalog.events import outbox
from catalog.tenancy import Principal
from catalog.tenants.models import Member
from catalog.tenants.service import TenantService

LONGEST = timedelta(days=92)


class Delegating(Deciding):
    """What members agree on between themselves."""

    def delegate(self, principal: Principal, asked: Delegate) -> DelegationRead:
        """Let another member decide in the caller's place until a moment, at most three months from now.

        The other has to be able to approve by itself: delegation widens whose word counts here, never what somebody
        may do. Raises ``InvalidInputError`` naming the fields at fault.
        """
        principal.require(rules.SCOPE)
        if principal.member_id is None:
            raise NotYourDecisionError("Only a person can delegate, and this token belongs to nobody.")
        members = self._members(principal.tenant_id)
        taker = _find(members, asked.to)
        errors = _errors(principal.member_id, taker, asked)
        if errors or taker is None:
            raise InvalidInputError("The delegation cannot be made as asked.", errors)
        made = Delegation(
            tenant_id=principal.tenant_id,
            giver_id=principal.member_id,
            taker_id=taker.id,
            reason=asked.reason,
            until=asked.until,
        )
        self._session.add(made)
        self._session.flush()
        data = ApprovalDelegated(
            delegation_id=made.id, giver_id=made.giver_id, taker_id=made.taker_id, until=made.until
        )
        self._note(principal, "approval.delegate", made, data)
        return _read(made, members, now())

    def delegations(self, tenant_id: UUID) -> list[DelegationRead]:
        """Return the tenant's delegations, newest first; those that ended are among them."""
        members, moment = self._members(tenant_id), now()
        return [_read(each, members, moment) for each in queries.delegations(self._session, tenant_id)]

    def end_delegation(self, principal: Principal, delegation_id: UUID) -> DelegationRead:
        """Take a delegation back: for both sides and for administrators. Doing so again changes nothing."""
        found = queries.delegation(self._session, principal.tenant_id, delegation_id)
        if found is None:
            raise NotFoundError(f"There is no delegation {delegation_id}.")
        if principal.member_id not in {found.giver_id, found.taker_id} and not principal.may("approvals:admin"):
            raise NotYourDecisionError("Only the two members, or an administrator, can end this.")
        if found.ended_at is None:
            found.ended_at = now()
            self._session.add(found)
            self._session.flush()
            data = ApprovalDelegationEnded(delegation_id=found.id, giver_id=found.giver_id, taker_id=found.taker_id)
            self._note(principal, "approval.end_delegation", found, data)
        return _read(found, self._members(principal.tenant_id), now())

    def colleagues(self, principal: Principal) -> list[tuple[str, str]]:
        """Return address and name of every other member who may approve, for a choice."""
        return sorted(
            (each.email, each.name)
            for each in self._members(principal.tenant_id).values()
            if each.id != principal.member_id and rules.may_approve(each.role)
        )

    @staticmethod
    def overdue(session: Session, moment: datetime, limit: int) -> Sequence[tuple[UUID, UUID]]:
        """Return tenant and id of gates of all tenants whose time is over; needs a session of the system role."""
        return queries.overdue(session, moment, limit)

    def _members(self, tenant_id: UUID) -> dict[UUID, Member]:
        return {each.id: each for each in TenantService(self._session).members(tenant_id)}

    def _note(
        self, principal: Principal, action: str, made: Delegation, data: ApprovalDelegated | ApprovalDelegationEnded
    ) -> None:
        subject = f"approvals/delegations/{made.id}"
        outbox.append(self._session, data, tenant_id=made.tenant_id, subject=subject, actor=principal.actor)
        detail = {"giver": str(made.giver_id), "taker": str(made.taker_id)}
        TenantService(self._session).audit(made.tenant_id, principal.actor, action, subject, detail)


def _find(members: Mapping[UUID, Member], to: str) -> Member | None:
    return next((each for each in members.values() if to.lower() in {each.email.lower(), str(each.id)}), None)


def _errors(giver: UUID, taker: Member | None, asked: Delegate) -> list[FieldError]:
    errors = []
    if taker is None:
        errors.append(FieldError("/to", f"There is no member {asked.to}. Give an e-mail address of your tenant."))
    elif taker.id == giver:
        errors.append(FieldError("/to", "Name somebody else than yourself."))
    elif not rules.may_approve(taker.role):
        errors.append(FieldError("/to", f"{taker.name} is {taker.role} and may not approve. Name an approver."))
    moment = now()
    if asked.until.tzinfo is None or not moment < asked.until <= moment + LONGEST:
        errors.append(FieldError("/until", f"Give a moment in the future with its zone, at most {LONGEST.days} days."))
    return errors


def _read(found: Delegation, members: Mapping[UUID, Member], moment: datetime) -> DelegationRead:
    def name(member_id: UUID) -> str:
        return members[member_id].name if member_id in members else "somebody who has left"

    both = found.giver_id in members and found.taker_id in members
    return DelegationRead(
        id=found.id,
        giver_id=found.giver_id,
        giver=name(found.giver_id),
        taker_id=found.taker_id,
        taker=name(found.taker_id),
        reason=found.reason,
        created_at=found.created_at,
        until=found.until,
        holds=both and found.ended_at is None and moment < found.until,
    )

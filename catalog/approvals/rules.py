"""Whose word counts, and when a gate opens: pure functions of what was said and of who may say it now."""

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from catalog.approvals.models import ApprovalMode
from catalog.tenancy import ROLE_SCOPES, Role

SCOPE = "approvals:write"

People = Mapping[UUID, Role]
"""The members of the tenant at this moment, with their roles."""


@dataclass(frozen=True)
class Voice:
    """What one person said, and for whom: itself, those who let it decide in their place, or both."""

    member: UUID
    stands_for: frozenset[UUID]
    approves: bool


@dataclass(frozen=True)
class Instead:
    """``taker`` decides in the place of ``giver``."""

    giver: UUID
    taker: UUID


@dataclass(frozen=True)
class Gate:
    """What is needed: ``role`` where approvers are whoever holds it, otherwise ``approvers`` as they were named.

    ``barred`` are the requester and others with a hand in it: neither they, nor anybody in their place, ever counts.
    """

    mode: ApprovalMode
    quorum: int
    approvers: frozenset[UUID]
    barred: frozenset[UUID]
    role: Role | None = None
    voices: tuple[Voice, ...] = ()


@dataclass(frozen=True)
class Tally:
    """How a gate stands now: ``given`` of ``needed``; ``counted`` are the people whose word counts."""

    granted: bool
    denied: bool
    given: int
    needed: int
    counted: frozenset[UUID]
    roster: frozenset[UUID]

    @property
    def possible(self) -> bool:
        """Tell whether there are people enough to open the gate."""
        return self.needed > 0 and (self.granted or len(self.roster) >= self.needed)


def may_approve(role: Role) -> bool:
    """Tell whether members of a role may approve anything at all."""
    return SCOPE in ROLE_SCOPES[role]


def roster(gate: Gate, people: People) -> frozenset[UUID]:
    """Return whose word counts now.

    Whoever has left, lost the role or is barred does not. Where all have to approve, they are those who could when it
    was asked for: somebody who comes later cannot close a gate that was open.
    """
    able = {member for member, role in people.items() if may_approve(role)} - gate.barred
    if gate.role is None:
        return gate.approvers & frozenset(able)
    holding = frozenset(member for member in able if _holds(people[member], gate.role))
    return holding & gate.approvers if gate.mode is ApprovalMode.ALL else holding


def stands_for(gate: Gate, member: UUID, people: People, delegations: Collection[Instead]) -> frozenset[UUID]:
    """Return those for whom ``member`` may speak: nobody where it is barred or may not approve itself.

    Delegation is one step: who decides in another's place cannot hand that on, so circles lead nowhere.
    """
    if member in gate.barred or member not in people or not may_approve(people[member]):
        return frozenset()
    counting = roster(gate, people)
    givers = {each.giver for each in delegations if each.taker == member}
    return counting & ({member} | givers)


def tally(gate: Gate, people: People) -> Tally:
    """Count what was said. One denial denies; one person counts once, however many it stands for, unless all must."""
    counting = roster(gate, people)
    heard = [each for each in gate.voices if _is_heard(each, gate, people) and each.stands_for & counting]
    approving = [each for each in heard if each.approves]
    if gate.mode is ApprovalMode.ALL:
        covered = frozenset[UUID]().union(*(each.stands_for for each in approving)) & counting
        given, needed = len(covered), len(counting)
    else:
        given, needed = len({each.member for each in approving}), gate.quorum if gate.mode is ApprovalMode.QUORUM else 1
    denied = len(approving) < len(heard)
    return Tally(
        granted=not denied and 0 < needed <= given,
        denied=denied,
        given=given,
        needed=needed,
        counted=frozenset(each.member for each in heard),
        roster=counting,
    )


def is_over(moment: datetime, expires_at: datetime) -> bool:
    """Tell whether the time to decide, and to use what was granted, is over."""
    return moment >= expires_at


def _is_heard(voice: Voice, gate: Gate, people: People) -> bool:
    return voice.member not in gate.barred and voice.member in people and may_approve(people[voice.member])


def _holds(role: Role, wanted: Role) -> bool:
    return role is wanted or role is Role.ADMIN

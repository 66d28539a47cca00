"""Gates under any order of what people do: nobody opens one who must not, and one denial closes it."""

from dataclasses import replace
from uuid import UUID

from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from catalog.approvals.models import ApprovalMode
from catalog.approvals.rules import Gate, Instead, Voice, may_approve, roster, stands_for, tally
from catalog.tenancy import Role

MEMBERS = [UUID(int=number) for number in range(1, 7)]
member = st.sampled_from(MEMBERS)


class Gates(RuleBasedStateMachine):
    """Members come, go, change roles, delegate and decide in any order."""

    @initialize(
        mode=st.sampled_from(ApprovalMode),
        quorum=st.integers(1, 3),
        role=st.sampled_from([None, Role.APPROVER, Role.ADMIN]),
        barred=st.frozensets(member, min_size=1, max_size=2),
        named=st.frozensets(member),
    )
    def open(
        self, mode: ApprovalMode, quorum: int, role: Role | None, barred: frozenset[UUID], named: frozenset[UUID]
    ) -> None:
        self.people = dict.fromkeys(MEMBERS, Role.APPROVER)
        self.delegations: set[Instead] = set()
        asked = Gate(mode, quorum, named if role is None else frozenset(MEMBERS), barred, role)
        self.gate = replace(asked, approvers=roster(asked, self.people))
        self.denials = 0

    @rule(who=member, role=st.sampled_from(Role))
    def appoint(self, who: UUID, role: Role) -> None:
        self.people[who] = role

    @rule(who=member)
    def leave(self, who: UUID) -> None:
        self.people.pop(who, None)

    @rule(giver=member, taker=member)
    def delegate(self, giver: UUID, taker: UUID) -> None:
        self.delegations.add(Instead(giver, taker))

    @precondition(lambda self: self.delegations)
    @rule(data=st.data())
    def take_back(self, data: st.DataObject) -> None:
        self.delegations.discard(data.draw(st.sampled_from(sorted(self.delegations, key=str))))

    @rule(who=member, approves=st.booleans())
    def decide(self, who: UUID, approves: bool) -> None:  # noqa: FBT001  # drawn by name
        voices = stands_for(self.gate, who, self.people, self.delegations)
        if not voices:
            return
        others = tuple(each for each in self.gate.voices if each.member != who)
        self.gate = replace(self.gate, voices=(*others, Voice(who, voices, approves)))

    @invariant()
    def holds(self) -> None:
        found = tally(self.gate, self.people)
        allowed = {who for who, role in self.people.items() if may_approve(role)} - self.gate.barred
        assert found.counted <= allowed
        assert found.roster <= allowed
        for who in self.gate.barred:
            assert not stands_for(self.gate, who, self.people, self.delegations)
        approving = {each.member for each in self.gate.voices if each.approves} & found.counted
        denying = {each.member for each in self.gate.voices if not each.approves} & found.counted
        assert found.denied == bool(denying)
        assert not (found.granted and found.denied)
        if found.granted:
            assert approving
            if self.gate.mode is ApprovalMode.QUORUM:
                assert len(approving) >= self.gate.quorum
            if self.gate.mode is ApprovalMode.ALL:
                for who in found.roster:
                    assert any(who in each.stands_for for each in self.gate.voices if each.member in approving)
        for each in self.gate.voices:
            # Whoever speaks only for others was let by somebody who counts, one step away.
            assert each.member in each.stands_for or each.stands_for


TestGates = Gates.TestCase
TestGates.settings = settings(
    max_examples=40, stateful_step_count=25, deadline=None, suppress_health_check=[HealthCheck.too_slow]
)


def test_a_circle_of_delegations_leads_to_nobody() -> None:
    asker, one, other = MEMBERS[:3]
    people = dict.fromkeys((asker, one, other), Role.APPROVER)
    gate = Gate(ApprovalMode.ANY, 1, frozenset({one}), frozenset({asker}))
    circle = [Instead(one, other), Instead(other, asker), Instead(asker, one)]
    assert stands_for(gate, asker, people, circle) == frozenset()
    assert stands_for(gate, other, people, circle) == {one}
    assert stands_for(gate, one, people, circle) == {one}  # never in the place of the asker


def test_one_person_is_one_of_a_quorum_however_many_it_stands_for() -> None:
    one, other, third = MEMBERS[:3]
    people = dict.fromkeys((one, other, third), Role.APPROVER)
    gate = Gate(ApprovalMode.QUORUM, 2, frozenset(people), frozenset(), Role.APPROVER)
    voice = Voice(one, frozenset({one, other, third}), approves=True)
    assert not tally(replace(gate, voices=(voice,)), people).granted
    assert tally(replace(gate, mode=ApprovalMode.ALL, voices=(voice,)), people).granted
    second = Voice(other, frozenset({other}), approves=True)
    assert tally(replace(gate, voices=(voice, second)), people).granted


def test_who_comes_later_does_not_close_a_gate_that_all_opened() -> None:
    one, late = MEMBERS[:2]
    gate = Gate(ApprovalMode.ALL, 1, frozenset({one}), frozenset(), Role.APPROVER)
    opened = replace(gate, voices=(Voice(one, frozenset({one}), approves=True),))
    assert tally(opened, {one: Role.APPROVER, late: Role.APPROVER}).granted
    assert not tally(opened, {one: Role.VIEWER, late: Role.APPROVER}).granted
    assert not tally(replace(gate, role=Role.ADMIN), {one: Role.APPROVER}).possible

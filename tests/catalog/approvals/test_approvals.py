"""Gates as areas and people meet them: bound to one plan, never opened by who wants it, re-checked at use."""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from typing import Any
from uuid import UUID, uuid4

import pytest

from catalog.approvals.errors import (
    ApprovalClosedError,
    ApprovalNeededError,
    NoApproversError,
    NotYourDecisionError,
    PlanChangedError,
)
from catalog.approvals.models import ApprovalMode, ApprovalState, AskOutside, Delegate, Need
from catalog.clock import now
from catalog.errors import ForbiddenError, InvalidInputError, NotFoundError
from catalog.tenancy import ALL_SCOPES, Principal, Role

PLAN, OTHER_PLAN = "9f" * 32, "ab" * 32
Gates = Any
Events = Callable[[], list[str]]


def test_one_of_the_approvers_opens_a_gate_for_just_this_plan(gates: Gates, events: Events) -> None:
    ann, bob = gates.person("Ann"), gates.person("Bob")
    asked = gates.ask(ann)
    assert (asked.state, asked.given, asked.needed) == (ApprovalState.PENDING, 0, 1)
    assert [each.name for each in asked.approvers] == ["Bob"]
    assert gates.granted() is None
    done = gates.decide(bob, asked, comment="Fine.", plan_digest=PLAN)
    assert (done.state, done.counts) == (ApprovalState.GRANTED, True)
    assert gates.granted().approvers == ("Bob",)
    assert gates.granted(OTHER_PLAN) is None
    assert events() == ["approval.requested", "approval.decided", "approval.granted"]
    assert gates.ask(ann).id == asked.id  # nothing to ask again


def test_nobody_approves_what_they_asked_for(gates: Gates, events: Events) -> None:
    ann, bob = gates.person("Ann", Role.ADMIN), gates.person("Bob")
    asked = gates.ask(ann)
    second_token = Principal(ann.tenant_id, "acme", f"token:{uuid4()}", "a second", ALL_SCOPES, ann.member_id)
    nobodys = Principal(ann.tenant_id, "acme", f"token:{uuid4()}", "nobody's", ALL_SCOPES)
    until = now() + timedelta(days=1)
    gates.call("delegate", bob, Delegate(to="ann@example.com", until=until))
    gates.call("delegate", ann, Delegate(to="bob@example.com", until=until))
    for caller in (ann, second_token, nobodys, gates.person("Eve", Role.DEVELOPER)):
        with pytest.raises(ForbiddenError):
            gates.decide(caller, asked)
    assert gates.call("waiting_for", ann) == []
    assert [each.id for each in gates.call("waiting_for", bob)] == [asked.id]
    gates.ask(bob)  # whoever asks again has asked
    with pytest.raises(NotYourDecisionError, match="yourself"):
        gates.decide(bob, asked)
    assert "approval.granted" not in events()


def test_who_had_a_hand_in_it_is_as_the_requester(gates: Gates) -> None:
    ann, bob, cid = (gates.person(name) for name in ("Ann", "Bob", "Cid"))
    asked = gates.ask(ann, not_by=(bob.member_id,))
    with pytest.raises(NotYourDecisionError):
        gates.decide(bob, asked)
    assert gates.decide(cid, asked).counts


def test_another_plan_voids_what_was_asked_and_what_was_granted(gates: Gates, events: Events) -> None:
    ann, bob = gates.person("Ann"), gates.person("Bob")
    first = gates.ask(ann)
    gates.decide(bob, first)
    second = gates.ask(ann, OTHER_PLAN)
    assert second.id != first.id
    assert gates.granted() is None
    voided = gates.call("get", ann.tenant_id, first.id)
    assert (voided.state, voided.reason) == (ApprovalState.VOIDED, "The plan has changed since.")
    with pytest.raises(PlanChangedError):
        gates.decide(bob, second, plan_digest=PLAN)
    with pytest.raises(ApprovalClosedError):
        gates.decide(bob, first, comment="again")
    gates.decide(bob, second, plan_digest=OTHER_PLAN)
    with pytest.raises(ApprovalNeededError, match="another plan"):
        gates.call("require_grant", ann.tenant_id, "install-plan", "installs/1", PLAN)
    assert events()[3:5] == ["approval.voided", "approval.requested"]
    stricter = gates.ask(ann, OTHER_PLAN, need=Need(chosen_by="members", members=(bob.member_id,)))
    assert stricter.id != second.id  # what was granted for less does not answer it
    assert gates.granted(OTHER_PLAN) is None


def test_a_quorum_needs_that_many_people(gates: Gates, events: Events) -> None:
    ann, bob, cid = (gates.person(name) for name in ("Ann", "Bob", "Cid"))
    asked = gates.ask(ann, need=Need(mode=ApprovalMode.QUORUM, quorum=2))
    gates.call("delegate", cid, Delegate(to="bob@example.com", until=now() + timedelta(hours=1)))
    half = gates.decide(bob, asked)
    assert (half.state, half.given, half.needed) == (ApprovalState.PENDING, 1, 2)
    assert half.decisions[0].instead_of == ["Cid"]
    assert gates.decide(bob, asked).given == 1  # the same again is nothing new
    assert gates.decide(cid, asked).counts
    assert events().count("approval.decided") == 2


def test_all_means_all_who_could_then_and_still_may(gates: Gates) -> None:
    ann, bob, cid = (gates.person(name) for name in ("Ann", "Bob", "Cid"))
    asked = gates.ask(ann, need=Need(mode=ApprovalMode.ALL))
    assert gates.decide(bob, asked).given == 1
    late = gates.person("Late")
    with pytest.raises(NotYourDecisionError, match="Who may decide: Bob, Cid"):
        gates.decide(late, asked)
    assert gates.decide(cid, asked).counts


def test_one_denial_closes_it(gates: Gates, events: Events) -> None:
    ann, bob, cid = (gates.person(name) for name in ("Ann", "Bob", "Cid"))
    asked = gates.ask(ann, need=Need(mode=ApprovalMode.QUORUM, quorum=2))
    gates.decide(bob, asked)
    denied = gates.decide(cid, asked, approves=False, comment="Not on a Friday.")
    assert (denied.state, denied.reason) == (ApprovalState.DENIED, "Not on a Friday.")
    with pytest.raises(ApprovalNeededError, match="denied"):
        gates.call("require_grant", ann.tenant_id, "install-plan", "installs/1", PLAN)
    assert events()[-1] == "approval.denied"


@pytest.mark.parametrize("how", ["leave", "role"])
def test_an_approver_who_left_or_lost_the_role_counts_no_longer(gates: Gates, how: str) -> None:
    ann, bob, cid = (gates.person(name) for name in ("Ann", "Bob", "Cid"))
    asked = gates.ask(ann)
    gates.decide(bob, asked)
    gates.leave(bob) if how == "leave" else gates.role(bob, Role.DEVELOPER)
    found = gates.call("get", ann.tenant_id, asked.id)
    assert (found.state, found.counts, found.given) == (ApprovalState.GRANTED, False, 0)
    assert "0 of 1" in (found.problem or "")
    assert gates.granted() is None
    with pytest.raises(ForbiddenError):
        gates.decide(bob, asked, comment="again")
    with pytest.raises(ApprovalNeededError, match="still count"):
        gates.call("require_grant", ann.tenant_id, "install-plan", "installs/1", PLAN)
    assert gates.decide(cid, asked).counts  # somebody else's word opens it again
    assert gates.granted().approvers == ("Cid",)


def test_without_approvers_nothing_is_made_and_the_asker_is_told(gates: Gates, events: Events) -> None:
    ann = gates.person("Ann")
    for need in (
        Need(),
        Need(role=Role.ADMIN),
        Need(chosen_by="members"),
        Need(chosen_by="members", members=(ann.member_id, uuid4())),
        Need(chosen_by="policy"),
    ):
        with pytest.raises(NoApproversError):
            gates.ask(ann, need=need)
    gates.person("Bob")
    with pytest.raises(NoApproversError, match=r"2 of members with the role approver .* and 1 could"):
        gates.ask(ann, need=Need(mode=ApprovalMode.QUORUM, quorum=2))
    assert events() == []


class Owners:
    """A policy: whoever owns it."""

    def __init__(self, *members: UUID) -> None:
        self.members = members

    def approvers(self, _session: object, _requester: Principal, asked: Any) -> tuple[UUID, ...]:
        assert asked.subject == "installs/1"
        return self.members


def test_a_policy_may_say_who_approves(gates: Gates) -> None:
    ann, bob, cid = (gates.person(name) for name in ("Ann", "Bob", "Cid"))
    need = Need(chosen_by="policy")
    with pytest.raises(NoApproversError, match="policy"):
        gates.ask(ann, need=need, policy=Owners())
    asked = gates.ask(ann, need=need, policy=Owners(ann.member_id, cid.member_id))
    with pytest.raises(NotYourDecisionError, match="Who may decide: Cid"):
        gates.decide(bob, asked)
    assert gates.decide(cid, asked).counts


def test_delegation_ends(gates: Gates, events: Events) -> None:
    ann, bob, cid = (gates.person(name) for name in ("Ann", "Bob", "Cid"))
    asked = gates.ask(ann, need=Need(chosen_by="members", members=(bob.member_id,)))
    made = gates.call("delegate", bob, Delegate(to="cid@example.com", until=now() + timedelta(hours=1)))
    assert gates.call("speaks_for", cid, asked.id) == ["Bob"]
    gates.call("end_delegation", cid, made.id)
    gates.call("end_delegation", cid, made.id)
    assert gates.call("speaks_for", cid, asked.id) == []
    again = gates.call("delegate", bob, Delegate(to=str(cid.member_id), until=now() + timedelta(hours=1)))
    gates.sql("UPDATE approval_delegations SET until = now() WHERE id = %(id)s", id=again.id)
    with pytest.raises(NotYourDecisionError):
        gates.decide(cid, asked)
    assert events().count("approval.delegation_ended") == 1


def test_a_delegation_that_cannot_be_is_refused_by_field(gates: Gates) -> None:
    bob, dev = gates.person("Bob"), gates.person("Dev", Role.DEVELOPER)
    soon = now() + timedelta(hours=1)
    for to, until, field in (
        ("nobody@example.com", soon, "/to"),
        ("bob@example.com", soon, "/to"),
        ("dev@example.com", soon, "/to"),
        ("dev@example.com", now() - timedelta(seconds=1), "/until"),
        ("dev@example.com", now() + timedelta(days=400), "/until"),
    ):
        with pytest.raises(InvalidInputError) as refused:
            gates.call("delegate", bob, Delegate(to=to, until=until))
        assert field in {each.pointer for each in refused.value.errors}
    with pytest.raises(ForbiddenError):
        gates.call("delegate", dev, Delegate(to="bob@example.com", until=soon))


def test_time_ends_the_question_and_the_grant(gates: Gates, events: Events) -> None:
    ann, bob = gates.person("Ann"), gates.person("Bob")
    asked = gates.ask(ann)
    gates.sql("UPDATE approvals SET expires_at = now()")
    assert gates.call("get", ann.tenant_id, asked.id).state is ApprovalState.EXPIRED
    with pytest.raises(ApprovalClosedError, match="time"):
        gates.decide(bob, asked)
    assert gates.call("expire", ann.tenant_id, asked.id)
    assert not gates.call("expire", ann.tenant_id, asked.id)
    again = gates.ask(ann)
    gates.decide(bob, again)
    gates.sql("UPDATE approvals SET expires_at = now() WHERE state = 'granted'")
    assert gates.granted() is None
    assert not gates.call("expire", ann.tenant_id, again.id)
    assert gates.ask(ann).state is ApprovalState.PENDING
    assert events().count("approval.expired") == 1


def test_a_question_is_taken_back(gates: Gates, events: Events) -> None:
    ann, bob = gates.person("Ann"), gates.person("Bob")
    asked = gates.ask(ann)
    with pytest.raises(NotYourDecisionError):
        gates.call("withdraw", bob, asked.id)
    assert gates.call("withdraw", ann, asked.id).state is ApprovalState.VOIDED
    gates.call("withdraw", ann, asked.id)
    gates.ask(ann)
    assert gates.call("void", ann, "install-plan", "installs/1", "Uninstalled.") == 1
    assert events().count("approval.voided") == 2


def test_what_is_outside_opens_no_gate_of_slipway(gates: Gates) -> None:
    ann, bob = gates.person("Ann"), gates.person("Bob")
    outside = AskOutside(subject="installs/1", title="x", plan_digest=PLAN)
    asked, created = gates.call("ask_outside", ann, outside)
    assert created
    assert gates.call("ask_outside", ann, outside) == (asked, False)
    gates.decide(bob, asked)
    assert gates.granted() is None


def test_two_at_once_are_one_after_the_other(gates: Gates, events: Events) -> None:
    ann, bob, cid = (gates.person(name) for name in ("Ann", "Bob", "Cid"))
    with ThreadPoolExecutor(4) as pool:
        asked = list(pool.map(lambda _: gates.ask(ann), range(4)))
        assert len({each.id for each in asked}) == 1

        def decide(person: Principal) -> str:
            try:
                return str(gates.decide(person, asked[0]).state)
            except ApprovalClosedError:
                return "closed"

        assert sorted(pool.map(decide, [bob, cid])) == ["closed", "granted"]
    assert events() == ["approval.requested", "approval.decided", "approval.granted"]


def test_another_tenant_notices_nothing(gates: Gates, rival: Principal) -> None:
    ann = gates.person("Ann")
    gates.person("Bob")
    asked = gates.ask(ann)
    with gates.database.tenant_session(rival.tenant_id) as session:
        for table in ("approvals", "approval_decisions", "approval_delegations"):
            assert session.connection().exec_driver_sql(f"SELECT count(*) FROM {table}").scalar() == 0  # noqa: S608
    with pytest.raises(NotFoundError):
        gates.call("get", rival.tenant_id, asked.id)

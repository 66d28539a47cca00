"""The life of proposals as arithmetic: one finding makes one proposal, whatever happens in whatever order."""

from datetime import datetime, timedelta
from uuid import UUID, uuid4

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule

from catalog.clock import now
from catalog.proposals import rules
from catalog.proposals.errors import ProposalMoveError
from catalog.proposals.models import Autonomy, ProposalState
from catalog.proposals.shapes import Fact, Finding

LEVELS = st.sampled_from(list(Autonomy))
FINDINGS = st.sampled_from(["sbom", "provenance", "sbom and provenance"])
ENDED = set(ProposalState) - set(rules.OPEN)


class Subject(RuleBasedStateMachine):
    """One subject that an agent looks at again and again, while people decide and time passes."""

    def __init__(self) -> None:
        super().__init__()
        self.rows: dict[UUID, rules.Known] = {}
        self.blocked: set[UUID] = set()
        self.present: str | None = None
        self.rejected: set[str] = set()

    def move(self, known: rules.Known, to: ProposalState) -> None:
        state = rules.moved(known.state, to)
        self.rows[known.id] = rules.Known(known.id, state, known.fingerprint, known.is_resolved)
        if state is ProposalState.APPLIED:
            self.blocked.add(known.id)
        elif state in ENDED:
            self.blocked.discard(known.id)

    @property
    def open(self) -> list[rules.Known]:
        return [each for each in self.rows.values() if each.state in rules.OPEN]

    @rule(found=st.none() | FINDINGS)
    def look(self, found: str | None) -> None:
        outcome = rules.settle(self.rows.values(), found)
        for each in outcome.resolves:
            row = self.rows[each]
            self.rows[each] = rules.Known(row.id, row.state, row.fingerprint, is_resolved=True)
        for each in outcome.ends:
            self.move(self.rows[each], ProposalState.SUPERSEDED)
        if outcome.is_due:
            assert found is not None
            made = uuid4()
            self.rows[made] = rules.Known(made, ProposalState.PROPOSED, found)
        self.present = found
        self.rejected &= set() if found is None else {found}
        assert (len(self.open) == 1) == (found is not None and found not in self.rejected)
        assert rules.settle(self.rows.values(), found) == rules.Settlement(
            is_due=False, stays=self.open[0].id if self.open else None
        )

    @rule(to=st.sampled_from(list(ProposalState)))
    def decide(self, to: ProposalState) -> None:
        for known in self.open:
            if to not in rules.MOVES[known.state]:
                with pytest.raises(ProposalMoveError):
                    rules.moved(known.state, to)
                continue
            self.move(known, to)
            if to is ProposalState.REJECTED:
                self.rejected.add(known.fingerprint)

    @invariant()
    def one_is_open_at_most(self) -> None:
        assert len(self.open) <= 1

    @invariant()
    def nothing_is_blocked_but_by_what_was_applied(self) -> None:
        assert self.blocked == {each.id for each in self.rows.values() if each.state is ProposalState.APPLIED}

    @invariant()
    def what_ended_stays_ended(self) -> None:
        for known in self.rows.values():
            if known.state in ENDED:
                assert rules.MOVES[known.state] == frozenset()


Subject.TestCase.settings = settings(max_examples=60, stateful_step_count=25, deadline=None)
TestSubject = Subject.TestCase


@given(usual=LEVELS, chosen=st.none() | LEVELS, bound=st.none() | LEVELS, is_stopped=st.booleans())
def test_autonomy_never_goes_beyond_its_bound_or_past_a_stop(
    usual: Autonomy, chosen: Autonomy | None, bound: Autonomy | None, *, is_stopped: bool
) -> None:
    level = rules.autonomy(usual, chosen, bound, is_stopped=is_stopped)
    wanted = chosen or usual
    assert level.rank <= wanted.rank
    assert bound is None or level.rank <= bound.rank
    assert (level is Autonomy.OFF) == (is_stopped or Autonomy.OFF in {wanted, bound})


@given(low=LEVELS, high=LEVELS, has_action=st.booleans())
def test_more_autonomy_never_means_less(low: Autonomy, high: Autonomy, *, has_action: bool) -> None:
    low, high = sorted((low, high), key=lambda each: each.rank)
    order = list(rules.Course)
    assert order.index(rules.course(low, has_action=has_action)) <= order.index(
        rules.course(high, has_action=has_action)
    )
    assert rules.carries_out(high) or not rules.carries_out(low)
    assert rules.course(high, has_action=False) is not rules.Course.ACT


@pytest.mark.parametrize(
    ("level", "course", "carries_out"),
    [
        (Autonomy.OFF, rules.Course.NOTHING, False),
        (Autonomy.OBSERVE, rules.Course.NOTE, False),
        (Autonomy.PROPOSE, rules.Course.PROPOSE, False),
        (Autonomy.ACT_WITH_APPROVAL, rules.Course.PROPOSE, True),
        (Autonomy.ACT, rules.Course.ACT, True),
    ],
)
def test_what_each_level_means(level: Autonomy, course: rules.Course, *, carries_out: bool) -> None:
    assert (rules.course(level, has_action=True), rules.carries_out(level)) == (course, carries_out)


def finding(**changes: object) -> Finding:
    values = {
        "kind": "missing_evidence",
        "label": "web 1.4.0",
        "title": "It lacks an SBOM",
        "summary": "It lacks an SBOM.",
        "evidence": [Fact(title="The release")],
        "same_by": {"missing": ["sbom"]},
    }
    return Finding.model_validate({**values, **changes})


def test_a_finding_is_the_same_by_its_facts_and_not_by_its_words() -> None:
    first = rules.fingerprint("agent", "releases/1", finding())
    assert first == rules.fingerprint("agent", "releases/1", finding(title="Put otherwise", days=3))
    others = {
        rules.fingerprint("other", "releases/1", finding()),
        rules.fingerprint("agent", "releases/2", finding()),
        rules.fingerprint("agent", "releases/1", finding(kind="drift")),
        rules.fingerprint("agent", "releases/1", finding(same_by={"missing": ["provenance"]})),
    }
    assert len({first, *others}) == 5


@pytest.mark.parametrize("state", list(ProposalState))
def test_time_ends_only_what_was_not_carried_out(state: ProposalState) -> None:
    moment: datetime = now()
    waits = state in {ProposalState.PROPOSED, ProposalState.APPROVED}
    assert rules.has_expired(state, moment, moment) is waits
    assert not rules.has_expired(state, moment + timedelta(seconds=1), moment)

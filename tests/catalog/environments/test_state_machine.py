"""The environment's state machine: its invariants hold for every order of events, and for crashes between them."""

from dataclasses import replace
from itertools import product
from pathlib import Path

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from catalog.environments import rules
from catalog.environments.errors import TransitionError
from catalog.environments.machine import APPLYING, LEAVING, TABLE, Event, Guard, Situation, allows, as_markdown, step
from catalog.environments.models import Desired, Phase


class World(RuleBasedStateMachine):
    """Requests, closings, workers and crashes in any order, against one environment and one world.

    ``made`` is what the world holds of the environment; ``working`` is the generation a worker that holds the lease
    applies, or None. A worker that lost its lease can never report, which is what fences are for.
    """

    def __init__(self) -> None:
        super().__init__()
        self.now = Situation()
        self.made = False
        self.working: int | None = None
        self.tearing = False
        self.applied_while_unwanted = False
        self.advertised: int | None = None

    @rule()
    def request_or_push(self) -> None:
        before = self.now
        self.now = rules.want(before)
        assert self.now.generation >= before.generation
        assert (self.now.incarnation, self.now.generation) >= (before.incarnation, before.generation)

    @rule(decision=st.sampled_from([Event.ADMITTED, Event.REFUSED, Event.HELD, Event.APPROVED]))
    def policies_decide(self, decision: Event) -> None:
        if allows(self.now, decision):
            assert not self.made, "what is decided about anew has nothing left of the life before"
            self.now = step(self.now, decision)

    @rule()
    def nobody_visits(self) -> None:
        if allows(self.now, Event.IDLE):
            self.now = step(self.now, Event.IDLE)

    @rule()
    def somebody_wakes_it(self) -> None:
        if allows(self.now, Event.WOKEN):
            before = self.now
            self.now = step(before, Event.WOKEN)
            assert self.now.generation == before.generation + 1

    @rule(pinned=st.booleans())
    def somebody_pins_it(self, pinned: bool) -> None:  # noqa: FBT001  # drawn by Hypothesis
        self.now = replace(self.now, pinned=pinned)

    @precondition(lambda self: self.now.phase is Phase.UNKNOWN and self.working is None and not self.tearing)
    @rule()
    def what_is_left_is_looked_at(self) -> None:
        self.now = rules.recover(self.now)

    @rule()
    def close_or_expire(self) -> None:
        self.now = rules.unwant(self.now)

    @precondition(lambda self: self.working is None and not self.tearing)
    @rule(lag=st.integers(0, 2))
    def worker_begins(self, lag: int) -> None:
        generation = self.now.generation - lag
        try:
            self.now = rules.begin(self.now, generation)
        except TransitionError:
            return
        self.applied_while_unwanted |= self.now.desired is Desired.ABSENT
        self.working = generation

    @precondition(lambda self: self.working is not None)
    @rule()
    def worker_makes_something(self) -> None:
        self.made = True

    @precondition(lambda self: self.working is not None)
    @rule(well=st.booleans())
    def worker_reports(self, well: bool) -> None:  # noqa: FBT001  # drawn by Hypothesis
        assert self.working is not None
        if well:
            self.made = True
            self.now = rules.succeed(self.now, self.working)
            self.advertised = self.working if self.now.phase is Phase.READY else self.advertised
        else:
            self.now = rules.fail(self.now, self.working)
        self.working = None

    @precondition(lambda self: self.working is not None or self.tearing)
    @rule()
    def worker_is_killed(self) -> None:
        if self.working is not None:
            self.now = rules.lose(self.now)
        self.working = None
        self.tearing = False

    @precondition(lambda self: self.working is None and not self.tearing)
    @rule()
    def tear_down_begins(self) -> None:
        try:
            self.now = rules.leave(self.now)
        except TransitionError:
            return
        self.tearing = True

    @precondition(lambda self: self.tearing)
    @rule(well=st.booleans())
    def tear_down_reports(self, well: bool) -> None:  # noqa: FBT001  # drawn by Hypothesis
        if well:
            self.made = False
            self.now = rules.gone(rules.verify(self.now))
        else:
            self.now = rules.remains(self.now)
        self.tearing = False

    @invariant()
    def destroyed_means_that_nothing_is_there(self) -> None:
        if self.now.phase is Phase.DESTROYED:
            assert not self.made

    @invariant()
    def nothing_is_applied_that_is_not_wanted(self) -> None:
        assert not self.applied_while_unwanted

    @invariant()
    def ready_means_that_the_newest_generation_is_there(self) -> None:
        if self.now.phase is Phase.READY:
            assert self.now.desired is Desired.PRESENT
            assert self.now.observed_generation == self.now.generation
            assert self.made

    @invariant()
    def what_was_made_is_known_to_be_touched(self) -> None:
        if self.made:
            assert self.now.touched

    @invariant()
    def an_unwanted_environment_is_on_its_way_out(self) -> None:
        if self.now.desired is Desired.ABSENT:
            assert self.now.phase in LEAVING | APPLYING | {Phase.UNKNOWN, Phase.DESTROYED}

    @invariant()
    def nothing_sleeps_that_was_never_there(self) -> None:
        if self.now.phase in {Phase.SLEEPING, Phase.WAKING}:
            assert self.now.observed_generation > 0

    def teardown(self) -> None:
        """After any order of events that ends in a closing and a quiet period, nothing is left."""
        self.working = None
        self.now = rules.unwant(self.now)
        for _ in range(3):
            if self.now.phase is Phase.DESTROYED:
                break
            self.now = rules.gone(rules.verify(rules.leave(self.now)))
            self.made = False
            self.now = rules.unwant(self.now)
        assert self.now.phase is Phase.DESTROYED
        assert not self.made


World.TestCase.settings = settings(max_examples=250, stateful_step_count=40, deadline=None)
TestEveryOrderOfEvents = World.TestCase


def test_a_new_commit_moves_a_ready_environment_and_keeps_it_serving() -> None:
    ready = rules.succeed(rules.begin(rules.admit(Situation()), 1), 1)
    moved = rules.want(ready)
    assert (moved.phase, moved.generation, moved.observed_generation) == (Phase.UPDATING, 2, 1)


def test_a_late_success_is_never_advertised() -> None:
    applying = rules.begin(rules.admit(Situation()), 1)
    assert rules.succeed(rules.want(applying), 1).phase is Phase.QUEUED


def test_closing_while_applying_destroys_when_the_apply_ends() -> None:
    applying = rules.begin(rules.admit(Situation()), 1)
    closed = rules.unwant(applying)
    assert closed.phase is Phase.PROVISIONING
    assert rules.succeed(closed, 1).phase is Phase.DESTROYING
    assert rules.fail(closed, 1).phase is Phase.DESTROYING


def test_an_environment_closed_before_anything_was_made_is_gone_at_once() -> None:
    assert rules.unwant(rules.admit(Situation())).phase is Phase.DESTROYED


def test_a_pull_request_reopened_while_destroying_lives_again_afterwards() -> None:
    ready = rules.succeed(rules.begin(rules.admit(Situation()), 1), 1)
    reopened = rules.want(rules.leave(rules.unwant(ready)))
    assert reopened.phase is Phase.DESTROYING
    again = rules.gone(rules.verify(reopened))
    assert (again.phase, again.incarnation, again.observed_generation) == (Phase.REQUESTED, 2, 0)


def test_an_old_generation_cannot_begin() -> None:
    with pytest.raises(TransitionError, match="not wanted"):
        rules.begin(rules.want(rules.admit(Situation())), 1)


EVERY_SITUATION = [
    Situation(phase, desired, 1, 3, observed, touched, again, pinned)
    for phase, desired, observed, touched, again, pinned in product(
        Phase, Desired, (0, 2, 3), (False, True), (False, True), (False, True)
    )
]


def test_at_most_one_row_fits_whatever_happens() -> None:
    for now, event, generation in product(EVERY_SITUATION, Event, (2, 3)):
        fitting = [row for row in TABLE if row.fits(now, event, generation)]
        assert len(fitting) <= 1, (now, event, fitting)


def test_wishes_are_taken_in_every_phase() -> None:
    for now in EVERY_SITUATION:
        assert allows(now, Event.WANTED), now
        if now.desired is Desired.PRESENT or now.phase in LEAVING | APPLYING:
            assert allows(now, Event.UNWANTED), now


def test_every_phase_is_reached_and_left() -> None:
    assert {row.target for row in TABLE} - {None} == set(Phase)
    assert frozenset[Phase]().union(*(row.sources for row in TABLE if row.target)) == set(Phase)
    assert {row.guard for row in TABLE} == set(Guard)


def test_a_pinned_environment_does_not_sleep() -> None:
    ready = Situation(Phase.READY, observed_generation=1, touched=True, pinned=True)
    assert not allows(ready, Event.IDLE)
    assert allows(replace(ready, pinned=False), Event.IDLE)


def test_what_an_interrupted_worker_left_is_looked_at_before_anything_else() -> None:
    lost = rules.lose(rules.begin(rules.admit(Situation()), 1))
    assert rules.recover(lost).phase is Phase.QUEUED
    unwanted = rules.lose(rules.unwant(rules.begin(rules.admit(Situation()), 1)))
    assert rules.recover(unwanted).phase is Phase.DESTROYING


def test_the_documentation_shows_the_table_as_it_is() -> None:
    page = Path(__file__).parents[3] / "docs" / "environments.md"
    assert as_markdown() in page.read_text(encoding="utf-8")

"""The environment's state machine: its invariants hold for every order of events, and for crashes between them."""

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from catalog.environments import rules
from catalog.environments.errors import TransitionError
from catalog.environments.models import Desired, Phase
from catalog.environments.rules import Situation


class World(RuleBasedStateMachine):
    """Requests, closings, workers and crashes in any order, against one environment and one world.

    ``made`` is what the world holds of the environment; ``working`` is the generation a worker that holds the lease
    applies, or None. A worker that lost its lease can never report, which is what fences are for.
    """

    def __init__(self) -> None:
        super().__init__()
        self.now = rules.admit(Situation())
        self.made = False
        self.working: int | None = None
        self.tearing = False
        self.applied_while_unwanted = False
        self.advertised: int | None = None

    @rule()
    def request_or_push(self) -> None:
        before = self.now
        after = rules.want(before)
        self.now = rules.admit(after) if after.phase is Phase.REQUESTED else after
        assert self.now.generation >= before.generation

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
            if self.now.phase is Phase.REQUESTED:
                self.now = rules.admit(self.now)
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
            assert self.now.phase in rules.LEAVING | rules.APPLYING | {Phase.UNKNOWN, Phase.DESTROYED}

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


World.TestCase.settings = settings(max_examples=600, stateful_step_count=40, deadline=None)
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

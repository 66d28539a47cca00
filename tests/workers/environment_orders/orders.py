"""One environment through real services and jobs on PostgreSQL, in any order of events, with workers killed anywhere.

Doubles stand only at the providers' edge: repository, engine and target. A worker may be killed before and after each
of its transactions and between any two calls to a provider; a killed one gives no lease back and reports nothing.
"""

from collections import Counter
from contextlib import suppress
from datetime import timedelta
from typing import Any, ClassVar
from uuid import UUID

from hypothesis import HealthCheck
from hypothesis import Phase as Part
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule, run_state_machine_as_test
from sqlalchemy import text

from catalog.clock import now
from catalog.environments.machine import LEAVING, NOT_BEGUN
from catalog.environments.models import Desired, Environment, Phase, RequestEnvironment, ScmHook
from catalog.environments.service import signs_of
from catalog.errors import ConflictError, SlipwayError
from catalog.events.models import EventRecord
from catalog.providers.scm import DeploymentState, PullRequestState
from tests.workers.environment_orders.doubles import Repository
from tests.workers.environment_orders.slipway import Slipway
from workers.engine import StackRequest
from workers.environment_sweep import sweep
from workers.pull_request_listings import bring_back_listed

ENOUGH = 40
SHOP = "/srv/shop"
CONCURRENCY = ("replace", "latest", "queue", "allow", "forbid")
FOLLOW: tuple[dict[str, Any], ...] = (
    {},
    {"labels": ["preview"], "bases": ["main"]},
    {"drafts": False},
    {"drafts": "build_only"},
)
USUAL = {"base": "main", "labels": frozenset({"preview"})}
BECOMES: dict[str, dict[str, Any]] = {
    "a draft": {"is_draft": True},
    "ready for review": {"is_draft": False},
    "unlabelled": {"labels": frozenset()},
    "labelled": {"labels": frozenset({"preview"})},
    "based on release": {"base": "release"},
    "based on main": {"base": "main"},
}


class Orders(RuleBasedStateMachine):
    """One pull request, of a fork or not, and its environment.

    ``phases`` counts the steps after which the environment was in each phase, over all orders.
    """

    slipway: Slipway
    phases: ClassVar[Counter[str]] = Counter()

    def __init__(self) -> None:
        super().__init__()
        self.slipway.number += 1
        self.blueprint = self.slipway.blueprint()
        self.is_fork = False
        self.follow: dict[str, Any] = {}
        self.approved: set[str] = set()
        self.only_drafts: set[str] = set()
        self.number = self.slipway.number
        self.outside = self.slipway.outside
        self.outside.before_apply = self.an_apply_begins
        self.outside.most_at_once = 0
        self.environment_id: UUID | None = None
        self.commits = 0
        self.outside.pulls[self.number] = (PullRequestState.OPEN, self._commit())

    # What people and providers do.

    @initialize(concurrency=st.sampled_from(CONCURRENCY), is_fork=st.booleans(), follow=st.sampled_from(FOLLOW))
    def first(self, concurrency: str, is_fork: bool, follow: dict[str, Any]) -> None:  # noqa: FBT001  # drawn by Hypothesis
        self.follow = {"concurrency": concurrency, **follow}
        self.blueprint = self.slipway.blueprint(follow=self.follow) if follow else self.slipway.blueprint(concurrency)
        self.is_fork = is_fork
        self.outside.about[self.number] = {**USUAL, **({"is_fork": True, "author": "mallory"} if is_fork else {})}
        self.request()

    @rule(is_named=st.booleans())
    def request(self, is_named: bool = True) -> None:  # noqa: FBT001, FBT002  # drawn by Hypothesis
        """Somebody asks for the environment, and names the commit or not: only a named one of a fork is approved."""
        head = self._head()
        asked = RequestEnvironment(
            repository=SHOP,
            pull_request=self.number,
            blueprint=self.blueprint,
            head_sha=head if is_named else None,
        )
        try:
            self.environment_id = self.slipway.do(lambda service: service.request(self.slipway.principal, asked).id)
        except SlipwayError:
            is_held = self.is_fork and not is_named
            assert is_held or self._state() is PullRequestState.CLOSED, "an open pull request gets its environment"
        else:
            self.approved |= {head} if is_named else set()
            if is_named or not self.is_fork:
                self.only_drafts.discard(head)

    @rule()
    def push(self) -> None:
        self.outside.pulls[self.number] = (self._state(), self._commit())
        if self.outside.about[self.number].get("is_draft"):
            self.only_drafts.add(self._head())
        self.watch()

    @rule(what=st.sampled_from(sorted(BECOMES)))
    def becomes(self, what: str) -> None:
        """Something else is true of it: a label comes or goes, it goes elsewhere, it is ready for review or not."""
        about = self.outside.about[self.number] = {**self.outside.about[self.number], **BECOMES[what]}
        if not about.get("is_draft"):
            self.only_drafts.clear()
        self.watch()

    @rule()
    def close(self) -> None:
        self.outside.pulls[self.number] = (PullRequestState.CLOSED, self.outside.pulls[self.number][1])
        self.watch()
        self.watch()

    @rule()
    def reopen(self) -> None:
        self.outside.pulls[self.number] = (PullRequestState.OPEN, self.outside.pulls[self.number][1])
        self.watch()

    @rule()
    def watch(self) -> None:
        if self.environment_id is not None:
            known = self.environment_id
            self.slipway.do(lambda service: service.watch(self.slipway.principal.tenant_id, known))
            if self._state() is PullRequestState.OPEN:
                pull = Repository(self.outside, SHOP).pull_request(self.number)
                bring_back_listed(self.slipway.context(), self.slipway.principal.tenant_id, SHOP, [pull])

    @rule(is_late=st.booleans())
    def approve(self, is_late: bool) -> None:  # noqa: FBT001  # drawn by Hypothesis
        """Somebody lets the commit be deployed that waits; another one may have been pushed meanwhile."""
        row = self.row()
        if row is None or row.waiting_sha is None:
            return
        waiting = row.waiting_sha
        if is_late:
            self.outside.pulls[self.number] = (self._state(), self._commit())
        try:
            self.slipway.do(lambda service: service.approve(self.slipway.principal, row.id, waiting))
        except SlipwayError:
            assert is_late or self._state() is PullRequestState.CLOSED or self._head() != waiting
        else:
            self.approved.add(waiting)
            self.only_drafts.discard(waiting)

    @rule()
    def destroy(self) -> None:
        if self.environment_id is not None:
            known = self.environment_id
            self.slipway.do(lambda service: service.destroy(self.slipway.principal, known))

    @rule()
    def rebuild(self) -> None:
        if self.environment_id is not None:
            known = self.environment_id
            try:
                self.slipway.do(lambda service: service.rebuild(self.slipway.principal, known))
            except SlipwayError:
                row = self.row()
                assert row is not None
                assert row.desired is Desired.ABSENT or row.phase in {Phase.DESTROYED, *NOT_BEGUN}

    @rule(verb=st.sampled_from(["sleep", "wake", "pin", "unpin", "extend"]))
    def ask(self, verb: str) -> None:
        if self.environment_id is not None:
            more = {"by": "PT1H", "reason": "shown to customers"} if verb in {"pin", "extend"} else {}
            known = self.environment_id
            with suppress(ConflictError):
                self.slipway.do(lambda service: getattr(service, verb)(self.slipway.principal, known, **more))

    @rule()
    def the_next_commit_has_its_turn(self) -> None:
        if self.environment_id is not None:
            known = self.environment_id
            self.slipway.do(lambda service: service.next_commit(self.slipway.principal.tenant_id, known))

    @rule(is_free=st.booleans())
    def room_comes_and_goes(self, is_free: bool) -> None:  # noqa: FBT001  # drawn by Hypothesis
        self._free(is_free=is_free)
        self.slipway.do(lambda service: service.admit_waiting(self.slipway.principal.tenant_id))

    @rule(
        action=st.sampled_from(["push", "closed", "reopened"]),
        times=st.integers(1, 2),
        sha=st.sampled_from([None, "d" * 40]),
    )
    def somebody_says_something(self, action: str, times: int, sha: str | None) -> None:
        """A delivery comes late, twice, in another order than things happened, or is not true at all."""
        said = {"repository": SHOP, "action": action, "pull_request": self.number, "head_sha": sha}
        hook = ScmHook.model_validate(said)
        before = self.row()
        for _ in range(times):
            self.slipway.do(lambda service: service.on_hook(self.slipway.principal, hook))
        after = self.row()
        if before is not None and after is not None and self._has_one():
            assert after.desired is before.desired, "only the repository says that a pull request is closed"

    @rule(hours=st.sampled_from([1, 20, 400]))
    def time_passes(self, hours: int) -> None:
        """Move everything that the environment remembers of the clock into the past."""
        columns = ("expires_at", "lived_since", "hard_expires_at", "last_activity_at", "last_deploy_at", "due_at")
        moved = ", ".join(f"{name} = {name} - :span" for name in (*columns, "retry_at"))
        if self.environment_id is not None:
            known = self.environment_id
            with self.slipway.database.tenant_session(self.slipway.principal.tenant_id) as session:
                statement = text(f"UPDATE environments SET {moved} WHERE id = :id")  # noqa: S608  # names from above
                session.execute(statement, {"span": timedelta(hours=hours), "id": known})
            self.slipway.do(lambda service: service.keep_time(self.slipway.principal.tenant_id, known))

    @rule()
    def a_sweep_comes(self) -> None:
        """What is there is compared with what should be: nothing that runs as it should is touched."""
        row = self.row()
        before = None if row is None else self.outside.of(row.id)
        sweep(self.slipway.context())
        if row is not None and row.phase is Phase.READY:
            assert self.outside.of(row.id) == before

    # What workers do, and what happens to them.

    @rule(fails=st.booleans())
    def work(self, fails: bool) -> None:  # noqa: FBT001  # drawn by Hypothesis
        self.outside.fails = fails
        self._work()
        self.outside.fails = False

    @rule(steps=st.integers(0, 45))
    def a_worker_is_killed(self, steps: int) -> None:
        self.outside.steps_left = steps
        self._work()
        self.outside.steps_left = None

    @rule(what=st.sampled_from(["push", "close", "reopen", "request", "rebuild", "wake", "another_worker"]))
    def something_happens_while_a_worker_works(self, what: str) -> None:
        self.outside.meanwhile = [getattr(self, what)]
        self._work()
        self.outside.meanwhile = []

    @rule()
    def leases_run_out(self) -> None:
        with self.slipway.database.tenant_session(self.slipway.principal.tenant_id) as session:
            session.execute(text("UPDATE stacks SET lease_until = :then"), {"then": now() - timedelta(seconds=1)})

    def wake(self) -> None:
        self.ask("wake")

    def another_worker(self) -> None:
        """A worker stands still for so long that another one takes over; then it goes on, not knowing.

        Nothing but the engine's own lock is between the two then.
        """
        self.leases_run_out()
        self._work()
        self.outside.most_at_once = min(self.outside.most_at_once, 1)

    # What always holds.

    @invariant()
    def what_always_holds(self) -> None:
        row = self.row()
        if row is None:
            return
        self.phases[row.phase.value] += 1
        self.destroyed_means_that_nothing_is_there(row)
        self.ready_means_that_the_newest_commit_is_there(row)
        self.what_sleeps_does_not_run_once_it_was_stopped(row)
        self.the_clock_looks_at_everything_that_ends(row)
        self.who_waits_for_room_is_not_worked_on(row)
        self.signs_say_what_is(row)
        assert row.expires_at <= row.hard_expires_at, "it never lives beyond its limit"
        assert len(self.outside.of(row.id)) <= 1, "one life runs at a time"
        assert self.outside.most_at_once <= 1, "nobody applies beside another one"

    def destroyed_means_that_nothing_is_there(self, row: Environment) -> None:
        if row.phase is Phase.DESTROYED:
            assert not self.outside.of(row.id)

    def ready_means_that_the_newest_commit_is_there(self, row: Environment) -> None:
        if row.phase is Phase.READY:
            assert (row.desired, row.observed_generation) == (Desired.PRESENT, row.generation)
            assert set(self.outside.of(row.id).values()) == {row.head_sha} == {row.deployed_sha}

    def what_sleeps_does_not_run_once_it_was_stopped(self, row: Environment) -> None:
        if row.phase is Phase.SLEEPING and not self._pending():
            assert not self.outside.of(row.id)

    def the_clock_looks_at_everything_that_ends(self, row: Environment) -> None:
        if row.desired is Desired.PRESENT and row.phase not in {*LEAVING, Phase.DESTROYED}:
            assert row.due_at is not None
            assert row.due_at <= row.hard_expires_at

    def who_waits_for_room_is_not_worked_on(self, row: Environment) -> None:
        if row.waits_since is not None:
            assert (row.phase in {Phase.QUEUED, Phase.SLEEPING}, row.desired) == (True, Desired.PRESENT)

    def signs_say_what_is(self, row: Environment) -> None:
        signs = signs_of(row, self.slipway.settings)
        assert (signs.deployment is None) is (row.phase is Phase.DESTROYED)
        if row.phase is Phase.READY and signs.deployment is not None:
            told = (signs.deployment.state, signs.deployment.sha, signs.deployment.url)
            assert told == (DeploymentState.SUCCESS, row.deployed_sha, row.url)
        elif signs.deployment is not None:
            assert signs.deployment.url == "", "an address is told where something answers"
        assert (f"**{row.url}**" in signs.comment) is (row.phase is Phase.READY)

    def an_apply_begins(self, request: StackRequest) -> None:
        """Nothing is applied that is not wanted, and no commit of a fork or a draft that nobody approved."""
        row = self.row()
        assert row is not None
        assert row.desired is Desired.PRESENT
        commits = {str(each.inputs["commit"]) for each in request.program.resources if "commit" in each.inputs}
        if self.is_fork:
            assert commits <= self.approved, "an approval is of one commit"
        if self.follow.get("drafts", True) is not True:
            assert not commits & self.only_drafts, "a draft's commit waits"

    def teardown(self) -> None:
        """After any order that ends in a closing and a quiet period, nothing is left, and nothing waits."""
        self.outside.fails, self.outside.steps_left, self.outside.meanwhile = False, None, []
        self._free(is_free=True)
        if self.environment_id is None:
            return
        self.close()
        for _ in range(ENOUGH):
            if not self._pending():
                break
            self.leases_run_out()
            self._work()
        row = self.row()
        assert row is not None
        assert (row.phase, self._pending()) == (Phase.DESTROYED, [])
        assert not self.outside.of(row.id)
        assert not [stack for stack in self.outside.stacks if row.id.hex[:12] in stack]
        assert self._open_operations() == []

    # How the test gets at things.

    def row(self) -> Environment | None:
        known = self.environment_id
        if known is None:
            return None
        found: Environment = self.slipway.do(lambda service: service.get(self.slipway.principal.tenant_id, known))
        return found

    def _free(self, *, is_free: bool) -> None:
        """Let there be room, or none beside that of the one environment that is always there."""
        quota = {"environment_quota": 10_000 if is_free else 1}
        self.slipway.settings = self.slipway.settings.model_copy(update=quota)

    def _state(self) -> PullRequestState:
        return self.outside.pulls[self.number][0]

    def _has_one(self) -> bool:
        """Tell whether the pull request may have an environment as it is."""
        about = self.outside.about[self.number]
        labelled = set(self.follow.get("labels", ())) <= about["labels"]
        based = not self.follow.get("bases") or about["base"] in self.follow["bases"]
        return self._state() is PullRequestState.OPEN and labelled and based

    def _head(self) -> str:
        return self.outside.pulls[self.number][1]

    def _commit(self) -> str:
        self.commits += 1
        return f"{self.number:08x}{self.commits:032x}"

    def _pending(self) -> list[EventRecord]:
        return [] if self.environment_id is None else self.slipway.pending(self.environment_id)

    def _work(self) -> None:
        if self.environment_id is not None:
            self.slipway.work(self.environment_id)

    def _open_operations(self) -> list[Any]:
        with self.slipway.database.tenant_session(self.slipway.principal.tenant_id) as session:
            statement = text(
                "SELECT kind, state FROM operations WHERE subject = :subject AND state IN ('pending', 'running')"
            )
            return list(session.execute(statement, {"subject": f"environments/{self.environment_id}"}))


def run_orders(slipway: Slipway, orders: int, steps: int) -> None:
    """Run so many orders of so many steps against one Slipway; raise with the shortest order that breaks a rule."""
    slipway.outside.pulls[900_000] = (PullRequestState.OPEN, "e" * 40)
    asked = RequestEnvironment(repository=SHOP, pull_request=900_000, blueprint=slipway.blueprint())
    slipway.work(slipway.do(lambda service: service.request(slipway.principal, asked).id))
    run_state_machine_as_test(
        type("Here", (Orders,), {"slipway": slipway}),
        settings=hypothesis_settings(
            max_examples=orders,
            stateful_step_count=steps,
            deadline=None,
            database=None,
            phases=(Part.generate, Part.shrink),
            suppress_health_check=list(HealthCheck),
        ),
    )

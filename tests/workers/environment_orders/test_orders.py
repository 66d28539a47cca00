"""Environments through real services and jobs on PostgreSQL, in every order of events, with workers killed anywhere.

Doubles stand only at the providers' edge: repository, engine and target. A worker may be killed before and after each
of its transactions and between any two calls to a provider; a killed one gives no lease back and reports nothing.
"""

import io
from collections.abc import Callable, Iterator
from datetime import timedelta
from typing import Any, cast
from uuid import UUID

import pytest
from hypothesis import HealthCheck
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule, run_state_machine_as_test
from pydantic import SecretStr
from sqlalchemy import text
from sqlmodel import col, select

from catalog.assets.archive import PackageFile, build_archive
from catalog.assets.skeletons import skeleton
from catalog.clock import now
from catalog.db import Database
from catalog.environments.errors import TransitionError
from catalog.environments.events import (
    EnvironmentDestroyRequested,
    EnvironmentRequested,
    EnvironmentUpdateRequested,
)
from catalog.environments.models import Desired, Environment, Phase, RequestEnvironment
from catalog.environments.service import EphemeralEnvironmentService
from catalog.errors import SlipwayError
from catalog.events.envelope import envelope
from catalog.events.models import EventRecord
from catalog.gates import open_database
from catalog.providers.blobs import open_blobs
from catalog.providers.scm import PullRequestState
from catalog.scm.service import ScmService
from catalog.settings import Settings
from catalog.stacks.errors import LeaseLostError
from catalog.tenancy import ALL_SCOPES, Principal
from catalog.tenants import bootstrap
from catalog.uploads.service import UploadService
from tests.databases import Databases
from tests.workers.environment_orders.doubles import Crash, Engine, MortalContext, Outside, Repository, Target
from workers import ephemeral_env
from workers.embedded.postgres import EmbeddedPostgres
from workers.engine import StackEngine, StackRequest
from workers.engine_resource import ENGINE
from workers.runtime.resources import Runtime
from workers.runtime.worker import Interrupted, Retry

JOBS: dict[str, Callable[[Any], None]] = {
    EnvironmentRequested.event_type(): ephemeral_env.provision,
    EnvironmentUpdateRequested.event_type(): ephemeral_env.provision,
    EnvironmentDestroyRequested.event_type(): ephemeral_env.tear_down,
}
ENOUGH = 40


class Slipway:
    """One Slipway for all orders: a database with a blueprint, and the outside."""

    def __init__(self, settings: Settings) -> None:
        self.settings = settings
        self.database: Database = open_database(settings)
        tenant = bootstrap.ensure_tenant(self.database, "acme")
        self.principal = Principal(tenant.id, tenant.name, actor="test:ann", name="ann", scopes=ALL_SCOPES)
        self.outside = Outside()
        self.number = 0
        files = {path: PackageFile(data) for path, data in skeleton("deployment-blueprint", "acme", "preview").items()}
        with self.database.tenant_session(tenant.id) as session:
            UploadService(session, open_blobs(settings)).receive(self.principal, io.BytesIO(build_archive(files).data))

    def do(self, action: Callable[[EphemeralEnvironmentService], Any]) -> Any:
        with self.database.tenant_session(self.principal.tenant_id) as session:
            return action(EphemeralEnvironmentService(session, self.settings))


@pytest.fixture
def slipway(
    postgres: EmbeddedPostgres, databases: Databases, tmp_path: Any, monkeypatch: pytest.MonkeyPatch
) -> Iterator[Slipway]:
    name = databases.lend()
    urls = postgres.urls(name)
    made = Slipway(
        Settings(
            data_dir=tmp_path,
            database_url=urls.app,
            database_owner_url=urls.owner,
            database_system_url=urls.system,
            master_key=SecretStr("0" * 43),
            environment_quota=10_000,
        )
    )
    monkeypatch.setattr(ScmService, "open", lambda _self, _tenant, address: Repository(made.outside, address))
    monkeypatch.setattr(ephemeral_env, "target", lambda _name, _settings: Target(made.outside))
    monkeypatch.setattr(ephemeral_env, "LOOK_AGAIN_SECONDS", 0.0)
    yield made
    made.database.close()
    databases.take_back(name)


class Orders(RuleBasedStateMachine):
    """One pull request and its environment."""

    slipway: Slipway

    def __init__(self) -> None:
        super().__init__()
        self.slipway.number += 1
        self.number = self.slipway.number
        self.outside = self.slipway.outside
        self.outside.before_apply = self.an_apply_begins
        self.environment_id: UUID | None = None
        self.handled: set[UUID] = set()
        self.commits = 0
        self.outside.pulls[self.number] = (PullRequestState.OPEN, self._commit())

    # What people and providers do.

    @initialize()
    def first(self) -> None:
        self.request()

    @rule()
    def request(self) -> None:
        asked = RequestEnvironment(repository="/srv/shop", pull_request=self.number, blueprint="acme/preview")
        try:
            self.environment_id = self.slipway.do(lambda service: service.request(self.slipway.principal, asked).id)
        except SlipwayError:
            assert self._state() is PullRequestState.CLOSED, "an open pull request gets its environment"

    @rule()
    def push(self) -> None:
        self.outside.pulls[self.number] = (self._state(), self._commit())
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
                assert row.desired is Desired.ABSENT or row.phase is Phase.DESTROYED

    # What workers do, and what happens to them.

    @rule(fails=st.booleans())
    def work(self, fails: bool) -> None:  # noqa: FBT001  # drawn by Hypothesis
        self.outside.fails = fails
        self._work()
        self.outside.fails = False

    @rule(steps=st.integers(0, 24))
    def a_worker_is_killed(self, steps: int) -> None:
        self.outside.steps_left = steps
        self._work()
        self.outside.steps_left = None

    @rule(what=st.sampled_from(["push", "close", "reopen", "request", "rebuild", "destroy", "another_worker"]))
    def something_happens_while_a_worker_works(self, what: str) -> None:
        self.outside.meanwhile = [getattr(self, what)]
        self._work()
        self.outside.meanwhile = []

    @rule()
    def leases_run_out(self) -> None:
        with self.slipway.database.tenant_session(self.slipway.principal.tenant_id) as session:
            session.execute(text("UPDATE stacks SET lease_until = :then"), {"then": now() - timedelta(seconds=1)})

    def another_worker(self) -> None:
        """A worker stands still for so long that another one takes over; then it goes on, not knowing."""
        self.leases_run_out()
        self._work()

    # What always holds.

    @invariant()
    def destroyed_means_that_nothing_is_there(self) -> None:
        row = self.row()
        if row is not None and row.phase is Phase.DESTROYED:
            assert not self.outside.of(row.id)

    @invariant()
    def ready_means_that_the_newest_commit_is_there(self) -> None:
        row = self.row()
        if row is not None and row.phase is Phase.READY:
            assert (row.desired, row.observed_generation) == (Desired.PRESENT, row.generation)
            assert set(self.outside.of(row.id).values()) == {row.head_sha} == {row.deployed_sha}

    @invariant()
    def it_never_lives_beyond_its_limit(self) -> None:
        row = self.row()
        assert row is None or row.expires_at <= row.hard_expires_at

    @invariant()
    def one_life_runs_at_a_time(self) -> None:
        if self.environment_id is not None:
            assert len(self.outside.of(self.environment_id)) <= 1

    def an_apply_begins(self, request: StackRequest) -> None:
        """Nothing is applied that is not wanted, and no older generation than the one that is."""
        del request
        row = self.row()
        assert row is not None
        assert row.desired is Desired.PRESENT

    def teardown(self) -> None:
        """After any order that ends in a closing and a quiet period, nothing is left, and nothing waits."""
        self.outside.fails, self.outside.steps_left, self.outside.meanwhile = False, None, []
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

    def _state(self) -> PullRequestState:
        return self.outside.pulls[self.number][0]

    def _commit(self) -> str:
        self.commits += 1
        return f"{self.number:08x}{self.commits:032x}"

    def _pending(self) -> list[EventRecord]:
        with self.slipway.database.tenant_session(self.slipway.principal.tenant_id) as session:
            statement = select(EventRecord).where(EventRecord.subject == f"environments/{self.environment_id}")
            found = session.exec(statement.order_by(col(EventRecord.sequence))).all()
        return [each for each in found if each.type in JOBS and each.id not in self.handled]

    def _work(self) -> None:
        """Carry out the oldest event that is not done, as the runner does: again until it ends without an error."""
        waiting = self._pending()
        if not waiting:
            return
        record = waiting[0]
        runtime = Runtime(self.slipway.settings, self.slipway.database)
        runtime.provide(ENGINE, cast("StackEngine", Engine(self.outside)))
        context = MortalContext(
            runtime, "environments.work", tenant_id=self.slipway.principal.tenant_id, envelope=envelope(record)
        )
        context.outside = self.outside
        try:
            JOBS[record.type](context)
        except (Crash, Retry, Interrupted, LeaseLostError, TransitionError):
            return
        self.handled.add(record.id)

    def _open_operations(self) -> list[Any]:
        with self.slipway.database.tenant_session(self.slipway.principal.tenant_id) as session:
            statement = text(
                "SELECT kind, state FROM operations WHERE subject = :subject AND state IN ('pending', 'running')"
            )
            return list(session.execute(statement, {"subject": f"environments/{self.environment_id}"}))


def test_nothing_is_left_whatever_happens_in_whatever_order(slipway: Slipway) -> None:
    machine = type("Here", (Orders,), {"slipway": slipway})
    run_state_machine_as_test(
        machine,
        settings=hypothesis_settings(
            max_examples=25,
            stateful_step_count=15,
            deadline=None,
            suppress_health_check=list(HealthCheck),
        ),
    )

"""Locks have one order: of two transactions one waits for the other, and never each for the other."""

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from uuid import UUID

import pytest
from sqlalchemy import text
from sqlmodel import Session

from catalog.environments.service import EnvironmentReports, EnvironmentSweeps, EnvironmentWatches
from catalog.scm.models import ConnectScm
from catalog.scm.service import ScmService
from catalog.stacks.service import MultiCloudProvisioningService
from tests.workers.environment_orders.one import One
from tests.workers.environment_orders.slipway import Slipway

LOCK = text("SELECT id FROM environments WHERE id = :id FOR UPDATE")
WAITS = text("SELECT count(*) FROM pg_locks WHERE NOT granted AND pg_backend_pid() = ANY(pg_blocking_pids(pid))")


@pytest.fixture
def two(slipway: Slipway) -> list[UUID]:
    """Environments by their ids; the repository of the second comes first by its address, and none is followed yet."""
    with slipway.database.tenant_session(slipway.principal.tenant_id) as session:
        asked = ConnectScm(name="github", credentials={"token": "github_pat_example"})
        ScmService(session, slipway.settings).connect(slipway.principal, asked)
    ids = sorted(One(slipway).request().id for _ in range(2))
    with slipway.database.tenant_session(slipway.principal.tenant_id) as session:
        for environment_id, name in zip(ids, ("zebra", "ant"), strict=True):
            address = f"https://github.com/acme/{name}"
            statement = text("UPDATE environments SET repository = :address, target = 'docker' WHERE id = :id")
            session.execute(statement, {"address": address, "id": environment_id})
    return ids


@contextmanager
def beside(slipway: Slipway, held: UUID, action: Callable[[Session], object]) -> Iterator[Session]:
    """Hold an environment until the other transaction waits for it; the block goes on with what holds it.

    Whatever the block waits for longer than a moment is what the other one holds: there they would wait for ever.
    """
    problems: list[BaseException] = []

    def act() -> None:
        try:
            with slipway.database.tenant_session(slipway.principal.tenant_id) as session:
                action(session)
        except Exception as error:  # noqa: BLE001  (told of by the test, not by the thread)
            problems.append(error)

    other = threading.Thread(target=act, daemon=True)
    with slipway.database.tenant_session(slipway.principal.tenant_id) as session:
        session.execute(LOCK, {"id": held})
        other.start()
        until = time.monotonic() + 30
        while not session.execute(WAITS).scalar_one():
            assert time.monotonic() < until, "the other transaction waits for nothing"
            time.sleep(0.01)
        session.execute(text("SET LOCAL lock_timeout = '2s'"))
        yield session
    other.join(30)
    assert not other.is_alive()
    assert problems == []


def test_all_that_lock_several_environments_lock_them_by_their_ids(slipway: Slipway, two: list[UUID]) -> None:
    tenant = slipway.principal.tenant_id
    first, second = two

    def connections(session: Session) -> None:
        EnvironmentWatches(session, slipway.settings).connections_changed(tenant)

    def offers(session: Session) -> None:
        EnvironmentSweeps(session, slipway.settings).note_offers(tenant)

    for action in (connections, offers):
        with beside(slipway, first, action) as session:
            session.execute(LOCK, {"id": second})
    with slipway.database.tenant_session(tenant) as session:
        assert session.execute(text("SELECT count(*) FROM scm_repositories")).scalar_one() == 2
        told = session.execute(
            text('SELECT count(*) FROM environments WHERE conditions @> \'[{"type": "TargetOffered"}]\'')
        )
        assert told.scalar_one() == 2


def test_the_sweep_and_what_follows_connections_end_also_at_the_same_time(slipway: Slipway, two: list[UUID]) -> None:
    tenant, problems = slipway.principal.tenant_id, list[BaseException]()

    def again(action: Callable[[Session], object]) -> None:
        try:
            for _ in range(20):
                with slipway.database.tenant_session(tenant) as session:
                    action(session)
        except Exception as error:  # noqa: BLE001  (told of by the test, not by the thread)
            problems.append(error)

    def offers(session: Session) -> None:
        session.execute(text("UPDATE environments SET conditions = '[]' WHERE id = :id"), {"id": two[0]})
        EnvironmentSweeps(session, slipway.settings).note_offers(tenant)

    def connections(session: Session) -> None:
        EnvironmentWatches(session, slipway.settings).connections_changed(tenant)

    threads = [threading.Thread(target=again, args=(each,), daemon=True) for each in (offers, connections)]
    for each in threads:
        each.start()
    for each in threads:
        each.join(60)
    assert problems == []


def test_a_repository_is_noted_after_the_environments_are_locked(slipway: Slipway, two: list[UUID]) -> None:
    tenant = slipway.principal.tenant_id

    def connections(session: Session) -> None:
        EnvironmentWatches(session, slipway.settings).connections_changed(tenant)

    with beside(slipway, two[0], connections) as session:
        # As a request does, which holds its environment by then.
        ScmService(session, slipway.settings).note(tenant, "https://github.com/acme/ant")
    with slipway.database.tenant_session(tenant) as session:
        assert session.execute(text("SELECT count(*) FROM scm_repositories")).scalar_one() == 2


def test_what_workers_report_locks_the_environment_before_its_stack(slipway: Slipway) -> None:
    one = One(slipway).request().work()
    stack_id = one.row.stack_id
    assert stack_id is not None
    with slipway.database.tenant_session(one.tenant_id) as session:
        lease = MultiCloudProvisioningService(session).acquire(one.tenant_id, stack_id, "a worker")

    def recovered(session: Session) -> None:
        EnvironmentReports(session, slipway.settings).recovered(lease, one.id)

    with beside(slipway, one.id, recovered) as session:
        # As the sweep does where nothing is found of one that should be there.
        MultiCloudProvisioningService(session).doubt(one.tenant_id, stack_id)


def test_a_repository_is_opened_without_waiting_for_a_hook_of_its_connection(slipway: Slipway, two: list[UUID]) -> None:
    tenant = slipway.principal.tenant_id
    with slipway.database.tenant_session(tenant) as session:
        EnvironmentWatches(session, slipway.settings).connections_changed(tenant)
    with slipway.database.tenant_session(tenant) as hook, slipway.database.tenant_session(tenant) as poll:
        hook.execute(text("SELECT id FROM scm_connections FOR UPDATE"))
        (first, _) = poll.execute(text("SELECT id FROM scm_repositories ORDER BY address")).scalars()
        poll.execute(text("SET LOCAL lock_timeout = '2s'"))
        assert ScmService(poll, slipway.settings).repository(tenant, first) is not None
        hook.execute(text("SET LOCAL lock_timeout = '2s'"))
        hook.execute(text("SELECT id FROM scm_repositories FOR UPDATE"))
    assert two

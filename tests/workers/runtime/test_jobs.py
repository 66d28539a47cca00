"""What a job may do: ask for another run, give up, finish exactly once, take too long, run by itself."""

import threading
import time
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from sqlalchemy import text

from catalog.db import Database
from catalog.discovery import DiscoveryError
from catalog.events import outbox
from catalog.events.outbox import CAUSE
from catalog.events.registry import EventData, event
from catalog.settings import Settings
from catalog.tenancy import Principal
from catalog.tenants.service import TenantService
from workers.main import App
from workers.runtime.drain import drain
from workers.runtime.registry import registry
from workers.runtime.resources import Resource
from workers.runtime.worker import Backoff, GiveUp, JobContext, Retry, Worker


@event("test.asked", version=1)
class Asked(EventData):
    """Somebody asked for something."""


@event("test.answered", version=1)
class Answered(EventData):
    """Somebody answered."""


def _ask(database: Database, tenant: Principal) -> None:
    with database.tenant_session(tenant.tenant_id) as session:
        outbox.append(session, Asked(), tenant_id=tenant.tenant_id, subject="things/1", actor="test")


def _delivery(database: Database) -> Any:
    with database.system_session() as session:
        columns = "state, attempt, failures, last_error"
        return session.connection().execute(text(f"SELECT {columns} FROM deliveries ORDER BY id")).first()  # noqa: S608


def test_one_thing_leads_to_another(database: Database, acme: Principal, app: Callable[..., App]) -> None:
    worker = Worker("chain", queue="test")
    seen: list[Any] = []

    @worker.on(Asked)
    @worker.job("tests.answer")
    def answer(context: JobContext) -> None:
        assert context.envelope is not None
        seen.append((context.envelope.correlationid, context.envelope.id))
        with context.session() as session:
            data = Answered()
            outbox.append(session, data, tenant_id=acme.tenant_id, subject="things/1", actor="system")

    @worker.on(Answered)
    @worker.job("tests.cheer")
    def cheer(context: JobContext) -> None:
        assert context.envelope is not None
        seen.append((context.envelope.correlationid, context.envelope.causationid))

    _ask(database, acme)
    assert drain(app(worker)) == ["tests.answer", "tests.cheer"]
    assert seen[0] == seen[1]
    assert CAUSE.get() is None


def test_asking_for_another_run_is_no_failure(database: Database, acme: Principal, app: Callable[..., App]) -> None:
    worker = Worker("patient", queue="test")

    @worker.on(Asked)
    @worker.job("tests.wait", max_attempts=2)
    def wait(context: JobContext) -> None:
        if context.attempt < 6:
            raise Retry(timedelta(milliseconds=20), "not yet")

    _ask(database, acme)
    assert drain(app(worker)) == ["tests.wait"] * 6
    assert tuple(_delivery(database)) == ("done", 6, 0, None)


def test_giving_up_is_final(database: Database, acme: Principal, app: Callable[..., App]) -> None:
    worker = Worker("decided", queue="test")
    told: list[str] = []

    @worker.on(Asked)
    @worker.job("tests.decide", when_dead=lambda _context, reason: told.append(reason))
    def decide(_context: JobContext) -> None:
        raise GiveUp("The repository\nis gone.")

    _ask(database, acme)
    assert drain(app(worker)) == ["tests.decide"]
    assert _delivery(database).state == "dead"
    assert _delivery(database).last_error == "The repository is gone."
    assert told == ["The repository is gone."]


def test_what_follows_the_last_attempt_is_tried_again_when_it_fails(
    database: Database, acme: Principal, app: Callable[..., App]
) -> None:
    worker = Worker("unlucky", queue="test")
    told: list[str] = []

    def tell(context: JobContext, reason: str) -> None:
        if context.attempt < 4:
            raise RuntimeError("not now")
        told.append(reason)

    @worker.on(Asked)
    @worker.job("tests.unlucky", max_attempts=2, backoff=Backoff(timedelta(milliseconds=10)), when_dead=tell)
    def unlucky(_context: JobContext) -> None:
        raise ValueError("no")

    _ask(database, acme)
    drain(app(worker))
    assert _delivery(database).state == "dead"
    assert len(told) == 1


def test_a_job_can_finish_in_the_transaction_of_its_effect(
    database: Database, acme: Principal, app: Callable[..., App]
) -> None:
    worker = Worker("exact", queue="test")

    @worker.on(Asked)
    @worker.job("tests.exactly", backoff=Backoff(timedelta(milliseconds=10)))
    def exactly(context: JobContext) -> None:
        with context.session() as session:
            TenantService(session).audit(acme.tenant_id, "test", "counted", "things/1", {})
            context.complete(session)
            if context.attempt == 1:
                raise RuntimeError("before the commit")
        raise RuntimeError("after the commit")

    _ask(database, acme)
    assert drain(app(worker)) == ["tests.exactly"] * 2
    assert _delivery(database).state == "done"
    with database.tenant_session(acme.tenant_id) as session:
        actions = [entry.action for entry in TenantService(session).audit_log(acme.tenant_id)]
    assert actions.count("counted") == 1


def test_a_job_that_takes_too_long_is_interrupted(database: Database, acme: Principal, app: Callable[..., App]) -> None:
    worker = Worker("slow", queue="test")
    told: list[bool] = []

    @worker.on(Asked)
    @worker.job("tests.slow", time_limit=timedelta(milliseconds=200), max_attempts=1)
    def slow(context: JobContext) -> None:
        while True:
            time.sleep(0.02)
            if context.should_stop() and not told:
                told.append(True)

    _ask(database, acme)
    drain(app(worker))
    assert tuple(_delivery(database)) == ("dead", 1, 1, "It took longer than 0.2 s.")
    assert told == [True]


def test_a_job_learns_that_another_worker_has_taken_over(
    database: Database, acme: Principal, app: Callable[..., App]
) -> None:
    worker = Worker("overtaken", queue="test")
    stopped: list[int] = []

    @worker.on(Asked)
    @worker.job("tests.overtaken")
    def overtaken(context: JobContext) -> None:
        if context.attempt > 1:
            return
        with database.system_session() as session:
            session.connection().execute(text("UPDATE deliveries SET state = 'pending', next_attempt_at = now()"))
        deadline = time.monotonic() + 10
        while not context.should_stop() and time.monotonic() < deadline:
            time.sleep(0.02)
        stopped.append(context.attempt)

    _ask(database, acme)
    assert drain(app(worker)) == ["tests.overtaken"] * 2
    assert stopped == [1]
    assert _delivery(database).state == "done"


def test_a_periodic_job_runs_by_itself_and_never_twice_at_once(running: Any) -> None:
    worker = Worker("clock", queue="test")
    busy, overlaps, runs, enough = threading.Lock(), [0], [0], threading.Event()

    @worker.every(timedelta(milliseconds=50))
    @worker.job("tests.tick")
    def tick(context: JobContext) -> None:
        if not busy.acquire(blocking=False):
            overlaps[0] += 1
            return
        assert context.tenant_id is None
        with context.system_session() as session:
            session.connection().execute(text("SELECT 1"))
        time.sleep(0.2)
        runs[0] += 1
        busy.release()
        if runs[0] == 4:
            enough.set()

    with running(worker, relays=2):
        assert enough.wait(60)
    assert overlaps[0] == 0


def test_a_queue_may_be_bounded_so_that_others_keep_threads(database: Database, acme: Principal, running: Any) -> None:
    slow, quick = Worker("slow", queue="slow", concurrency=2), Worker("quick", queue="quick")
    lock, go_on = threading.Lock(), threading.Event()
    busy, most, quick_runs = [0], [0], [0]

    @slow.on(Asked)
    @slow.job("tests.hold")
    def hold(_context: JobContext) -> None:
        with lock:
            busy[0] += 1
            most[0] = max(most[0], busy[0])
        go_on.wait(20)
        with lock:
            busy[0] -= 1

    @quick.on(Asked)
    @quick.job("tests.quick")
    def run(_context: JobContext) -> None:
        with lock:
            quick_runs[0] += 1
            if quick_runs[0] == 12:
                go_on.set()

    with running(slow, quick):
        for number in range(12):
            with database.tenant_session(acme.tenant_id) as session:
                subject = f"things/{number}"
                outbox.append(session, Asked(), tenant_id=acme.tenant_id, subject=subject, actor="test")
        assert go_on.wait(20), "the quick jobs waited for the slow ones"
    assert most[0] <= 2


def test_the_interval_of_a_periodic_job_may_come_from_the_settings(settings: Settings) -> None:
    worker = Worker("polls", queue="test")

    @worker.every(lambda settings: timedelta(seconds=settings.pull_request_poll_seconds))
    @worker.job("tests.poll")
    def poll(_context: JobContext) -> None: ...

    assert registry([worker]).intervals(settings) == {"tests.poll": timedelta(seconds=2)}


def test_what_a_process_needs_is_built_once_and_closed(app: Callable[..., App]) -> None:
    built: list[str] = []

    class Thing:
        def close(self) -> None:
            built.append("closed")

    def build(_runtime: Any) -> Thing:
        built.append("built")
        return Thing()

    thing = Resource("thing", build)
    runtime = app().runtime
    assert runtime.resource(thing) is runtime.resource(thing)
    runtime.close()
    assert built == ["built", "closed"]


def test_two_workers_may_not_share_a_job() -> None:
    first, second = Worker("first"), Worker("second")

    def run(_context: JobContext) -> None: ...

    first.job("tests.run")(run)
    second.job("tests.run")(run)
    with pytest.raises(DiscoveryError, match=r"second .* claims the job 'tests.run', which first"):
        registry([first, second])

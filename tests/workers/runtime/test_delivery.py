"""Events reach their jobs: in order, once, in turns, and whatever fails."""

import random
import threading
import time
from collections import defaultdict
from collections.abc import Callable, Sequence
from datetime import timedelta
from typing import Any

import pytest
import redis
from sqlalchemy import text

from catalog.db import Database
from catalog.deliveries.service import DeliveryService
from catalog.events import outbox
from catalog.events.registry import EventData, event
from catalog.settings import Settings
from catalog.tenancy import Principal
from workers.main import App
from workers.runtime.queue import Send
from workers.runtime.relay import Relay, RelayOptions
from workers.runtime.worker import Backoff, JobContext, Worker

QUICK = Backoff(first=timedelta(milliseconds=10), cap=timedelta(milliseconds=50))


@event("test.delivered", version=1)
class Delivered(EventData):
    """Something numbered happened."""

    number: int


def _append(database: Database, tenant: Principal, numbers: range | list[int], subject: str = "things/1") -> None:
    with database.tenant_session(tenant.tenant_id) as session:
        for number in numbers:
            data = Delivered(number=number)
            outbox.append(session, data, tenant_id=tenant.tenant_id, subject=subject, actor="test")


def _states(database: Database) -> dict[str, int]:
    with database.system_session() as session:
        rows = session.connection().execute(text("SELECT state, count(*) FROM deliveries GROUP BY state"))
        return {row[0]: row[1] for row in rows}


def _await(condition: Callable[[], Any], seconds: float = 60.0) -> None:
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, "it did not happen in time"
        time.sleep(0.02)


def _settled(database: Database, count: int) -> Callable[[], bool]:
    return lambda: sum(_states(database).values()) == count and set(_states(database)) <= {"done", "dead"}


class _Recorder:
    """A worker that notes what it runs, and fails now and then on request."""

    def __init__(self, *, fail: Callable[[int], bool] = lambda _number: False, seconds: float = 0.0) -> None:
        self.worker = Worker("recorder", queue="test")
        self.done: dict[tuple[Any, str], list[int]] = defaultdict(list)
        self.all: list[tuple[Any, int]] = []
        self.overlaps = 0
        self._busy: set[tuple[Any, str]] = set()
        self._lock = threading.Lock()

        @self.worker.on(Delivered)
        @self.worker.job("tests.record", max_attempts=50, backoff=QUICK)
        def record(context: JobContext) -> None:
            number = context.event(Delivered).number
            assert context.envelope is not None
            key = (context.tenant_id, context.envelope.subject)
            with self._lock:
                self.overlaps += key in self._busy
                self._busy.add(key)
            time.sleep(seconds)
            with self._lock:
                self._busy.discard(key)
                if fail(number):
                    raise RuntimeError("on request")
                self.done[key].append(number)
                self.all.append((context.tenant_id, number))


def test_events_of_a_subject_come_one_at_a_time_and_in_order(
    database: Database, acme: Principal, rival: Principal, running: Any
) -> None:
    chance = random.Random(7)  # noqa: S311  # the same chances every time
    recorder = _Recorder(fail=lambda _number: chance.random() < 0.2, seconds=0.001)
    numbers: dict[tuple[Any, str], list[int]] = defaultdict(list)
    with running(recorder.worker, relays=2):
        for number in range(240):
            tenant = chance.choice([acme, rival])
            subject = f"things/{chance.randrange(5)}"
            numbers[(tenant.tenant_id, subject)].append(number)
            _append(database, tenant, [number], subject)
        _await(_settled(database, 240), 120)
    assert recorder.done == numbers
    assert recorder.overlaps == 0


def test_two_relays_deliver_each_event_once(database: Database, acme: Principal, running: Any) -> None:
    recorder = _Recorder()
    with running(recorder.worker, relays=2):
        for number in range(100):
            _append(database, acme, [number], f"things/{number}")
        _await(_settled(database, 100))
    assert sorted(number for _, number in recorder.all) == list(range(100))


def test_a_message_that_comes_again_runs_no_job_again(database: Database, acme: Principal, running: Any) -> None:
    recorder = _Recorder(seconds=0.2)
    with running(recorder.worker) as app:
        _append(database, acme, [1])
        _await(lambda: _states(database).get("running"))
        for copy in range(5):
            app.broker.send([Send("test", "tests.record", f"copy-{copy}", {"delivery_id": 1, "attempt": 1})])
        _await(_settled(database, 1))
        app.broker.send([Send("test", "tests.record", "late", {"delivery_id": 1, "attempt": 1})])
        app.broker.send([Send("test", "tests.record", "next", {"delivery_id": 1, "attempt": 2})])
        time.sleep(0.3)
    assert recorder.all == [(acme.tenant_id, 1)]


def test_an_emptied_queue_loses_nothing(database: Database, acme: Principal, running: Any, settings: Settings) -> None:
    recorder = _Recorder(seconds=0.02)
    with running(recorder.worker), redis.Redis.from_url(settings.redis_url) as client:
        for number in range(60):
            _append(database, acme, [number], f"things/{number}")
            if number % 20 == 10:
                client.flushall()
        client.flushall()
        _await(_settled(database, 60))
    assert sorted(number for _, number in recorder.all) == list(range(60))


def test_a_relay_that_dies_between_sending_and_marking_does_no_harm(
    database: Database, acme: Principal, app: Callable[..., App], running: Any, settings: Settings
) -> None:
    recorder = _Recorder()
    dead = app(recorder.worker)

    class Dies:
        def send(self, messages: Sequence[Send]) -> None:
            dead.broker.send(messages)
            raise ConnectionError("gone")

    _append(database, acme, [1])
    with pytest.raises(ConnectionError):
        Relay(settings, dead.database, dead.registry, Dies()).round()
    assert _states(database) == {"pending": 1}
    with running(recorder.worker):
        _await(_settled(database, 1))
        time.sleep(0.3)
    assert recorder.all == [(acme.tenant_id, 1)]


def test_a_tenant_that_comes_late_does_not_wait_for_all_of_another(
    database: Database, acme: Principal, rival: Principal, running: Any
) -> None:
    recorder = _Recorder(seconds=0.01)
    for number in range(300):
        _append(database, acme, [number], f"things/{number}")
    options = RelayOptions(window=8, sweep=timedelta(milliseconds=100))
    with running(recorder.worker, options=options):
        _await(lambda: len(recorder.all) > 20)
        for number in range(10):
            _append(database, rival, [number], f"things/{number}")
        before = len(recorder.all)
        _await(_settled(database, 310), 120)
    last = max(index for index, (tenant, _) in enumerate(recorder.all) if tenant == rival.tenant_id)
    assert last - before < 60, "the ten of the second tenant waited for too many of the first"


def test_a_job_that_fails_for_good_becomes_a_dead_letter_and_can_be_replayed(
    database: Database, acme: Principal, rival: Principal, running: Any
) -> None:
    worker = Worker("broken", queue="test")
    broken, starts, told = [True], [], []

    def tell(_context: JobContext, reason: str) -> None:
        told.append(reason)

    @worker.on(Delivered)
    @worker.job("tests.break", max_attempts=3, backoff=QUICK, when_dead=tell)
    def fail(context: JobContext) -> None:
        starts.append(context.attempt)
        if broken[0]:
            raise RuntimeError("password=hunter2")

    with running(worker):
        _append(database, acme, [1])
        _await(lambda: _states(database) == {"dead": 1})
        assert starts == [1, 2, 3]
        with database.tenant_session(rival.tenant_id) as session:
            assert DeliveryService(session).dead_letters(rival.tenant_id) == []
        with database.tenant_session(acme.tenant_id) as session:
            (letter,) = DeliveryService(session).dead_letters(acme.tenant_id)
            assert (letter.job, letter.subject, letter.attempts) == ("tests.break", "things/1", 3)
            assert letter.reason is not None
            assert "hunter2" not in letter.reason
            assert told == [letter.reason]
        broken[0] = False
        with database.tenant_session(acme.tenant_id) as session:
            DeliveryService(session).replay(acme, letter.id)
        _await(lambda: _states(database) == {"done": 1})
        with database.tenant_session(acme.tenant_id) as session:
            assert DeliveryService(session).dead_letters(acme.tenant_id) == []
    assert starts == [1, 2, 3, 4]


def test_a_dead_letter_holds_up_nobody(database: Database, acme: Principal, running: Any) -> None:
    worker = Worker("partly", queue="test")
    done: list[int] = []

    @worker.on(Delivered)
    @worker.job("tests.partly", max_attempts=2, backoff=QUICK)
    def partly(context: JobContext) -> None:
        number = context.event(Delivered).number
        if number == 0:
            raise ValueError("no")
        done.append(number)

    with running(worker):
        _append(database, acme, range(3))
        _await(lambda: _states(database) == {"dead": 1, "done": 2})
    assert done == [1, 2]

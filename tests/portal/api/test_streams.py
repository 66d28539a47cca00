"""Live streams of operations: resumed, woken at once, honest about the end, and patient with a database restart."""

import json
import os
import signal
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path
from typing import Any
from uuid import UUID, uuid4

import httpx
import pytest

from catalog import migrate
from catalog.db import Database
from catalog.operations.models import Operation, OperationState, Step, StepState
from catalog.operations.service import OperationService
from catalog.settings import Settings
from catalog.tenancy import ALL_SCOPES, Principal
from catalog.tenants import bootstrap
from portal import streams
from workers.embedded.postgres import EmbeddedPostgres

STEPS = [Step(name="source", title="Fetch"), Step(name="apply", title="Apply")]
Event = dict[str, Any]


class Reader:
    """Reads one stream in a thread and keeps what it told."""

    def __init__(self, settings: Settings, token: str, operation_id: UUID, last_event_id: int | None = None) -> None:
        self.events: list[Event] = []
        self.comments = 0
        self.status = 0
        self.is_over = threading.Event()
        self._url = f"{settings.base_url}/api/v1/operations/{operation_id}/events"
        self._headers = {"Authorization": f"Bearer {token}"}
        if last_event_id is not None:
            self._headers["Last-Event-ID"] = str(last_event_id)
        self._thread = threading.Thread(target=self._read, daemon=True)
        self._thread.start()

    def _read(self) -> None:
        event: Event = {}
        try:
            with httpx.stream("GET", self._url, headers=self._headers, timeout=30) as response:
                self.status = response.status_code
                for line in response.iter_lines():
                    name, _, value = line.partition(": ")
                    if not line and "data" in event:
                        self.events.append({**event, "at": time.monotonic()})
                    if not line:
                        event = {}
                    elif not name:
                        self.comments += 1
                    else:
                        event[name] = json.loads(value) if name in {"data", "id"} else value
        except httpx.HTTPError:
            pass
        finally:
            self.is_over.set()

    def wait_for(self, count: int, seconds: float = 10) -> list[Event]:
        deadline = time.monotonic() + seconds
        while len(self.events) < count and time.monotonic() < deadline and not self.is_over.is_set():
            time.sleep(0.01)
        assert len(self.events) >= count, (self.status, self.events)
        return self.events


def start(database: Database, principal: Principal) -> Operation:
    with database.tenant_session(principal.tenant_id) as session:
        return OperationService(session).start(principal.tenant_id, "test", "tests/1", STEPS, "test")


def step(database: Database, operation: Operation, name: str, state: StepState = StepState.RUNNING) -> None:
    with database.tenant_session(operation.tenant_id) as session:
        OperationService(session).step(operation.tenant_id, operation.id, name, state)


def finish(database: Database, operation: Operation) -> None:
    with database.tenant_session(operation.tenant_id) as session:
        OperationService(session).run(operation.tenant_id, operation.id)
        OperationService(session).finish(operation.tenant_id, operation.id, OperationState.SUCCEEDED)


@pytest.fixture
def token(new_token: Callable[..., str], acme: Principal) -> str:
    return new_token(acme)


def test_a_stream_tells_what_was_what_is_and_the_end(
    served: Settings, database: Database, acme: Principal, token: str
) -> None:
    operation = start(database, acme)
    reader = Reader(served, token, operation.id)
    assert reader.wait_for(1)[0]["event"] == "state"
    step(database, operation, "source")
    reader.wait_for(2)
    finish(database, operation)
    events = reader.wait_for(7)
    assert reader.is_over.wait(5)
    assert [each["event"] for each in events] == ["state", "step", "state", "step", "step", "state", "end"]
    steps = [each["data"]["step"] for each in events if each["event"] == "step"]
    assert [(each["name"], each["state"]) for each in steps] == [
        ("source", "running"),
        ("source", "succeeded"),
        ("apply", "skipped"),
    ]
    assert events[5]["data"]["state"] == "succeeded"
    assert events[5]["data"]["progress"] == 100
    assert events[6]["data"] == {"state": "succeeded"}
    ids = [each["id"] for each in events if "id" in each]
    assert ids == sorted(set(ids))
    assert len(ids) == 6


def test_a_reader_goes_on_where_it_was(served: Settings, database: Database, acme: Principal, token: str) -> None:
    operation = start(database, acme)
    step(database, operation, "source")
    step(database, operation, "apply")
    # A step that begins ends the one before, and both are told.
    first = Reader(served, token, operation.id).wait_for(4)
    rest = Reader(served, token, operation.id, first[0]["id"]).wait_for(3)
    assert [each["id"] for each in rest] == [each["id"] for each in first[1:4]]
    finish(database, operation)
    late = Reader(served, token, operation.id, first[3]["id"])
    assert [each["event"] for each in late.wait_for(4)] == ["state", "step", "state", "end"]
    nothing_new = Reader(served, token, operation.id, late.events[2]["id"])
    assert [each["event"] for each in nothing_new.wait_for(1)] == ["end"]


def test_news_arrive_at_once(served: Settings, database: Database, acme: Principal, token: str) -> None:
    operation = start(database, acme)
    readers = [Reader(served, token, operation.id) for _ in range(5)]
    for reader in readers:
        reader.wait_for(1)
    delays = []
    for _ in range(5):
        before = [len(reader.events) for reader in readers]
        moment = time.monotonic()
        step(database, operation, "source")
        for reader, count in zip(readers, before, strict=True):
            delays.append(reader.wait_for(count + 1)[count]["at"] - moment)
    # Polling would take half of POLL_SECONDS on average; the median must show that nobody polled.
    assert sorted(delays)[len(delays) // 2] < streams.POLL_SECONDS / 4
    finish(database, operation)


def test_another_tenants_operation_has_no_stream(
    served: Settings, database: Database, acme: Principal, rival: Principal, new_token: Callable[..., str]
) -> None:
    operation = start(database, acme)
    headers = {"Authorization": f"Bearer {new_token(rival)}"}
    answers = []
    for identifier in (operation.id, uuid4()):
        answer = httpx.get(f"{served.base_url}/api/v1/operations/{identifier}/events", headers=headers, timeout=60)
        assert answer.status_code == 404
        document = {key: value for key, value in answer.json().items() if key != "correlation_id"}
        answers.append(json.dumps(document).replace(str(identifier), "ID"))
    assert answers[0] == answers[1]


@pytest.fixture
def own_postgres() -> Iterator[EmbeddedPostgres]:
    """Give a PostgreSQL server that this test alone may stop."""
    with tempfile.TemporaryDirectory(prefix="slw-own-pg-") as folder:
        Path(folder).chmod(0o755)  # the server's own user has to reach its socket
        server = EmbeddedPostgres(Path(folder) / "postgres", Path(folder) / "run", durable=False)
        server.start()
        server.wait_ready()
        yield server
        server.stop()


@contextmanager
def database_of(settings: Settings) -> Iterator[Database]:
    database = Database(settings)
    yield database
    database.close()


def test_a_restarted_database_loses_nothing_and_ends_no_stream(
    own_postgres: EmbeddedPostgres,
    tmp_path: Path,
    serve: Callable[[Settings], AbstractContextManager[Settings]],
) -> None:
    urls = own_postgres.urls()
    migrate.upgrade(urls.owner)
    settings = Settings(
        data_dir=tmp_path,
        database_url=urls.app,
        database_owner_url=urls.owner,
        database_system_url=urls.system,
        database_pool_size=4,
    )
    with database_of(settings) as database, serve(settings) as served:
        token = bootstrap.create_token(database, "acme", "test", sorted(ALL_SCOPES), 1)
        tenant = bootstrap.ensure_tenant(database, "acme")
        operation = start(database, Principal(tenant.id, "acme", "test", "test", ALL_SCOPES))
        reader = Reader(served, token, operation.id)
        reader.wait_for(1)
        own_postgres.stop()
        time.sleep(1.5)
        assert not reader.is_over.is_set()
        own_postgres.start()
        own_postgres.wait_ready()
        step(database, operation, "source")
        assert reader.wait_for(2, seconds=15)[1]["data"]["step"]["name"] == "source"
        time.sleep(6)  # the listener is back at the latest after its longest pause
        moment = time.monotonic()
        finish(database, operation)
        assert reader.wait_for(5)[3]["at"] - moment < streams.POLL_SECONDS
        assert reader.is_over.wait(5)


def test_a_process_told_to_stop_leaves_though_streams_are_open(
    settings: Settings, database: Database, acme: Principal, token: str, tmp_path: Path, free_port: int
) -> None:
    own = settings.model_copy(update={"port": free_port, "base_url": f"http://127.0.0.1:{free_port}"})
    environment = {**own.as_environment(), "PATH": os.defpath}
    operation = start(database, acme)
    with (tmp_path / "portal.log").open("wb") as log:
        process = subprocess.Popen([sys.executable, "-m", "portal"], env=environment, stdout=log, stderr=log)
        try:
            deadline = time.monotonic() + 120
            while time.monotonic() < deadline and process.poll() is None:
                try:
                    httpx.get(f"{own.base_url}/health/live")
                    break
                except httpx.TransportError:
                    time.sleep(0.1)
            readers = [Reader(own, token, operation.id) for _ in range(3)]
            for reader in readers:
                reader.wait_for(1)
            began = time.monotonic()
            process.send_signal(signal.SIGTERM)
            assert process.wait(10) in {0, -signal.SIGTERM}, (tmp_path / "portal.log").read_text()
            assert time.monotonic() - began < 4
            assert all(reader.is_over.wait(2) for reader in readers)
        finally:
            if process.poll() is None:
                process.kill()
                process.wait()

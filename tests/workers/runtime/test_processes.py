"""The processes themselves: found strangers, killed workers, ended workers, restarted databases."""

import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import text

from catalog import migrate
from catalog.db import Database
from catalog.settings import Settings
from catalog.tenancy import Principal
from catalog.tenants import bootstrap
from workers.embedded.postgres import EmbeddedPostgres

Launch = Callable[..., subprocess.Popen[bytes]]
WORK = ["-m", "workers.runtime.work"]
RELAY = ["-m", "workers.runtime.relay"]
# Appends one event of the stranger's as the application does, in a process where the stranger is installed.
TAKE_NOTE = """
import sys
from uuid import UUID
from acme_notes import NoteTaken
from catalog.db import Database
from catalog.events import outbox
from catalog.settings import load_settings
tenant, path, text, seconds, stubborn = sys.argv[1:]
with Database(load_settings()).tenant_session(UUID(tenant)) as session:
    data = NoteTaken(path=path, text=text, seconds=float(seconds), stubborn=stubborn == "True")
    outbox.append(session, data, tenant_id=UUID(tenant), subject="notes/1", actor="test")
"""


def _note(
    process: Launch, tenant: Principal, path: Path, text: str, seconds: float = 0, *, stubborn: bool = False
) -> None:
    arguments = [str(tenant.tenant_id), str(path), text, str(seconds), str(stubborn)]
    assert process(["-c", TAKE_NOTE, *arguments]).wait(30) == 0


def _await(condition: Callable[[], Any], seconds: float = 60.0) -> None:
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, "it did not happen in time"
        time.sleep(0.02)


def _lines(path: Path) -> list[str]:
    return path.read_text(encoding="utf-8").splitlines() if path.exists() else []


def _words(path: Path) -> list[str]:
    return [line.split()[0] for line in _lines(path)]


def _state(database: Database) -> tuple[str, int, int]:
    with database.system_session() as session:
        row = session.connection().execute(text("SELECT state, attempt, failures FROM deliveries")).one()
        return (row.state, row.attempt, row.failures)


def test_a_strangers_worker_runs_on_its_event(
    database: Database, acme: Principal, process: Launch, tmp_path: Path
) -> None:
    process(RELAY)
    process(WORK)
    path = tmp_path / "notes"
    _note(process, acme, path, "hello")
    _await(lambda: _words(path) == ["began", "ended"])
    _await(lambda: _state(database) == ("done", 1, 0))
    _await(lambda: {"relay", "worker"} <= _capabilities(database))


def _capabilities(database: Database) -> set[str]:
    with database.system_session() as session:
        return set(session.connection().execute(text("SELECT unnest(capabilities) FROM heartbeats")).scalars())


def test_a_worker_that_is_killed_in_a_job_loses_it_to_the_next(
    database: Database, acme: Principal, process: Launch, tmp_path: Path
) -> None:
    process(RELAY)
    worker = process(WORK)
    path = tmp_path / "notes"
    _note(process, acme, path, "one", seconds=2)
    _await(lambda: _words(path) == ["began"])
    worker.kill()
    worker.wait()
    with database.system_session() as session:  # as if the rest of the lease had passed
        session.connection().execute(text("UPDATE deliveries SET lease_until = clock_timestamp()"))
    process(WORK)
    _await(lambda: _words(path) == ["began", "began", "ended"])
    _await(lambda: _state(database) == ("done", 2, 1))


def test_a_worker_that_is_told_to_end_gives_its_job_back_at_once(
    database: Database, acme: Principal, process: Launch, tmp_path: Path
) -> None:
    process(RELAY)
    worker = process(WORK)
    path = tmp_path / "notes"
    _note(process, acme, path, "long", seconds=60)
    _await(lambda: _words(path) == ["began"])
    began = time.monotonic()
    worker.send_signal(signal.SIGTERM)
    assert worker.wait(30) == 0
    assert time.monotonic() - began < 30, "half of what the job would take"
    assert _words(path) == ["began", "stopped"]
    process(WORK)
    _await(lambda: _words(path) == ["began", "stopped", "began"])
    assert _state(database) == ("running", 2, 0)


def test_a_job_that_does_not_stop_is_given_back_when_its_worker_ends(
    database: Database, acme: Principal, process: Launch, tmp_path: Path
) -> None:
    process(RELAY)
    worker = process(WORK)
    path = tmp_path / "notes"
    _note(process, acme, path, "long", seconds=60, stubborn=True)
    _await(lambda: _words(path) == ["began"])
    began = time.monotonic()
    worker.send_signal(signal.SIGTERM)
    _await(lambda: _state(database)[0] in {"pending", "sent"}, 30)
    assert time.monotonic() - began < 30, "half of what the job would take"
    assert _state(database)[1:] == (1, 0)
    assert worker.wait(30) == 0


def test_dramatiqs_own_command_line_takes_the_broker(
    database: Database, acme: Principal, process: Launch, tmp_path: Path
) -> None:
    process(RELAY)
    command = ["-m", "dramatiq", "workers.main:app.broker", "--processes", "1", "--threads", "2"]
    worker = process([*command, "--worker-shutdown-timeout", "5000"])
    path = tmp_path / "notes"
    _note(process, acme, path, "hello")
    _await(lambda: _words(path) == ["began", "ended"])
    _await(lambda: _state(database)[0] == "done")
    worker.send_signal(signal.SIGTERM)
    assert worker.wait(10) == 0


def test_relay_and_worker_outlive_a_restart_of_the_database(
    settings: Settings, process: Launch, tmp_path: Path
) -> None:
    with tempfile.TemporaryDirectory(prefix="slw-pg-") as folder:
        Path(folder).chmod(0o711)  # so that the server's user reaches its socket there, and finds it again
        server = EmbeddedPostgres(Path(folder) / "postgres", Path(folder) / "run", durable=False)
        server.start()
        server.wait_ready()
        urls = server.urls()
        migrate.upgrade(urls.owner)
        own = settings.model_copy(update={"database_url": urls.app, "database_system_url": urls.system})
        database = Database(own)
        tenant = bootstrap.ensure_tenant(database, "acme")
        acme = Principal(tenant.id, tenant.name, actor="test", name="acme", scopes=frozenset())

        def launch(arguments: list[str]) -> subprocess.Popen[bytes]:
            return process(arguments, **own.as_environment())

        launch(RELAY)
        launch(WORK)
        path = tmp_path / "notes"
        _note(launch, acme, path, "before", seconds=3)
        _await(lambda: _words(path) == ["began"])
        server.stop()
        time.sleep(0.5)
        server.start()
        server.wait_ready()
        _note(launch, acme, path, "after")
        _await(lambda: _words(path) == ["began", "ended", "began", "ended"])
        _await(lambda: set(_all_states(database)) == {"done"})
        database.close()
        server.stop()


def _all_states(database: Database) -> list[str]:
    with database.system_session() as session:
        return list(session.connection().execute(text("SELECT state FROM deliveries")).scalars())


@pytest.mark.parametrize(
    ("module", "says"),
    [
        ("NAME = 'no worker here'", "broken is named in the group slipway.workers but defines no WORKER"),
        ("WORKER = 'not one'", "broken.WORKER is not a Worker"),
        (
            "WORKER = Worker('copycat', queue='acme')\n@WORKER.job('notes.write')\ndef write(context): ...\n",
            "claims the job 'notes.write', which",
        ),
        ("WORKER = Worker('acme_notes', queue='acme')\n", "claims 'acme_notes', which"),
        (
            "WORKER = Worker('nameless', queue='acme')\n@WORKER.every(1)\ndef write(context): ...\n",
            "broken.write has no name: put @WORKER.job(...) on it",
        ),
        ("import there_is_no_such_module", "there_is_no_such_module"),
    ],
)
def test_a_broken_stranger_stops_the_worker_and_is_named(
    settings: Settings, stranger: Path, tmp_path: Path, module: str, says: str
) -> None:
    site = tmp_path / "site"
    metadata = site / "broken-1.0.dist-info"
    metadata.mkdir(parents=True)
    (site / "broken.py").write_text(f"from workers.runtime.worker import Worker\n{module}", encoding="utf-8")
    (metadata / "METADATA").write_text("Metadata-Version: 2.1\nName: broken\nVersion: 1.0\n", encoding="utf-8")
    (metadata / "entry_points.txt").write_text("[slipway.workers]\nbroken = broken\n", encoding="utf-8")
    root = Path(__file__).parents[3]
    environment = {**settings.as_environment(), "PATH": "/usr/bin:/bin", "PYTHONPATH": f"{site}:{stranger}:{root}"}
    ended = subprocess.run([sys.executable, *WORK], env=environment, capture_output=True, text=True, timeout=60)
    assert ended.returncode != 0
    assert says in ended.stderr
    assert "broken" in ended.stderr

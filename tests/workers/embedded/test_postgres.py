"""The embedded PostgreSQL starts, stops, survives crashes, and gives each role no more than its due."""

import os
import signal
import stat
import time
from collections.abc import Iterator
from pathlib import Path

import psutil
import psycopg
import pytest

from workers.embedded.errors import AlreadyRunningError, EmbeddedError
from workers.embedded.postgres import EmbeddedPostgres


def _connect(url: str) -> psycopg.Connection:
    return psycopg.connect(url.replace("+psycopg", "", 1), autocommit=True)


def _start(data: Path) -> EmbeddedPostgres:
    postgres = EmbeddedPostgres(data, data / "run")
    postgres.start()
    postgres.wait_ready()
    return postgres


@pytest.fixture
def postgres(tmp_path: Path) -> Iterator[EmbeddedPostgres]:
    server = _start(tmp_path / "data")
    yield server
    server.stop()


def _pid(postgres: EmbeddedPostgres) -> int:
    assert postgres.process is not None
    return postgres.process.pid


def test_no_role_of_slipway_is_superuser_or_passes_row_level_security(postgres: EmbeddedPostgres) -> None:
    for url in (postgres.urls().owner, postgres.urls().app, postgres.urls().system):
        with _connect(url) as connection:
            row = connection.execute(
                "SELECT rolsuper, rolbypassrls, rolcreaterole, rolcreatedb FROM pg_roles WHERE rolname = current_user"
            ).fetchone()
        assert row == (False, False, False, False)


def test_app_and_system_get_only_what_migrations_grant(postgres: EmbeddedPostgres) -> None:
    with _connect(postgres.urls().owner) as owner:
        owner.execute("CREATE TABLE given (value int)")
        owner.execute("CREATE TABLE kept (value int)")
        owner.execute("GRANT SELECT ON given TO slipway_app")
    with _connect(postgres.urls().app) as app:
        assert app.execute("SELECT count(*) FROM given").fetchone() == (0,)
        for refused in ("SELECT * FROM kept", "INSERT INTO given VALUES (1)", "CREATE TABLE mine (value int)"):
            with pytest.raises(psycopg.errors.InsufficientPrivilege):
                app.execute(refused)
    with _connect(postgres.urls().system) as system, pytest.raises(psycopg.errors.InsufficientPrivilege):
        system.execute("SELECT * FROM given")


def test_row_level_security_holds_for_the_owner_when_forced(postgres: EmbeddedPostgres) -> None:
    with _connect(postgres.urls().owner) as owner:
        owner.execute("CREATE TABLE rows (tenant text)")
        owner.execute("INSERT INTO rows VALUES ('a'), ('b')")
        owner.execute("ALTER TABLE rows ENABLE ROW LEVEL SECURITY")
        owner.execute("ALTER TABLE rows FORCE ROW LEVEL SECURITY")
        owner.execute("CREATE POLICY own ON rows USING (tenant = current_setting('slipway.tenant', true))")
        assert owner.execute("SELECT count(*) FROM rows").fetchone() == (0,)
        owner.execute("SELECT set_config('slipway.tenant', 'a', false)")
        assert owner.execute("SELECT tenant FROM rows").fetchall() == [("a",)]


def test_a_wrong_password_is_refused_and_there_is_no_network_port(postgres: EmbeddedPostgres) -> None:
    url = postgres.urls().app.replace("slipway_app:", "slipway_app:x", 1)
    with pytest.raises(psycopg.OperationalError, match="password authentication failed"):
        _connect(url)
    assert psutil.Process(_pid(postgres)).net_connections("tcp") == []


def test_passwords_and_data_are_closed_to_other_users(postgres: EmbeddedPostgres, tmp_path: Path) -> None:
    data = tmp_path / "data"
    for key in (data / "keys").iterdir():
        assert stat.S_IMODE(key.stat().st_mode) == 0o600
    for folder in ("keys", "postgres", "logs"):
        assert stat.S_IMODE((data / folder).stat().st_mode) == 0o700
    assert stat.S_IMODE(data.stat().st_mode) & 0o066 == 0
    if os.geteuid() == 0:
        assert psutil.Process(_pid(postgres)).uids().effective != 0


def test_rows_survive_a_stop_and_a_kill(tmp_path: Path) -> None:
    data = tmp_path / "data"
    postgres = _start(data)
    with _connect(postgres.urls().owner) as owner:
        owner.execute("CREATE TABLE kept (value int)")
        owner.execute("INSERT INTO kept VALUES (1)")
    postgres.stop()
    postgres = _start(data)
    with _connect(postgres.urls().owner) as owner:
        owner.execute("INSERT INTO kept VALUES (2)")
    os.kill(_pid(postgres), signal.SIGKILL)
    postgres.stop()
    postgres = _start(data)
    with _connect(postgres.urls().owner) as owner:
        assert owner.execute("SELECT value FROM kept ORDER BY value").fetchall() == [(1,), (2,)]
    postgres.stop()


def test_stopping_takes_under_five_seconds_with_a_session_in_the_middle_of_its_work(tmp_path: Path) -> None:
    postgres = _start(tmp_path / "data")
    pid = _pid(postgres)
    busy = _connect(postgres.urls().owner)
    busy.execute("BEGIN")
    started = time.monotonic()
    postgres.stop()
    busy.close()
    assert time.monotonic() - started < 5
    assert not psutil.pid_exists(pid)


def test_a_second_start_on_the_same_data_is_refused_and_names_the_process(
    postgres: EmbeddedPostgres, tmp_path: Path
) -> None:
    data = tmp_path / "data"
    with pytest.raises(AlreadyRunningError, match=f"already in use by process {_pid(postgres)};") as refusal:
        EmbeddedPostgres(data, data / "run").start()
    assert refusal.value.pid == _pid(postgres)
    with _connect(postgres.urls().app) as connection:
        assert connection.execute("SELECT 1").fetchone() == (1,)


def test_a_stale_lock_file_that_names_a_living_process_does_not_matter(tmp_path: Path) -> None:
    data = tmp_path / "data"
    _start(data).stop()
    (data / "postgres" / "postmaster.pid").write_text(f"{os.getppid()}\n{data}\n0\n5432\n\n\n\nready\n")
    _start(data).stop()


def test_a_set_up_that_was_cut_off_is_begun_again(tmp_path: Path) -> None:
    data = tmp_path / "data"
    (data / "postgres.new" / "base").mkdir(parents=True)
    _start(data).stop()
    assert not (data / "postgres.new").exists()


def test_a_database_of_another_major_version_is_left_alone(tmp_path: Path) -> None:
    data = tmp_path / "data"
    (data / "postgres").mkdir(parents=True)
    (data / "postgres" / "PG_VERSION").write_text("12\n")
    with pytest.raises(EmbeddedError, match="made by PostgreSQL 12"):
        EmbeddedPostgres(data, data / "run").start()
    assert (data / "postgres" / "PG_VERSION").read_text() == "12\n"


def test_a_path_too_long_for_a_socket_works_and_leaves_nothing_behind(tmp_path: Path) -> None:
    data = tmp_path / ("long" * 20) / "data"
    postgres = _start(data)
    with _connect(postgres.urls().app) as connection:
        assert connection.execute("SELECT 1").fetchone() == (1,)
    made = Path((data / "run" / "postgres.socket-directory").read_text().strip())
    assert made.is_dir()
    postgres.stop()
    assert not made.exists()


def test_a_closed_home_of_root_stays_closed_and_works(tmp_path: Path) -> None:
    home = tmp_path / "home"
    home.mkdir(mode=0o700)
    postgres = _start(home / "clone" / "data")
    with _connect(postgres.urls().app) as connection:
        assert connection.execute("SELECT 1").fetchone() == (1,)
    assert stat.S_IMODE(home.stat().st_mode) == 0o700
    postgres.stop()

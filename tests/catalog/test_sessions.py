"""What every session promises: the tenant in each transaction, another connection for a dead one, and who is woken."""

import select
import time
from contextlib import ExitStack

import psycopg
import pytest
from sqlalchemy import text
from sqlmodel import Session

from catalog.db import TENANT_SETTING, Database
from catalog.settings import Settings
from catalog.tenancy import Principal
from catalog.waking import wake
from workers.embedded.postgres import EmbeddedPostgres

STATED = text(f"SELECT current_setting('{TENANT_SETTING}', true)")


def stated(session: Session) -> str:
    return str(session.connection().execute(STATED).scalar_one())


def test_each_transaction_states_its_tenant_and_no_other(database: Database, acme: Principal) -> None:
    tenant = str(acme.tenant_id)
    with database.open(acme.tenant_id) as session:
        assert stated(session) == tenant
        session.commit()
        assert stated(session) == tenant
        session.rollback()
        with session.begin_nested():
            assert stated(session) == tenant
        with pytest.raises(RuntimeError), session.begin_nested():
            raise RuntimeError
        assert stated(session) == tenant
    with database.open(None) as session:
        assert stated(session) == ""
    with database.system_session() as session:
        assert not session.connection().execute(STATED).scalar_one()


def test_a_connection_that_the_server_closed_is_replaced(
    database: Database, acme: Principal, postgres: EmbeddedPostgres, database_name: str
) -> None:
    def ask() -> int:
        with database.tenant_session(acme.tenant_id) as session:
            assert stated(session) == str(acme.tenant_id)
            return int(session.connection().execute(text("SELECT pg_backend_pid()")).scalar_one())

    before = ask()
    assert ask() == before
    with database.system_session() as session:
        session.connection().execute(text("SELECT 1"))
    kill = "SELECT pg_terminate_backend(pid, 10000) FROM pg_stat_activity WHERE datname = %s"
    with psycopg.connect(_plain(postgres.superuser_url()), autocommit=True) as killer:
        assert (True,) in killer.execute(kill, [database_name]).fetchall()
    assert ask() != before
    with database.system_session() as session:
        assert session.connection().execute(text("SELECT 1")).scalar_one() == 1


def test_every_idle_connection_that_the_server_closed_is_replaced_also_those_used_long_ago(
    database: Database, acme: Principal, postgres: EmbeddedPostgres, database_name: str
) -> None:
    """The pool hands out the connection that was used last, so that others may lie idle for hours."""

    def ask_at_once(count: int) -> set[int]:
        with ExitStack() as opened:
            sessions = [opened.enter_context(database.tenant_session(acme.tenant_id)) for _ in range(count)]
            return {int(each.execute(text("SELECT pg_backend_pid()")).scalar_one()) for each in sessions}

    before = ask_at_once(4)
    assert ask_at_once(1) < before
    kill = "SELECT pg_terminate_backend(pid, 10000) FROM pg_stat_activity WHERE datname = %s AND pid = ANY(%s)"
    (last,) = ask_at_once(1)
    with psycopg.connect(_plain(postgres.superuser_url()), autocommit=True) as killer:
        # The one on top stays: nothing of its answers tells of the others.
        assert len(killer.execute(kill, [database_name, list(before - {last})]).fetchall()) == 3
    assert ask_at_once(1) == {last}
    after = ask_at_once(4)
    assert (len(after), after & before) == (4, {last})


def test_a_connection_that_was_closed_here_is_replaced(database: Database, acme: Principal) -> None:
    with database.tenant_session(acme.tenant_id) as session:
        driver = session.connection().connection.driver_connection
    assert driver is not None
    driver.close()
    with database.tenant_session(acme.tenant_id) as session:
        assert stated(session) == str(acme.tenant_id)


def test_a_connection_with_a_remark_of_the_server_is_kept(database: Database, acme: Principal) -> None:
    def ask() -> int:
        with database.tenant_session(acme.tenant_id) as session:
            return int(session.connection().execute(text("SELECT pg_backend_pid()")).scalar_one())

    with database.tenant_session(acme.tenant_id) as session:
        driver = session.connection().connection.driver_connection
        assert driver is not None
        session.connection().execute(text("LISTEN remarks"))
    before = ask()
    for number in range(2):
        with database.system_session() as session:
            session.connection().execute(text("NOTIFY remarks"))
        # A notification is what an idle connection has to read without being at its end.
        until = time.monotonic() + 30
        while not select.select([driver.fileno()], [], [], 0.05)[0] and time.monotonic() < until:
            pass
        assert ask() == before, number


def test_who_waits_is_woken_once_by_a_commit_and_by_nothing_else(
    database: Database, acme: Principal, settings: Settings
) -> None:
    with psycopg.connect(_plain(settings.database_url), autocommit=True) as listener:
        listener.execute("LISTEN some_news")
        listener.execute("LISTEN other_news")
        with database.open(acme.tenant_id) as session:
            session.connection()
            wake(session, "some_news", "rolled back")
            session.rollback()
            session.connection()
            session.commit()
            session.connection()
            wake(session, "some_news", "closed")
        with database.tenant_session(acme.tenant_id) as session:
            session.connection()
            with session.begin_nested():
                wake(session, "some_news", "it's once")
            wake(session, "some_news", "it's once")
            wake(session, "other_news")
        with database.tenant_session(acme.tenant_id) as session:
            session.connection()
            wake(session, "some_news", "last")
        heard = [(each.channel, each.payload) for each in listener.notifies(timeout=30, stop_after=3)]
    assert sorted(heard) == [("other_news", ""), ("some_news", "it's once"), ("some_news", "last")]


def _plain(url: str) -> str:
    return url.replace("+psycopg", "", 1)

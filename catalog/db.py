"""Engines and sessions: one transaction per unit of work, with the tenant set inside it."""

import select
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any
from uuid import UUID

import psycopg
from psycopg import pq
from sqlalchemy import Connection, Engine, MetaData, create_engine, event, text
from sqlalchemy.exc import InvalidatePoolError
from sqlalchemy.orm import SessionTransaction
from sqlmodel import Session, SQLModel

from catalog.errors import SlipwayError
from catalog.gating import GATE, Gate, keep_refusal
from catalog.settings import Settings
from catalog.waking import LISTENER, Listener

NAMING_CONVENTION = {
    "ix": "ix_%(table_name)s_%(column_0_N_name)s",
    "uq": "uq_%(table_name)s_%(column_0_N_name)s",
    "ck": "ck_%(table_name)s_%(constraint_name)s",
    "fk": "fk_%(table_name)s_%(column_0_N_name)s_%(referred_table_name)s",
    "pk": "pk_%(table_name)s",
}
# Set before any area is imported, so that every table class is built with it.
SQLModel.metadata.naming_convention = NAMING_CONVENTION
METADATA: MetaData = SQLModel.metadata

TENANT_SETTING = "slipway.tenant"


class Database:
    """The two ways into the database at run time: as one tenant, or as the system across tenants.

    ``tenant_session`` is the door for everything that belongs to a tenant: row-level security lets it see and
    write that tenant's rows only. ``system_session`` reaches outbox, leases and due lists, and nothing else.
    Neither runs SQL before its first statement, so that opening one never blocks an event loop. ``gate`` is what
    services ask before they change the world; without one (see ``catalog.gates.open_database``) they refuse.
    ``listener`` is told at once what this process has committed that others are woken for (`catalog.waking`).
    """

    listener: Listener | None = None

    def __init__(self, settings: Settings, gate: Gate | None = None) -> None:
        self.gate = gate
        self.app = _engine(settings.database_url, "slipway_app", settings.database_pool_size)
        self.system = _engine(settings.system_url, "slipway_system", settings.database_pool_size)

    def open(self, tenant_id: UUID | None) -> Session:
        """Return a session whose transactions are bound to ``tenant_id`` (to no tenant where it is None)."""
        session = _TenantSession(self.app, tenant_id)
        session.info[GATE] = self.gate
        session.info[LISTENER] = self.listener
        return session

    @contextmanager
    def tenant_session(self, tenant_id: UUID | None) -> Iterator[Session]:
        """Run a unit of work as ``tenant_id``: committed when the block ends, rolled back when it raises.

        What policies refused is rolled back as well; the record of that refusal stays.
        """
        with self.open(tenant_id) as session:
            try:
                with session.begin():
                    yield session
            except SlipwayError as error:
                keep_refusal(session, error)
                raise

    @contextmanager
    def system_session(self) -> Iterator[Session]:
        """Run a unit of work across tenants, in the tables that the system role may reach."""
        told = {LISTENER: self.listener}
        with Session(self.system, expire_on_commit=False, info=told) as session, session.begin():
            yield session

    def close(self) -> None:
        """Close every pooled connection."""
        self.app.dispose()
        self.system.dispose()


class _TenantSession(Session):
    """A session that states its tenant at the start of each transaction."""

    def __init__(self, engine: Engine, tenant_id: UUID | None) -> None:
        super().__init__(engine, expire_on_commit=False)
        self.tenant_id = tenant_id


@event.listens_for(_TenantSession, "after_begin")
def _set_tenant(session: _TenantSession, transaction: SessionTransaction, connection: Connection) -> None:
    if transaction.nested:
        return  # a savepoint lies within a transaction that states its tenant already
    tenant = str(session.tenant_id or "")
    if not _has_begun(connection, tenant):
        values = {"name": TENANT_SETTING, "tenant": tenant}
        connection.execute(text("SELECT set_config(:name, :tenant, true)"), values)


def _has_begun(connection: Connection, tenant: str) -> bool:
    """Begin the transaction and state its tenant, a UUID or nothing, in one message to the server.

    Every request and every job begins several times, and each message takes as long as a small query. Returns False
    where that went wrong: then nothing has begun, and whoever does it step by step meets the error.
    """
    driver: Any = connection.connection.driver_connection
    server: pq.abc.PGconn = driver.pgconn
    if server.transaction_status != pq.TransactionStatus.IDLE or driver.autocommit:
        return False
    try:
        server.exec_(f"BEGIN; SELECT set_config('{TENANT_SETTING}', '{tenant}', true)".encode())
    except psycopg.Error:
        return False
    return server.transaction_status == pq.TransactionStatus.INTRANS


def _refuse_dead(connection: Any, *_: object) -> None:
    """Have another connection made where this one was closed by the server, as by its restart.

    A connection from which nothing is awaited has something to read where its end has come, and else only for a remark
    of the server; so only then it is asked. To look costs one call of the kernel, to ask an answer of the server.
    """
    watch = select.poll()
    try:
        watch.register(connection.fileno(), select.POLLIN)
        if not watch.poll(0):
            return
        connection.execute("SELECT 1")
        connection.rollback()
    except psycopg.Error:
        raise InvalidatePoolError("the server has closed the connection") from None


def _engine(url: str, role: str, pool_size: int) -> Engine:
    # The role is taken at connection start, so that one login able to become both roles is enough. A login that
    # already is the role takes it once more, which changes nothing.
    options = f"-c role={role} -c statement_timeout=60000 -c timezone=UTC"
    arguments: dict[str, Any] = {"options": options, "connect_timeout": 10}
    # The connection that was used last comes first: it knows the tables and has the statements prepared.
    engine = create_engine(url, pool_size=pool_size, max_overflow=4, pool_use_lifo=True, connect_args=arguments)
    event.listen(engine, "checkout", _refuse_dead)  # a restarted PostgreSQL must not fail the first request after it
    return engine

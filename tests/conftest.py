"""The real services that tests run on: PostgreSQL from the wheel, migrated once and cloned for each test."""

import signal
import tempfile
from collections.abc import Iterator
from pathlib import Path
from uuid import uuid4

import pytest
from sqlalchemy import create_engine, text
from sqlalchemy.pool import NullPool

from catalog import migrate
from catalog.db import Database
from catalog.gates import open_database
from catalog.settings import Settings
from catalog.tenancy import ALL_SCOPES, Principal
from catalog.tenants import bootstrap
from workers.embedded.postgres import DatabaseUrls, EmbeddedPostgres
from workers.embedded.redis import EmbeddedRedis

TEMPLATE = "slipway_template"


def pytest_configure() -> None:
    """Let the commands that tests start hear Ctrl-C, also where a shell runs the tests in its background."""
    if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
        signal.signal(signal.SIGINT, signal.default_int_handler)


@pytest.fixture(scope="session")
def postgres() -> Iterator[EmbeddedPostgres]:
    """One PostgreSQL server for the whole run, without fsync."""
    with tempfile.TemporaryDirectory(prefix="slw-pg-") as folder:
        server = EmbeddedPostgres(Path(folder) / "postgres", Path(folder) / "run", durable=False)
        server.start()
        server.wait_ready()
        yield server
        server.stop()


@pytest.fixture(scope="session")
def template(postgres: EmbeddedPostgres) -> str:
    """The name of a database that has every migration, made by running them."""
    _create_database(postgres, TEMPLATE, "template1")
    migrate.upgrade(postgres.urls(TEMPLATE).owner)
    return TEMPLATE


@pytest.fixture
def database_urls(postgres: EmbeddedPostgres, template: str) -> Iterator[DatabaseUrls]:
    """A database of the test's own, with real commits, visible to other processes."""
    name = f"test_{uuid4().hex[:12]}"
    _create_database(postgres, name, template)
    yield postgres.urls(name)
    _execute(postgres, f"DROP DATABASE {name} WITH (FORCE)")


@pytest.fixture
def settings(database_urls: DatabaseUrls, tmp_path: Path) -> Settings:
    """Settings of a Slipway that lives in the test's own folder and database."""
    return Settings(
        data_dir=tmp_path / "data",
        database_url=database_urls.app,
        database_owner_url=database_urls.owner,
        database_system_url=database_urls.system,
        database_pool_size=8,
    )


@pytest.fixture
def database(settings: Settings) -> Iterator[Database]:
    """The two ways into the test's database."""
    opened = open_database(settings)
    yield opened
    opened.close()


@pytest.fixture
def acme(database: Database) -> Principal:
    """A tenant called ``acme``, and someone who may do everything in it."""
    return _operator(database, "acme")


@pytest.fixture
def rival(database: Database) -> Principal:
    """Another tenant, which must never notice the first."""
    return _operator(database, "rival")


@pytest.fixture(scope="session")
def redis_url() -> Iterator[str]:
    """One Redis server for the whole run."""
    with tempfile.TemporaryDirectory(prefix="slw-redis-") as folder:
        server = EmbeddedRedis(Path(folder) / "redis", Path(folder) / "run")
        server.start()
        server.wait_ready()
        yield server.url()
        server.stop()


def _operator(database: Database, name: str) -> Principal:
    tenant = bootstrap.ensure_tenant(database, name)
    return Principal(tenant.id, tenant.name, actor=f"test:{name}", name=name, scopes=ALL_SCOPES)


def _create_database(postgres: EmbeddedPostgres, name: str, template: str) -> None:
    _execute(postgres, f"CREATE DATABASE {name} TEMPLATE {template} OWNER slipway_owner STRATEGY FILE_COPY")
    engine = create_engine(postgres.superuser_url(name), poolclass=NullPool)
    with engine.begin() as connection:
        connection.execute(text("ALTER SCHEMA public OWNER TO slipway_owner"))


def _execute(postgres: EmbeddedPostgres, statement: str) -> None:
    engine = create_engine(postgres.superuser_url(), poolclass=NullPool, isolation_level="AUTOCOMMIT")
    with engine.connect() as connection:
        connection.execute(text(statement))

"""Databases for tests: cloned from one that has every migration, emptied after use and lent again."""

from collections import deque
from uuid import uuid4

from sqlalchemy import Connection, create_engine, text
from sqlalchemy.pool import NullPool

from catalog import migrate
from workers.embedded.postgres import EmbeddedPostgres

# Whoever of the last test still holds an address then disturbs none of the next ones.
ROTATED = 3
# A table that has grown beyond this many bytes is not worth emptying.
LARGEST = 4 * 1024 * 1024

# Everything that a test could change but rows, as far as one number per catalog tells.
_SHAPE = text(
    """
    SELECT (SELECT (count(*), max(oid), sum(hashtext(concat(relname, relkind, relacl, relrowsecurity,
                    relforcerowsecurity)))) FROM pg_class WHERE relnamespace = 'public'::regnamespace)::text
        || (SELECT (count(*), sum(hashtext(concat(attrelid, attname, atttypid, attnotnull, attacl)))) FROM pg_attribute
             WHERE attrelid IN (SELECT oid FROM pg_class WHERE relnamespace = 'public'::regnamespace))::text
        || (SELECT (count(*), sum(hashtext(concat(tgrelid, tgname, tgenabled)))) FROM pg_trigger)::text
        || (SELECT (count(*), max(oid), sum(hashtext(concat(prosrc, proacl)))) FROM pg_proc)::text
        || (SELECT (count(*), max(oid)) FROM pg_policy)::text
        || (SELECT (count(*), max(oid)) FROM pg_constraint)::text
        || (SELECT (count(*), max(oid), sum(hashtext(nspacl::text))) FROM pg_namespace)::text
    """
)
_TABLES = text(
    """
    SELECT quote_ident(relname), pg_relation_size(oid) FROM pg_class
     WHERE relkind = 'r' AND relnamespace = 'public'::regnamespace AND relname <> 'alembic_version'
       AND pg_relation_size(oid) > 0
    """
)
_SEQUENCES = text(
    "SELECT setval(format('%I.%I', schemaname, sequencename)::regclass, start_value, false) FROM pg_sequences"
    " WHERE last_value IS NOT NULL"
)
_OTHERS = text(
    "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
    " WHERE datname = current_database() AND pid <> pg_backend_pid()"
)


class Databases:
    """Lends databases of one server to one test at a time each; every one is as migrations leave it."""

    def __init__(self, postgres: EmbeddedPostgres, template: str) -> None:
        self._postgres = postgres
        self._template = template
        self._free: deque[str] = deque()
        self._dropped: deque[str] = deque()
        self._shape = self._ask_shape(self.create(template))

    def create(self, template: str, name: str = "") -> str:
        """Create a database as a copy of ``template``, and return its name."""
        name = name or f"test_{uuid4().hex[:12]}"
        self._execute(f"CREATE DATABASE {name} TEMPLATE {template} OWNER slipway_owner STRATEGY FILE_COPY")
        return name

    def lend(self) -> str:
        """Return the name of a database that nobody has written to."""
        if len(self._free) >= ROTATED:
            return self._free.popleft()
        # What is made for the settings of one database serves the next of that name.
        return self.create(self._template, self._dropped.popleft() if len(self._dropped) >= ROTATED else "")

    def take_back(self, name: str) -> None:
        """Empty a database, or drop it where it has another shape than before or has grown."""
        engine = create_engine(self._postgres.superuser_url(name), poolclass=NullPool)
        with engine.begin() as connection:
            kept = self._empty(connection)
        if kept:
            self._free.append(name)
        else:
            self._execute(f"DROP DATABASE {name} WITH (FORCE)")
            self._dropped.append(name)

    def _empty(self, connection: Connection) -> bool:
        connection.execute(_OTHERS)
        tables = {str(name): int(size) for name, size in connection.execute(_TABLES)}
        if max(tables.values(), default=0) > LARGEST or connection.execute(_SHAPE).scalar_one() != self._shape:
            return False
        # Rows go without their triggers: some tables refuse to forget, and nothing that refers to a row stays.
        connection.execute(text("SET LOCAL session_replication_role = replica"))
        for table in tables:
            connection.execute(text(f"DELETE FROM {table}"))  # noqa: S608  # a name from the catalog, quoted there
        connection.execute(_SEQUENCES)
        return True

    def _ask_shape(self, name: str) -> str:
        engine = create_engine(self._postgres.superuser_url(name), poolclass=NullPool)
        with engine.connect() as connection:
            shape = connection.execute(_SHAPE).scalar_one()
        self._free.append(name)
        return str(shape)

    def _execute(self, statement: str) -> None:
        engine = create_engine(self._postgres.superuser_url(), poolclass=NullPool, isolation_level="AUTOCOMMIT")
        with engine.connect() as connection:
            connection.execute(text(statement))


def migrated(postgres: EmbeddedPostgres, template: str = "slipway_template") -> Databases:
    """Return what lends databases that have every migration, made by running them."""
    owned = create_engine(postgres.superuser_url(), poolclass=NullPool, isolation_level="AUTOCOMMIT")
    with owned.connect() as connection:
        connection.execute(text(f"CREATE DATABASE {template} OWNER slipway_owner"))
    inside = create_engine(postgres.superuser_url(template), poolclass=NullPool)
    with inside.begin() as connection:
        connection.execute(text("ALTER SCHEMA public OWNER TO slipway_owner"))
    migrate.upgrade(postgres.urls(template).owner)
    return Databases(postgres, template)

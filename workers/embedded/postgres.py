"""The embedded PostgreSQL: one cluster in the data directory, run as our own supervised child."""

import os
import secrets
import shutil
import signal
import subprocess
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import quote

import psycopg
from psycopg import sql

from workers.embedded.accounts import give_tree, has_name, named_account, passage, private_directory, service_account
from workers.embedded.errors import EmbeddedError
from workers.embedded.hold import Hold
from workers.embedded.launch import PATH, Command, end, start
from workers.embedded.programs import postgres_programs
from workers.embedded.sockets import forget_socket_directory, socket_directory

DATABASE = "slipway"
SUPERUSER = "postgres"
ROLES = ("slipway_owner", "slipway_app", "slipway_system")

# Small on purpose: the whole product should fit beside a developer's other work.
_SETTINGS = {
    "listen_addresses": "",
    "unix_socket_permissions": "0700",
    "max_connections": "200",
    "shared_buffers": "32MB",
    "work_mem": "4MB",
    "maintenance_work_mem": "32MB",
    "max_wal_size": "256MB",
    "min_wal_size": "32MB",
    "wal_level": "minimal",
    "max_wal_senders": "0",
    "max_worker_processes": "2",
    "max_logical_replication_workers": "0",
    "max_parallel_workers_per_gather": "0",
    "autovacuum_max_workers": "1",
    "io_method": "sync",
    "jit": "off",
    "timezone": "UTC",
    "log_timezone": "UTC",
    "log_checkpoints": "off",
    "log_line_prefix": "%m [%p] %q%u@%d ",
    # Logged statements could carry what users typed, and secrets.
    "log_min_error_statement": "panic",
    "log_parameter_max_length_on_error": "0",
    "idle_in_transaction_session_timeout": "10min",
    "password_encryption": "scram-sha-256",
}
_UNSAFE_SETTINGS = {"fsync": "off", "synchronous_commit": "off", "full_page_writes": "off", "autovacuum": "off"}
_HBA = "# Unix sockets only, and always with a password.\nlocal all all scram-sha-256\n"


@dataclass(frozen=True)
class DatabaseUrls:
    """SQLAlchemy addresses (psycopg 3) of one database, one for each of Slipway's three roles."""

    owner: str
    app: str
    system: str


class EmbeddedPostgres:
    """A PostgreSQL of our own under ``data``: its files in ``postgres/``, its passwords in ``keys/``.

    It listens on a Unix socket below ``run`` alone, authenticates every role by password, and runs as an unprivileged
    user when we are root. ``durable=False`` gives up crash safety for speed, for tests.
    """

    def __init__(self, data: Path, run: Path, *, durable: bool = True) -> None:
        self.name = "postgres"
        self.farewell = signal.SIGINT
        self._data = data.absolute()
        self._run = run.absolute()
        self._durable = durable
        self._cluster = self._data / "postgres"
        self._keys = self._data / "keys"
        self._account = service_account("postgres")
        self._hold = Hold(self._data / "postgres.lock")
        self._process: subprocess.Popen[bytes] | None = None
        self._sockets = Path()
        self._prepared = False

    @property
    def process(self) -> subprocess.Popen[bytes] | None:
        """The postmaster, while it is ours."""
        return self._process

    def start(self) -> None:
        """Make the cluster where there is none, and start the server; returns before it accepts connections.

        Raises ``AlreadyRunningError`` where another process serves this data, ``EmbeddedError`` where it cannot start.
        """
        passage(self._data)
        passage(self._run)
        private_directory(self._keys)
        what = f"the database in {self._cluster}"
        self._hold.take(what, holder=self._cluster / "postmaster.pid", patience=5.0)
        try:
            if not (self._cluster / "PG_VERSION").exists():
                self._create_cluster()
            self._sockets = socket_directory(self._run, "postgres", self._account)
            self._process = self._launch()
        except BaseException:
            forget_socket_directory(self._run, "postgres")
            self._hold.release()
            raise

    def is_ready(self) -> bool:
        """Tell whether the server answers; the first time it does, roles and database are made as they should be."""
        if self._process is None or self._process.poll() is not None:
            return False
        try:
            connection = psycopg.connect(self._superuser_address("postgres"), autocommit=True)
        except psycopg.OperationalError:
            return False
        with connection:
            if self._prepared:
                return True
            self._ensure_roles(connection)
        with psycopg.connect(self._superuser_address(DATABASE), autocommit=True) as connection:
            _ensure_schema(connection)
        self._prepared = True
        return True

    def wait_ready(self, seconds: float = 30.0) -> None:
        """Wait until ``is_ready``; raise ``EmbeddedError`` where the server ends or takes longer than ``seconds``."""
        deadline = time.monotonic() + seconds
        while not self.is_ready():
            if self._process is None or self._process.poll() is not None:
                raise EmbeddedError(f"PostgreSQL ended while it was starting; see {self._log_name()}")
            if time.monotonic() >= deadline:
                raise EmbeddedError(f"PostgreSQL does not answer after {seconds:.0f} s; see {self._log_name()}")
            time.sleep(0.03)

    def stop(self, seconds: float = 5.0) -> None:
        """End the server within ``seconds``: sessions are cut off, and data is written out if there is time for it."""
        if self._process is not None:
            end(self._process, self.farewell, seconds)
            self._process = None
            forget_socket_directory(self._run, "postgres")
        self._hold.release()

    def urls(self, database: str = DATABASE) -> DatabaseUrls:
        """Return the addresses of ``database`` for the three roles."""
        owner, app, system = (self._url(role, database) for role in ROLES)
        return DatabaseUrls(owner=owner, app=app, system=system)

    def superuser_url(self, database: str = "postgres") -> str:
        """Return the address for the cluster's superuser: for backups, and for tests that make databases."""
        return self._url(SUPERUSER, database)

    def _url(self, role: str, database: str) -> str:
        host = quote(str(self._sockets), safe="/")
        return f"postgresql+psycopg://{role}:{self._password(role)}@/{database}?host={host}"

    def _superuser_address(self, database: str) -> str:
        return self._url(SUPERUSER, database).replace("postgresql+psycopg:", "postgresql:", 1)

    def _password(self, role: str) -> str:
        path = self._keys / f"database-{role.removeprefix('slipway_')}"
        if not path.exists():
            descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
            with os.fdopen(descriptor, "w", encoding="ascii") as file:
                file.write(secrets.token_urlsafe(32))
        return path.read_text(encoding="ascii").strip()

    def _create_cluster(self) -> None:
        """Run ``initdb`` in a draft folder, which becomes the cluster in one step when it is complete."""
        draft = self._data / "postgres.new"
        shutil.rmtree(draft, ignore_errors=True)
        shutil.rmtree(self._cluster, ignore_errors=True)
        # initdb insists on a user with a name, the server does not: so the one makes and the other takes over.
        maker = named_account() if self._account else None
        if self._account and maker is None:
            message = "PostgreSQL cannot be set up by root on a system without any other user; add one (nobody will do)"
            raise EmbeddedError(message)
        if not self._account and not has_name(os.geteuid()):
            message = (
                f"PostgreSQL cannot be set up by user {os.geteuid()}, who has no line in /etc/passwd; "
                "add one, or use a database of your own with SLIPWAY_DATABASE_URL"
            )
            raise EmbeddedError(message)
        private_directory(draft, maker)
        with tempfile.TemporaryDirectory(prefix="slipway-initdb-") as folder:
            password = Path(folder, "password")
            password.touch(mode=0o600)
            password.write_text(self._password(SUPERUSER), encoding="ascii")
            if maker:
                give_tree(Path(folder), maker)
            arguments = [
                str(postgres_programs(maker) / "initdb"),
                f"--pgdata={_reference(draft)}",
                f"--username={SUPERUSER}",
                f"--pwfile={password}",
                *("--auth=scram-sha-256", "--encoding=UTF8", "--locale=C", "--no-instructions", "--no-sync"),
                *("--locale-provider=builtin", "--builtin-locale=C.UTF-8"),
            ]
            command = Command(arguments, draft, {"PATH": PATH, "LC_ALL": "C", "TZ": "UTC"}, maker)
            process = start(command, subprocess.PIPE)
            output, _ = process.communicate(timeout=120)
        if process.returncode != 0:
            shutil.rmtree(draft, ignore_errors=True)
            last = output.decode(errors="replace").strip().rsplit("\n", 1)[-1]
            raise EmbeddedError(f"the database could not be set up in {self._data}: {last}")
        (draft / "pg_hba.conf").write_text(_HBA, encoding="ascii")
        if self._account:
            give_tree(draft, self._account)
        if self._durable:
            os.sync()
        draft.rename(self._cluster)

    def _launch(self) -> subprocess.Popen[bytes]:
        major = int((self._cluster / "PG_VERSION").read_text(encoding="ascii").strip())
        program = postgres_programs(self._account, major) / "postgres"
        private_directory(self._cluster, self._account)
        # We hold the lock that every server process inherits, so files left by a killed server are stale for certain,
        # even where the process identifier in them now belongs to something else.
        for stale in (self._cluster / "postmaster.pid", *self._sockets.glob(".s.PGSQL.*")):
            stale.unlink(missing_ok=True)
        settings = _SETTINGS | {"unix_socket_directories": str(self._sockets)}
        if not self._durable:
            settings |= _UNSAFE_SETTINGS
        options = [option for name, value in settings.items() for option in ("-c", f"{name}={value}")]
        command = Command(
            [str(program), "-D", _reference(self._cluster), *options],
            directory=self._cluster,
            environment={"PATH": PATH, "LC_ALL": "C", "TZ": "UTC"},
            account=self._account,
            farewell=self.farewell,
            keep_open=[self._hold.descriptor],
        )
        with (private_directory(self._data / "logs") / "postgres.log").open("ab") as log:
            return start(command, log)

    def _log_name(self) -> str:
        return str(self._data / "logs" / "postgres.log")

    def _ensure_roles(self, connection: psycopg.Connection) -> None:
        for role in ROLES:
            name = sql.Identifier(role)
            if not connection.execute("SELECT 1 FROM pg_roles WHERE rolname = %s", [role]).fetchone():
                connection.execute(sql.SQL("CREATE ROLE {}").format(name))
            statement = "ALTER ROLE {} LOGIN NOSUPERUSER NOCREATEDB NOCREATEROLE NOBYPASSRLS NOREPLICATION PASSWORD {}"
            connection.execute(sql.SQL(statement).format(name, sql.Literal(self._password(role))))
        if not connection.execute("SELECT 1 FROM pg_database WHERE datname = %s", [DATABASE]).fetchone():
            connection.execute("CREATE DATABASE slipway OWNER slipway_owner")
        connection.execute("REVOKE ALL ON DATABASE slipway FROM PUBLIC")
        connection.execute("GRANT CONNECT ON DATABASE slipway TO slipway_app, slipway_system")


def _ensure_schema(connection: psycopg.Connection) -> None:
    connection.execute("ALTER SCHEMA public OWNER TO slipway_owner")
    connection.execute("REVOKE ALL ON SCHEMA public FROM PUBLIC")
    connection.execute("GRANT USAGE ON SCHEMA public TO slipway_app, slipway_system")


def _reference(directory: Path) -> str:
    """Return a name for ``directory`` that a process working in it can use even where the path to it is closed."""
    # Following this link needs no permission on the directories above, so root's home stays as closed as it was.
    own = Path("/proc/self/cwd")
    return str(own) if own.exists() else str(directory)

"""A whole local target for the environment worker's tests, a repository with an application, and a blueprint."""

import io
import socket
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path
from typing import Any
from uuid import UUID

import httpx
import pytest
from pydantic import SecretStr

from catalog.assets.archive import PackageFile, build_archive
from catalog.assets.skeletons import skeleton
from catalog.clock import now
from catalog.db import Database
from catalog.environments.models import EnvironmentRead, RequestEnvironment
from catalog.environments.service import EphemeralEnvironmentService, read
from catalog.operations.models import OperationRead
from catalog.operations.service import OperationService
from catalog.operations.service import read as read_operation
from catalog.providers.blobs import open_blobs
from catalog.providers.routers.haproxy_configuration import HAProxyOptions, write_configuration
from catalog.providers.targets import target
from catalog.settings import Settings
from catalog.stacks.graph import ResourceGraph
from catalog.tenancy import Principal
from catalog.uploads.service import UploadService
from workers.embedded.postgres import DatabaseUrls
from workers.main import App
from workers.runtime.drain import drain
from workers.runtime.registry import discover_workers

APPLICATION = """
import http.server, os, sys, time

if os.path.exists("exit"):
    print("the database is missing", flush=True)
    sys.exit(3)
time.sleep(float(open("delay").read()) if os.path.exists("delay") else 0)


class Handler(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        self.send_response(500 if os.path.exists("ill") else 200)
        self.end_headers()
        self.wfile.write((open("version").read() + " " + os.environ["GREETING"]).encode())

    def log_message(self, *args):
        print("visited", flush=True)


http.server.ThreadingHTTPServer((os.environ["HOST"], int(os.environ["PORT"])), Handler).serve_forever()
"""


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@dataclass(frozen=True)
class Place:
    """The folder, the ports and the running parts of the local target."""

    data: Path
    preview_port: int


@pytest.fixture(scope="session")
def place() -> Iterator[Place]:
    """Process host and HAProxy for the whole run."""
    with tempfile.TemporaryDirectory(prefix="slw-env-") as folder:
        data = Path(folder)
        data.chmod(0o711)
        (data / "run").mkdir()
        options = HAProxyOptions(data, data / "run", preview_port=free_port(), metrics_port=free_port())
        address = data / "run" / "process-host.sock"
        command = [sys.executable, "-m", "workers.process_host", "--data", str(data), "--socket", str(address)]
        with (
            subprocess.Popen(["haproxy", "-db", "-f", str(write_configuration(options))]) as haproxy,
            subprocess.Popen(command) as host,
        ):
            for path in (address, data / "run" / "haproxy.sock"):
                deadline = time.monotonic() + 15
                while not path.exists():
                    assert time.monotonic() < deadline, f"{path} did not appear"
                    time.sleep(0.02)
            yield Place(data, options.preview_port)
            haproxy.terminate()
            host.terminate()


@pytest.fixture
def settings(database_urls: DatabaseUrls, place: Place, tmp_path: Path) -> Settings:
    """Describe a Slipway on the local target, with a database of the test's own."""
    return Settings(
        data_dir=place.data,
        database_url=database_urls.app,
        database_owner_url=database_urls.owner,
        database_system_url=database_urls.system,
        database_pool_size=8,
        preview_port=place.preview_port,
        local_repository_roots=(tmp_path,),
        master_key=SecretStr("0" * 43),
        operation_time_limit_seconds=60,
    )


@dataclass
class World:
    """What a test drives and looks at."""

    settings: Settings
    database: Database
    principal: Principal
    repository: Path
    app: App
    blueprint: str = "acme/preview"
    ran: list[str] = field(default_factory=list)

    def git(self, *arguments: str) -> str:
        identity = ("-c", "user.name=Test", "-c", "user.email=test@example.com")
        command = ["git", "-C", str(self.repository), *identity, *arguments]
        return subprocess.run(command, check=True, capture_output=True, text=True).stdout.strip()

    def commit(self, version: str, **files: str) -> str:
        for old in ("exit", "ill", "delay"):
            (self.repository / old).unlink(missing_ok=True)
        contents = {"app.py": APPLICATION, "Procfile": "web: python3 app.py\n", "version": version, **files}
        for name, content in contents.items():
            (self.repository / name).write_text(content)
        self.git("add", "--all")
        self.git("commit", "--quiet", "--allow-empty", "--message", version)
        return self.git("rev-parse", "HEAD")

    def open_pull_request(self, number: int = 42) -> None:
        self.git("symbolic-ref", f"refs/pull/{number}/head", "refs/heads/main")

    def close_pull_request(self, number: int = 42) -> None:
        self.git("symbolic-ref", "--delete", f"refs/pull/{number}/head")

    def request(self, number: int = 42, **asked: Any) -> UUID:
        with self.database.tenant_session(self.principal.tenant_id) as session:
            service = EphemeralEnvironmentService(session, self.settings)
            wanted = {"repository": str(self.repository), "pull_request": number, "blueprint": self.blueprint, **asked}
            return service.request(self.principal, RequestEnvironment.model_validate(wanted)).id

    def destroy(self, environment_id: UUID) -> None:
        with self.database.tenant_session(self.principal.tenant_id) as session:
            EphemeralEnvironmentService(session, self.settings).destroy(self.principal, environment_id)

    def act(self, verb: str, environment_id: UUID) -> None:
        with self.database.tenant_session(self.principal.tenant_id) as session:
            getattr(EphemeralEnvironmentService(session, self.settings), verb)(self.principal, environment_id)

    def set_expiry(self, environment_id: UUID, seconds: float) -> None:
        """Let the environment expire in some seconds; time itself cannot be moved."""
        with self.database.tenant_session(self.principal.tenant_id) as session:
            row = EphemeralEnvironmentService(session, self.settings).get(self.principal.tenant_id, environment_id)
            row.expires_at = row.due_at = now() + timedelta(seconds=seconds)
            session.add(row)

    def watch_now(self, environment_id: UUID) -> None:
        """Look at the environment's pull request at once."""
        with self.database.tenant_session(self.principal.tenant_id) as session:
            service = EphemeralEnvironmentService(session, self.settings)
            service.watch(self.principal.tenant_id, environment_id)

    def later(self, seconds: float, action: Callable[[], None]) -> None:
        """Do something while the worker works."""
        threading.Timer(seconds, action).start()

    def operations(self, environment_id: UUID) -> list[UUID]:
        with self.database.tenant_session(self.principal.tenant_id) as session:
            found = OperationService(session).recent(self.principal.tenant_id, f"environments/{environment_id}")
            return [each.id for each in found]

    def streams(self, environment_id: UUID) -> list[str]:
        """Return everything that operations told, as their readers get it."""
        told: list[str] = []
        for each in self.operations(environment_id):
            with self.database.tenant_session(self.principal.tenant_id) as session:
                events = OperationService(session).stream(self.principal.tenant_id, each, 0, limit=1000)
                told += [event.model_dump_json() for event in events]
        return told

    def look(self, environment_id: UUID) -> EnvironmentRead:
        with self.database.tenant_session(self.principal.tenant_id) as session:
            service = EphemeralEnvironmentService(session, self.settings)
            row = service.get(self.principal.tenant_id, environment_id)
            return read(row, service.resources(row))

    def graph(self, environment_id: UUID) -> ResourceGraph:
        with self.database.tenant_session(self.principal.tenant_id) as session:
            service = EphemeralEnvironmentService(session, self.settings)
            found = service.graph(service.get(self.principal.tenant_id, environment_id))
            assert found is not None
            return found

    def operation(self, operation_id: UUID) -> OperationRead:
        with self.database.tenant_session(self.principal.tenant_id) as session:
            return read_operation(OperationService(session).get(self.principal.tenant_id, operation_id))

    def log(self, environment_id: UUID) -> list[str]:
        with self.database.tenant_session(self.principal.tenant_id) as session:
            service = EphemeralEnvironmentService(session, self.settings)
            tails = service.log_tails(self.principal.tenant_id, environment_id)
            return [line for tail in tails for line in tail.lines]

    def work(self, *, periodic: bool = False) -> list[str]:
        """Run everything that is due, and return the jobs that ran."""
        self.ran = drain(self.app, periodic=periodic)
        return self.ran

    def watch(self) -> None:
        """Let the pull requests be looked at once, and everything that follows be done."""
        deadline = time.monotonic() + 10
        while "environments.watch_pull_requests" not in self.work(periodic=True):
            assert time.monotonic() < deadline, "pull requests are not looked at"
            time.sleep(0.2)

    def visit(self, environment: EnvironmentRead) -> tuple[int, str]:
        address = f"http://127.0.0.1:{self.settings.preview_port}/"
        answer = httpx.get(address, headers={"Host": environment.hostname}, timeout=5)
        return answer.status_code, answer.text if answer.is_success else ""

    def left_over(self, environment: EnvironmentRead) -> list[str]:
        """Name everything of an environment that is found anywhere."""
        found = list(target("local", self.settings).inventory(environment.id, environment.hostname))
        data = self.settings.data_dir
        parts = (str(environment.id), environment.id.hex[:12], environment.hostname)
        kept = [path for path in data.rglob("*") if "blobs" not in path.parts]
        return found + [str(path.relative_to(data)) for path in kept if any(part in path.name for part in parts)]


@pytest.fixture
def world(settings: Settings, database: Database, acme: Principal, tmp_path: Path) -> Iterator[World]:
    """Make a repository with one commit and pull request 42, and publish the blueprint ``acme/preview``."""
    repository = tmp_path / "shop"
    subprocess.run(["git", "init", "--quiet", "--initial-branch=main", str(repository)], check=True)
    files = {
        path: PackageFile(data, False) for path, data in skeleton("deployment-blueprint", "acme", "preview").items()
    }
    with database.tenant_session(acme.tenant_id) as session:
        UploadService(session, open_blobs(settings)).receive(acme, io.BytesIO(build_archive(files).data))
    app = App(settings, discover_workers())
    made = World(settings, database, acme, repository, app)
    made.commit("one")
    made.open_pull_request()
    yield made
    app.close()

"""A local target of its own for the engine's tests: process host, HAProxy, a repository with an application."""

import socket
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.request
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from catalog.providers.routers.haproxy import PROVIDER
from catalog.providers.routers.haproxy_configuration import HAProxyOptions, write_configuration
from catalog.settings import load_settings
from workers.engine import ProgramResource, ProgressEvent, StackProgram, StackRef, StackRequest
from workers.engine.pulumi_automation import EngineConfiguration, PulumiAutomationEngine
from workers.process_host.client import ProcessHostClient

APPLICATION = """
import http.server, os, pathlib, sys, time

print("starting", flush=True)
if "LEAK" in os.environ:
    print("my secret is", os.environ["LEAK"], flush=True)
time.sleep(float(os.environ.get("DELAY", "0")))
if "EXIT" in os.environ:
    sys.exit(int(os.environ["EXIT"]))
if "TAKEN_ONCE" in os.environ:
    seen = pathlib.Path(os.environ["TAKEN_ONCE"])
    if not seen.exists():
        seen.touch()
        sys.exit("OSError: [Errno 98] Address already in use")
port = int(os.environ["PORT"]) + int(os.environ.get("OFFSET", "0"))


class Handler(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        self.send_response(int(os.environ.get("STATUS", "200")))
        self.end_headers()
        self.wfile.write(b"VERSION")

    def log_message(self, *args):
        pass


http.server.ThreadingHTTPServer((os.environ["HOST"], port), Handler).serve_forever()
"""


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@dataclass(frozen=True)
class LocalTarget:
    """What the tests drive and look at."""

    configuration: EngineConfiguration
    engine: PulumiAutomationEngine
    processes: ProcessHostClient
    repository: Path
    preview_port: int

    @property
    def data(self) -> Path:
        return self.configuration.data_dir

    def commit(self, version: str) -> str:
        (self.repository / "app.py").write_text(APPLICATION.replace("VERSION", version))
        (self.repository / "Procfile").write_text("web: python3 app.py\nrelease: true\n")
        self.git("add", "--all")
        self.git("commit", "--quiet", "--allow-empty", "--message", version)
        return self.git("rev-parse", "HEAD")

    def git(self, *arguments: str) -> str:
        identity = ("-c", "user.name=Test", "-c", "user.email=test@example.com")
        command = ["git", "-C", str(self.repository), *identity, *arguments]
        return subprocess.run(command, check=True, capture_output=True, text=True).stdout.strip()

    def program(self, name: str, commit: str, env: Mapping[str, str] | None = None, **web: Any) -> StackProgram:
        directory = self.data / "environments" / name / commit[:12]
        process = {
            "environment_id": name,
            "name": "web",
            "directory": "${files.directory}",
            "procfile_entry": "web",
            "env": dict(env or {}),
            "health": {"path": "/", "timeout_seconds": 20},
            **web,
        }
        return StackProgram(
            resources=(
                ProgramResource("route", "slipway:local:Route", {"host": f"{name}.test", "port": "${web.port}"}),
                ProgramResource("web", "slipway:local:Process", process),
                ProgramResource(
                    "files",
                    "slipway:local:Checkout",
                    {"repository": str(self.repository), "commit": commit, "directory": str(directory)},
                ),
            ),
            outputs={"url": f"http://${{route.host}}:{self.preview_port}/", "port": "${web.port}", "id": "${web.id}"},
        )

    def request(
        self, name: str, commit: str, env: Mapping[str, str] | None = None, *, time_limit: float = 60, **web: Any
    ) -> StackRequest:
        program = self.program(name, commit, env, **web)
        return StackRequest(StackRef("environments", name), "correct horse", program, time_limit=time_limit)

    def get(self, name: str) -> tuple[int, str]:
        request = urllib.request.Request(f"http://127.0.0.1:{self.preview_port}/", headers={"Host": f"{name}.test"})
        try:
            with urllib.request.urlopen(request, timeout=5) as answer:  # noqa: S310 - our own address
                return answer.status, answer.read().decode()
        except urllib.error.HTTPError as error:
            return error.code, ""

    def left_over(self, name: str) -> list[str]:
        """Name everything of an environment that is still there."""
        found = [status.id for status in self.processes.list(name)]
        found += [str(path) for path in (self.data / "environments").glob(f"{name}/*")]
        router = PROVIDER.connect(self.data, self.configuration.run_dir)
        found += [route.host for route in router.observed() if route.host == f"{name}.test"]
        found += [str(path) for path in (self.data / "engine").glob("operation-*")]
        return found


class Events(list[ProgressEvent]):
    """A progress listener that remembers."""

    def __call__(self, event: ProgressEvent) -> None:
        self.append(event)

    def steps(self) -> list[tuple[str, str, str]]:
        return [(event.kind.value, event.name, event.operation) for event in self if event.name and event.type]


@pytest.fixture
def events() -> Events:
    return Events()


def _wait_for(path: Path) -> None:
    deadline = time.monotonic() + 10
    while not path.exists():
        assert time.monotonic() < deadline, f"{path} did not appear"
        time.sleep(0.02)


@pytest.fixture(scope="session")
def data() -> Iterator[Path]:
    # Not below pytest's own directory, which other users cannot enter: applications run as other users.
    with tempfile.TemporaryDirectory(prefix="slipway-engine-") as directory:
        yield Path(directory)


@pytest.fixture(scope="session")
def target(data: Path) -> Iterator[LocalTarget]:
    (data / "run").mkdir()
    options = HAProxyOptions(data, data / "run", preview_port=free_port(), metrics_port=free_port())
    socket_path = data / "run" / "process-host.sock"
    host_command = [sys.executable, "-m", "workers.process_host", "--data", str(data), "--socket", str(socket_path)]
    with (
        subprocess.Popen(["haproxy", "-db", "-f", str(write_configuration(options))]) as haproxy,
        subprocess.Popen(host_command) as host,
    ):
        try:
            _wait_for(socket_path)
            _wait_for(data / "run" / "haproxy.sock")
            configuration = EngineConfiguration(
                data_dir=data,
                run_dir=data / "run",
                tools_dir=load_settings().tools_dir,
                process_host_socket=socket_path,
                state_backend_url=f"file://{data}/pulumi-state",
            )
            repository = data / "repository"
            repository.mkdir()
            subprocess.run(["git", "init", "--quiet", str(repository)], check=True)
            engine = PulumiAutomationEngine(configuration)
            client = ProcessHostClient(socket_path)
            yield LocalTarget(configuration, engine, client, repository, options.preview_port)
        finally:
            haproxy.terminate()
            host.terminate()

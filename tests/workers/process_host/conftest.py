"""Process hosts of their own for the tests, each with a data directory that other users can pass through."""

import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from workers.process_host.client import ProcessHostClient

SERVER = """
import http.server, os, sys
print("up on", os.environ["PORT"], flush=True)
address = (os.environ["HOST"], int(os.environ["PORT"]))
http.server.ThreadingHTTPServer(address, http.server.SimpleHTTPRequestHandler).serve_forever()
"""


@dataclass
class Host:
    """A process host that a test may stop, kill and start again."""

    data: Path
    command: list[str]
    process: subprocess.Popen[bytes] = field(init=False)

    @property
    def socket(self) -> Path:
        return self.data / "run" / "host.sock"

    @property
    def client(self) -> ProcessHostClient:
        return ProcessHostClient(self.socket)

    def start(self) -> None:
        self.process = subprocess.Popen(self.command)
        self.wait_until(lambda: self.socket.exists() and self.answers())

    def answers(self) -> bool:
        try:
            return bool(self.client.health())
        except Exception:  # noqa: BLE001 - any failure means that it is not ready
            return False

    def stop(self) -> None:
        if self.process.poll() is None:
            self.process.terminate()
        self.process.wait(10)

    def application(self, environment: str, text: str = SERVER) -> str:
        directory = self.data / "environments" / environment / "files"
        directory.mkdir(parents=True, exist_ok=True)
        (directory / "app.py").write_text(text)
        return str(directory)

    def wait_until(self, condition: Callable[[], bool], seconds: float = 15) -> None:
        deadline = time.monotonic() + seconds
        while not condition():
            assert time.monotonic() < deadline, "it did not happen in time"
            time.sleep(0.02)


@contextmanager
def hosts() -> Iterator[Callable[..., Host]]:
    """Give what makes process hosts; those that were started are stopped at the end."""
    with ExitStack() as stack:

        def make(*arguments: str, prefix: tuple[str, ...] = ()) -> Host:
            data = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="slipway-host-")))
            (data / "run").mkdir()
            (data / "environments").mkdir()
            command = [*prefix, sys.executable, "-m", "workers.process_host", "--data", str(data)]
            host = Host(data, [*command, "--socket", str(data / "run" / "host.sock"), *arguments])
            stack.callback(lambda: host.stop() if hasattr(host, "process") else None)
            return host

        yield make


@pytest.fixture
def make_host() -> Iterator[Callable[..., Host]]:
    with hosts() as make:
        yield make


@pytest.fixture(scope="module")
def make_module_host() -> Iterator[Callable[..., Host]]:
    with hosts() as make:
        yield make


@pytest.fixture
def host(make_host: Callable[..., Host]) -> Host:
    made = make_host()
    made.start()
    return made

"""The command as people run it: a process of its own, with an environment and a home of its own."""

import socket
import subprocess
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from datetime import timedelta
from pathlib import Path

import pytest
import uvicorn
from litestar import Litestar

from catalog import running
from catalog.settings import Settings, inherited_environment
from catalog.tenancy import Principal
from tests.ready_programs import ReadyCommand
from workers import upload_checking
from workers.main import App
from workers.runtime.drain import drain
from workers.runtime.registry import registry

Slipway = Callable[..., subprocess.CompletedProcess[str]]


@pytest.fixture
def home(tmp_path: Path) -> Path:
    """Return the home directory of whoever runs the command."""
    folder = tmp_path / "home"
    folder.mkdir()
    return folder


@pytest.fixture
def command_environment(home: Path) -> dict[str, str]:
    """Return the whole environment in which commands are run: nothing of Slipway is set."""
    return {"PATH": inherited_environment()["PATH"], "HOME": str(home), "LC_ALL": "C.UTF-8"}


@pytest.fixture(scope="session")
def ready_command() -> Iterator[ReadyCommand]:
    """What commands are forked from."""
    ready = ReadyCommand()
    yield ready
    ready.end()


@pytest.fixture
def slipway(ready_command: ReadyCommand, command_environment: Mapping[str, str], tmp_path: Path) -> Slipway:
    """Return what runs ``slipway`` with arguments, in ``tmp_path``: ``slipway("env", "list", env={...}, stdin="")``."""

    def run(
        *arguments: str | Path, env: Mapping[str, str] | None = None, stdin: str = ""
    ) -> subprocess.CompletedProcess[str]:
        environment = {**command_environment, **(env or {})}
        return ready_command.run([*map(str, arguments)], environment, tmp_path, stdin)

    return run


@pytest.fixture
def checking(settings: Settings) -> Iterator[None]:
    """A worker that checks what is uploaded, for as long as the test runs."""
    ended = threading.Event()

    def work() -> None:
        app = App(settings, registry([upload_checking.WORKER]))
        while not ended.is_set():
            drain(app, patience=timedelta(seconds=0.2))
        app.close()

    thread = threading.Thread(target=work)
    thread.start()
    yield
    ended.set()
    thread.join()


@pytest.fixture
def installation(settings: Settings) -> dict[str, str]:
    """Return the variables that name a running Slipway by its data directory alone."""
    running.record(settings)
    return {"SLIPWAY_DATA": str(settings.data_dir)}


@pytest.fixture
def free_port() -> int:
    """Return a port that nothing listens on."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


@pytest.fixture
def portal_url(portal: Litestar) -> Iterator[str]:
    """Return the address of the real portal, served over real HTTP."""
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        # A stream that is still followed when the test ends is cut off instead of waited for.
        config = uvicorn.Config(portal, log_level="warning", timeout_graceful_shutdown=1)
        server = uvicorn.Server(config)
        thread = threading.Thread(target=server.run, kwargs={"sockets": [listener]})
        thread.start()
        while not server.started:
            assert thread.is_alive(), "the portal does not start"
            time.sleep(0.02)
        yield f"http://127.0.0.1:{listener.getsockname()[1]}"
        server.should_exit = True
        thread.join(10)


@pytest.fixture
def signed_in(portal_url: str, new_token: Callable[..., str], acme: Principal) -> dict[str, str]:
    """Return the variables with which a command acts in ``acme``, with every scope."""
    return {"SLIPWAY_URL": portal_url, "SLIPWAY_TOKEN": new_token(acme)}


@pytest.fixture
def blueprint(slipway: Slipway, signed_in: dict[str, str], tmp_path: Path) -> Path:
    """Return the folder of the blueprint ``acme/my-preview``, which is published."""
    folder = tmp_path / "my-preview"
    for arguments in (("asset", "init", "deployment-blueprint", folder), ("publish", folder)):
        done = slipway(*arguments, env=signed_in)
        assert done.returncode == 0, done.stderr
    return folder

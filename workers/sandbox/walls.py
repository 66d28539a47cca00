"""What stands between a run and the machine: bubblewrap where it works, else what root can do without it."""

import json
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from functools import cache
from pathlib import Path
from typing import Any

from workers.process_host.isolation import LAUNCHER, SEARCH_PATH
from workers.process_host.table import WIDE_UIDS, highest_uid
from workers.sandbox import SandboxError, SandboxLimits

WORK = Path("/slipway-sandbox")
"""Where a run finds its folder: a place where nobody keeps a clone or a Python, because it would hide those."""
_ENTER = Path(__file__).with_name("enter.py")
_SYSTEM = ("/usr", "/bin", "/sbin", "/lib", "/lib32", "/lib64", "/libx32")
# The loader's cache and where names of programs lead; nothing of the machine's own configuration.
_SETTINGS = ("/etc/ld.so.cache", "/etc/alternatives", "/etc/mime.types")
_SCRATCH_BYTES = 64 * 1024 * 1024
_NOTHING = ("--size", "65536", "--perms", "0755", "--tmpfs")


class Wall(StrEnum):
    """The ways to keep a run apart, best first."""

    BUBBLEWRAP = "bubblewrap"
    USER = "user"
    REFUSED = "refused"


REASONS = {
    Wall.BUBBLEWRAP: "publishers' content is checked in bubblewrap: no network, no files but its own, no other process",
    Wall.USER: (
        "publishers' content is checked under a user id of its own, without a network, the machine's files or sight of "
        "other processes"
    ),
    Wall.REFUSED: (
        "publishers' content cannot be checked here: install bubblewrap where user namespaces are allowed, or run the "
        "worker as root on Linux"
    ),
}


@dataclass(frozen=True)
class Cell:
    """A prepared run: the command line with all that is around it, its folder as it sees it, the user that it becomes.

    ``outside`` is the part of the command line that makes the walls, ``configuration`` what the launcher is told.
    """

    command: list[str]
    directory: Path
    uid: int | None
    outside: Sequence[str]
    configuration: Mapping[str, Any]


@cache
def choose() -> Wall:
    """Return the best wall that works on this machine, tried out once."""
    if sys.platform != "linux":
        return Wall.REFUSED
    for wall in (Wall.BUBBLEWRAP, Wall.USER):
        if works(wall):
            return wall
    return Wall.REFUSED


def works(wall: Wall) -> bool:
    """Try a wall out with Python itself."""
    if wall is Wall.REFUSED or (wall is Wall.BUBBLEWRAP and shutil.which("bwrap") is None):
        return False
    if wall is Wall.USER and os.geteuid() != 0:
        return False
    with tempfile.TemporaryDirectory(prefix="slipway-probe-") as folder:
        try:
            cell = enclose(wall, [sys.executable, "-I", "-c", "import encodings"], Path(folder), (), SandboxLimits())
            # For the fall-back the folder has to be reachable by the user that the run becomes.
            Path(folder).chmod(0o755)
            probe = subprocess.run(
                cell.command, cwd="/", env=environment(Path(folder)), capture_output=True, timeout=20
            )
        except (OSError, subprocess.SubprocessError, SandboxError):
            return False
    return probe.returncode == 0


def enclose(wall: Wall, command: Sequence[str], work: Path, readable: Sequence[Path], limits: SandboxLimits) -> Cell:
    """Return how ``command`` is run behind ``wall`` with the folder ``work`` as its own."""
    if wall is Wall.REFUSED:
        raise SandboxError(REASONS[wall])
    uid = _uid() if os.geteuid() == 0 else None
    directory = WORK if wall is Wall.BUBBLEWRAP else work
    configuration = {
        "uid": uid,
        "umask": 0o077,
        "directory": str(directory),
        "limits": _resource_limits(limits),
        # Inside bubblewrap, process 1 is bubblewrap's own.
        "parent": 1 if wall is Wall.BUBBLEWRAP else os.getpid(),
    }
    launcher = [sys.executable, "-I", "-S", str(LAUNCHER), json.dumps(configuration)]
    seen = (*readable, LAUNCHER)
    outside = _bubblewrap(work, seen) if wall is Wall.BUBBLEWRAP else _entered(work, seen)
    return Cell([*outside, *launcher, *command], directory, uid, outside, configuration)


def environment(directory: Path) -> dict[str, str]:
    """Return the whole environment of a run."""
    return {
        "PATH": ":".join((str(Path(sys.executable).parent), *SEARCH_PATH)),
        "LANG": "C.UTF-8",
        "HOME": str(directory),
        "TMPDIR": str(directory),
        "PYTHONDONTWRITEBYTECODE": "1",
    }


def _bubblewrap(work: Path, readable: Sequence[Path]) -> list[str]:
    """Build a world of its own: the system's programs read-only, empty scratch folders, and the run's folder."""
    options = ["bwrap", "--die-with-parent", "--new-session"]
    options += ["--unshare-pid", "--unshare-net", "--unshare-ipc", "--unshare-uts", "--unshare-cgroup-try"]
    if os.geteuid() == 0:
        # Kept only until the launcher has become another user, which takes them away for good.
        options += ["--cap-add", "CAP_SETUID", "--cap-add", "CAP_SETGID"]
    else:
        options += ["--unshare-user"]
    for each in _SYSTEM:
        if Path(each).is_symlink():
            options += ["--symlink", str(Path(each).readlink()), each]
        elif Path(each).is_dir():
            options += ["--ro-bind", each, each]
    for each in _SETTINGS:
        options += ["--ro-bind-try", each, each]
    options += ["--proc", "/proc", "--dev", "/dev", *_NOTHING, "/dev/shm"]  # noqa: S108  # inside the sandbox
    options += ["--size", str(_SCRATCH_BYTES), "--perms", "1777", "--tmpfs", "/tmp"]  # noqa: S108  # as above
    made: set[Path] = set()
    for path in dict.fromkeys((Path(sys.prefix), Path(sys.base_prefix), *(each.resolve() for each in readable))):
        if path.is_relative_to("/usr"):
            continue
        for parent in reversed(path.parents):
            if parent not in made and parent not in {Path("/"), Path("/tmp")}:  # noqa: S108  # as above
                options += ["--perms", "0755", "--dir", str(parent)]
                made.add(parent)
        options += ["--ro-bind", str(path), str(path)]
    options += ["--bind", str(work), str(WORK)]
    return [*options, "--remount-ro", "/dev", "--remount-ro", "/", "--chdir", str(WORK), "--"]


def _entered(work: Path, readable: Sequence[Path]) -> list[str]:
    """Build the same world without bubblewrap; only the table of processes is shared, and shows the run's own alone."""
    system = {Path(each).name for each in _SYSTEM}
    shown = [Path(sys.prefix), Path(sys.base_prefix), *(each.resolve() for each in readable)]
    configuration = {
        "kept": sorted(system),
        "shown": [*_SETTINGS, *(str(each) for each in shown if not each.is_relative_to("/usr"))],
        "directory": str(work),
        "scratch_bytes": _SCRATCH_BYTES,
    }
    return [sys.executable, "-I", "-S", str(_ENTER), json.dumps(configuration)]


def _uid() -> int:
    """Return a user id that no process on this machine has at the moment, away from those of the process host."""
    highest = highest_uid()
    first, count = (900_000_000, 50_000_000) if highest >= WIDE_UIDS else (highest // 2, max(highest // 10, 1))
    return first + int.from_bytes(os.urandom(4)) % count


def _resource_limits(limits: SandboxLimits) -> dict[str, int]:
    return {
        "RLIMIT_DATA": limits.memory_bytes,
        "RLIMIT_CPU": limits.cpu_seconds,
        "RLIMIT_NPROC": limits.processes,
        "RLIMIT_NOFILE": limits.open_files,
        "RLIMIT_FSIZE": limits.file_bytes,
        "RLIMIT_CORE": 0,
    }

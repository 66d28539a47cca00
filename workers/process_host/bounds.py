"""What holds applications to memory, processes and processors: control groups where they can be made, else the rest.

Semantics: the kernel's documentation of control groups, version 2 (cpu.max, memory.max, pids.max, cgroup.kill, and that
a group with processes of its own hands nothing on), and of setrlimit and sched_setaffinity.
"""

import math
import os
import time
from contextlib import suppress
from itertools import count
from pathlib import Path
from typing import Any, Protocol

from workers.process_host import Limits

TREE = Path("/sys/fs/cgroup")
OWN = Path("/proc/self/cgroup")
NEEDED = ("cpu", "memory", "pids")
_MIB = 1024 * 1024
_PERIOD_US = 100_000
_GONE_SECONDS = 2.0


class Bounds(Protocol):
    """One way to hold applications to their limits; ``words`` say which."""

    words: str

    def of(self, process_id: str, limits: Limits) -> dict[str, Any]:
        """Make what bounds a process, and return what its launcher has to know of it."""
        ...

    def ended(self, process_id: str) -> None:
        """Kill what is left of a process, and remove what bounded it."""
        ...

    def sweep(self) -> None:
        """Do so for every process of a host that was killed."""
        ...


class ResourceLimits:
    """Limits that processes carry themselves.

    Memory is the private data of each process, and the number of processes that of the user: what an application starts
    has as much memory again. Processors are whole ones that it keeps to, and that others may use as well.
    """

    def __init__(self, reason: str = "") -> None:
        self.words = "resource limits of each process" + (f" ({reason})" if reason else "")
        self._turn = count()

    def of(self, process_id: str, limits: Limits) -> dict[str, Any]:
        """Return the limits of each process, and the processors that it keeps to."""
        del process_id
        # Private data rather than address space: language runtimes reserve far more than they use.
        counted = {"RLIMIT_DATA": limits.memory_mb * _MIB, "RLIMIT_NPROC": limits.processes, **_of_each(limits)}
        there, wanted = sorted(os.sched_getaffinity(0)), math.ceil(limits.cpus)
        if wanted >= len(there):
            return {"limits": counted}
        first = next(self._turn) * wanted
        return {"limits": counted, "processors": [there[(first + each) % len(there)] for each in range(wanted)]}

    def ended(self, process_id: str) -> None:
        """Do nothing: limits go with what carries them."""

    def sweep(self) -> None:
        """Do nothing."""


class ControlGroups:
    """A group below ``top`` for each application, which holds it with everything that it starts."""

    words = "a control group for each application"

    def __init__(self, top: Path) -> None:
        self._top = top

    def of(self, process_id: str, limits: Limits) -> dict[str, Any]:
        """Make the group; the launcher joins it."""
        group = self._top / process_id
        group.mkdir(exist_ok=True)
        _write(group / "cpu.max", f"{max(1000, int(limits.cpus * _PERIOD_US))} {_PERIOD_US}")
        _write(group / "memory.max", str(limits.memory_mb * _MIB))
        _write(group / "pids.max", str(limits.processes))
        for name, value in (("memory.swap.max", "0"), ("memory.oom.group", "1")):
            with suppress(OSError):  # not with every kernel
                _write(group / name, value)
        return {"limits": _of_each(limits), "group": str(group / "cgroup.procs")}

    def ended(self, process_id: str) -> None:
        """Kill everything in the group, whatever sessions it has moved to, and remove it."""
        self._remove(self._top / process_id)

    def sweep(self) -> None:
        """Remove every group that is there."""
        for group in [each for each in self._top.iterdir() if each.is_dir()]:
            self._remove(group)

    def _remove(self, group: Path) -> None:
        if not group.is_dir():
            return
        with suppress(OSError):
            _write(group / "cgroup.kill", "1")
        deadline = time.monotonic() + _GONE_SECONDS
        while time.monotonic() < deadline:
            try:
                group.rmdir()
            except OSError:
                if "populated 1" not in _read(group / "cgroup.events"):
                    return  # another hand is in it; the next host tries again
                time.sleep(0.01)
            else:
                return


def foreseen(given: str = "", tree: Path = TREE, own: Path = OWN) -> str:
    """Return in words what ``choose`` will choose, without making anything."""
    base = Path(given) if given else tree / _own_group(own)
    problem = _lacks(base)
    if not problem and not os.access(base / "cgroup.subtree_control", os.W_OK):
        problem = f"{base} cannot be written"
    return ResourceLimits(problem).words if problem else ControlGroups.words


def _lacks(base: Path) -> str:
    is_complete = set(NEEDED) <= set(_read(base / "cgroup.controllers").split())
    return "" if is_complete else f"there are no control groups of version 2 for {', '.join(NEEDED)} at {base}"


def choose(name: str, given: str = "", tree: Path = TREE, own: Path = OWN) -> Bounds:
    """Return control groups below the group of this process, or below the folder ``given``, else resource limits.

    ``name`` is that of the group which holds those of all applications.
    """
    base = Path(given) if given else tree / _own_group(own)
    problem = _lacks(base)
    if problem:
        return ResourceLimits(problem)
    top = base / name
    try:
        _hand_on(base)
        top.mkdir(exist_ok=True)
        _hand_on(top)
    except OSError as error:
        return ResourceLimits(f"control groups cannot be made below {base}: {error.strerror}")
    return ControlGroups(top)


def _hand_on(group: Path) -> None:
    """Let the groups below one be bounded; refused where the group has processes of its own."""
    handed = _read(group / "cgroup.subtree_control").split()
    if not set(NEEDED) <= set(handed):
        _write(group / "cgroup.subtree_control", " ".join(f"+{each}" for each in NEEDED))


def _own_group(own: Path) -> str:
    lines = [line for line in _read(own).splitlines() if line.startswith("0::")]
    return lines[0].removeprefix("0::").lstrip("/") if lines else ""


def _of_each(limits: Limits) -> dict[str, int]:
    """Return what bounds each process by itself in any case."""
    return {"RLIMIT_NOFILE": limits.open_files, "RLIMIT_FSIZE": limits.file_size_mb * _MIB, "RLIMIT_CORE": 0}


def _write(path: Path, text: str) -> None:
    # In one call: the kernel reads each as a whole.
    with path.open("w", encoding="ascii") as file:
        file.write(text)


def _read(path: Path) -> str:
    try:
        return path.read_text("ascii")
    except OSError:
        return ""

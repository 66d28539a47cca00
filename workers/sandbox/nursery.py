"""Nurseries: processes of ours that have imported what a program imports, and whose children join the cells of runs.

An SDK takes longer to import than a wheel to check. A nursery imports once and runs nothing of a publisher's; each run
is a child of a child of it that enters a cell of bubblewrap's making (its namespaces, its limits, its user), gives up
every privilege, and only then reads its task. What one run does to its memory the next never sees: it is a copy.
"""

import json
import os
import select
import socket
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

from workers.process_host.isolation import LAUNCHER
from workers.sandbox import Task
from workers.sandbox.walls import Cell, environment

IDLE_SECONDS = 900.0
"""How long a nursery waits for the next run; longer than a spare, so that a spare's successor is quick too."""
_PROGRAM = Path(__file__).with_name("nursery_program.py")
_PATIENCE_SECONDS = 60.0
_MOST_FAILURES = 3
"""How often in a row a cell may not be entered before that is not tried any more on this machine."""
# Says that the cell is whole, then holds it until somebody tells with which status the run has ended.
_ANCHOR = ("/bin/sh", "-c", 'echo; read -r status || exit 125; exit "$status"')


@dataclass(frozen=True)
class Born:
    """A run that waits for its line: the cell's outermost process, with the run's own streams, and who waits for it."""

    process: subprocess.Popen[bytes]
    waiter: int


class Nursery:
    """The one process that has imported a program; safe to use from any thread."""

    def __init__(self, program: Path) -> None:
        self._program = program
        self._lock = threading.Lock()
        self._process: subprocess.Popen[bytes] | None = None
        self._asked: socket.socket | None = None
        self._failures = 0

    def begin(self, cell: Cell, task: Task) -> Born | None:
        """Start a run of the program in ``cell``; return None where that cannot be done this way here."""
        if self._failures >= _MOST_FAILURES:
            return None
        with _anchored(cell) as (anchor, inside):
            streams = [os.pipe() for _ in range(3)]
            (stdin, _), (_, stdout), (_, stderr) = streams
            theirs = (stdin, stdout, stderr)
            ours = (streams[0][1], streams[1][0], streams[2][0])
            waiter = None
            if inside is not None and anchor.stdin is not None:
                request = {**cell.configuration, "parent": 0}
                request["environment"] = {**environment(cell.directory), **task.environment}
                waiter = self._ask(request, [inside, *theirs, anchor.stdin.fileno()])
            for each in (*theirs, *(ours if waiter is None else ())):
                os.close(each)
            if waiter is None:
                self._failures += 1
                _end(anchor)
                return None
            self._failures = 0
            for pipe in (anchor.stdin, anchor.stdout):
                if pipe is not None:
                    pipe.close()
            anchor.stdin, anchor.stdout, anchor.stderr = (
                os.fdopen(each, mode, 0) for each, mode in zip(ours, ("wb", "rb", "rb"), strict=True)
            )
            return Born(anchor, waiter)

    def close(self) -> None:
        """End the nursery; what it has started goes on until its own end."""
        with self._lock:
            self._failures = _MOST_FAILURES
            self._end()

    def _ask(self, request: object, descriptors: list[int]) -> int | None:
        """Return the id of the process that waits for the new run, None where it cannot be started."""
        with self._lock:
            for is_last in (False, True):
                try:
                    asked = self._open()
                    socket.send_fds(asked, [json.dumps(request).encode()], descriptors)
                    answer = asked.recv(64)
                except OSError:
                    answer = b""
                if answer:
                    return int(answer)
                # It may have ended because nobody asked for long.
                was_new = self._end()
                if is_last or was_new:
                    break
        return None

    def _open(self) -> socket.socket:
        if self._asked is not None:
            return self._asked
        ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        ours.settimeout(_PATIENCE_SECONDS)
        command = [sys.executable, "-I", str(_PROGRAM), str(self._program), str(LAUNCHER)]
        with theirs:
            self._process = subprocess.Popen(
                [*command, str(theirs.fileno()), str(IDLE_SECONDS)],
                cwd="/",
                env=environment(Path("/")),
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
                stderr=subprocess.DEVNULL,
                start_new_session=True,
                pass_fds=(theirs.fileno(),),
            )
        self._asked = ours
        return ours

    def _end(self) -> bool:
        """End the process; return whether it lived still."""
        process, asked = self._process, self._asked
        self._process = self._asked = None
        if asked is not None:
            asked.close()
        if process is None:
            return False
        lived = process.poll() is None
        process.kill()
        process.wait()
        return lived


class Nurseries:
    """One nursery for each program that is run with a line."""

    def __init__(self) -> None:
        self._nurseries: dict[Path, Nursery] = {}
        self._lock = threading.Lock()

    def begin(self, cell: Cell, task: Task) -> Born | None:
        """Start a run that waits for its line; return None where its command has to be started as it is."""
        match tuple(task.command):
            case ("python", "-I", program) if Path(program).is_file():
                with self._lock:
                    nursery = self._nurseries.setdefault(Path(program), Nursery(Path(program)))
                return nursery.begin(cell, task)
        return None

    def close(self) -> None:
        """End every nursery."""
        with self._lock:
            for each in self._nurseries.values():
                each.close()


@contextmanager
def _anchored(cell: Cell) -> Iterator[tuple[subprocess.Popen[bytes], int | None]]:
    """Let bubblewrap make the cell; give its outermost process, and a descriptor of the first one inside."""
    informed, informing = os.pipe()
    bubblewrap, *options = cell.outside
    with os.fdopen(informed, "rb") as information:
        try:
            anchor = subprocess.Popen(
                [bubblewrap, "--info-fd", str(informing), *options, *_ANCHOR],
                cwd="/",
                env=environment(cell.directory),
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=subprocess.DEVNULL,
                start_new_session=True,
                pass_fds=(informing,),
            )
        finally:
            os.close(informing)
        inside = _first_inside(anchor, information.read()) if _is_whole(anchor) else None
    try:
        yield anchor, inside
    finally:
        if inside is not None:
            os.close(inside)


def _is_whole(anchor: subprocess.Popen[bytes]) -> bool:
    """Wait until the command inside runs: before that, the old tree of files might be found there still."""
    if anchor.stdout is None or not select.select([anchor.stdout], [], [], _PATIENCE_SECONDS)[0]:
        return False
    return anchor.stdout.read(1) == b"\n"


def _first_inside(anchor: subprocess.Popen[bytes], information: bytes) -> int | None:
    with suppress(ValueError, KeyError, OSError):
        descriptor = os.pidfd_open(int(json.loads(information)["child-pid"]))
        if anchor.poll() is None:
            return descriptor
        os.close(descriptor)
    return None


def _end(anchor: subprocess.Popen[bytes]) -> None:
    anchor.kill()
    anchor.wait()
    for pipe in (anchor.stdin, anchor.stdout):
        if pipe is not None:
            with suppress(OSError):
                pipe.close()

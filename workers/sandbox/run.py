"""Running a task behind a wall: files in, limits watched, everything killed at the end, results out."""

import os
import selectors
import stat
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path
from typing import IO, cast

import psutil

from workers.process_host import sessions
from workers.sandbox import Outcome, SandboxError, SandboxLimits, Stopped, Task
from workers.sandbox.folders import folder, sweep
from workers.sandbox.nursery import Nurseries
from workers.sandbox.spares import Spares
from workers.sandbox.walls import Cell, Wall, choose, enclose, environment

_TICK_SECONDS = 0.05
_MEMORY_EVERY_SECONDS = 0.2
_CHUNK = 64 * 1024
_LAST_WAIT_SECONDS = 10.0


class Sandbox:
    """Runs tasks, each in a folder of its own that is removed afterwards; safe to use from any thread.

    ``wall`` left out is the best one that this machine offers. With ``spares`` the next run of a task that has a
    ``line`` is started ahead, once there was one.
    """

    def __init__(self, wall: Wall | None = None, *, spares: bool = False) -> None:
        self.wall = choose() if wall is None else wall
        # Whoever takes the place of a worker that was killed clears up after it.
        sweep()
        self._spares = Spares(self._start) if spares else None
        # What a nursery forks reaches the interpreter's own file, and no read-only view of it: never as its owner.
        owns = os.geteuid() != 0 and Path(sys.executable).resolve().stat().st_uid == os.geteuid()
        self._nurseries = Nurseries() if spares and self.wall is Wall.BUBBLEWRAP and not owns else None

    def close(self) -> None:
        """End what was started ahead."""
        if self._spares is not None:
            self._spares.close()
        if self._nurseries is not None:
            self._nurseries.close()

    def run(self, task: Task, should_stop: Callable[[], bool] = lambda: False) -> Outcome:
        """Run a task to its end or to its limits; raise ``SandboxError`` where it cannot be kept apart here.

        ``should_stop`` is asked several times a second: the run ends when it says so.
        """
        ahead = self._spares if task.line is not None else None
        spare = ahead.take(task) if ahead is not None else None
        started = spare if isinstance(spare, _Started) else self._start(task)
        try:
            outcome = started.follow(task, should_stop)
        except BaseException:
            started.end()
            raise
        if ahead is None:
            started.end()
        else:
            # Nothing of the run lives any more; nobody need wait until its folder is gone, too.
            ahead.restock(task, started.end)
        return outcome

    def _start(self, task: Task) -> "_Started":
        """Start a run with nothing in its folder yet; a command without a line is started when there is."""
        with ExitStack() as stack:
            work = stack.enter_context(folder()) / "work"
            cell = enclose(self.wall, task.command, work, task.readable, task.limits)
            work.mkdir(mode=0o700)
            _hand_over(work, cell)
            started = _Started(self.wall, cell, work, stack.pop_all())
        if task.line is not None:
            started.launch(task, self._nurseries)
        return started


class _Started:
    """A run behind its wall, from the making of its folder to the end of everything in it."""

    def __init__(self, wall: Wall, cell: Cell, work: Path, stack: ExitStack) -> None:
        self._wall = wall
        self._cell = cell
        self._work = work
        self._stack = stack
        self._process: subprocess.Popen[bytes] | None = None
        self._family: tuple[int, ...] = ()

    def launch(self, task: Task, nurseries: Nurseries | None = None) -> None:
        """Start the command, from one of the nurseries where that is possible."""
        try:
            born = None if nurseries is None else nurseries.begin(self._cell, task)
            if born is not None:
                self._process, self._family = born.process, (born.process.pid, born.waiter)
                return
            self._process = subprocess.Popen(
                self._cell.command,
                cwd="/",
                env={**environment(self._cell.directory), **task.environment},
                stdin=subprocess.DEVNULL if task.line is None else subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=subprocess.PIPE,
                start_new_session=True,
            )
            self._family = (self._process.pid,)
        except OSError as error:
            self.end()
            raise SandboxError(f"the sandbox could not be started: {error.strerror}") from None

    def follow(self, task: Task, should_stop: Callable[[], bool]) -> Outcome:
        """Give the run its task, and follow it to its end or to its limits."""
        _fill(self._work, task, self._cell)
        began = time.monotonic()
        watch = _Watch(task.limits, self._work, self._cell, should_stop)
        if self._process is None:
            self.launch(task)
        process = cast("subprocess.Popen[bytes]", self._process)
        if process.stdin is not None:
            with suppress(BrokenPipeError), process.stdin as line:
                line.write(f"{task.line}\n".encode())
        try:
            output, errors, stopped = watch.follow(process, self._family)
        finally:
            _kill(process, self._cell, self._wall)
        return Outcome(
            status=process.returncode,
            stopped=stopped,
            output=output,
            errors=errors,
            files=_collect(self._work, task),
            seconds=time.monotonic() - began,
        )

    def is_waiting(self) -> bool:
        """Tell whether the command has been started and lives."""
        return self._process is not None and self._process.poll() is None

    def end(self) -> None:
        """End the run where it goes on still, and remove its folder."""
        process = self._process
        if process is not None and process.returncode is None:
            _kill(process, self._cell, self._wall)
        for pipe in (process.stdin, process.stdout, process.stderr) if process is not None else ():
            if pipe is not None:
                with suppress(OSError):
                    pipe.close()
        self._stack.close()


class _Watch:
    """Reads what a run writes, and ends it where it goes beyond a limit."""

    def __init__(self, limits: SandboxLimits, work: Path, cell: Cell, should_stop: Callable[[], bool]) -> None:
        self._limits = limits
        self._work = work
        self._cell = cell
        self._should_stop = should_stop
        self._deadline = time.monotonic() + limits.wall_seconds
        self._looked_at_disk = self._looked_at_memory = time.monotonic()

    def follow(self, process: subprocess.Popen[bytes], family: tuple[int, ...]) -> tuple[bytes, bytes, Stopped | None]:
        """Return both outputs and why the run was ended, None where it ended by itself.

        ``family`` are the processes from which everything of the run descends.
        """
        pipes = (cast("IO[bytes]", process.stdout), cast("IO[bytes]", process.stderr))
        kept = {pipe: bytearray() for pipe in pipes}
        with selectors.DefaultSelector() as selector, _ended(process, selector) as end:
            for pipe in pipes:
                os.set_blocking(pipe.fileno(), False)
                selector.register(pipe, selectors.EVENT_READ)
            stopped: Stopped | None = None
            # What holds the pipes open after the command's end is killed with it, so the end of the command counts.
            while stopped is None and process.poll() is None:
                for key, _ in selector.select(_TICK_SECONDS):
                    if key.fileobj != end:
                        _read(cast("IO[bytes]", key.fileobj), kept, selector)
                stopped = self._beyond(family, kept)
            if end is not None:
                selector.unregister(end)
            if stopped is None:
                stopped = self._drain(selector, kept)
        for pipe in pipes:
            pipe.close()
        output, errors = (bytes(kept[pipe][: self._limits.output_bytes]) for pipe in pipes)
        return output, errors, stopped

    def _drain(self, selector: selectors.BaseSelector, kept: dict[IO[bytes], bytearray]) -> Stopped | None:
        while selector.get_map() and (ready := selector.select(0)):
            for key, _ in ready:
                _read(cast("IO[bytes]", key.fileobj), kept, selector)
            if self._too_much(kept):
                return Stopped.OUTPUT
        return None

    def _beyond(self, family: tuple[int, ...], kept: dict[IO[bytes], bytearray]) -> Stopped | None:
        now = time.monotonic()
        if self._should_stop():
            return Stopped.CANCELLED
        if now >= self._deadline:
            return Stopped.TIME
        if self._too_much(kept):
            return Stopped.OUTPUT
        if now - self._looked_at_disk >= _TICK_SECONDS:
            self._looked_at_disk = now
            if _is_full(self._work, self._limits):
                return Stopped.DISK
        if now - self._looked_at_memory >= _MEMORY_EVERY_SECONDS:
            self._looked_at_memory = now
            if _memory(family, self._cell.uid) > self._limits.memory_bytes:
                return Stopped.MEMORY
        return None

    def _too_much(self, kept: dict[IO[bytes], bytearray]) -> bool:
        return any(len(each) > self._limits.output_bytes for each in kept.values())


@contextmanager
def _ended(process: subprocess.Popen[bytes], selector: selectors.BaseSelector) -> Iterator[int | None]:
    """Let the selector wake when the process ends, where the system tells; else it is noticed at the next tick."""
    if not hasattr(os, "pidfd_open"):
        yield None
        return
    descriptor = os.pidfd_open(process.pid)
    try:
        selector.register(descriptor, selectors.EVENT_READ)
        yield descriptor
    finally:
        os.close(descriptor)


def _read(pipe: IO[bytes], kept: dict[IO[bytes], bytearray], selector: selectors.BaseSelector) -> None:
    try:
        data = os.read(pipe.fileno(), _CHUNK)
    except BlockingIOError:
        return
    if data:
        kept[pipe] += data
    else:
        selector.unregister(pipe)


def _is_full(work: Path, limits: SandboxLimits) -> bool:
    """Tell whether a run's folder holds more than it may, or hides what it holds, such as below too long a path."""
    size = count = 0
    folders = [work]
    while folders:
        try:
            with os.scandir(folders.pop()) as entries:
                for entry in entries:
                    count += 1
                    with suppress(FileNotFoundError):
                        status = entry.stat(follow_symlinks=False)
                        size += status.st_blocks * 512
                        if stat.S_ISDIR(status.st_mode):
                            folders.append(Path(entry.path))
                    if count > limits.files or size > limits.disk_bytes:
                        return True
        except (FileNotFoundError, NotADirectoryError):
            continue  # it is gone meanwhile
        except OSError:
            return True
    return False


def _memory(family: tuple[int, ...], uid: int | None) -> int:
    """Return the resident memory of a run: what descends from its first processes, and what has its user."""
    seen: dict[int, psutil.Process] = {}
    for pid in family:
        with suppress(psutil.Error):
            first = psutil.Process(pid)
            seen |= {each.pid: each for each in (first, *first.children(recursive=True))}
    if uid is not None:
        seen |= {
            each.pid: each
            for each in psutil.process_iter(["uids"])
            if each.info["uids"] is not None and each.info["uids"].real == uid
        }
    total = 0
    for each in seen.values():
        with suppress(psutil.Error):
            total += each.memory_info().rss
    return total


def _kill(process: subprocess.Popen[bytes], cell: Cell, wall: Wall) -> None:
    """End everything of a run and see it gone; in bubblewrap, the end of the first process is the end of all."""
    family: list[psutil.Process] = []
    with suppress(psutil.Error):
        family = psutil.Process(process.pid).children()
    sessions.kill(process.pid)
    for each in family:
        with suppress(psutil.Error):
            each.kill()
    if wall is Wall.USER and cell.uid is not None:
        sessions.kill_users({cell.uid})
    process.wait()
    # What has ended and is only listed still is not waited for: its new parent may take seconds to notice, or never do.
    until = time.monotonic() + _LAST_WAIT_SECONDS
    while any(_runs(each) for each in family) and time.monotonic() < until:
        time.sleep(0.002)


def _runs(process: psutil.Process) -> bool:
    try:
        return bool(process.is_running() and process.status() != psutil.STATUS_ZOMBIE)
    except psutil.Error:
        return False


def _fill(work: Path, task: Task, cell: Cell) -> None:
    for name, data in task.files.items():
        path = work / name
        if not path.resolve().is_relative_to(work.resolve()) or path == work:
            raise SandboxError(f"{name!a} lies outside the working folder")
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(data)
    _hand_over(work, cell)


def _hand_over(work: Path, cell: Cell) -> None:
    """Give the folder and all in it to the user that the run becomes."""
    if cell.uid is not None:
        for folder, _, names in os.walk(work):
            os.chown(folder, cell.uid, cell.uid)
            for name in names:
                os.chown(Path(folder, name), cell.uid, cell.uid)


def _collect(work: Path, task: Task) -> dict[str, bytes]:
    """Read the wanted files without following any link that the run may have left in their place."""
    found: dict[str, bytes] = {}
    for name in task.collect:
        with suppress(OSError):
            data = _read_plain(work, Path(name).parts, task.limits.file_bytes)
            if data is not None:
                found[name] = data
    return found


def _read_plain(work: Path, parts: tuple[str, ...], most: int) -> bytes | None:
    folder = os.open(work, os.O_RDONLY | os.O_DIRECTORY)
    try:
        for part in parts[:-1]:
            deeper = os.open(part, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW, dir_fd=folder)
            os.close(folder)
            folder = deeper
        file = os.open(parts[-1], os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK, dir_fd=folder)
        with os.fdopen(file, "rb") as opened:
            status = os.fstat(opened.fileno())
            if not stat.S_ISREG(status.st_mode) or status.st_size > most:
                return None
            return opened.read(most)
    finally:
        os.close(folder)

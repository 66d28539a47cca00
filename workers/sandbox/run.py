"""Running a task behind a wall: files in, limits watched, everything killed at the end, results out."""

import os
import selectors
import shutil
import stat
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import IO, cast

import psutil

from workers.process_host import sessions
from workers.sandbox import Outcome, SandboxError, SandboxLimits, Stopped, Task
from workers.sandbox.walls import Cell, Wall, choose, enclose, environment

_TICK_SECONDS = 0.05
_MEMORY_EVERY_SECONDS = 0.2
_CHUNK = 64 * 1024
_LAST_WAIT_SECONDS = 10.0


class Sandbox:
    """Runs tasks, each in a folder of its own that is removed afterwards; safe to use from any thread.

    ``wall`` left out is the best one that this machine offers.
    """

    def __init__(self, wall: Wall | None = None) -> None:
        self.wall = choose() if wall is None else wall

    def run(self, task: Task, should_stop: Callable[[], bool] = lambda: False) -> Outcome:
        """Run a task to its end or to its limits; raise ``SandboxError`` where it cannot be kept apart here.

        ``should_stop`` is asked several times a second: the run ends when it says so.
        """
        with _folder() as folder:
            work = folder / "work"
            cell = enclose(self.wall, task.command, work, task.readable, task.limits)
            _fill(work, task, cell)
            watch = _Watch(task.limits, work, cell, should_stop)
            began = time.monotonic()
            try:
                process = subprocess.Popen(
                    cell.command,
                    cwd="/",
                    env={**environment(cell.directory), **task.environment},
                    stdin=subprocess.DEVNULL,
                    stdout=subprocess.PIPE,
                    stderr=subprocess.PIPE,
                    start_new_session=True,
                )
            except OSError as error:
                raise SandboxError(f"the sandbox could not be started: {error.strerror}") from None
            try:
                output, errors, stopped = watch.follow(process)
            finally:
                _kill(process, cell, self.wall)
            return Outcome(
                status=process.returncode,
                stopped=stopped,
                output=output,
                errors=errors,
                files=_collect(work, task),
                seconds=time.monotonic() - began,
            )


class _Watch:
    """Reads what a run writes, and ends it where it goes beyond a limit."""

    def __init__(self, limits: SandboxLimits, work: Path, cell: Cell, should_stop: Callable[[], bool]) -> None:
        self._limits = limits
        self._work = work
        self._cell = cell
        self._should_stop = should_stop
        self._deadline = time.monotonic() + limits.wall_seconds
        self._looked_at_disk = self._looked_at_memory = 0.0

    def follow(self, process: subprocess.Popen[bytes]) -> tuple[bytes, bytes, Stopped | None]:
        """Return both outputs and why the run was ended, None where it ended by itself."""
        pipes = (cast("IO[bytes]", process.stdout), cast("IO[bytes]", process.stderr))
        kept = {pipe: bytearray() for pipe in pipes}
        with selectors.DefaultSelector() as selector:
            for pipe in pipes:
                os.set_blocking(pipe.fileno(), False)
                selector.register(pipe, selectors.EVENT_READ)
            stopped: Stopped | None = None
            # What holds the pipes open after the command's end is killed with it, so the end of the command counts.
            while stopped is None and process.poll() is None:
                for key, _ in selector.select(_TICK_SECONDS):
                    _read(cast("IO[bytes]", key.fileobj), kept, selector)
                stopped = self._beyond(process, kept)
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

    def _beyond(self, process: subprocess.Popen[bytes], kept: dict[IO[bytes], bytearray]) -> Stopped | None:
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
            if _memory(process.pid, self._cell.uid) > self._limits.memory_bytes:
                return Stopped.MEMORY
        return None

    def _too_much(self, kept: dict[IO[bytes], bytearray]) -> bool:
        return any(len(each) > self._limits.output_bytes for each in kept.values())


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
    size = count = 0
    folders = [work]
    while folders:
        with suppress(OSError), os.scandir(folders.pop()) as entries:
            for entry in entries:
                count += 1
                with suppress(OSError):
                    status = entry.stat(follow_symlinks=False)
                    size += status.st_blocks * 512
                    if stat.S_ISDIR(status.st_mode):
                        folders.append(Path(entry.path))
                if count > limits.files or size > limits.disk_bytes:
                    return True
    return False


def _memory(pid: int, uid: int | None) -> int:
    """Return the resident memory of a run: the process, what descends from it, and what has its user."""
    total = 0
    with suppress(psutil.Error):
        family = psutil.Process(pid)
        seen = {family.pid: family, **{each.pid: each for each in family.children(recursive=True)}}
        if uid is not None:
            seen |= {
                each.pid: each
                for each in psutil.process_iter(["uids"])
                if each.info["uids"] is not None and each.info["uids"].real == uid
            }
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
    psutil.wait_procs(family, timeout=_LAST_WAIT_SECONDS)


@contextmanager
def _folder() -> Iterator[Path]:
    # Outside the data directory, into which no other user may look.
    folder = Path(tempfile.mkdtemp(prefix="slipway-sandbox-"))
    try:
        folder.chmod(0o711)
        yield folder
    finally:
        for path in (folder, *folder.glob("*")):
            with suppress(OSError):
                path.chmod(0o700)
        shutil.rmtree(folder, onerror=_force)


def _force(_function: object, path: str, _error: object) -> None:
    """Open a folder that a run closed to its owner, and go on removing."""
    with suppress(OSError):
        Path(path).parent.chmod(0o700)
        Path(path).chmod(0o700)
        if Path(path).is_dir() and not Path(path).is_symlink():
            shutil.rmtree(path, ignore_errors=True)
        else:
            Path(path).unlink()


def _fill(work: Path, task: Task, cell: Cell) -> None:
    work.mkdir(mode=0o700)
    for name, data in task.files.items():
        path = work / name
        if not path.resolve().is_relative_to(work.resolve()) or path == work:
            raise SandboxError(f"{name!a} lies outside the working folder")
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(data)
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

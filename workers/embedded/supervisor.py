"""The supervisor: starts parts in order, restarts what crashes, and stops everything in the opposite order."""

import os
import select
import signal
import subprocess
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

import psutil

from workers.embedded.errors import EmbeddedError
from workers.embedded.launch import Command, Process, end, start_or_copy
from workers.embedded.logs import LogFolder
from workers.embedded.parts import Part

_LONGEST_DELAY = 30.0
_CALM = 60.0
_HOPELESS = 3
_LAST_WORDS = 160


class StopRequestedError(Exception):
    """Somebody asked us to stop while we were doing something else."""


@dataclass(frozen=True)
class Wave:
    """Parts that start together, once those before are ready, and that stop together within ``patience`` seconds."""

    parts: Sequence[Part]
    patience: float


@dataclass
class _Care:
    part: Part
    started: float = 0.0
    failures: int = 0
    restart_at: float | None = field(default=None)


class Supervisor:
    """Owns the children; single-threaded, because the kernel ties a child to the thread that started it."""

    def __init__(self, logs: LogFolder, say: Callable[[str], None]) -> None:
        self._logs = logs
        self._say = say
        self._waves: list[Wave] = []
        self._cares: list[_Care] = []
        self._task: Process | None = None
        self._stop = False
        self._children_ended = True
        self._hear, self._mouth = os.pipe()
        os.set_blocking(self._hear, False)
        os.set_blocking(self._mouth, False)
        signal.set_wakeup_fd(self._mouth, warn_on_full_buffer=False)
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, lambda *_: self.request_stop())
        signal.signal(signal.SIGCHLD, lambda *_: None)

    def request_stop(self) -> None:
        """Make whatever the supervisor is doing end in ``StopRequestedError``."""
        self._stop = True

    def start(self, wave: Wave) -> None:
        """Start the parts of ``wave``; raise ``EmbeddedError`` where one cannot be started."""
        self._waves.append(wave)
        for part in wave.parts:
            care = _Care(part, started=time.monotonic())
            self._cares.append(care)
            part.start()
        if self._stop:
            raise StopRequestedError

    def await_ready(self, wave: Wave, seconds: float) -> None:
        """Wait until every part of ``wave`` is ready; raise ``EmbeddedError`` if that takes longer than ``seconds``."""
        waiting = list(wave.parts)

        def all_ready() -> bool:
            waiting[:] = [part for part in waiting if not part.is_ready()]
            return not waiting or self._has_failed(waiting[0])

        self.tend(all_ready, seconds, pause=0.02)
        if waiting:
            name = waiting[0].name
            said = self._logs.last_words(name) or "it wrote nothing"
            raise EmbeddedError(f"{name} does not get ready: {said} (log: {self._logs.path(name)})")

    def run(self, name: str, command: Command, seconds: float, meanwhile: Callable[[], bool] = lambda: True) -> str:
        """Run ``command`` to its end while tending the parts, and return what it printed (at most some KiB).

        Its errors go to its log; raises ``EmbeddedError`` where it fails or takes longer than ``seconds``.
        ``meanwhile`` is called again and again until it says that it has come to its own end.
        """
        with self._logs.open(name) as log:
            task = self._task = start_or_copy(command, log, answer=subprocess.PIPE)
        try:
            ended = self.tend(lambda: meanwhile() and task.poll() is not None, seconds, pause=0.02)
        finally:
            end(task, command.farewell, seconds=1.0)
            self._task = None
        answer = task.stdout.read() if task.stdout is not None else b""
        if not ended or task.returncode != 0:
            reason = self._logs.last_words(name) if ended else f"it took longer than {seconds:.0f} s"
            raise EmbeddedError(f"{name} failed: {reason or _ending(task.returncode)} (log: {self._logs.path(name)})")
        return answer.decode(errors="replace").strip()

    def tend(self, done: Callable[[], bool], seconds: float | None = None, pause: float = 1.0) -> bool:
        """Look after the parts until ``done`` (True) or until ``seconds`` have passed (False).

        Raises ``StopRequestedError`` when we are asked to stop.
        """
        deadline = None if seconds is None else time.monotonic() + seconds
        while not self._stop:
            for care in self._cares:
                self._look_after(care)
            self._reap_strangers()
            self._logs.trim()
            if done():
                return True
            if deadline is not None and time.monotonic() >= deadline:
                return False
            self._pause(pause)
        raise StopRequestedError

    def shut_down(self) -> None:
        """Stop every part, those started last first, and kill whatever any of them left behind."""
        for wave in reversed(self._waves):
            self._end_wave(wave)
        self._waves.clear()
        self._cares.clear()
        kill_all(psutil.Process().children(recursive=True))
        self._reap_strangers()

    def _end_wave(self, wave: Wave) -> None:
        deadline = time.monotonic() + wave.patience
        running = [part for part in wave.parts if part.process is not None and part.process.poll() is None]
        for part in running:
            if part.process is not None:
                part.process.send_signal(part.farewell)
        while running and time.monotonic() < deadline:
            self._pause(0.1)
            running = [part for part in running if part.process is not None and part.process.poll() is None]
        for part in running:
            self._say(f"{part.name} did not stop within {wave.patience:.1f} s and was killed.")
            if part.process is not None:
                part.process.kill()
        for part in wave.parts:
            part.stop(seconds=0.5)

    def _has_failed(self, part: Part) -> bool:
        return any(care.part is part and care.failures >= _HOPELESS for care in self._cares)

    def _look_after(self, care: _Care) -> None:
        part, moment = care.part, time.monotonic()
        if care.restart_at is not None:
            if moment >= care.restart_at:
                self._start_again(care)
        elif part.process is not None and part.process.poll() is not None:
            last = self._logs.last_words(part.name)[-_LAST_WORDS:]
            ending = (
                f"{_ending(part.process.returncode)}; its last words: {last}"
                if last
                else _ending(part.process.returncode)
            )
            part.stop(seconds=0.5)
            # What it had started is without a master now; a new one would trip over it.
            kill_all([child for child in psutil.Process().children() if child.pid not in self._own()])
            self._schedule(care, f"{part.name} ended unexpectedly ({ending})")
        elif care.failures and moment - care.started > _CALM:
            care.failures = 0

    def _schedule(self, care: _Care, what: str) -> None:
        delay = min(_LONGEST_DELAY, 0.5 * 2**care.failures)
        care.failures += 1
        care.restart_at = time.monotonic() + delay
        self._say(f"{what}; starting it again in {delay:g} s. Its log: {self._logs.path(care.part.name)}")

    def _start_again(self, care: _Care) -> None:
        care.restart_at = None
        care.started = time.monotonic()
        try:
            care.part.start()
        except EmbeddedError as error:
            self._schedule(care, f"{care.part.name} cannot be started ({error})")

    def _own(self) -> set[int]:
        processes = [self._task, *(care.part.process for care in self._cares)]
        return {process.pid for process in processes if process is not None}

    def _reap_strangers(self) -> None:
        """Wait for orphans that became ours by their parent's death; our own children are waited for elsewhere."""
        if not self._children_ended:
            return
        self._children_ended = False
        own = self._own()
        for child in psutil.Process().children():
            if child.pid not in own and child.status() == psutil.STATUS_ZOMBIE:
                os.waitpid(child.pid, os.WNOHANG)

    def _pause(self, seconds: float) -> None:
        if select.select([self._hear], [], [], seconds)[0]:
            self._children_ended |= signal.SIGCHLD in os.read(self._hear, 4096)


def kill_all(processes: Sequence[psutil.Process]) -> None:
    """Kill ``processes`` and everything below them, and wait until they are gone."""
    doomed = [each for process in processes for each in (process, *_below(process))]
    for process in doomed:
        try:
            process.kill()
        except psutil.NoSuchProcess:
            continue
    psutil.wait_procs(doomed, timeout=2.0)


def _below(process: psutil.Process) -> list[psutil.Process]:
    try:
        return process.children(recursive=True)
    except psutil.NoSuchProcess:
        return []


def _ending(code: int | None) -> str:
    if code is None:
        return "it goes on still"
    if code >= 0:
        return f"exit status {code}"
    try:
        return f"killed by {signal.Signals(-code).name}"
    except ValueError:
        return f"killed by signal {-code}"

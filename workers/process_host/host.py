"""The process host: one thread that starts applications, reads what they write, and starts again what crashes."""

import os
import queue
import selectors
import signal
import socket
import subprocess
import time
from collections.abc import Callable, Mapping
from concurrent.futures import Future
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO, TypeVar, cast

from workers.process_host import ASKING, ProcessHostError, ProcessSpec, ProcessState, ProcessStatus, ports, sessions
from workers.process_host.bounds import Bounds
from workers.process_host.isolation import REASONS, Isolation, Isolator
from workers.process_host.logs import CappedLog, after, previous, tail
from workers.process_host.table import Table, first_uid

T = TypeVar("T")

LONGEST_DELAY_SECONDS = 60.0
CALM_SECONDS = 60.0
SHUTDOWN_SECONDS = 3.0
LOG_DAYS = 7
CHUNK = 64 * 1024


@dataclass
class _Application:
    """What the host holds of one process while it lives itself."""

    log: CappedLog
    process: subprocess.Popen[bytes] | None = None
    exit_code: int | None = None
    restarts: int = 0
    failures: int = 0
    started: float = 0.0
    start_again_at: float | None = None
    kill_at: float | None = None
    stopped: list[Future[None]] = field(default_factory=list)


class ProcessHost:
    """Owns every application under a data directory. `run` is the host's only thread; the other methods hand it work.

    Applications are children of that thread because the kernel's "kill me when my parent dies" means the thread.
    """

    def __init__(self, data: Path, kind: Isolation, bounds: Bounds) -> None:
        self._root = data / "processes"
        self._logs = self._root / "logs"
        self._root.mkdir(mode=0o711, parents=True, exist_ok=True)
        self._logs.mkdir(mode=0o700, exist_ok=True)
        self._table = Table(self._root / "table.json", first_uid(data))
        self._isolator = Isolator(data, kind, bounds)
        self._applications: dict[str, _Application] = {}
        self._work: queue.SimpleQueue[Callable[[], None]] = queue.SimpleQueue()
        self._selector = selectors.DefaultSelector()
        self._wake_reader, self._wake_writer = socket.socketpair()
        self._wake_reader.setblocking(False)
        self._wake_writer.setblocking(False)
        self._selector.register(self._wake_reader, selectors.EVENT_READ)
        self._stopping = False

    # What other threads ask.

    def start(self, spec: ProcessSpec) -> ProcessStatus:
        """Start a process, or return the one that has this id."""
        return self._do(lambda: self._start(spec))

    def gate(self, environment_id: str) -> int:
        """Return the number that starts for an environment have to bring."""
        return self._do(lambda: self._table.gate(environment_id))

    def close_gate(self, environment_id: str) -> int:
        """Refuse from now on what was asked for until now; return the next number."""
        return self._do(lambda: self._table.close_gate(environment_id))

    def status(self, process_id: str) -> ProcessStatus:
        """Return what is known of a process; raise `ProcessHostError("not_found")`."""
        return self._do(lambda: self._status(process_id))

    def processes(self, environment_id: str | None) -> list[ProcessStatus]:
        """List the processes of an environment, or all."""
        return self._do(
            lambda: [
                self._status(key)
                for key, spec in self._table.specs.items()
                if environment_id in (None, spec.environment_id)
            ]
        )

    def mark_healthy(self, process_id: str) -> ProcessStatus:
        """Note that a process answered its health check."""

        def mark() -> ProcessStatus:
            self._table.mark_healthy(process_id)
            return self._status(process_id)

        return self._do(mark)

    def stop(self, process_id: str, grace_seconds: float) -> None:
        """Stop and forget a process; return when nothing of it is left."""
        done: Future[None] = Future()
        self._do(lambda: self._stop(process_id, grace_seconds, done))
        done.result(grace_seconds + 10)

    def log_tail(self, process_id: str, lines: int) -> list[str]:
        """Return the last lines of a process's log."""
        return tail(self._log_path(process_id), lines)

    def environment_logs(self, environment_id: str, lines: int) -> list[dict[str, object]]:
        """Return the last lines of each component's latest log, also where nothing of it runs any more."""
        return [{"name": name, "lines": tail(path, lines)} for name, path in self._latest(environment_id)]

    def environment_logs_after(self, environment_id: str, positions: Mapping[str, object]) -> dict[str, object]:
        """Return what each component's latest log got after a position (by the log's name), and the positions now."""
        found, now = [], {}
        for name, path in self._latest(environment_id):
            known = positions.get(path.stem)
            lines, now[path.stem] = after(path, known if isinstance(known, int) and known >= 0 else None)
            found.append({"name": name, "lines": lines})
        return {"logs": found, "positions": now}

    def _latest(self, environment_id: str) -> list[tuple[str, Path]]:
        latest: dict[str, Path] = {}
        for path in sorted(self._logs.glob(f"{environment_id}.*.log"), key=lambda each: each.stat().st_mtime):
            # What asks whether a component is well is no component; what it wrote is told where it fails.
            _environment, name, attempt, *_ = path.name.split(".")
            if attempt != ASKING.strip("."):
                latest[name] = path
        return sorted(latest.items())

    def forget_environment(self, environment_id: str) -> None:
        """Remove the logs of an environment's processes; raise `ProcessHostError("conflict")` while it has any."""

        def forget() -> None:
            if any(spec.environment_id == environment_id for spec in self._table.specs.values()):
                raise ProcessHostError("conflict", "the environment still has processes")
            for path in self._logs.glob(f"{environment_id}.*"):
                path.unlink(missing_ok=True)

        self._do(forget)

    def health(self) -> dict[str, object]:
        """Say how applications are kept apart and bounded, and how many there are."""
        kind, words = self._isolator.kind, self._isolator.bounds.words
        return {"isolation": kind, "reason": REASONS[kind], "bounds": words, "processes": len(self._table.specs)}

    def shut_down(self) -> None:
        """Make `run` stop every application and return; safe to call from a signal handler."""
        self._stopping = True
        self._wake()

    # The host's own thread.

    def run(self) -> None:
        """Start what was wanted before and serve until `shut_down`."""
        signal.set_wakeup_fd(self._wake_writer.fileno(), warn_on_full_buffer=False)
        signal.signal(signal.SIGCHLD, lambda _number, _frame: None)
        self._sweep()
        for process_id in tuple(self._table.specs):
            self._applications[process_id] = _Application(CappedLog(self._log_path(process_id)))
            self._launch_or_wait(process_id)
        while not self._stopping:
            self._turn()
        self._stop_all()

    def _turn(self) -> None:
        for key, _events in self._selector.select(self._until_next_deadline()):
            if key.fileobj is self._wake_reader:
                with suppress(BlockingIOError):
                    self._wake_reader.recv(4096)
            else:
                self._read(cast("str", key.data), cast("IO[bytes]", key.fileobj))
        while not self._work.empty():
            self._work.get()()
        for process_id in tuple(self._applications):
            self._look_after(process_id)

    def _until_next_deadline(self) -> float | None:
        deadlines = [
            moment
            for application in self._applications.values()
            for moment in (application.start_again_at, application.kill_at)
            if moment is not None
        ]
        return max(0.0, min(deadlines) - time.monotonic()) if deadlines else None

    def _look_after(self, process_id: str) -> None:
        application = self._applications[process_id]
        now = time.monotonic()
        if application.process is not None and application.process.poll() is not None:
            self._ended(process_id, application, application.process)
        elif application.kill_at is not None and now >= application.kill_at and application.process is not None:
            application.kill_at = now + 1.0
            sessions.kill(application.process.pid)
        if application.stopped and application.process is None:
            self._forget(process_id, application)
        elif application.start_again_at is not None and now >= application.start_again_at:
            application.start_again_at = None
            self._launch_or_wait(process_id)

    def _ended(self, process_id: str, application: _Application, process: subprocess.Popen[bytes]) -> None:
        sessions.kill(process.pid)
        self._isolator.bounds.ended(process_id)
        if self._isolator.kind is Isolation.USER:
            spec = self._table.specs[process_id]
            sessions.kill_strays(self._table.uid(spec.environment_id), spec.port)
        self._drain(process_id, process)
        application.process = None
        application.exit_code = process.returncode
        if process_id not in self._table.healthy or application.stopped:
            return
        if time.monotonic() - application.started > CALM_SECONDS:
            application.failures = 0
        self._wait(application)
        application.log.write(f"slipway: the application ended with {process.returncode}\n".encode())

    def _wait(self, application: _Application) -> None:
        delay = min(LONGEST_DELAY_SECONDS, 0.5 * 2**application.failures)
        application.failures += 1
        application.restarts += 1
        application.start_again_at = time.monotonic() + delay

    def _launch_or_wait(self, process_id: str) -> None:
        application = self._applications[process_id]
        problem = ""
        if ports.is_free(self._table.specs[process_id].port):
            try:
                self._launch(process_id)
            except ProcessHostError as error:
                problem = error.message
        else:
            problem = "another program listens on the application's port"
        if problem:
            application.log.write(f"slipway: {problem}\n".encode())
            self._wait(application)

    def _launch(self, process_id: str) -> None:
        spec, application = self._table.specs[process_id], self._applications[process_id]
        try:
            arguments, environment = self._isolator.prepare(spec, self._table.uid(spec.environment_id))
            process = subprocess.Popen(
                arguments,
                env=environment,
                cwd="/",
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )
        except OSError as error:
            # As where a disk is full, or somebody took the control group away: no reason for the others to end.
            self._isolator.bounds.ended(process_id)
            raise ProcessHostError("failed", f"the application could not be started: {error}") from error
        output = cast("IO[bytes]", process.stdout)
        os.set_blocking(output.fileno(), False)
        self._selector.register(output, selectors.EVENT_READ, process_id)
        application.process, application.started = process, time.monotonic()
        self._table.ran(process_id, process.pid, sessions.started_at(process.pid))

    def _read(self, process_id: str, output: IO[bytes]) -> bool:
        """Copy what is there into the log; say whether there may be more."""
        try:
            data = os.read(output.fileno(), CHUNK)
        except BlockingIOError:
            return False
        if data:
            self._applications[process_id].log.write(data)
            return True
        self._selector.unregister(output)
        output.close()
        return False

    def _drain(self, process_id: str, process: subprocess.Popen[bytes]) -> None:
        output = cast("IO[bytes]", process.stdout)
        while not output.closed and self._read(process_id, output):
            pass
        if not output.closed:
            self._selector.unregister(output)
            output.close()

    def _start(self, spec: ProcessSpec) -> ProcessStatus:
        if spec.id in self._table.specs:
            return self._status(spec.id)
        if spec.gate != self._table.gate(spec.environment_id):
            raise ProcessHostError("closed", "the operation that asked for this process is over")
        taken = {known.port for known in self._table.specs.values()}
        if spec.port == 0 or spec.port in taken or not ports.is_free(spec.port):
            spec = ProcessSpec.from_json({**spec.as_json(), "port": ports.choose(taken)})
        self._table.add(spec)
        self._applications[spec.id] = _Application(CappedLog(self._log_path(spec.id)))
        try:
            self._launch(spec.id)
        except ProcessHostError:
            self._forget(spec.id, self._applications[spec.id])
            raise
        return self._status(spec.id)

    def _status(self, process_id: str) -> ProcessStatus:
        spec, application = self._table.specs.get(process_id), self._applications.get(process_id)
        if spec is None or application is None:
            raise ProcessHostError("not_found", "there is no such process")
        process = application.process
        if process is not None:
            state = ProcessState.HEALTHY if process_id in self._table.healthy else ProcessState.STARTING
        else:
            state = ProcessState.EXITED if application.start_again_at is None else ProcessState.WAITING
        return ProcessStatus(
            id=spec.id,
            environment_id=spec.environment_id,
            name=spec.name,
            state=state,
            port=spec.port,
            pid=0 if process is None else process.pid,
            exit_code=application.exit_code,
            restarts=application.restarts,
            log_file=str(application.log.path),
            bounds=self._isolator.bounds.words,
        )

    def _stop(self, process_id: str, grace_seconds: float, done: Future[None]) -> None:
        application = self._applications.get(process_id)
        if application is None:
            done.set_result(None)
            return
        application.stopped.append(done)
        application.start_again_at = None
        if application.process is not None:
            sessions.terminate(application.process.pid, self._table.specs[process_id].farewell)
            application.kill_at = time.monotonic() + grace_seconds

    def _forget(self, process_id: str, application: _Application) -> None:
        spec = self._table.specs[process_id]
        self._table.remove(process_id)
        del self._applications[process_id]
        application.log.close()
        if not any(other.environment_id == spec.environment_id for other in self._table.specs.values()):
            if self._isolator.kind is Isolation.USER:
                sessions.kill_users({self._table.uid(spec.environment_id)})
            self._isolator.forget(spec.environment_id)
        for done in application.stopped:
            done.set_result(None)

    def _stop_all(self) -> None:
        found = {key: item.process for key, item in self._applications.items() if item.process is not None}
        running = list(found.values())
        for process_id, process in found.items():
            sessions.terminate(process.pid, self._table.specs[process_id].farewell)
        deadline = time.monotonic() + SHUTDOWN_SECONDS
        while any(process.poll() is None for process in running) and time.monotonic() < deadline:
            time.sleep(0.02)
        for process_id, process in found.items():
            sessions.kill(process.pid)
            self._isolator.bounds.ended(process_id)
            process.wait()

    def _sweep(self) -> None:
        """Kill what a killed host left behind, and remove the logs of processes that are long gone."""
        for session, started in self._table.sessions.values():
            if session and any(sessions.started_at(pid) >= started for pid in sessions.members(session)):
                sessions.kill(session)
        self._isolator.bounds.sweep()
        if self._isolator.kind is Isolation.USER:
            sessions.kill_users(self._table.known_uids())
        known = {self._log_path(process_id) for process_id in self._table.specs}
        known |= {previous(path) for path in known}
        oldest = time.time() - LOG_DAYS * 86400
        for path in self._logs.iterdir():
            if path not in known and path.stat().st_mtime < oldest:
                path.unlink()

    def _log_path(self, process_id: str) -> Path:
        return self._logs / f"{process_id}.log"

    def _do(self, action: Callable[[], T]) -> T:
        answer: Future[T] = Future()

        def work() -> None:
            try:
                answer.set_result(action())
            except Exception as error:  # noqa: BLE001 - handed to the thread that asked
                answer.set_exception(error)

        self._work.put(work)
        self._wake()
        return answer.result(10)

    def _wake(self) -> None:
        with suppress(BlockingIOError):
            self._wake_writer.send(b"\0")

"""The process of one operation: `python -m workers.engine.child`, started by the engine in a session of its own.

It reads one job from its standard input, writes events and one result to its standard output, and takes everything it
has started along when it ends. Its standard input stays open: a line means "come to a safe point", and its end means
that whoever wanted the result is gone.
"""

import dataclasses
import json
import os
import shutil
import signal
import sys
import threading
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import IO, Any, NoReturn

import psutil

from workers.engine import EngineError, ErrorKind, ProgressEvent
from workers.engine.backend import QUERIES, write_project
from workers.engine.wire import Job, Message, error_as_json
from workers.process_host import sessions


class _Speaker:
    """Writes messages, one a line, from any thread."""

    def __init__(self, output: IO[str]) -> None:
        self._output = output
        self._lock = threading.Lock()

    def say(self, message: Message) -> None:
        """Write a message; a listener that has gone is noticed elsewhere."""
        with self._lock, suppress(BrokenPipeError):
            self._output.write(json.dumps(message, default=dataclasses.asdict) + "\n")
            self._output.flush()

    def progress(self, event: ProgressEvent) -> None:
        """Write a progress event."""
        self.say({"event": event})


def _claim_output() -> IO[str]:
    """Keep the standard output for messages, and lead what anybody else prints to the standard error."""
    own = os.fdopen(os.dup(1), "w", encoding="utf-8")
    os.dup2(2, 1)
    return own


def _end(status: int) -> NoReturn:
    """Leave nothing behind, whoever is still there to clean up; the SDK's threads are not waited for."""
    sessions.kill(os.getpid(), spare={os.getpid()})
    with suppress(OSError):
        shutil.rmtree(Path.cwd(), ignore_errors=True)
    os._exit(status)


class _Watch(threading.Thread):
    """Follows the standard input after the job."""

    def __init__(self, source: IO[str]) -> None:
        super().__init__(name="watch", daemon=True)
        self._source = source
        self.stopping = False

    def run(self) -> None:
        """Interrupt on a line; on the end, remove everything and end this process too."""
        while self._source.readline():
            self.stopping = True
            self._interrupt()
        _end(1)

    def _interrupt(self) -> None:
        """Ask the command to come to a safe point; it tells the plugin."""
        with suppress(psutil.Error):
            for process in psutil.Process().children():
                process.send_signal(signal.SIGINT)


def _run(job: Job, speaker: _Speaker, watch: _Watch) -> Message:
    write_project(job)
    if job.operation in QUERIES:
        return QUERIES[job.operation](job)
    # Here because importing the SDK takes most of a second, which queries need not wait for.
    from workers.engine.operations import Operations  # noqa: PLC0415

    return Operations(job, speaker.progress, lambda: watch.stopping).run()


def _answer(action: Callable[[], Message], watch: _Watch) -> Message:
    try:
        return {"result": action()}
    except EngineError as error:
        if watch.stopping:
            error = EngineError(ErrorKind.CANCELLED, "the operation was cancelled", resource=error.resource)
        return {"error": error_as_json(error)}


def main() -> None:
    """Carry out the job on the standard input."""
    speaker = _Speaker(_claim_output())
    source: Any = sys.stdin
    job = Job.from_json(json.loads(source.readline()))
    watch = _Watch(source)
    watch.start()
    speaker.say(_answer(lambda: _run(job, speaker, watch), watch))
    _end(0)


if __name__ == "__main__":
    main()

"""A child process with a session of its own, spoken to in JSON lines, that never outlives its holder."""

import json
import logging
import os
import select
import subprocess
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from types import TracebackType
from typing import IO, Any, Self, cast

from workers.process_host import sessions

PATIENCE_SECONDS = 0.25
LONGEST_LINE = 64 * 1024 * 1024
ENDED: dict[str, Any] = {}

_log = logging.getLogger(__name__)


class ChildProcess:
    """Started on construction, killed with everything it has started on leaving the `with` block.

    The child's standard input is held open; the child takes its end as the death of this process.
    """

    def __init__(self, arguments: list[str], environment: Mapping[str, str], work_dir: Path) -> None:
        self._errors = work_dir / "stderr.log"
        with self._errors.open("wb") as errors:
            self._process = subprocess.Popen(
                arguments,
                cwd=work_dir,
                env=dict(environment),
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=errors,
                start_new_session=True,
            )
        self._input = cast("IO[bytes]", self._process.stdin)
        self._output = cast("IO[bytes]", self._process.stdout)
        self._unread = bytearray()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        sessions.kill(self._process.pid)
        self._process.wait()
        for pipe in (self._input, self._output):
            with suppress(OSError):
                pipe.close()

    @property
    def pid(self) -> int:
        """The process id, which is the id of the session too."""
        return self._process.pid

    def send(self, message: Mapping[str, Any]) -> None:
        """Write a message."""
        with suppress(BrokenPipeError):
            self._input.write(json.dumps(message).encode() + b"\n")
            self._input.flush()

    def interrupt(self) -> None:
        """Ask the child to come to a safe point."""
        self.send({"stop": True})

    def receive(self) -> dict[str, Any] | None:
        """Return the next message; None after a quarter of a second without one, `ENDED` at the end."""
        while b"\n" not in self._unread:
            ready, _, _ = select.select([self._output], [], [], PATIENCE_SECONDS)
            if not ready:
                return None
            data = os.read(self._output.fileno(), 65536)
            if not data or len(self._unread) > LONGEST_LINE:
                return ENDED
            self._unread += data
        line, _, rest = bytes(self._unread).partition(b"\n")
        self._unread = bytearray(rest)
        return dict(json.loads(line))

    def last_words(self) -> str:
        """Return the exit status, where there is one, and the end of what the child wrote as errors."""
        with suppress(subprocess.TimeoutExpired):
            self._process.wait(1)
        return f"status {self._process.returncode}: {self._errors.read_text('utf-8', 'replace')[-2000:]}"

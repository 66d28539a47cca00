"""What the supervisor runs: anything that starts, can be asked whether it is ready, and stops."""

import signal
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Protocol

from workers.embedded.image import Image
from workers.embedded.launch import Command, Process, end, start_or_copy
from workers.embedded.logs import LogFolder


class Part(Protocol):
    """One supervised child; ``patience`` is how many seconds it gets to end after its ``farewell``."""

    @property
    def name(self) -> str:
        """The word for it in messages and the name of its log."""

    @property
    def process(self) -> Process | None:
        """The child, from ``start`` until ``stop``."""

    @property
    def farewell(self) -> signal.Signals:
        """The signal that makes it end in good order."""

    def start(self) -> None:
        """Start the child; raise ``EmbeddedError`` where that cannot be done."""

    def is_ready(self) -> bool:
        """Tell whether the parts that need this one may start."""

    def stop(self, seconds: float) -> None:
        """End the child within ``seconds`` and clean up after it, whether it still runs or not."""


class Service:
    """A program of ours that runs until it is told to end; ready as soon as it runs."""

    def __init__(self, name: str, command: Command, logs: LogFolder) -> None:
        self.name = name
        self.farewell = command.farewell
        self.process: Process | None = None
        self._command = command
        self._logs = logs

    def start(self) -> None:
        """Start the program."""
        with self._logs.open(self.name) as log:
            self.process = start_or_copy(self._command, log)

    def is_ready(self) -> bool:
        """Tell whether the program runs."""
        return self.process is not None and self.process.poll() is None

    def stop(self, seconds: float) -> None:
        """End the program and everything in its process group."""
        if self.process is not None:
            end(self.process, self.farewell, seconds)
            self.process = None


def python_command(
    directory: Path, environment: Mapping[str, str], *arguments: str, image: Image | None = None
) -> Command:
    """Return the command for one of our own modules, run by the Python that runs us or by a copy of ``image``."""
    # -P: the working directory, which holds data, is not a place to import modules from.
    return Command(
        [sys.executable, "-P", "-m", *arguments],
        directory=directory,
        environment={**environment, "PYTHONUNBUFFERED": "1"},
        module=arguments,
        image=image,
    )

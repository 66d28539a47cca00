"""The sandbox: runs one command over a publisher's content, where it can reach nothing and use only so much.

Content is handed in as bytes and results are taken out as bytes; nothing is shared but that. See ``docs/sandbox.md``.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from pathlib import Path

MIB = 1024 * 1024


class SandboxError(Exception):
    """The sandbox could not be set up here; fit for a report, never caused by what was to run in it."""


class Stopped(StrEnum):
    """Why a run was ended from outside."""

    TIME = "time"
    MEMORY = "memory"
    OUTPUT = "output"
    DISK = "disk"
    CANCELLED = "cancelled"


@dataclass(frozen=True)
class SandboxLimits:
    """What one run may use; whatever goes beyond is refused by the kernel or ends the run.

    ``wall_seconds`` is time on the clock, ``cpu_seconds`` that of each process, ``memory_bytes`` that of all processes
    together, ``output_bytes`` what is kept of each of the two outputs, ``disk_bytes`` and ``files`` what may lie in
    the working folder in all, ``file_bytes`` the size of one file.
    """

    wall_seconds: float = 60.0
    cpu_seconds: int = 60
    memory_bytes: int = 1024 * MIB
    output_bytes: int = 4 * MIB
    disk_bytes: int = 256 * MIB
    file_bytes: int = 64 * MIB
    files: int = 20_000
    processes: int = 64
    open_files: int = 256


@dataclass(frozen=True)
class Task:
    """One command and what it is given.

    ``command`` runs in a folder that holds ``files`` (by relative path) and nothing else; ``readable`` are files or
    folders of this machine that it may read, at their own paths; ``collect`` names the files (relative paths) whose
    bytes are wanted afterwards. The environment is empty but for PATH, LANG, HOME, TMPDIR and ``environment``.

    ``line`` is given to the command on its standard input, which then ends; without it there is no input. A command
    with a line may be started ahead of its task: it must do nothing but import before it has read the line.
    """

    command: Sequence[str]
    files: Mapping[str, bytes] = field(default_factory=dict)
    readable: Sequence[Path] = ()
    collect: Sequence[str] = ()
    environment: Mapping[str, str] = field(default_factory=dict)
    line: str | None = None
    limits: SandboxLimits = SandboxLimits()


@dataclass(frozen=True)
class Outcome:
    """How a run ended: ``status`` is the exit status (negative: the signal), ``stopped`` says who ended it.

    ``output`` and ``errors`` are what it wrote, cut at the limit; ``files`` are the collected ones that exist, are
    ordinary and within the limit of one file.
    """

    status: int
    stopped: Stopped | None
    output: bytes
    errors: bytes
    files: Mapping[str, bytes]
    seconds: float

    @property
    def succeeded(self) -> bool:
        """Tell whether the command ended by itself, with status 0."""
        return self.stopped is None and self.status == 0

    def reason(self, limits: SandboxLimits) -> str:
        """Return why the run did not succeed, as a clause for people; "" where it did."""
        sentences = {
            Stopped.TIME: f"it took longer than {limits.wall_seconds:g} s",
            Stopped.MEMORY: f"it needed more than {limits.memory_bytes // MIB} MiB of memory",
            Stopped.OUTPUT: f"it wrote more than {limits.output_bytes // MIB} MiB of output",
            Stopped.DISK: f"it wrote more than {limits.disk_bytes // MIB} MiB or {limits.files} files",
            Stopped.CANCELLED: "it was stopped",
        }
        if self.stopped is not None:
            return sentences[self.stopped]
        return "" if self.status == 0 else f"it ended with status {self.status}"

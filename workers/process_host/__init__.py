"""The process host's contract: what an application process is, what can be known of it, and how asking fails.

One daemon (`python -m workers.process_host`) owns the application processes of the local target. Everybody else talks
to it through `workers.process_host.client`.
"""

import re
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from enum import StrEnum
from typing import Any, Self

ASKING = ".health."
"""In the ids of processes that ask whether another one is healthy."""
LEAST_CPUS = 0.01
IDENTIFIER = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]{0,119}")


class ProcessState(StrEnum):
    """Where a process is in its life."""

    STARTING = "starting"
    HEALTHY = "healthy"
    WAITING = "waiting"
    EXITED = "exited"


class ProcessHostError(Exception):
    """The process host refused or could not be reached; `code` is stable, the text is fit for a page.

    Codes: `unreachable`, `not_found`, `invalid`, `isolation` (applications cannot be kept apart on this machine),
    `no_port`, `closed` (it belongs to an operation that is over), `failed`.
    """

    def __init__(self, code: str, message: str) -> None:
        super().__init__(message)
        self.code = code
        self.message = message


@dataclass(frozen=True, slots=True)
class Limits:
    """What one process may use: memory in MiB, processes, open files, file size in MiB, and processors.

    How memory, processes and processors are bounded, and of whom, says `bounds`.
    """

    memory_mb: int = 1024
    processes: int = 256
    open_files: int = 4096
    file_size_mb: int = 1024
    cpus: float = 2.0


@dataclass(frozen=True, slots=True)
class ProcessSpec:
    """What to run: `command` is given to `sh -c` in `directory`; PORT, HOST, HOME and TMPDIR are added to `env`.

    `port` 0 lets the host choose. A process that is not yet marked healthy is not started again when it exits.
    `root` is what the process may read around its directory, "" for nothing; `reads` are directories of programs. With
    `data` the directory is one of the environment's own below `data/`: made where it is missing, and writable.
    `farewell` (TERM or INT) is the signal that asks it to end. `gate` is the number of the environment's gate when the
    start was asked for; the client fills it in.
    """

    id: str
    environment_id: str
    name: str
    directory: str
    command: str
    env: Mapping[str, str] = field(default_factory=dict, repr=False)
    limits: Limits = Limits()
    port: int = 0
    root: str = ""
    reads: tuple[str, ...] = ()
    data: bool = False
    farewell: str = "TERM"
    gate: int = 0

    def as_json(self) -> dict[str, Any]:
        """Return the spec as JSON data."""
        return asdict(self)

    @classmethod
    def from_json(cls, data: Any) -> Self:
        """Read a spec; raise `ProcessHostError("invalid")` that names the field."""
        if not isinstance(data, dict):
            raise ProcessHostError("invalid", "a process is described by a JSON object")
        for name in ("id", "environment_id"):
            if not isinstance(data.get(name), str) or not IDENTIFIER.fullmatch(data[name]):
                raise ProcessHostError("invalid", f"{name}: letters, digits, '.', '_' and '-', at most 120 characters")
        for name in ("name", "directory", "command"):
            if not isinstance(data.get(name), str) or not data[name] or "\0" in data[name]:
                raise ProcessHostError("invalid", f"{name}: must be text and not empty")
        env = data.get("env") or {}
        if not isinstance(env, dict) or not all(
            isinstance(key, str) and key and "=" not in key and isinstance(value, str) and "\0" not in key + value
            for key, value in env.items()
        ):
            raise ProcessHostError("invalid", "env: must map names without '=' to text")
        try:
            limits = Limits(**{str(key): _number(key, value) for key, value in (data.get("limits") or {}).items()})
            port, gate = int(data.get("port") or 0), int(data.get("gate") or 0)
        except (TypeError, ValueError, AttributeError) as error:
            message = f"limits, port and gate must be numbers that are known: {error}"
            raise ProcessHostError("invalid", message) from error
        whole = min(limits.memory_mb, limits.processes, limits.open_files, limits.file_size_mb)
        if whole < 1 or not limits.cpus >= LEAST_CPUS or not 0 <= port <= 65535:
            message = f"limits must be at least 1, processors at least {LEAST_CPUS}, and port at most 65535"
            raise ProcessHostError("invalid", message)
        texts = {name: data[name] for name in ("id", "environment_id", "name", "directory", "command")}
        return cls(**texts, env=dict(env), limits=limits, port=port, gate=gate, **_around(data))


def _number(name: str, value: Any) -> Any:
    return float(value) if name == "cpus" else int(value)


def _around(data: Mapping[str, Any]) -> dict[str, Any]:
    """Read what a process may see beside its directory, and how it is ended."""
    root, reads, farewell = data.get("root") or "", data.get("reads") or [], data.get("farewell", "TERM")
    if not isinstance(root, str) or not isinstance(reads, list | tuple):
        raise ProcessHostError("invalid", "root must be text and reads a list")
    if not all(isinstance(each, str) and each.startswith("/") for each in reads):
        raise ProcessHostError("invalid", "reads: must be absolute paths")
    if farewell not in {"TERM", "INT"}:
        raise ProcessHostError("invalid", "farewell: must be TERM or INT")
    return {"root": root, "reads": tuple(reads), "data": data.get("data") is True, "farewell": farewell}


@dataclass(frozen=True, slots=True)
class ProcessStatus:
    """What is known of a process; `exit_code` is of its last end (negative: the signal), `pid` 0 when not running.

    `bounds` says what holds it to its limits.
    """

    id: str
    environment_id: str
    name: str
    state: ProcessState
    port: int
    pid: int
    exit_code: int | None
    restarts: int
    log_file: str
    bounds: str = ""

    @property
    def alive(self) -> bool:
        """Say whether the process runs at this moment."""
        return self.pid != 0

    def as_json(self) -> dict[str, Any]:
        """Return the status as JSON data."""
        return asdict(self)

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> Self:
        """Read a status that the host wrote."""
        return cls(**{**data, "state": ProcessState(data["state"])})

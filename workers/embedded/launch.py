"""Starting a child process that cannot outlive us, as another user where one is given."""

import ctypes
import os
import signal
import subprocess
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO, Protocol

from catalog.settings import take_environment
from workers.embedded.accounts import Account
from workers.embedded.image import Copy, Image

_PR_SET_PDEATHSIG = 1
_PR_SET_CHILD_SUBREAPER = 36
_LIBC = ctypes.CDLL(None, use_errno=True)
PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"


class Process(Protocol):
    """A child, started with a program or copied: what ``subprocess.Popen`` says of one."""

    pid: int

    @property
    def stdout(self) -> IO[bytes] | None:
        """What it prints, where that was asked for."""

    @property
    def returncode(self) -> int | None:
        """Its exit status, or minus the number of the signal that ended it; None before its end was noticed."""

    def poll(self) -> int | None:
        """Notice its end, and return ``returncode``."""

    def wait(self, timeout: float | None = None) -> int:
        """Wait for its end; raise ``subprocess.TimeoutExpired`` after ``timeout`` seconds."""

    def send_signal(self, sig: int) -> None:
        """Send it a signal."""

    def kill(self) -> None:
        """Kill it."""


@dataclass(frozen=True)
class Command:
    """What to start: its arguments, working directory, whole environment, user, and the signal that ends it well.

    ``module`` is the one of our own whose ``main`` the arguments call, followed by its own arguments, where it may be
    started as a copy of ``image``.
    """

    arguments: Sequence[str]
    directory: Path
    environment: Mapping[str, str] = field(default_factory=lambda: {"PATH": PATH, "LC_ALL": "C"})
    account: Account | None = None
    farewell: signal.Signals = signal.SIGTERM
    keep_open: Sequence[int] = ()
    module: Sequence[str] = ()
    image: Image | None = None


def start_or_copy(command: Command, log: IO[bytes], answer: int | None = None) -> Process:
    """Do as ``start``, by a copy of the command's image where there is one and it is whole."""
    if command.image is not None and command.image.can_copy():
        return _copy(command, log, answer)
    return start(command, log, answer)


def start(command: Command, log: IO[bytes] | int, answer: int | None = None) -> subprocess.Popen[bytes]:
    """Start ``command`` in a process group of its own, writing to ``log``; it gets its farewell when we die.

    With ``answer`` (``subprocess.PIPE``) its standard output goes there, and its errors alone to ``log``.
    """
    account = command.account
    return subprocess.Popen(
        list(command.arguments),
        cwd=command.directory,
        env=dict(command.environment),
        stdin=subprocess.DEVNULL,
        stdout=log if answer is None else answer,
        stderr=subprocess.STDOUT if answer is None else log,
        process_group=0,
        user=account.uid if account else None,
        group=account.gid if account else None,
        extra_groups=[] if account else None,
        umask=0o077,
        pass_fds=command.keep_open,
        # Runs after the user is changed, which would clear the setting; it calls the C library only.
        preexec_fn=_tie_to_parent(command.farewell, os.getpid()),  # noqa: PLW1509
    )


def _copy(command: Command, log: IO[bytes], answer: int | None) -> Process:
    reading, writing = os.pipe() if answer is not None else (None, None)
    errors = log.fileno()
    output = errors if writing is None else writing
    tie = _tie_to_parent(command.farewell, os.getpid())

    def begin() -> None:
        os.setpgid(0, 0)
        tie()
        with Path(os.devnull).open("rb") as nothing:
            for number, stream in enumerate((nothing.fileno(), output, errors)):
                os.dup2(stream, number)
        os.umask(0o077)
        os.chdir(command.directory)
        take_environment(command.environment)

    module, *arguments = command.module
    copy = Copy(begin, module, arguments, None if reading is None else os.fdopen(reading, "rb"))
    if writing is not None:
        os.close(writing)
    return copy


def _tie_to_parent(farewell: signal.Signals, parent: int) -> Callable[[], None]:
    def tie() -> None:
        if sys.platform == "linux":
            _LIBC.prctl(_PR_SET_PDEATHSIG, int(farewell), 0, 0, 0)
            if os.getppid() != parent:
                os._exit(1)

    return tie


def tie_to_parent(farewell: signal.Signals) -> None:
    """Have the kernel send us ``farewell`` when our parent dies (Linux)."""
    if sys.platform == "linux":
        _LIBC.prctl(_PR_SET_PDEATHSIG, int(farewell), 0, 0, 0)


def adopt_orphans() -> None:
    """Become the parent of every descendant whose own parent dies, so that none can get away (Linux)."""
    if sys.platform == "linux":
        _LIBC.prctl(_PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0)


def end(process: Process, farewell: signal.Signals, seconds: float) -> None:
    """Send ``farewell``, wait for at most ``seconds``, then kill the whole process group."""
    if process.poll() is None:
        process.send_signal(farewell)
        try:
            process.wait(seconds)
        except subprocess.TimeoutExpired:
            kill_group(process)
            process.wait()
    kill_group(process)


def kill_group(process: Process) -> None:
    """Kill whatever is left of the process group that ``process`` leads."""
    try:
        os.killpg(process.pid, signal.SIGKILL)
    except (ProcessLookupError, PermissionError):
        # Already gone; or the number has been taken by another user's group.
        return

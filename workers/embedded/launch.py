"""Starting a child process that cannot outlive us, as another user where one is given."""

import ctypes
import os
import signal
import subprocess
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO

from workers.embedded.accounts import Account

_PR_SET_PDEATHSIG = 1
_PR_SET_CHILD_SUBREAPER = 36
_LIBC = ctypes.CDLL(None, use_errno=True)
PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"


@dataclass(frozen=True)
class Command:
    """What to start: its arguments, working directory, whole environment, user, and the signal that ends it well."""

    arguments: Sequence[str]
    directory: Path
    environment: Mapping[str, str] = field(default_factory=lambda: {"PATH": PATH, "LC_ALL": "C"})
    account: Account | None = None
    farewell: signal.Signals = signal.SIGTERM
    keep_open: Sequence[int] = ()


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


def end(process: subprocess.Popen[bytes], farewell: signal.Signals, seconds: float) -> None:
    """Send ``farewell``, wait for at most ``seconds``, then kill the whole process group."""
    if process.poll() is None:
        process.send_signal(farewell)
        try:
            process.wait(seconds)
        except subprocess.TimeoutExpired:
            kill_group(process)
            process.wait()
    kill_group(process)


def kill_group(process: subprocess.Popen[bytes]) -> None:
    """Kill whatever is left of the process group that ``process`` leads."""
    try:
        os.killpg(process.pid, signal.SIGKILL)
    except (ProcessLookupError, PermissionError):
        # Already gone; or the number has been taken by another user's group.
        return

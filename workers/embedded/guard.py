"""Two processes that look after each other, so that not even a kill leaves anything running.

The one in front has the terminal and the process identifier that people see; the one behind it is the supervisor.
Dies the front, the kernel tells the supervisor, which stops everything in order. Dies the supervisor, the kernel tells
its children, and the front, which every orphan falls to, kills what is left.
"""

import contextlib
import os
import signal
import sys
import time
from collections.abc import Callable

import psutil

from workers.embedded.launch import adopt_orphans, tie_to_parent
from workers.embedded.supervisor import kill_all

_GRACE = 3.0


def run_guarded(supervise: Callable[[], int]) -> int:
    """Run ``supervise`` in a child of its own and return its exit status, or 1 if it was killed."""
    adopt_orphans()
    front = os.getpid()
    sys.stdout.flush()
    sys.stderr.flush()
    child = os.fork()
    if child == 0:
        os._exit(_behind(supervise, front))
    for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
        signal.signal(number, lambda *_: _pass_on(child))
    status = _wait_for(child)
    _clear_away()
    if os.WIFEXITED(status):
        return os.WEXITSTATUS(status)
    sys.stderr.write("slipway: the supervisor was killed; everything it ran has been stopped.\n")
    return 1


def _behind(supervise: Callable[[], int], front: int) -> int:
    # A group of its own: Ctrl-C in the terminal reaches the front alone, which passes it on once.
    os.setpgid(0, 0)
    signal.signal(signal.SIGTTOU, signal.SIG_IGN)
    tie_to_parent(signal.SIGTERM)
    adopt_orphans()
    if os.getppid() != front:
        return 1
    code = 1
    try:
        code = supervise()
    except SystemExit as ending:
        code = ending.code if isinstance(ending.code, int) else 1
    finally:
        # Nobody may be reading any more; that is no reason to fail.
        with contextlib.suppress(OSError):
            sys.stdout.flush()
            sys.stderr.flush()
    return code


def _pass_on(child: int) -> None:
    with contextlib.suppress(ProcessLookupError):
        os.kill(child, signal.SIGTERM)


def _wait_for(child: int) -> int:
    """Wait for ``child``, and on the way for every orphan that became ours."""
    while True:
        pid, status = os.wait()
        if pid == child:
            return status


def _clear_away() -> None:
    """Give what is left the time that its own farewell needs, then kill it."""
    deadline = time.monotonic() + _GRACE
    while time.monotonic() < deadline and _reap_and_count():
        time.sleep(0.05)
    kill_all(psutil.Process().children(recursive=True))
    _reap_and_count()


def _reap_and_count() -> int:
    with contextlib.suppress(ChildProcessError):
        while os.waitpid(-1, os.WNOHANG)[0]:
            pass
    return len(psutil.Process().children())

"""Signals to everything that an application, or any other child in a session of its own, has started."""

import os
import signal
import time
from collections.abc import Collection, Iterator
from contextlib import suppress
from typing import Any

import psutil


def members(session: int) -> list[int]:
    """Return the processes of a session, whatever process groups they have moved to; zombies are left out."""
    found = []
    for pid in psutil.pids():
        with suppress(OSError, psutil.Error):
            if os.getsid(pid) == session and psutil.Process(pid).status() != psutil.STATUS_ZOMBIE:
                found.append(pid)
    return found


def terminate(session: int, farewell: str = "TERM") -> None:
    """Ask every process of a session to end, with the signal ``farewell``.

    A sandbox is passed over: it would take what runs inside it down at once instead of letting it finish.
    """
    for pid in members(session):
        with suppress(OSError, psutil.Error):
            if psutil.Process(pid).name() != "bwrap":
                os.kill(pid, signal.Signals[f"SIG{farewell}"])


def kill(session: int, *, spare: Collection[int] = ()) -> None:
    """Kill every process of a session until none is left."""
    for _attempt in range(50):
        alive = [pid for pid in members(session) if pid not in spare]
        if not alive:
            return
        for pid in alive:
            with suppress(OSError):
                os.kill(pid, signal.SIGKILL)
        time.sleep(0.01)


def _owners() -> Iterator[Any]:
    for process in psutil.process_iter(["uids"]):
        if process.info["uids"] is not None:
            yield process.info["uids"]


def kill_users(uids: Collection[int]) -> None:
    """Kill every process that runs under one of these user ids until none is left; needs the right to become them.

    The kernel ends all processes of a user at one stroke, which those that start new ones all the time do not outrun.
    """
    for uid in {each.real for each in _owners() if each.real in uids} - {os.getuid()}:
        child = os.fork()
        if child == 0:
            try:
                os.setuid(uid)
                os.kill(-1, signal.SIGKILL)
            finally:
                os._exit(0)
        os.waitpid(child, 0)


def kill_strays(uid: int, port: int) -> None:
    """Kill what an application with this port has started in other sessions, where it did not hide its origin.

    What hides it ends with the last process of its user.
    """
    for process in psutil.process_iter(["uids"]):
        owner = process.info["uids"]
        with suppress(OSError, psutil.Error):
            if owner is not None and owner.real == uid and process.environ().get("PORT") == str(port):
                process.kill()


def started_at(pid: int) -> float:
    """Return when a process was started (seconds since the epoch), 0 where it is gone."""
    try:
        return psutil.Process(pid).create_time()
    except psutil.Error:
        return 0.0

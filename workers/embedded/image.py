"""Slipway's own processes as copies of the supervisor: what they all import is imported, and held in memory, once.

A copy is a fork that begins with a module's ``main``. It shares with all others whatever none of them has written to,
and starts in the time that its own work takes. On Linux alone: elsewhere system libraries do not outlive a fork.
"""

import atexit
import ctypes
import gc
import importlib
import io
import os
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import suppress
from multiprocessing import active_children, get_context
from pathlib import Path
from typing import IO, Any

# In the order in which they are needed; what is copied early imports by itself what comes later.
_MAIN_MODULES = (
    *("workers.embedded.prepare", "catalog.gates", "portal.__main__"),
    *("workers.runtime.relay", "workers.runtime.work"),
)
_HEARD = frozenset({signal.SIGTERM, signal.SIGINT})
_PR_SET_NAME = 15
_M_ARENA_MAX = -8
_ARENAS = 2
# Where the arguments begin and end in memory, counted from the field behind the name (see proc(5)).
_ARGUMENTS_FIELDS = slice(45, 47)
_LIBC = ctypes.CDLL(None)


class Image:
    """What copies are made of: nothing at first, everything once ``load`` has come to its end."""

    def __init__(self) -> None:
        self._steps: Iterator[None] | None = _imports() if sys.platform == "linux" else None
        self._holds_something = False

    def load(self) -> bool:
        """Import a part; return whether nothing is left to import. What cannot be imported says so where it is run."""
        if self._steps is None:
            return True
        try:
            next(self._steps)
            self._holds_something = True
        except StopIteration:
            # What was made so far stays: its pages are not written to by looking for garbage.
            gc.collect()
            gc.freeze()
            self._steps = None
        except Exception:  # noqa: BLE001  # whatever a plug-in raises is the business of the process that needs it
            self._steps, self._holds_something = None, False
        return self._steps is None

    def can_copy(self) -> bool:
        """Tell whether a copy would be whole: threads, which a plug-in might have started, are not copied."""
        return self._holds_something and len(list(Path("/proc/self/task").iterdir())) == 1


class Copy:
    """A running copy, in a process group of its own; it answers as ``subprocess.Popen`` does.

    ``begin`` is called in it first, and has to lead its standard streams to where they belong; everything else that is
    open here is closed there.
    """

    def __init__(self, begin: Callable[[], None], module: str, arguments: list[str], stdout: IO[bytes] | None) -> None:
        self.stdout = stdout
        # What ended copies have left open is closed now, and not between the look at what is open and the copying.
        active_children()
        inherited = [number for number in _open_here() if number > 2]
        target: Any = get_context("fork").Process(target=_become, args=(begin, inherited, module, arguments))
        # What is sent to the copy before it has ceased to hear as we do waits until then, instead of being lost.
        before = signal.pthread_sigmask(signal.SIG_BLOCK, _HEARD)
        try:
            target.start()
        finally:
            signal.pthread_sigmask(signal.SIG_SETMASK, before)
        self._process = target
        self.pid: int = target.pid
        with suppress(OSError):  # whichever of both comes first
            os.setpgid(self.pid, self.pid)

    @property
    def returncode(self) -> int | None:
        """The exit status, minus the number of the signal that ended it, or None while it runs."""
        code: int | None = self._process.exitcode
        return code

    def poll(self) -> int | None:
        """Return ``returncode`` as it is now."""
        return self.returncode

    def wait(self, timeout: float | None = None) -> int:
        """Wait for the end; raise ``subprocess.TimeoutExpired`` where it does not come within ``timeout`` seconds."""
        self._process.join(timeout)
        code = self.returncode
        if code is None:
            raise subprocess.TimeoutExpired(str(self.pid), timeout or 0.0)
        return code

    def send_signal(self, sig: int) -> None:
        """Send a signal, unless it has ended."""
        if self.poll() is None:
            os.kill(self.pid, sig)

    def kill(self) -> None:
        """Kill it, unless it has ended."""
        self.send_signal(signal.SIGKILL)


def _open_here() -> list[int]:
    with os.scandir("/proc/self/fd") as found:
        numbers = [int(each.name) for each in found]
    # What listed them is closed by now.
    return [number for number in numbers if _is_open(number)]


def _is_open(number: int) -> bool:
    try:
        os.fstat(number)
    except OSError:
        return False
    return True


def _imports() -> Iterator[None]:
    for name in _MAIN_MODULES:
        importlib.import_module(name)
        yield
    # Every worker, agent and event is found and imported by it, here instead of in three processes.
    importlib.import_module("workers.runtime.registry").discover_workers()
    yield


def _become(begin: Callable[[], None], inherited: list[int], module: str, arguments: list[str]) -> None:
    """Turn this process, which is a copy already, into one that was started with ``python -m module``."""
    signal.set_wakeup_fd(-1)
    for number in (signal.SIGTERM, signal.SIGCHLD):
        signal.signal(number, signal.SIG_DFL)
    signal.signal(signal.SIGINT, signal.default_int_handler)
    signal.pthread_sigmask(signal.SIG_UNBLOCK, _HEARD)
    # What the supervisor has to do at its own end is not the copy's.
    atexit._clear()  # noqa: SLF001  # as multiprocessing does it from Python 3.14 on
    begin()
    for descriptor in inherited:
        with suppress(OSError):  # another copy may have ended while this one was made
            os.close(descriptor)
    # Memory that threads have given back serves others, instead of staying in an arena for each of them.
    with suppress(AttributeError):  # not every C library has arenas
        _LIBC.mallopt(_M_ARENA_MAX, _ARENAS)
    if isinstance(sys.stdout, io.TextIOWrapper):
        sys.stdout.reconfigure(line_buffering=True, write_through=True)
    sys.argv = [module, *arguments]
    _show(module, arguments)
    found = importlib.import_module(module)
    try:
        sys.exit((importlib.import_module(f"{module}.__main__") if hasattr(found, "__path__") else found).main())
    finally:
        # A fork ends without what a program does at its end, as removing the files that it made for itself.
        atexit._run_exitfuncs()  # noqa: SLF001  # as above


def _show(module: str, arguments: list[str]) -> None:
    """Have the process listed with what would have started it, as far as there is room where its arguments stand."""
    _LIBC.prctl(_PR_SET_NAME, f"slipway-{module.rpartition('.')[2]}".encode(), 0, 0, 0)
    fields = Path("/proc/self/stat").read_text(encoding="utf-8").rpartition(")")[2].split()
    begin, end = (int(field) for field in fields[_ARGUMENTS_FIELDS])
    shown = "\0".join(["python", "-m", module, *arguments]).encode()
    ctypes.memmove(begin, shown[: end - begin - 1].ljust(end - begin, b"\0"), end - begin)

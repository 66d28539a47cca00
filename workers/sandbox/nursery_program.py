"""Run as a script by the worker: import what a program imports, and let children of it join cells when asked.

Usage: ``python -I nursery_program.py PROGRAM LAUNCHER SOCKET IDLE_SECONDS``; SOCKET is the number of an open socket.
A request is the JSON of a cell (see ``launch.py``), and five descriptors: of a process in the
cell, the three standard streams, and where the exit status is written to. The answer is the id of the process that
waits for the run, or "" where the cell could not be joined. This process runs nothing of a publisher's: what does is
a child of a child, which has joined the cell's namespaces and given up every privilege before it begins.
"""

import array
import ctypes
import gc
import importlib.util
import json
import os
import signal
import socket
import sys
import traceback
from types import ModuleType
from typing import Any, NoReturn

_REQUEST = 64 * 1024
_DESCRIPTORS = 5
_CLONE_NEWUSER = 0x10000000
# Mount, cgroup, uts, ipc, process ids, network: what bubblewrap has made anew. All but the cgroup's are there always.
_NAMESPACES = 0x00020000 | 0x02000000 | 0x04000000 | 0x08000000 | 0x20000000 | 0x40000000
_PR_CAPBSET_DROP = 24
_CAPABILITY_VERSION_3 = 0x20080522
_LAST_CAPABILITY = 63
_NOT_STARTED = 126


def _load(name: str, path: str) -> ModuleType:
    spec = importlib.util.spec_from_file_location(name, path)
    if spec is None or spec.loader is None:
        raise ImportError(path)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


class _Nursery:
    """What every child has from here: the program's imports, and the C library."""

    def __init__(self, program: str, launcher: str) -> None:
        self._program = program
        # Under a name of its own, so that it does nothing but import.
        _load("slipway_sandboxed_program", program)
        with open(program, "rb") as source:  # noqa: PTH123  # without a library more
            self._code = compile(source.read(), program, "exec")
        self._launcher = _load("slipway_launcher", launcher)
        self._library = ctypes.CDLL(None, use_errno=True)

    def serve(self, asked: socket.socket) -> None:
        """Answer requests until the worker is gone, or has not asked for long."""
        # What has ended is not waited for by anybody.
        signal.signal(signal.SIGCHLD, signal.SIG_IGN)
        gc.collect()
        gc.freeze()
        while True:
            try:
                data, descriptors = _receive(asked)
            except TimeoutError:
                return
            if not data:
                return
            if os.fork() == 0:
                self._join(asked, json.loads(data), descriptors)
            for each in descriptors:
                os.close(each)

    def _join(self, asked: socket.socket, request: dict[str, Any], descriptors: list[int]) -> NoReturn:
        """Enter the cell's namespaces, start the run in them, and pass its exit status on."""
        inside, stdin, stdout, stderr, status = descriptors
        try:
            child = self._enter(inside)
            if child == 0:
                self._begin(request, (stdin, stdout, stderr))
            asked.send(b"" if child is None else str(os.getpid()).encode())
            for each in (asked.fileno(), inside, stdin, stdout, stderr):
                os.close(each)
            if child is not None:
                _, ended = os.waitpid(child, 0)
                code = os.waitstatus_to_exitcode(ended)
                os.write(status, f"{code if code >= 0 else 128 - code}\n".encode())
        except OSError:
            pass  # the cell, or the worker, is gone already
        finally:
            os._exit(0)

    def _enter(self, inside: int) -> int | None:
        """Fork within the cell; return the child's id, 0 in the child, None where the cell cannot be entered."""
        try:
            signal.signal(signal.SIGCHLD, signal.SIG_DFL)
            os.setsid()
            namespaces = _NAMESPACES | (0 if os.geteuid() == 0 else _CLONE_NEWUSER)
            return None if self._library.setns(inside, namespaces) else os.fork()
        except OSError:
            return None

    def _begin(self, request: dict[str, Any], streams: tuple[int, int, int]) -> NoReturn:
        """Become the run: nothing of this process is left open, no privilege is kept, and then the program runs."""
        code = _NOT_STARTED
        try:
            os.setsid()
            for number, each in enumerate(streams):
                os.dup2(each, number)
            os.closerange(3, os.sysconf("SC_OPEN_MAX"))
            self._forgo_capabilities()
            self._launcher.restrict(request)
            self._have_no_capabilities()
            sys.argv = [self._program]
            code = self._run()
        except OSError as error:
            sys.stderr.write(f"slipway: the application could not be started: {error}\n")
        finally:
            for stream in (sys.stdout, sys.stderr):
                try:
                    stream.flush()
                except (OSError, ValueError):
                    code = code or 1
            os._exit(code)

    def _run(self) -> int:
        main = ModuleType("__main__")
        main.__file__ = self._program
        sys.modules["__main__"] = main
        try:
            exec(self._code, main.__dict__)  # noqa: S102  # what the interpreter does with a script, compiled once
        except SystemExit as request:
            return request.code if isinstance(request.code, int) else int(request.code is not None)
        except BaseException:  # noqa: BLE001  # whatever ends a program is for its errors, as the interpreter does it
            traceback.print_exc()
            return 1
        return 0

    def _forgo_capabilities(self) -> None:
        for number in range(_LAST_CAPABILITY + 1):
            # The kernel knows fewer than may ever be: those that it does not know cannot be dropped.
            self._library.prctl(_PR_CAPBSET_DROP, number, 0, 0, 0)

    def _have_no_capabilities(self) -> None:
        header = (ctypes.c_uint32 * 2)(_CAPABILITY_VERSION_3, 0)
        if self._library.capset(header, (ctypes.c_uint32 * 6)()):
            raise OSError(ctypes.get_errno(), "capabilities cannot be given up")


def _receive(asked: socket.socket) -> tuple[bytes, list[int]]:
    whole = array.array("i")
    data, ancillary, _, _ = asked.recvmsg(_REQUEST, socket.CMSG_SPACE(_DESCRIPTORS * whole.itemsize))
    for level, kind, content in ancillary:
        if level == socket.SOL_SOCKET and kind == socket.SCM_RIGHTS:
            whole.frombytes(content[: len(content) - len(content) % whole.itemsize])
    return data, list(whole)


def main() -> None:
    """Serve until nobody asks any more."""
    program, launcher, number, idle = sys.argv[1:]
    with socket.socket(fileno=int(number)) as asked:
        asked.settimeout(float(idle))
        _Nursery(program, launcher).serve(asked)


if __name__ == "__main__":
    main()

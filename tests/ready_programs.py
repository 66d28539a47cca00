"""Programs that stay imported between tests: the sandbox's, and the command line's."""

import json
import os
import select
import signal
import socket
import subprocess
import sys
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path

from workers.sandbox.nursery import Nurseries

_ROOT = Path(__file__).parents[1]
# The command's own module is imported like all others, so that only what it does is left for the child.
_PROGRAM = """
import gc, importlib, json, os, pkgutil, signal, socket, sys, traceback
import portal.cli
from portal.cli.main import main

for found in pkgutil.iter_modules(portal.cli.__path__, "portal.cli."):
    if not found.ispkg:
        importlib.import_module(found.name)

def become(request, streams):
    for number, each in enumerate(streams):
        os.dup2(each, number)
    os.closerange(3, os.sysconf("SC_OPEN_MAX"))
    signal.signal(signal.SIGCHLD, signal.SIG_DFL)
    os.chdir(request["directory"])
    os.environ.clear()
    os.environ.update(request["environment"])
    sys.argv[1:] = request["arguments"]

def serve(asked):
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)
    while True:
        data, descriptors, _, _ = socket.recv_fds(asked, 1 << 20, 4)
        if not data:
            os._exit(0)
        *streams, said = descriptors
        if os.fork() == 0:
            # Whoever waits for the command: the one that was asked goes on to the next.
            signal.signal(signal.SIGCHLD, signal.SIG_DFL)
            command = os.fork()
            if command == 0:
                become(json.loads(data), streams)
                return
            os.write(said, b"%d\\n" % command)
            os.write(said, b"%d\\n" % os.waitstatus_to_exitcode(os.waitpid(command, 0)[1]))
            os._exit(0)
        for each in descriptors:
            os.close(each)

gc.collect()
gc.freeze()
serve(socket.socket(fileno=int(sys.argv[1])))
status = 1
try:
    status = main()
    sys.stdout.flush()
except BaseException:
    traceback.print_exc()
finally:
    # The interpreter's own end would look at everything that was imported, and so copy it.
    sys.stderr.flush()
    os._exit(status)
"""


class SharedNurseries(Nurseries):
    """Nurseries that outlive the sandboxes of single tests: what is imported once serves the next test as well."""

    def close(self) -> None:
        """Keep them: a sandbox is closed after each test."""

    def end(self) -> None:
        """End them."""
        super().close()


class ReadyCommand:
    """Runs ``slipway`` as a process of its own, forked from one that has imported it: most of a start is importing."""

    def __init__(self) -> None:
        self._asked, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        with theirs:
            self._process = subprocess.Popen(
                [sys.executable, "-c", _PROGRAM, str(theirs.fileno())],
                env={"PATH": os.defpath, "PYTHONPATH": str(_ROOT), "LC_ALL": "C.UTF-8"},
                cwd=_ROOT,
                pass_fds=(theirs.fileno(),),
            )

    def run(
        self,
        arguments: Sequence[str],
        environment: Mapping[str, str],
        directory: Path,
        given: str = "",
        seconds: float = 240.0,
    ) -> subprocess.CompletedProcess[str]:
        """Run one command to its end; raise ``TimeoutExpired`` where that takes longer than ``seconds``."""
        request = {"arguments": list(arguments), "environment": dict(environment), "directory": str(directory)}
        shown = ["slipway", *arguments]
        said, saying = os.pipe()
        with (
            tempfile.TemporaryFile() as stdin,
            tempfile.TemporaryFile() as stdout,
            tempfile.TemporaryFile() as stderr,
            os.fdopen(said, "rb") as ending,
        ):
            stdin.write(given.encode())
            stdin.seek(0)
            streams = [stdin.fileno(), stdout.fileno(), stderr.fileno(), saying]
            socket.send_fds(self._asked, [json.dumps(request).encode()], streams)
            os.close(saying)
            process = int(ending.readline())
            if not select.select([ending], [], [], seconds)[0]:
                os.kill(process, signal.SIGKILL)
                raise subprocess.TimeoutExpired(shown, seconds)
            code = int(ending.readline())
            for each in (stdout, stderr):
                each.seek(0)
            return subprocess.CompletedProcess(shown, code, stdout.read().decode(), stderr.read().decode())

    def end(self) -> None:
        """End the process that commands are forked from."""
        self._asked.close()
        self._process.wait(10)

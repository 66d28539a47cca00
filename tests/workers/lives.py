"""Workers that are really killed: each life is a process of its own, ended by SIGKILL at the moment a test names."""

import json
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from sqlalchemy import text

from catalog.db import Database
from catalog.settings import Settings

# Forked from a process that has imported everything, so that a life begins at once.
_PROGRAM = """
import functools, importlib, itertools, json, os, signal, sys
from datetime import timedelta
from sqlalchemy import event
from sqlalchemy.engine import Engine
from catalog.settings import load_settings
from workers.main import App
from workers.runtime.drain import drain
from workers.runtime.registry import registry

workers = [importlib.import_module(name).WORKER for name in sys.argv[1:]]

def die():
    os.kill(os.getpid(), signal.SIGKILL)

def deadly(place):
    module, _, path = place.partition(":")
    *outer, name = path.split(".")
    holder = functools.reduce(getattr, outer, importlib.import_module(module))
    real = getattr(holder, name)

    def done(*arguments, **named):
        real(*arguments, **named)
        die()

    setattr(holder, name, done)

def live(environment, commits, after, periodic):
    os.environ.update(environment)
    left = itertools.count(commits, -1)
    if commits:
        event.listen(Engine, "commit", lambda _: next(left) > 1 or die())
    if after:
        deadly(after)
    app = App(load_settings(), registry(workers))
    drain(app, periodic=periodic, patience=timedelta(seconds=0.1))
    app.close()
    os._exit(0)

for line in sys.stdin:
    child = os.fork()
    if child == 0:
        live(**json.loads(line))
    print(child, flush=True)
    print(os.WTERMSIG(os.waitpid(child, 0)[1]), flush=True)
"""
_TIME_PASSES = (
    # However often a worker is killed here, none of what it worked at is given up for that.
    "UPDATE deliveries SET lease_until = clock_timestamp(), failures = 0 WHERE state IN ('sent', 'running')",
    "UPDATE schedules SET lease_until = clock_timestamp() WHERE state <> 'pending'",
)


class Lives:
    """Lives of workers, one after the other; what the dead held is free when the next one begins."""

    def __init__(self, process: "subprocess.Popen[str]", settings: Settings, database: Database) -> None:
        self._process = process
        self._environment = settings.as_environment()
        self._database = database
        self.pid = 0

    def live(self, *, commits: int = 0, after: str = "", periodic: bool = False) -> bool:
        """Let a worker do everything that is due, and return whether it was killed before it had.

        It is killed just before its commit of that number, or as soon as a function of that place
        (``module:Class.method``) has returned, or by whoever reads ``pid``.
        """
        told, heard = self._process.stdin, self._process.stdout
        assert told is not None
        assert heard is not None
        with self._database.system_session() as session:
            for statement in (*_TIME_PASSES, *(["UPDATE schedules SET due_at = clock_timestamp()"] * periodic)):
                session.connection().execute(text(statement))
        life = {"environment": self._environment, "commits": commits, "after": after, "periodic": periodic}
        told.write(json.dumps(life) + "\n")
        told.flush()
        self.pid = int(heard.readline())
        ended = int(heard.readline())
        assert ended in {0, signal.SIGKILL}, f"a worker was ended by signal {ended}"
        return bool(ended)

    def settle(self, *, periodic: bool = False) -> int:
        """Let workers live, each one commit longer than the one before, until nothing is left; count the killed."""
        number = 1
        while self.live(commits=number, periodic=periodic):
            number += 1
        return number - 1


@contextmanager
def forked(*modules: str) -> Iterator["subprocess.Popen[str]"]:
    """Yield the process that lives are forked from, which run the jobs of some modules."""
    root = Path(__file__).parents[2]
    environment = {"PATH": "/usr/local/bin:/usr/bin:/bin", "PYTHONPATH": str(root)}
    command = [sys.executable, "-c", _PROGRAM, *modules]
    pipe = subprocess.PIPE
    with subprocess.Popen(command, env=environment, stdin=pipe, stdout=pipe, text=True, cwd=root) as process:
        yield process
        assert process.stdin is not None
        process.stdin.close()

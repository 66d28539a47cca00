"""``python -m workers.embedded``: start everything, say when it is ready, stop everything."""

import argparse
import contextlib
import os
import sys
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path

from pydantic import ValidationError

from catalog import running
from catalog.settings import Settings, inherited_environment
from workers.embedded import composition
from workers.embedded.data import settle
from workers.embedded.demo import DemoRecord
from workers.embedded.errors import EmbeddedError
from workers.embedded.guard import run_guarded
from workers.embedded.hold import Hold
from workers.embedded.image import Image
from workers.embedded.keys import ensure_master_key
from workers.embedded.logs import LogFolder
from workers.embedded.parts import python_command
from workers.embedded.ports import Address, require_free
from workers.embedded.readiness import Answer, ask
from workers.embedded.sockets import close_run_directory, open_run_directory
from workers.embedded.supervisor import StopRequestedError, Supervisor

_PORTAL_SECONDS = 120.0
_READY_SECONDS = 30.0


def main() -> int:
    """Read the command line and run the embedded default until it is told to stop; return the exit status."""
    parser = argparse.ArgumentParser(prog="slipway up", description="Start all of Slipway on this machine.")
    parser.add_argument("--data", type=Path, help="the data directory (SLIPWAY_DATA)")
    parser.add_argument("--port", type=int, help="the portal's port (PORT); previews use the one 80 above")
    parser.add_argument("--host", help="the address to listen on (SLIPWAY_HOST)")
    parser.add_argument("--no-demo", action="store_true", help="start without sample assets and application")
    parser.add_argument(
        "--worker-only",
        action="store_true",
        help="start a worker with what its environments need, beside a portal, database and queue that run elsewhere",
    )
    arguments = parser.parse_args()
    asked = {"data_dir": arguments.data, "port": arguments.port, "host": arguments.host}
    given = {name: value for name, value in asked.items() if value is not None}
    try:
        settings = Settings(**given)
    except ValidationError as error:
        for problem in error.errors():
            sys.stderr.write(f"slipway: {'.'.join(map(str, problem['loc']))}: {problem['msg']}\n")
        return 2
    try:
        data = settle(settings.data_dir.absolute(), _say)
    except OSError as error:
        sys.stderr.write(f"slipway: the data directory {settings.data_dir} cannot be used: {error}\n")
        return 1
    settings = composition.with_local_repositories(Settings(**(given | {"data_dir": data})))
    if arguments.worker_only:
        if not (settings.database_url and settings.redis_url):
            sys.stderr.write("slipway: --worker-only needs SLIPWAY_DATABASE_URL and SLIPWAY_REDIS_URL\n")
            return 2
        return run_guarded(lambda: _supervise(settings, composition.preview_addresses(settings), _bring_worker_up))
    bring_up = partial(_bring_up, demo=not arguments.no_demo)
    return run_guarded(lambda: _supervise(settings, composition.addresses(settings), bring_up))


def _supervise(
    settings: Settings, addresses: Sequence[Address], bring_up: Callable[[Supervisor, Settings, LogFolder], None]
) -> int:
    """Hold the data directory, bring everything up, tend it, and shut it down."""
    hold = Hold(settings.data_dir / "supervisor.lock")
    try:
        hold.take(f"The data directory {settings.data_dir}")
        hold.sign(_front())
        require_free(addresses)
        ensure_master_key(settings.data_dir / "keys")
        open_run_directory(settings.data_dir / "run")
    except (EmbeddedError, OSError) as error:
        sys.stderr.write(f"slipway: {error}\n")
        return 1
    logs = LogFolder(settings.data_dir / "logs")
    supervisor = Supervisor(logs, _say)
    code = 0
    try:
        bring_up(supervisor, settings, logs)
        supervisor.tend(lambda: False)
    except StopRequestedError:
        _say("Stopping ...")
    except (EmbeddedError, OSError) as error:
        sys.stderr.write(f"slipway: {error}\n")
        code = 1
    finally:
        running.forget(settings)
        supervisor.shut_down()
        close_run_directory(settings.data_dir / "run")
        hold.release()
    if code == 0:
        _say("Stopped; everything is kept. The command that started it starts it again.")
    return code


def _bring_up(supervisor: Supervisor, settings: Settings, logs: LogFolder, *, demo: bool) -> None:
    embedded = composition.servers(settings)
    base = embedded.wave()
    supervisor.start(base)
    # While others work, what our own processes have in common is imported: here as the servers start, and below.
    image = Image()
    image.load()
    supervisor.await_ready(base, seconds=60.0)
    settings = embedded.complete(settings)
    running.record(settings)
    owner = {**inherited_environment(), **settings.as_environment()}
    # These do not look at the database, so they start while it is brought up to date.
    supervisor.start(composition.ground(settings, logs, _say))
    preparing = python_command(settings.data_dir, owner, "workers.embedded.prepare", image=image)
    link = supervisor.run("migrations", preparing, seconds=600.0, meanwhile=image.load)
    supervisor.start(composition.processes(settings, logs, image))
    answer = _await_portal(supervisor, settings)
    if demo and answer.ready:
        _set_demo_up(supervisor, settings, image, remembered=embedded.postgres is not None)
    if answer.ready:
        _say(f"Slipway is ready at {link}")
        _say("Try next: open that link (it signs you in once), choose a blueprint, and request an environment from it.")
    else:
        _say(f"Slipway runs at {link} but cannot make environments yet.")
        _say("\n".join(f"- {reason}" for reason in answer.reasons))
        _say("Try next: run `slipway doctor`, which says what is missing and how to get it.")


def _await_portal(supervisor: Supervisor, settings: Settings) -> Answer:
    """Wait until the portal is ready, or has said for a while that it is not; raise where it never answers."""
    answers: list[Answer] = []

    def is_ready() -> bool:
        answers.extend(answer for answer in [ask(settings)] if answer)
        return bool(answers and answers[-1].ready)

    if not supervisor.tend(lambda: is_ready() or bool(answers), _PORTAL_SECONDS, pause=0.1):
        log = settings.data_dir / "logs" / "portal.log"
        raise EmbeddedError(f"the portal does not answer after {_PORTAL_SECONDS:.0f} s; its log: {log}")
    supervisor.tend(is_ready, _READY_SECONDS, pause=0.1)
    return answers[-1]


def _set_demo_up(supervisor: Supervisor, settings: Settings, image: Image, *, remembered: bool) -> None:
    """Publish the curated assets and make the sample application, unless they are as they were last made.

    ``remembered``: the database lives and dies with the data directory, so what that recorded still holds.
    """
    record = DemoRecord(settings)
    if remembered and record.is_current():
        return
    _say("Publishing the curated assets and a sample application; the first time this takes a moment ...")
    environment = composition.environment(settings)
    command = python_command(settings.data_dir, environment, "portal.cli.main", "demo", image=image)
    try:
        _say(supervisor.run("demo", command, 300.0))
    except EmbeddedError as error:
        _say(f"{error}; Slipway works without it.")
    else:
        record.write()


def _bring_worker_up(supervisor: Supervisor, settings: Settings, logs: LogFolder) -> None:
    supervisor.start(composition.ground(settings, logs, _say))
    supervisor.start(composition.worker(settings, logs))
    _say("The worker runs.")


def _front() -> int:
    """Return the process that people see and may send signals to."""
    return os.getppid()


def _say(line: str) -> None:
    # Where nobody reads any more, as after the terminal was closed, that is no reason to stop working.
    with contextlib.suppress(OSError):
        sys.stdout.write(f"{line}\n" if line else "")
        sys.stdout.flush()


if __name__ == "__main__":
    sys.exit(main())

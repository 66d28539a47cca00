"""`slipway:local:Seed`: what a database begins with, written once in its life."""

import shlex
import time
from pathlib import Path
from threading import Event

from workers.embedded.accounts import service_account
from workers.embedded.errors import EmbeddedError
from workers.embedded.programs import postgres_programs
from workers.engine.plugin.applications import LOG_LINES, last_lines
from workers.engine.plugin.resource import Created, Difference, InputProblem, ResourceFailure, Values
from workers.engine.plugin.seeding import LONGEST_SECONDS, checked_seed
from workers.process_host import ProcessHostError, ProcessSpec, ProcessStatus
from workers.process_host.client import ProcessHostClient

INPUTS = ("environment_id", "database", "directory", "sql", "command", "env")


class SeedResource:
    """Runs a command or an SQL file against a database, unless that has begun with one already.

    Inputs: `environment_id`, `database` (the name of the component), `directory` (the checkout), `sql` (a file in it)
    or `command` (for `sh -c`), and `env`, which says where the database is. That it was done is noted beside the data,
    and so is true for as long as the data is there, whatever the engine remembers. Where it was begun and broken off,
    the database is made anew before it begins again.
    """

    type = "slipway:local:Seed"
    secrets: tuple[str, ...] = ("env",)

    def __init__(self, client: ProcessHostClient, cancelled: Event, data: Path) -> None:
        self._client = client
        self._cancelled = cancelled
        self._data = data

    def check(self, inputs: Values) -> tuple[Values, list[InputProblem]]:
        """Check all inputs."""
        return checked_seed(inputs, INPUTS, ("environment_id", "database", "directory"))

    def diff(self, old: Values, new: Values) -> Difference:
        """Nothing differs: a database begins once, whatever later commits bring."""
        del old, new
        return Difference()

    def create(self, inputs: Values) -> Created:
        """Run it to its end, unless that was done; raise where it fails."""
        done, begun = self._note(inputs, "seeded"), self._note(inputs, "seeding")
        if not done.exists():
            # What was begun and is not known to have ended may be in the database in part, or as a whole.
            if begun.exists():
                self._run(inputs, empties=True)
            begun.touch(mode=0o600)
            self._run(inputs)
            done.touch(mode=0o600)
        begun.unlink(missing_ok=True)
        return Created(f"{inputs['environment_id']}.{inputs['database']}")

    def read(self, resource_id: str, state: Values) -> Values | None:
        """Notice that the data is gone, and with it what it began with."""
        del resource_id
        return state if self._note(state, "seeded").exists() else None

    def update(self, resource_id: str, old: Values, new: Values) -> Values:
        """Do nothing: see `diff`."""
        del resource_id, old, new
        return {}

    def delete(self, resource_id: str, state: Values) -> None:
        """Do nothing: what was written goes with the data."""

    def abandon(self, inputs: Values, kept: list[tuple[str, Values]]) -> None:
        """Stop what an interrupted run left."""
        del kept
        try:
            self._client.close_gate(str(inputs["environment_id"]))
            self._client.stop(_process(inputs), grace_seconds=1.0)
        except ProcessHostError as error:
            raise ResourceFailure(error.message) from error

    def _note(self, inputs: Values, kind: str) -> Path:
        environment: str = inputs["environment_id"]
        return self._data / "environments" / environment / "data" / f"{inputs['database']}.{kind}"

    def _run(self, inputs: Values, *, empties: bool = False) -> None:
        name = f"{inputs['database']}-seed"
        try:
            programs = postgres_programs(service_account("postgres"))
            psql = f"exec {shlex.quote(str(programs / 'psql'))} --no-psqlrc --quiet --set=ON_ERROR_STOP=1"
            command, env = inputs.get("command"), inputs["env"]
            if empties:
                command, env = f"{psql} {_emptying(env)}", {**env, "PGUSER": "postgres", "PGDATABASE": "postgres"}
            elif command is None:
                command = f"{psql} --single-transaction --file={shlex.quote(inputs['sql'])}"
            spec = ProcessSpec(
                id=_process(inputs),
                environment_id=inputs["environment_id"],
                name=name,
                directory=inputs["directory"],
                command=command,
                env=env,
                reads=(str(programs.parent),),
            )
            try:
                status = self._end(self._client.start(spec))
                lines = self._client.log_tail(spec.id, lines=LOG_LINES)
            finally:
                self._client.stop(spec.id, grace_seconds=1.0)
        except (ProcessHostError, EmbeddedError) as error:
            raise ResourceFailure(f"{name}: {error}") from error
        if status.exit_code != 0:
            said = last_lines("\n".join(lines), inputs)
            raise ResourceFailure(f"{name}: what the database begins with ended with {status.exit_code}.{said}")

    def _end(self, status: ProcessStatus) -> ProcessStatus:
        """Wait until the process ends and return how; raise ``ResourceFailure`` where it takes too long."""
        deadline = time.monotonic() + LONGEST_SECONDS
        while status.alive:
            if self._cancelled.is_set():
                raise ResourceFailure(f"{status.name}: the operation was cancelled while the database was filled")
            if time.monotonic() > deadline:
                raise ResourceFailure(f"{status.name}: not done after {LONGEST_SECONDS:.0f} s")
            time.sleep(0.1)
            found = self._client.status(status.id)
            if found is None:
                raise ResourceFailure(f"{status.name}: it was stopped from outside")
            status = found
        return status


def _emptying(env: Values) -> str:
    """Return the arguments that make the database anew; its superuser has the password of its owner."""
    made = (
        f'DROP DATABASE IF EXISTS "{env["PGDATABASE"]}" WITH (FORCE)',
        f'CREATE DATABASE "{env["PGDATABASE"]}" OWNER "{env["PGUSER"]}"',
    )
    return " ".join(f"--command={shlex.quote(each)}" for each in made)


def _process(inputs: Values) -> str:
    return f"{inputs['environment_id']}.{inputs['database']}-seed.once"

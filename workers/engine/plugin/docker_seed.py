"""`slipway:docker:Seed`: what a database in a container begins with, written once in its life."""

import io
import secrets
import tarfile
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from threading import Event

from catalog.providers.targets.docker_api import (
    CANCELLED,
    COMPONENT_LABEL,
    ENVIRONMENT_LABEL,
    DockerEngine,
    DockerError,
)
from workers.engine.plugin.applications import LOG_LINES, last_lines
from workers.engine.plugin.docker_container import confined
from workers.engine.plugin.docker_objects import labels, told
from workers.engine.plugin.resource import Created, Difference, InputProblem, ResourceFailure, Values
from workers.engine.plugin.seeding import BEGIN, END, LONGEST_SECONDS, checked_seed, fill, sql_of

INPUTS = ("environment_id", "database", "directory", "network", "image", "sql", "command", "env")
LARGEST = 64 * 1024 * 1024
_FOLDER = "/tmp"  # noqa: S108  # of the container
_FILE = "slipway-seed.sql"
_PAUSE_SECONDS = 0.2
_LIMITS = {"memory_mb": 1024, "processes": 256, "open_files": 4096, "file_size_mb": 1024}
"""What a command may use, as on the local target."""
_NOTE = f"{_FOLDER}/slipway-command"
# The engine gives each command a session of its own. What is interrupted tells the database to give up as well.
_BREAK_OFF = f"""
for note in {_NOTE}.*; do
  [ -s "$note" ] || continue
  own=$(cat "$note")
  rm -f "$note"
  kill -INT "-$own" || continue
  tries=0
  while kill -0 "-$own" && [ $tries -lt 20 ]; do tries=$((tries + 1)); sleep 0.1; done
  kill -KILL "-$own"
done
:
"""
"""Ends every command that has left a note of its process, and so has not come to its end."""


class DockerSeedResource:
    """Fills a database from an SQL file, or by a command, unless that was done already.

    Inputs: `environment_id`, `database` (its component), `env` (which says where it is), `sql` (a file below
    `directory`, the checkout) or `command`, which runs in a container of `image` in the environment's `network`.
    Semantics as of `slipway:local:Seed`.
    """

    type = "slipway:docker:Seed"
    secrets: tuple[str, ...] = ("env",)

    def __init__(self, engine: DockerEngine, cancelled: Event) -> None:
        self._engine = engine
        self._cancelled = cancelled

    def check(self, inputs: Values) -> tuple[Values, list[InputProblem]]:
        """Check all inputs."""
        texts = ("directory",) if "sql" in inputs else ("image",)
        return checked_seed(inputs, INPUTS, ("environment_id", "database", "network", *texts))

    def diff(self, old: Values, new: Values) -> Difference:
        """Nothing differs: a database begins once, whatever later commits bring."""
        del old, new
        return Difference()

    def create(self, inputs: Values) -> Created:
        """Fill the database, unless that was done; raise where it fails."""
        name = f"{inputs['database']}-seed"
        with told(f"{name}: "):
            server = self._server(inputs)
            if self._in(server, BEGIN, inputs).split()[-1:] != ["filled"]:
                if "sql" in inputs:
                    self._engine.put(server, _FOLDER, _archived(sql_of(inputs, LARGEST)))
                    self._in(server, fill(f"{_FOLDER}/{_FILE}"), inputs)
                else:
                    self._beside(inputs, name)
                self._in(server, END, inputs)
        return Created(f"{inputs['environment_id']}.{inputs['database']}")

    def read(self, resource_id: str, state: Values) -> Values | None:
        """Take it as it is: the note lies with the data, and is read when the database runs again."""
        del resource_id
        return state

    def update(self, resource_id: str, old: Values, new: Values) -> Values:
        """Do nothing: see `diff`."""
        del resource_id, old, new
        return {}

    def delete(self, resource_id: str, state: Values) -> None:
        """Do nothing: what was written goes with the data."""

    def abandon(self, inputs: Values, kept: list[tuple[str, Values]]) -> None:
        """Remove what an interrupted run left."""
        del kept
        with told():
            self._clear(inputs)
            for each in self._containers(inputs, str(inputs.get("database"))):
                if each["State"] == "running":
                    self._break_off(str(each["Id"]))

    def _server(self, inputs: Values) -> str:
        for each in self._containers(inputs, inputs["database"]):
            if each["State"] == "running":
                return str(each["Id"])
        raise ResourceFailure(f"{inputs['database']}: it does not run, and cannot be filled")

    def _containers(self, inputs: Values, component: str) -> Iterator[Values]:
        for each in self._engine.found("containers", f"{ENVIRONMENT_LABEL}={inputs.get('environment_id')}"):
            if (each.get("Labels") or {}).get(COMPONENT_LABEL) == component:
                yield each

    def _clear(self, inputs: Values) -> None:
        for each in self._containers(inputs, f"{inputs.get('database')}-seed"):
            self._engine.remove(f"/containers/{each['Id']}", force="1", v="1")

    def _in(self, server: str, script: str, inputs: Values) -> str:
        """Run a script beside the database, where the programs of PostgreSQL are; return what it says.

        One that is not waited for any more is ended: the engine itself would let it go on.
        """
        note = f"{_NOTE}.{secrets.token_hex(4)}"
        noted = f"echo $$ > {note}\n({script})\ncode=$?\nrm -f {note}\nexit $code"
        deadline = time.monotonic() + LONGEST_SECONDS
        try:
            code, said = self._engine.run(
                server, ["/bin/sh", "-c", noted], env=inputs["env"], seconds=LONGEST_SECONDS, stop=self._cancelled
            )
        except DockerError as error:
            with suppress(DockerError):
                self._break_off(server, note)
            why = self._why(deadline)
            if not why:
                raise
            raise ResourceFailure(f"{inputs['database']}-seed: broken off: {why}") from error
        if code:
            raise _failed(inputs, code, said)
        return said

    def _break_off(self, server: str, note: str = "") -> None:
        """End what goes on beside the database; what is just being started has its ``note`` in a moment."""
        waits = f"tries=0\nwhile [ ! -s {note} ] && [ $tries -lt 10 ]; do tries=$((tries + 1)); sleep 0.1; done\n"
        self._engine.run(server, ["/bin/sh", "-c", (waits if note else "") + _BREAK_OFF])

    def _why(self, deadline: float) -> str:
        """Say why a filling does not go on, "" where it may."""
        if self._cancelled.is_set():
            return CANCELLED
        return "it takes too long" if time.monotonic() >= deadline else ""

    def _beside(self, inputs: Values, name: str) -> None:
        """Run the command in a container of its own, to its end."""
        self._clear(inputs)
        body = {
            "Image": inputs["image"],
            "Env": [f"{key}={value}" for key, value in inputs["env"].items()],
            "Labels": labels({**inputs, "name": name}),
            "Entrypoint": ["/bin/sh", "-c"],
            "Cmd": [inputs["command"]],
            "HostConfig": confined(inputs["network"], _LIMITS),
        }
        with self._held(inputs, str(self._engine.make("/containers/create", body)["Id"])) as container:
            self._engine.make(f"/containers/{container}/start", None)
            deadline = time.monotonic() + LONGEST_SECONDS
            while (found := self._engine.get(f"/containers/{container}/json")) and found["State"]["Running"]:
                if why := self._why(deadline):
                    raise ResourceFailure(f"{name}: broken off: {why}")
                time.sleep(_PAUSE_SECONDS)
            code = int(found["State"]["ExitCode"]) if found else 1
            if code:
                raise _failed(inputs, code, "\n".join(self._engine.logs(container, LOG_LINES)))

    @contextmanager
    def _held(self, inputs: Values, container: str) -> Iterator[str]:
        try:
            yield container
        finally:
            self._clear(inputs)


def _failed(inputs: Values, code: int, said: str) -> ResourceFailure:
    lines = last_lines("\n".join(said.splitlines()[-LOG_LINES:]), inputs)
    return ResourceFailure(f"{inputs['database']}-seed: what the database begins with ended with {code}.{lines}")


def _archived(text: str) -> bytes:
    data, archive = text.encode(), io.BytesIO()
    with tarfile.open(fileobj=archive, mode="w") as tar:
        entry = tarfile.TarInfo(_FILE)
        entry.size, entry.mode = len(data), 0o644
        tar.addfile(entry, io.BytesIO(data))
    return archive.getvalue()

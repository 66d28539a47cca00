"""`slipway:cloud:Script` and `slipway:cloud:Seed`: what a database in a cloud begins with, written once in its life.

The job that fills it is a resource of the cloud's own provider. No provider has one that stands for a run of a job: one
that begins a run on its own account takes it for done where it failed, or runs it with each change.
"""

import base64
import gzip
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from threading import Event
from typing import Any

from catalog.providers.targets import TargetUnavailableError, provider
from catalog.providers.targets.cloud_jobs import CloudJobs, Run
from workers.engine.plugin.applications import LOG_LINES, checked_env, last_lines, without_secrets
from workers.engine.plugin.resource import (
    UNKNOWN,
    Created,
    Difference,
    InputProblem,
    ResourceFailure,
    Values,
    differing,
    require_text,
    unexpected,
)
from workers.engine.plugin.seeding import BEGIN, CHECK, END, LONGEST_SECONDS, sql_of

LARGEST = 1024 * 1024
LARGEST_PACKED = 31 * 1024
"""What a variable of Cloud Run may hold, less what stands around it; the others take twice as much."""
_PAUSE_SECONDS = 3.0
_TRIES = 4
"""How often a run is begun that a cloud is not ready for, and with how many pauses between."""
_UNREADY_PAUSES = 5
_SILENT_TRIES = 5
"""How often in a row a cloud may leave a question open while it is waited for."""


class CloudScriptResource:
    """An SQL file as a job in a cloud takes it along, which has no checkout.

    Inputs: `directory` (the checkout), `sql` (a file in it), `database` (the name of the component). Outputs: `packed`,
    the file by gzip and base64, as text; `problem`, why that is still the one of a commit before, or "".
    """

    type = "slipway:cloud:Script"
    secrets: tuple[str, ...] = ("packed",)
    inputs = ("directory", "sql", "database")

    def check(self, inputs: Values) -> tuple[Values, list[InputProblem]]:
        """Check all inputs."""
        return inputs, unexpected(inputs, self.inputs) + require_text(inputs, *self.inputs)

    def diff(self, old: Values, new: Values) -> Difference:
        """Read it again where it may be another."""
        return Difference(changed=differing(self.inputs, old, new))

    def create(self, inputs: Values) -> Created:
        """Read it; raise where it is not there, or too large."""
        return Created(f"{inputs['database']}.{inputs['sql']}", self._read(inputs))

    def read(self, resource_id: str, state: Values) -> Values | None:
        """Take it as it was read."""
        del resource_id
        return state

    def update(self, resource_id: str, old: Values, new: Values) -> Values:
        """Read it again; what a later commit makes of it is a problem for a database alone that is yet to be filled."""
        del resource_id
        try:
            return self._read(new)
        except ResourceFailure as error:
            return {"packed": old["packed"], "problem": str(error)}

    def delete(self, resource_id: str, state: Values) -> None:
        """Do nothing: it is a text."""

    def abandon(self, inputs: Values, kept: list[tuple[str, Values]]) -> None:
        """Do nothing: it is a text."""

    def _read(self, inputs: Values) -> Values:
        text = sql_of(inputs, LARGEST)
        # Without a time, so that the same file is the same text.
        packed = base64.b64encode(gzip.compress(text.encode(), mtime=0)).decode()
        if len(packed) > LARGEST_PACKED:
            raise ResourceFailure(
                f"{inputs['database']}: {inputs['sql']} (seed.sql) takes {len(packed) // 1024 + 1} KiB compressed, and"
                f" a cloud takes {LARGEST_PACKED // 1024} KiB at the most. Fill it with a command (seed.command)."
            )
        return {"packed": packed, "problem": ""}


class CloudSeedResource:
    """Runs the job that fills a database, and waits for its end, unless that was done already.

    Inputs: `environment_id`, `database` (its component), `server` (what the cloud calls it: another one is filled
    anew), `cloud` (its target), `job` (where the job is, as `catalog.providers.targets` has it for that cloud), and
    `env`, which is kept from what is told. With a `problem` nothing is run, and that is the failure. With `beside`, a
    job that runs the command alone, the first is run before and after it, each time with a script. Semantics as of
    `slipway:local:Seed`; that it was done is written on the database.
    """

    type = "slipway:cloud:Seed"
    secrets: tuple[str, ...] = ("env",)
    inputs = ("environment_id", "database", "server", "cloud", "job", "beside", "env", "problem")
    texts = ("environment_id", "database", "server", "cloud")
    fixed = ("environment_id", "database", "server")

    def __init__(self, credentials: Mapping[str, str], cancelled: Event, pause_seconds: float = _PAUSE_SECONDS) -> None:
        self._credentials = credentials
        self._cancelled = cancelled
        self._pause_seconds = pause_seconds

    def check(self, inputs: Values) -> tuple[Values, list[InputProblem]]:
        """Check all inputs."""
        problems = unexpected(inputs, self.inputs) + require_text(inputs, *self.texts)
        for name in ("job", *(("beside",) if "beside" in inputs else ())):
            if inputs.get(name) is not UNKNOWN and not isinstance(inputs.get(name), dict):
                problems.append(InputProblem(name, "must say where the job is"))
        env, unfit = checked_env(inputs.get("env", {}))
        return {**inputs, "env": env}, problems + unfit

    def diff(self, old: Values, new: Values) -> Difference:
        """Nothing differs but which database it is: it begins once, whatever later commits bring."""
        changed = differing(self.fixed, old, new)
        return Difference(changed=changed, replaces=changed)

    def create(self, inputs: Values) -> Created:
        """Fill the database, unless that was done; raise where it fails."""
        if inputs.get("problem"):
            raise ResourceFailure(str(inputs["problem"]))
        jobs, deadline = self._jobs(inputs), time.monotonic() + LONGEST_SECONDS
        with _told(inputs):
            self._clear(jobs, inputs, deadline)
            if "beside" not in inputs:
                self._good(jobs, inputs, "job", None, deadline)
            elif not self._run(jobs, inputs["job"], CHECK, deadline)[1].well:
                self._good(jobs, inputs, "job", BEGIN, deadline)
                self._good(jobs, inputs, "beside", None, deadline)
                self._good(jobs, inputs, "job", END, deadline)
        return Created(f"{inputs['environment_id']}.{inputs['database']}")

    def read(self, resource_id: str, state: Values) -> Values | None:
        """Notice that the server is gone; otherwise the note lies with the data, and is read when it is run again."""
        del resource_id
        with suppress(TargetUnavailableError):  # whoever refreshes asks for the server itself as well
            return state if self._jobs(state).has(str(state["server"])) else None
        return state

    def update(self, resource_id: str, old: Values, new: Values) -> Values:
        """Do nothing: see `diff`."""
        del resource_id, old, new
        return {}

    def delete(self, resource_id: str, state: Values) -> None:
        """Do nothing: what was written goes with the data."""

    def abandon(self, inputs: Values, kept: list[tuple[str, Values]]) -> None:
        """Stop what an interrupted run left."""
        del kept
        with _told(inputs):
            self._clear(self._jobs(inputs), inputs, time.monotonic() + LONGEST_SECONDS)

    def _jobs(self, inputs: Values) -> CloudJobs:
        jobs = provider(inputs["cloud"]).jobs
        if jobs is None:
            raise ResourceFailure(f"{inputs['database']}-seed: the target {inputs['cloud']} runs no jobs")
        return jobs(self._credentials)

    def _clear(self, jobs: CloudJobs, inputs: Values, deadline: float) -> None:
        """End what runs of a try before: it would write on later."""
        for job in (inputs[name] for name in ("job", "beside") if name in inputs):
            for run in jobs.running(job):
                try:
                    jobs.stop(job, run)
                except TargetUnavailableError:
                    if not jobs.look(job, run).over:  # it may have ended meanwhile, and then cannot be stopped
                        raise
                self._end(jobs, job, run, deadline)

    def _good(self, jobs: CloudJobs, inputs: Values, which: str, script: str | None, deadline: float) -> None:
        """Run a job to its end; raise with what it wrote where that was no good one."""
        job = inputs[which]
        run, ended = self._run(jobs, job, script, deadline)
        if ended.well:
            return
        lines: tuple[str, ...] = ()
        with suppress(TargetUnavailableError):  # what is known already is told all the same
            lines = jobs.lines(job, run, LOG_LINES)
        said = last_lines("\n".join(lines), inputs) if lines else ""
        raise ResourceFailure(f"what the database begins with did not come to a good end. {ended.why}.{said}")

    def _run(self, jobs: CloudJobs, job: Values, script: str | None, deadline: float) -> tuple[str, Run]:
        """Run a job to its end, anew where the cloud was not ready for it; one not waited for any more is stopped."""
        for left in reversed(range(_TRIES)):
            run = self._begun(jobs, job, script)
            try:
                ended = self._end(jobs, job, run, deadline)
            except BaseException:
                with suppress(TargetUnavailableError):
                    jobs.stop(job, run)
                raise
            if not (ended.again and left):
                break
            self._pause(_UNREADY_PAUSES * self._pause_seconds)
        return run, ended

    def _begun(self, jobs: CloudJobs, job: Values, script: str | None) -> str:
        """Begin a run; where no answer comes it may have begun all the same, and is stopped."""
        try:
            return jobs.start(job, script)
        except TargetUnavailableError:
            with suppress(TargetUnavailableError):
                for run in jobs.running(job):
                    jobs.stop(job, run)
            raise

    def _end(self, jobs: CloudJobs, job: Values, run: str, deadline: float) -> Run:
        silent = 0
        while True:
            try:
                found, silent = jobs.look(job, run), 0
                if found.over:
                    return found
            except TargetUnavailableError:
                silent += 1
                if silent >= _SILENT_TRIES:
                    raise
            if time.monotonic() > deadline:
                raise ResourceFailure(f"broken off: not done after {LONGEST_SECONDS:.0f} s")
            self._pause(self._pause_seconds)

    def _pause(self, seconds: float) -> None:
        if self._cancelled.wait(seconds):
            raise ResourceFailure("broken off: the operation was cancelled while a database was filled")


@contextmanager
def _told(inputs: Mapping[str, Any]) -> Iterator[None]:
    """Say which filling failed, and nothing of its variables."""
    try:
        yield
    except (TargetUnavailableError, ResourceFailure) as error:
        known = {"env": env if isinstance(env := inputs.get("env"), dict) else {}}
        raise ResourceFailure(f"{inputs.get('database')}-seed: {without_secrets(str(error), known)}") from error

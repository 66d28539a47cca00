"""`slipway:local:Process`: an application that runs and answers."""

import re
import secrets
import time

from workers.engine.plugin.applications import (
    LOG_LINES,
    checked_env,
    checked_health,
    inside,
    last_lines,
    numbers,
    started_by,
    without_secrets,
)
from workers.engine.plugin.health import by_command, by_connection, over_http
from workers.engine.plugin.hosted import Hosted
from workers.engine.plugin.resource import (
    Created,
    Difference,
    InputProblem,
    ResourceFailure,
    Values,
    differing,
    require_text,
    unexpected,
)
from workers.process_host import Limits, ProcessHostError, ProcessSpec, ProcessState, ProcessStatus

INPUTS = ("environment_id", "name", "root", "directory", "command", "procfile_entry", "env", "limits", "health")
MOST: Values = {"memory_mb": 65_536, "processes": 4096, "open_files": 65_536, "file_size_mb": 65_536, "cpus": 64}
"""The most that limits may be, as in blueprints."""
_IDENTIFIER = re.compile(r"[A-Za-z0-9][A-Za-z0-9_-]{0,49}")
_PORT_TAKEN = re.compile(r"address already in use|EADDRINUSE", re.IGNORECASE)


class _PortTakenError(Exception):
    """Somebody else took the port between its choice and the application's start."""


class ProcessResource(Hosted):
    """An application; every change makes another process, which must be healthy before the old one goes.

    Inputs: `environment_id`, `name`, `directory`, `root` (what it may read around its directory, the directory where
    nothing is said); `command` (for `sh -c`) or `procfile_entry`; `env`; `limits` (`memory_mb`, `processes`,
    `open_files`, `file_size_mb`, `cpus`); `health` (`path`, `command`, `running_seconds`, `timeout_seconds`,
    `interval_seconds`): with a path, a GET must answer 2xx or 3xx; a command must end with 0; with seconds, it must
    still run after these; without all of them, the port must accept connections.

    Outputs: `port`, `address`, `process_id`, `log_file`, `state`.
    """

    type = "slipway:local:Process"
    secrets: tuple[str, ...] = ("env",)
    noun = "process"
    inputs = INPUTS
    grace_seconds = 5.0
    hasty_seconds = 1.0

    def check(self, inputs: Values) -> tuple[Values, list[InputProblem]]:
        """Fill in the defaults of `env`, `limits` and `health`; check everything."""
        problems = unexpected(inputs, INPUTS) + require_text(inputs, "environment_id", "name", "directory")
        for name in ("environment_id", "name"):
            value = inputs.get(name)
            if isinstance(value, str) and not _IDENTIFIER.fullmatch(value):
                problems.append(InputProblem(name, "must be letters, digits, '_' and '-', at most 50"))
        if ("command" in inputs) == ("procfile_entry" in inputs):
            problems.append(InputProblem("command", "give either command or procfile_entry"))
        else:
            problems += require_text(inputs, "command" if "command" in inputs else "procfile_entry")
        env, env_problems = checked_env(inputs.get("env", {}))
        limits, limit_problems = numbers("limits", inputs.get("limits", {}), _default_limits(), MOST)
        health, health_problems = checked_health(inputs.get("health", {}))
        checked = {**inputs, "env": env, "limits": limits, "health": health}
        return checked, problems + env_problems + limit_problems + health_problems

    def diff(self, old: Values, new: Values) -> Difference:
        """Every change is another process, and so is one that no longer runs."""
        changed = differing(INPUTS, old, new)
        if old.get("state") != ProcessState.HEALTHY:
            changed += ("state",)
        return Difference(changed=changed, replaces=changed)

    def create(self, inputs: Values) -> Created:
        """Start the application and wait until it answers; on failure stop it and say why."""
        try:
            try:
                return self._attempt(inputs)
            except _PortTakenError:
                return self._attempt(inputs)
        except _PortTakenError as error:
            raise ResourceFailure(f"{inputs['name']}: the application found its port taken, twice: {error}") from error
        except ProcessHostError as error:
            raise ResourceFailure(f"{inputs['name']}: {error.message}") from error

    def _attempt(self, inputs: Values) -> Created:
        directory = inside(inputs)
        spec = ProcessSpec(
            id=f"{inputs['environment_id']}.{inputs['name']}.{secrets.token_hex(4)}",
            environment_id=inputs["environment_id"],
            name=inputs["name"],
            directory=str(directory),
            root=inputs.get("root") or "",
            command=started_by(inputs),
            env=inputs["env"],
            limits=Limits(**inputs["limits"]),
        )
        return self._started(spec, lambda status: self._wait(spec, status, inputs))

    def _wait(self, spec: ProcessSpec, status: ProcessStatus, inputs: Values) -> None:
        """Return once the application is healthy; raise `ResourceFailure` or `_PortTakenError`."""
        health = inputs["health"]
        started = time.monotonic()
        deadline = started + max(health["timeout_seconds"], health["running_seconds"] + 5)
        # Most applications are up in a moment: ask often at first.
        pause = min(0.02, health["interval_seconds"])
        answer = "nothing listens there"
        while time.monotonic() < deadline:
            if self._cancelled.is_set():
                raise ResourceFailure(f"{status.name}: the operation was cancelled while waiting for the application")
            now = self._client.status(status.id)
            if now is None or not now.alive:
                self._raise_ended(status, now, inputs)
            answer = self._ask(spec, status.port, health, started)
            if not answer:
                return
            time.sleep(pause)
            pause = min(pause * 1.5, health["interval_seconds"])
        path = f"http://127.0.0.1:{status.port}{health['path']}" if health["path"] else f"port {status.port}"
        if health["command"]:
            path = "its health check"
        # What answers listens already, and has another trouble.
        hint = (
            ""
            if answer.startswith("answered") or health["command"]
            else " The application must listen on the port in the variable PORT."
        )
        raise ResourceFailure(
            f"{status.name}: not healthy after {health['timeout_seconds']} s: {path}: "
            f"{without_secrets(answer, inputs)}.{hint}"
            f"{self._last_lines(status, inputs)}"
        )

    def _ask(self, spec: ProcessSpec, port: int, health: Values, started: float) -> str:
        """Return nothing when the application is healthy, otherwise what it did."""
        if health["running_seconds"]:
            return "" if time.monotonic() - started >= health["running_seconds"] else "it has not run for long enough"
        if health["command"]:
            return by_command(self._client, spec, port, health["command"])
        return over_http(port, health["path"]) if health["path"] else by_connection(port)

    def _raise_ended(self, status: ProcessStatus, now: ProcessStatus | None, inputs: Values) -> None:
        lines = self._last_lines(status, inputs)
        if now is not None and now.exit_code == 125:
            raise ResourceFailure(f"{status.name}: did not start; the process host is being stopped")
        if _PORT_TAKEN.search(lines):
            raise _PortTakenError(lines)
        code = None if now is None else now.exit_code
        how = (
            "was stopped"
            if code is None
            else f"was ended by signal {-code}"
            if code < 0
            else f"exited with code {code}"
        )
        raise ResourceFailure(f"{status.name}: {how} before it was healthy.{lines}")

    def _last_lines(self, status: ProcessStatus, inputs: Values) -> str:
        return last_lines("\n".join(self._client.log_tail(status.id, lines=LOG_LINES)), inputs)


def _default_limits() -> Values:
    limits = Limits()
    return {name: getattr(limits, name) for name in Limits.__slots__}

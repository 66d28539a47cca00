"""`slipway:local:Process`: an application that runs and answers."""

import json
import os
import re
import secrets
import time
from pathlib import Path
from threading import Event
from typing import Any

from catalog.secret_texts import secret_texts
from workers.engine.plugin.health import by_command, by_connection, over_http
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
from workers.process_host import Limits, ProcessHostError, ProcessSpec, ProcessState, ProcessStatus
from workers.process_host.client import ProcessHostClient

INPUTS = ("environment_id", "name", "root", "directory", "command", "procfile_entry", "env", "limits", "health")
HEALTH: Values = {"path": "", "command": "", "running_seconds": 0, "timeout_seconds": 60, "interval_seconds": 0.25}
LOG_LINES = 20
STOP_GRACE_SECONDS = 5.0
_SHORTEST_SECRET = 6
"""What is not known to be a secret is looked for where it is long enough not to stand everywhere."""
MOST: Values = {"memory_mb": 65_536, "processes": 4096, "open_files": 65_536, "file_size_mb": 65_536}
"""The most that limits may be, as in blueprints."""
_IDENTIFIER = re.compile(r"[A-Za-z0-9][A-Za-z0-9_-]{0,49}")
_PORT_TAKEN = re.compile(r"address already in use|EADDRINUSE", re.IGNORECASE)


class _PortTakenError(Exception):
    """Somebody else took the port between its choice and the application's start."""


class ProcessResource:
    """An application; every change makes another process, which must be healthy before the old one goes.

    Inputs: `environment_id`, `name`, `directory`, `root` (what it may read around its directory, the directory where
    nothing is said); `command` (for `sh -c`) or `procfile_entry`; `env`; `limits` (`memory_mb`, `processes`,
    `open_files`, `file_size_mb`); `health` (`path`, `command`, `running_seconds`, `timeout_seconds`,
    `interval_seconds`): with a path, a GET must answer 2xx or 3xx; a command must end with 0; with seconds, it must
    still run after these; without all of them, the port must accept connections.

    Outputs: `port`, `address`, `process_id`, `log_file`, `state`.
    """

    type = "slipway:local:Process"
    secrets: tuple[str, ...] = ("env",)

    def __init__(self, client: ProcessHostClient, cancelled: Event) -> None:
        self._client = client
        self._cancelled = cancelled

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
        limits, limit_problems = _numbers("limits", inputs.get("limits", {}), _default_limits(), MOST)
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

    def read(self, resource_id: str, state: Values) -> Values | None:
        """Notice that the process is unknown to the host, or is not running."""
        try:
            status = self._client.status(resource_id)
        except ProcessHostError as error:
            raise ResourceFailure(error.message) from error
        return None if status is None else {**state, **_outputs(status)}

    def update(self, resource_id: str, old: Values, new: Values) -> Values:
        """Refuse: a process is never changed."""
        raise ResourceFailure(f"a process is replaced, never changed: {resource_id} {differing(INPUTS, old, new)}")

    def delete(self, resource_id: str, state: Values) -> None:
        """Stop the process and everything it started."""
        del state
        try:
            self._client.stop(resource_id, grace_seconds=STOP_GRACE_SECONDS)
        except ProcessHostError as error:
            raise ResourceFailure(error.message) from error

    def abandon(self, inputs: Values, kept: list[tuple[str, Values]]) -> None:
        """Stop the processes of this environment and name that no resource has."""
        known = {resource_id for resource_id, _outputs in kept}
        environment_id = str(inputs.get("environment_id", ""))
        try:
            for status in self._client.list(environment_id) if environment_id else ():
                if status.name == inputs.get("name") and status.id not in known:
                    self._client.stop(status.id, grace_seconds=STOP_GRACE_SECONDS)
        except ProcessHostError as error:
            raise ResourceFailure(error.message) from error

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
        healthy = False
        try:
            status = self._client.start(spec)
            self._wait(spec, status, inputs)
            status = self._client.mark_healthy(spec.id)
            healthy = True
        finally:
            if not healthy:
                self._client.stop(spec.id, grace_seconds=1.0)
        return Created(spec.id, _outputs(status))

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
            f"{_without_secrets(answer, inputs)}.{hint}"
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
        text = "\n".join(self._client.log_tail(status.id, lines=LOG_LINES))
        text = _without_secrets(text, inputs)
        return f"\nIts last lines:\n{text}" if text else " It wrote nothing."


def _without_secrets(text: str, inputs: Values) -> str:
    """Values of the environment may be secrets, or hold one, and an application that fails likes to print them."""
    for value in sorted(secret_texts(inputs["env"].values(), _SHORTEST_SECRET), key=len, reverse=True):
        text = text.replace(value, "[secret]")
    return text


def _outputs(status: ProcessStatus) -> Values:
    return {
        "port": status.port,
        "address": f"127.0.0.1:{status.port}",
        "process_id": status.id,
        "log_file": status.log_file,
        "state": ProcessState.HEALTHY.value if status.alive else status.state.value,
    }


def _default_limits() -> Values:
    limits = Limits()
    return {name: getattr(limits, name) for name in Limits.__slots__}


def _numbers(name: str, given: Any, defaults: Values, most: Values | None = None) -> tuple[Values, list[InputProblem]]:
    if given is UNKNOWN:
        return defaults, []
    if not isinstance(given, dict) or not given.keys() <= defaults.keys():
        return defaults, [InputProblem(name, f"must be an object of {', '.join(defaults)}")]
    wrong = [
        key
        for key, value in given.items()
        if value is not UNKNOWN and (not isinstance(value, int | float) or isinstance(value, bool) or value <= 0)
    ]
    problems = [InputProblem(f"{name}.{key}", "must be a number above 0") for key in wrong]
    large = [key for key, top in (most or {}).items() if key not in wrong and key in given and _above(given[key], top)]
    problems += [InputProblem(f"{name}.{key}", f"must be at most {(most or {})[key]}") for key in large]
    return {**defaults, **given}, problems


def _above(value: Any, most: Any) -> bool:
    return value is not UNKNOWN and value > most


def checked_env(given: Any) -> tuple[Any, list[InputProblem]]:
    """Return variables as text, and what is wrong with them; a value that is wired in may be a number."""
    if given is UNKNOWN:
        return given, []
    if not isinstance(given, dict):
        return given, [InputProblem("env", "must map names to text")]
    return {
        name: each if isinstance(each, str) or each is UNKNOWN else json.dumps(each) for name, each in given.items()
    }, []


def checked_health(given: Any) -> tuple[Values, list[InputProblem]]:
    """Return a health check with its defaults, and what is wrong with it."""
    texts = {key: given.get(key, "") if isinstance(given, dict) else "" for key in ("path", "command")}
    rest = {key: value for key, value in given.items() if key not in texts} if isinstance(given, dict) else given
    numbers, problems = _numbers("health", rest, {key: value for key, value in HEALTH.items() if key not in texts})
    path, command = texts["path"], texts["command"]
    if path is not UNKNOWN and not (isinstance(path, str) and re.fullmatch(r"(/[!-~]*)?", path)):
        problems.append(InputProblem("health.path", "must begin with / and hold no spaces"))
    if command is not UNKNOWN and not isinstance(command, str):
        problems.append(InputProblem("health.command", "must be text"))
    return {**numbers, **texts}, problems


def inside(inputs: Values) -> Path:
    """Return where the application runs, without links; raise where its files' links lead out of them."""
    directory = Path(inputs["directory"])
    root = Path(inputs.get("root") or directory)
    try:
        # Links are the repository's own, and what lies behind them is opened to the application.
        return root / directory.resolve().relative_to(root.resolve())
    except (ValueError, OSError, RuntimeError):
        raise ResourceFailure(f"{inputs['name']}: its directory leads out of the application's files") from None


def started_by(inputs: Values) -> str:
    """Return the command of an application: its own, or that of its entry in the Procfile."""
    if "command" in inputs:
        return str(inputs["command"])
    entry, path = str(inputs["procfile_entry"]), inside(inputs) / "Procfile"
    try:
        # A link could name a file that only this process may read.
        descriptor = os.open(path, os.O_RDONLY | os.O_NOFOLLOW)
        with os.fdopen(descriptor, encoding="utf-8") as file:
            lines = file.read(64 * 1024).splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise ResourceFailure(f"{inputs['name']}: there is no readable Procfile in the application's files") from error
    for line in lines:
        name, colon, command = line.partition(":")
        if colon and name.strip() == entry and command.strip():
            return command.strip()
    raise ResourceFailure(f"{inputs['name']}: the Procfile has no entry {entry!r}")

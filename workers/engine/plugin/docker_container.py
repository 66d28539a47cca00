"""`slipway:docker:Container`: one service, or a server behind services, in a container that answers."""

import secrets
import time
from threading import Event
from typing import Any

from catalog.providers.targets.docker_api import DockerEngine, DockerError
from workers.engine.plugin.applications import (
    LOG_LINES,
    checked_env,
    checked_health,
    last_lines,
    started_by,
    without_secrets,
)
from workers.engine.plugin.docker_objects import EngineObject, labels, told
from workers.engine.plugin.health import by_connection, over_http
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

INPUTS = (
    *("environment_id", "name", "network", "image", "port", "env", "limits"),
    *("health", "command", "procfile_entry", "root", "directory", "data"),
)
LIMITS = ("memory_mb", "processes", "open_files", "file_size_mb", "cpus")
RUNNING = "running"
STOP_SECONDS = 5
_MIB = 1024 * 1024


class ContainerResource(EngineObject):
    """A service in a container; every change makes another one, which must be healthy before the old one goes.

    Inputs: `environment_id`, `name` (which the environment's network knows it by), `network`, `image`, `port`
    (where it listens, told to it as PORT); `command` (for `sh -c`), or `procfile_entry` with the `directory` of the
    Procfile and the `root` that it may not lead out of, or neither for the image's own command; `env`; `limits`;
    `health` as for processes. It gets no new privileges, and its port is published on the loopback address alone.
    With `data`, a path, what it keeps there lies in a volume of its name that stays without it; as two over the same
    volume would harm each other, the old one goes first.

    Outputs: `host_port` (there), `state`.
    """

    type = "slipway:docker:Container"
    kind = "containers"
    noun = "container"
    inputs = INPUTS
    secrets: tuple[str, ...] = ("env",)

    def __init__(self, engine: DockerEngine, cancelled: Event) -> None:
        super().__init__(engine)
        self._cancelled = cancelled

    def check(self, inputs: Values) -> tuple[Values, list[InputProblem]]:
        """Fill in the defaults of `env`, `limits` and `health`; check everything."""
        problems = unexpected(inputs, INPUTS) + require_text(inputs, "environment_id", "name", "network", "image")
        if "command" in inputs and "procfile_entry" in inputs:
            problems.append(InputProblem("command", "give either command or procfile_entry"))
        if "procfile_entry" in inputs:
            problems += require_text(inputs, "procfile_entry", "root", "directory")
        env, unfit = checked_env(inputs.get("env", {}))
        limits = inputs.get("limits", {})
        if limits is not UNKNOWN and not (isinstance(limits, dict) and limits.keys() <= set(LIMITS)):
            problems.append(InputProblem("limits", f"must be an object of {', '.join(LIMITS)}"))
        health, wrong = checked_health(inputs.get("health", {}))
        return {**inputs, "env": env, "limits": limits, "health": health}, problems + unfit + wrong

    def diff(self, old: Values, new: Values) -> Difference:
        """Every change is another container, and so is one that no longer runs."""
        changed = differing(INPUTS, old, new)
        if old.get("state") != RUNNING:
            changed += ("state",)
        return Difference(changed=changed, replaces=changed, delete_first=bool(new.get("data")))

    def create(self, inputs: Values) -> Created:
        """Start the container and wait until it answers; on failure remove it and say why."""
        name = str(inputs["name"])
        container = ""
        healthy = False
        try:
            if inputs.get("data"):
                self._engine.make("/volumes/create", {"Name": _volume(inputs), "Labels": labels(inputs)})
            made = self._engine.make("/containers/create", _body(inputs), name=_name(inputs))
            container = str(made["Id"])
            self._engine.make(f"/containers/{container}/start", None)
            port = self._wait(container, inputs)
            # From now on it is started again when it ends, as a process of the local target is.
            policy = {"RestartPolicy": {"Name": "unless-stopped"}}
            self._engine.make(f"/containers/{container}/update", policy)
            healthy = True
        except DockerError as error:
            raise ResourceFailure(f"{name}: {without_secrets(error.message, inputs)}") from error
        finally:
            if container and not healthy:
                self._discard(container, seconds=1)
        return Created(container, {"host_port": port, "state": RUNNING})

    def read(self, resource_id: str, state: Values) -> Values | None:
        """Notice that the container is gone, ended, or publishes another port."""
        with told():
            found = self._engine.get(f"/containers/{resource_id}/json")
        if found is None:
            return None
        return {
            **state,
            "state": str(found["State"]["Status"]),
            "host_port": _published(found) or state.get("host_port"),
        }

    def _discard(self, found: str, seconds: int = STOP_SECONDS) -> None:
        # Asked to stop first, so that the application can end what it is doing.
        self._engine.ask("POST", f"/containers/{found}/stop", t=str(seconds))
        self._engine.remove(f"/containers/{found}", force="1", v="1")

    def _wait(self, container: str, inputs: Values) -> int:
        """Return the published port once the service answers there."""
        health, name = inputs["health"], inputs["name"]
        started = time.monotonic()
        deadline = started + max(health["timeout_seconds"], health["running_seconds"] + 5)
        answer = "nothing listens there"
        while time.monotonic() < deadline:
            if self._cancelled.is_set():
                raise ResourceFailure(f"{name}: the operation was cancelled while waiting for the application")
            found = self._engine.get(f"/containers/{container}/json")
            if found is None or not found["State"]["Running"]:
                code = "" if found is None else f" with code {found['State']['ExitCode']}"
                out_of_memory = found is not None and found["State"].get("OOMKilled")
                why = " It used more memory than it may." if out_of_memory else ""
                raise ResourceFailure(
                    f"{name}: it ended{code} before it was healthy.{why}{self._lines(container, inputs)}"
                )
            port = _published(found)
            if port is not None:
                answer = self._answer(container, port, inputs, started)
                if not answer:
                    return port
            time.sleep(health["interval_seconds"])
        hint = "" if answer.startswith("answered") else f" It must listen on port {inputs['port']}, which PORT says."
        raise ResourceFailure(
            f"{name}: not healthy after {health['timeout_seconds']} s: {health['path'] or 'its port'}: "
            f"{answer or 'nothing listens there'}.{hint}{self._lines(container, inputs)}"
        )

    def _answer(self, container: str, port: int, inputs: Values, started: float) -> str:
        """Return nothing when the service is healthy, otherwise what it did."""
        health = inputs["health"]
        if health["running_seconds"]:
            return "" if time.monotonic() - started >= health["running_seconds"] else "it has not run for long enough"
        if health["command"]:
            code = self._engine.run(container, ["/bin/sh", "-c", health["command"]], stop=self._cancelled)[0]
            return "" if code == 0 else f"the command of its health check ended with {code}"
        if health["path"]:
            return over_http(port, health["path"])
        return by_connection(port) or ("" if self._listens(container, inputs) else "nothing listens there")

    def _listens(self, container: str, inputs: Values) -> bool:
        """Tell whether something listens inside; the engine's own proxy takes connections before that."""
        _code, answer = self._engine.run(container, ["cat", "/proc/net/tcp", "/proc/net/tcp6"], user="0")
        wanted = f":{int(inputs['port']):04X} "
        lines = [line.split() for line in answer.splitlines()]
        # Where the image has no "cat" nothing can be seen, and running is all that is known.
        seen = [each for each in lines if len(each) > 4 and ":" in each[1]]
        return not seen or any(f"{each[1][-5:]} " == wanted and each[3] == "0A" for each in seen)

    def _lines(self, container: str, inputs: Values) -> str:
        return last_lines("\n".join(self._engine.logs(container, LOG_LINES)), inputs)


def _name(inputs: Values) -> str:
    return f"slipway-{str(inputs['environment_id'])[:8]}-{inputs['name']}-{secrets.token_hex(4)}"


def _volume(inputs: Values) -> str:
    return f"slipway-{inputs['environment_id']}-{inputs['name']}"


def _published(found: Any) -> int | None:
    ports = (found["NetworkSettings"].get("Ports") or {}).values()
    bound = [int(each["HostPort"]) for bindings in ports for each in bindings or ()]
    return bound[0] if bound else None


def _body(inputs: Values) -> dict[str, Any]:
    limits, port = inputs["limits"], f"{inputs['port']}/tcp"
    variables = {**inputs["env"], "PORT": str(inputs["port"]), "HOST": "0.0.0.0"}  # noqa: S104  # inside the container
    body: dict[str, Any] = {
        "Image": inputs["image"],
        "Env": [f"{key}={value}" for key, value in variables.items()],
        "Labels": labels(inputs),
        "ExposedPorts": {port: {}},
        "HostConfig": {
            "PortBindings": {port: [{"HostIp": "127.0.0.1", "HostPort": ""}]},
            **confined(inputs["network"], limits),
        },
        "NetworkingConfig": {"EndpointsConfig": {inputs["network"]: {"Aliases": [inputs["name"]]}}},
    }
    if inputs.get("data"):
        body["HostConfig"]["Mounts"] = [{"Type": "volume", "Source": _volume(inputs), "Target": inputs["data"]}]
    if "command" in inputs or "procfile_entry" in inputs:
        body |= {"Entrypoint": ["/bin/sh", "-c"], "Cmd": [started_by(inputs)]}
    return body


def confined(network: str, limits: Values) -> dict[str, Any]:
    """Return what holds a container that runs what publishers or contributors wrote."""
    return {
        "NetworkMode": network,
        "SecurityOpt": ["no-new-privileges"],
        "CapDrop": ["NET_RAW", "MKNOD", "AUDIT_WRITE"],
        "Init": True,
        "LogConfig": {"Type": "json-file", "Config": {"max-size": "1m", "max-file": "2"}},
        **_host_limits(limits),
    }


def _host_limits(limits: Values) -> dict[str, Any]:
    found: dict[str, Any] = {}
    if "memory_mb" in limits:
        # No swap on top of it.
        found |= {"Memory": limits["memory_mb"] * _MIB, "MemorySwap": limits["memory_mb"] * _MIB}
    if "processes" in limits:
        found["PidsLimit"] = limits["processes"]
    if "cpus" in limits:
        found["NanoCpus"] = int(limits["cpus"] * 1_000_000_000)
    names = {"open_files": ("nofile", 1), "file_size_mb": ("fsize", _MIB)}
    found["Ulimits"] = [
        {"Name": names[key][0], "Soft": limits[key] * names[key][1], "Hard": limits[key] * names[key][1]}
        for key in names
        if key in limits
    ]
    return found

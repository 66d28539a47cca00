"""What Slipway needs of a container engine's API, over its socket; nothing is imported but the standard library.

The paths and bodies are those of the Docker Engine API, version 1.41; Podman's engine answers the same.
"""

import http.client
import json
import socket
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from typing import IO, Any
from urllib.parse import quote, urlencode

VERSION = "v1.41"
ENVIRONMENT_LABEL = "dev.slipway.environment"
COMPONENT_LABEL = "dev.slipway.component"
SECONDS = 60.0
CANCELLED = "the operation was cancelled"
_LOOK_SECONDS = 0.1
_STREAM_HEADER = 8


class DockerError(Exception):
    """The engine refused, or did not answer (status 0); the text is its own."""

    def __init__(self, status: int, message: str) -> None:
        super().__init__(message)
        self.status = status
        self.message = message


class _Connection(http.client.HTTPConnection):
    def __init__(self, path: str, seconds: float) -> None:
        super().__init__("docker", timeout=seconds)
        self._path = path
        self._line: socket.socket | None = None

    def connect(self) -> None:
        """Connect to the socket's file."""
        self.sock = self._line = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self.sock.settimeout(self.timeout)
        self.sock.connect(self._path)

    def hang_up(self) -> None:
        """Let whoever waits for the answer have no more of it; the engine notices."""
        # The library forgets the socket while it reads an answer that ends with the connection.
        if self._line is not None:
            with suppress(OSError):
                self._line.shutdown(socket.SHUT_RDWR)


@dataclass(frozen=True, slots=True)
class DockerEngine:
    """One engine behind a socket; every method raises `DockerError`.

    Where one takes ``stop``, nobody waits for its answer any more once that is set.
    """

    socket_path: str

    def ask(
        self,
        method: str,
        path: str,
        body: Any = None,
        seconds: float = SECONDS,
        stop: threading.Event | None = None,
        **parameters: Any,
    ) -> tuple[int, bytes]:
        """Return status and body of an answer below 400; 404 is an answer, too."""
        data = None if body is None else json.dumps(body)
        headers = {} if data is None else {"Content-Type": "application/json"}
        return self._send(method, _target(path, parameters), data, headers, seconds, stop)

    def get(self, path: str, **parameters: Any) -> Any:
        """Return what there is as JSON data, None where there is nothing."""
        status, body = self.ask("GET", path, **parameters)
        return None if status == http.client.NOT_FOUND else json.loads(body)

    def make(self, path: str, body: Any, **parameters: Any) -> Any:
        """Make something and return what the engine says of it."""
        status, answer = self.ask("POST", path, body, **parameters)
        if status == http.client.NOT_FOUND:
            raise DockerError(status, _message(answer))
        return json.loads(answer) if answer else {}

    def remove(self, path: str, **parameters: Any) -> None:
        """Remove something; what is gone is removed."""
        self.ask("DELETE", path, **parameters)

    def found(self, kind: str, label: str = ENVIRONMENT_LABEL) -> list[dict[str, Any]]:
        """Return the containers (also those that ended), networks, images or volumes with a label."""
        extra = {"all": "1"} if kind == "containers" else {}
        answer = self.get(
            f"/{kind}" if kind in {"networks", "volumes"} else f"/{kind}/json", **_labelled(label), **extra
        )
        return list(answer["Volumes"] or ()) if kind == "volumes" else list(answer)

    def logs(self, container: str, lines: int) -> list[str]:
        """Return the last lines of a container, oldest first; none where it is gone."""
        parameters: dict[str, Any] = {"stdout": "1", "stderr": "1", "tail": str(lines)}
        status, body = self.ask("GET", f"/containers/{container}/logs", **parameters)
        if status == http.client.NOT_FOUND:
            return []
        return b"".join(_frames(body)).decode("utf-8", "replace").splitlines()[-lines:]

    def run(
        self, container: str, command: list[str], user: str = "", env: Mapping[str, str] | None = None, **more: Any
    ) -> tuple[int, str]:
        """Run a command in a container; return its exit code and what it wrote, its errors as well.

        ``more`` is as for ``ask``. A command goes on where nobody waits for it.
        """
        variables = [f"{name}={value}" for name, value in (env or {}).items()]
        body = {"Cmd": command, "AttachStdout": True, "AttachStderr": True, "User": user, "Env": variables}
        made = self.make(f"/containers/{container}/exec", body)
        _status, answer = self.ask("POST", f"/exec/{made['Id']}/start", {"Detach": False, "Tty": False}, **more)
        code = self.get(f"/exec/{made['Id']}/json")["ExitCode"]
        return 1 if code is None else int(code), b"".join(_frames(answer)).decode("utf-8", "replace")

    def put(self, container: str, folder: str, archive: bytes) -> None:
        """Unpack an archive (tar) into a folder of a container."""
        headers = {"Content-Type": "application/x-tar", "Content-Length": str(len(archive))}
        target = _target(f"/containers/{container}/archive", {"path": folder})
        status, answer = self._send("PUT", target, archive, headers, SECONDS)
        if status == http.client.NOT_FOUND:
            raise DockerError(status, _message(answer))

    def build(
        self, context: IO[bytes], size: int, seconds: float, stop: threading.Event | None = None, **parameters: Any
    ) -> None:
        """Build an image from an archive of ``size`` bytes; raise `DockerError` with the last lines where it fails.

        The engine breaks off a build that nobody waits for.
        """
        headers = {"Content-Type": "application/x-tar", "Content-Length": str(size)}
        _status, answer = self._send("POST", _target("/build", parameters), context, headers, seconds, stop)
        lines: list[str] = []
        for line in answer.splitlines():
            said = json.loads(line)
            if "error" in said:
                raise DockerError(http.client.BAD_REQUEST, "\n".join([*lines[-20:], str(said["error"])]))
            lines += str(said.get("stream", "")).splitlines()

    def _send(
        self,
        method: str,
        target: str,
        body: Any,
        headers: Mapping[str, str],
        seconds: float,
        stop: threading.Event | None = None,
    ) -> tuple[int, bytes]:
        connection = _Connection(self.socket_path, seconds)
        try:
            with _until(stop, connection):
                connection.request(method, target, body, dict(headers))
                answer = connection.getresponse()
                status, data = answer.status, answer.read()
        except (OSError, http.client.HTTPException) as error:
            raise DockerError(
                0, f"The engine at {self.socket_path} does not answer: {error}. Is it running?"
            ) from error
        finally:
            connection.close()
        if status >= http.client.BAD_REQUEST and status != http.client.NOT_FOUND:
            raise DockerError(status, _message(data))
        return status, data


@contextmanager
def _until(stop: threading.Event | None, connection: _Connection) -> Iterator[None]:
    """Hang up once ``stop`` is set, and raise `DockerError` then, whatever the answer has become."""
    if stop is None:
        yield
        return
    over = threading.Event()

    def watch() -> None:
        while not over.wait(_LOOK_SECONDS):
            if stop.is_set():
                connection.hang_up()

    watcher = threading.Thread(target=watch, name="hang-up", daemon=True)
    watcher.start()
    try:
        yield
    except (OSError, http.client.HTTPException):
        if not stop.is_set():
            raise
    finally:
        over.set()
        watcher.join()
    if stop.is_set():
        raise DockerError(0, CANCELLED)


def _target(path: str, parameters: Mapping[str, Any]) -> str:
    texts = {key: each if isinstance(each, str) else json.dumps(each) for key, each in parameters.items()}
    return f"/{VERSION}{quote(path)}" + (f"?{urlencode(texts)}" if texts else "")


def _labelled(label: str) -> dict[str, Any]:
    return {"filters": {"label": [label]}}


def _message(body: bytes) -> str:
    try:
        return str(json.loads(body)["message"])
    except (ValueError, KeyError, TypeError):
        return body.decode("utf-8", "replace")[:500]


def _frames(data: bytes) -> Iterator[bytes]:
    """Yield what a container wrote, without the headers that tell its two streams apart."""
    place = 0
    while place + _STREAM_HEADER <= len(data):
        size = int.from_bytes(data[place + 4 : place + _STREAM_HEADER], "big")
        yield data[place + _STREAM_HEADER : place + _STREAM_HEADER + size]
        place += _STREAM_HEADER + size

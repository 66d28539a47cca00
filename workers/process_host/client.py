"""A client of the process host: JSON over HTTP over its Unix socket."""

import http.client
import json
import socket
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any
from urllib.parse import quote, urlencode

from workers.process_host import ProcessHostError, ProcessSpec, ProcessStatus


class _UnixConnection(http.client.HTTPConnection):
    def __init__(self, path: str, timeout: float) -> None:
        super().__init__("localhost", timeout=timeout)
        self._path = path

    def connect(self) -> None:
        self.sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self.sock.settimeout(self.timeout)
        self.sock.connect(self._path)


class ProcessHostClient:
    """Asks the process host behind one socket; every method raises `ProcessHostError`."""

    def __init__(self, socket_path: Path, *, timeout: float = 15.0) -> None:
        self._socket = str(socket_path)
        self._timeout = timeout

    def start(self, spec: ProcessSpec) -> ProcessStatus:
        """Start a process, or return it where one with this id is already known.

        What is asked for before `close_gate` and arrives after it is refused (`closed`).
        """
        ProcessSpec.from_json(spec.as_json())  # what is wrong with it is told before anything is asked
        gate = int(self._ask("GET", f"/environments/{quote(spec.environment_id)}/gate")["gate"])
        asked = replace(spec, gate=gate).as_json()
        return ProcessStatus.from_json(self._ask("PUT", f"/processes/{quote(spec.id)}", asked))

    def close_gate(self, environment_id: str) -> None:
        """Have every start for an environment refused that was asked for until now, and has not arrived.

        For whoever clears up after an operation that was killed: what it sent may still be on its way.
        """
        self._ask("POST", f"/environments/{quote(environment_id)}/gate")

    def status(self, process_id: str) -> ProcessStatus | None:
        """Return what is known of a process, or None where the host does not know it."""
        try:
            return ProcessStatus.from_json(self._ask("GET", f"/processes/{quote(process_id)}"))
        except ProcessHostError as error:
            if error.code == "not_found":
                return None
            raise

    def list(self, environment_id: str | None = None) -> tuple[ProcessStatus, ...]:
        """List the processes of an environment, or all of them."""
        query = f"?{urlencode({'environment': environment_id})}" if environment_id else ""
        return tuple(ProcessStatus.from_json(item) for item in self._ask("GET", f"/processes{query}")["processes"])

    def mark_healthy(self, process_id: str) -> ProcessStatus:
        """Say that the process answered its health check: from now on it is started again when it ends."""
        return ProcessStatus.from_json(self._ask("POST", f"/processes/{quote(process_id)}/healthy"))

    def stop(self, process_id: str, *, grace_seconds: float = 5.0) -> None:
        """Stop a process with everything it started and forget it; one that is not known is already stopped."""
        self._ask(
            "DELETE", f"/processes/{quote(process_id)}?{urlencode({'grace': grace_seconds})}", extra=grace_seconds
        )

    def log_tail(self, process_id: str, *, lines: int = 100) -> tuple[str, ...]:
        """Return the last lines that the process wrote, also after its end."""
        path = f"/processes/{quote(process_id)}/log?{urlencode({'lines': lines})}"
        return tuple(self._ask("GET", path)["lines"])

    def health(self) -> dict[str, Any]:
        """Return how applications are kept apart and bounded, and how many there are.

        `{"isolation": "user" | "bubblewrap" | "none" | "refused", "reason": str, "bounds": str, "processes": int}`.
        """
        return self._ask("GET", "/health")

    def _ask(
        self, method: str, path: str, body: Mapping[str, Any] | None = None, *, extra: float = 0
    ) -> dict[str, Any]:
        connection = _UnixConnection(self._socket, self._timeout + extra)
        try:
            payload = None if body is None else json.dumps(body)
            connection.request(method, path, payload, {"Content-Type": "application/json"})
            response = connection.getresponse()
            answer = json.loads(response.read() or b"{}")
        except (OSError, http.client.HTTPException, ValueError) as error:
            message = f"the process host does not answer at {self._socket} ({error}); is it running?"
            raise ProcessHostError("unreachable", message) from error
        finally:
            connection.close()
        if response.status >= 400:
            raise ProcessHostError(str(answer.get("code", "failed")), str(answer.get("message", "no reason given")))
        return dict(answer)

"""The local target: applications under the process host of this machine, routes in its router."""

import json
from base64 import urlsafe_b64decode, urlsafe_b64encode
from datetime import datetime
from typing import Any
from uuid import UUID

import httpx

from catalog.providers.routers import RouterUnavailableError
from catalog.providers.routers.haproxy import PROVIDER as HAPROXY
from catalog.providers.targets import ALL_BACKING, Found, LogPiece, LogTail, TargetProvider, TargetUnavailableError
from catalog.settings import Settings

SECONDS = 5.0


class LocalTarget:
    """Asks the process host over its Unix socket, and the router for its routes."""

    def __init__(self, settings: Settings) -> None:
        self._socket = str(settings.process_host_socket)
        self._router = HAPROXY.connect(settings.data_dir, settings.run_dir)

    def inventory(self, environment_id: UUID, hostname: str) -> tuple[str, ...]:
        """Name the processes and the route of an environment that are still there."""
        processes = [_named(each) for each in self._processes(environment_id)]
        routes = [f"the route {each.host}" for each in self._router.list() if each.host == hostname]
        return (*processes, *routes)

    def census(self) -> tuple[Found, ...]:
        """Name every process of the host and every route of the router."""
        found = [Found(_named(each), _uuid(each)) for each in self._all()]
        return (*found, *(Found(f"the route {each.host}", hostname=each.host) for each in self._router.list()))

    def clear(self, environment_id: UUID, hostname: str) -> None:
        """Stop the processes of an environment, and take its route away."""
        for each in self._processes(environment_id):
            self._ask(f"/processes/{each['id']}", {"grace": "1"}, method="DELETE")
        try:
            self._router.remove(hostname)
        except RouterUnavailableError as error:
            raise TargetUnavailableError(error.detail) from error

    def forget(self, environment_id: UUID) -> None:
        """Remove the logs of the environment's processes."""
        self._ask(f"/environments/{environment_id}", {}, method="DELETE")

    def last_visit(self, hostname: str) -> datetime | None:
        """Return when the router last led somebody to the address."""
        try:
            return self._router.last_visit(hostname)
        except RouterUnavailableError as error:
            raise TargetUnavailableError(error.detail) from error

    def log_tails(self, environment_id: UUID, lines: int) -> tuple[LogTail, ...]:
        """Return the end of each component's latest log, also of one that has ended."""
        answer = self._ask(f"/environments/{environment_id}/logs", {"lines": str(lines)})
        return tuple(LogTail(each["name"], tuple(each["lines"])) for each in answer["logs"])

    def log_after(self, environment_id: UUID, position: str) -> LogPiece:
        """Return what was written after a position, which holds one for each process."""
        body = json.dumps(_positions(environment_id, position)).encode()
        answer = self._ask(f"/environments/{environment_id}/logs/after", {}, method="POST", body=body)
        tails = tuple(LogTail(each["name"], tuple(each["lines"])) for each in answer["logs"] if each["lines"])
        # Of a process its name alone is told; the environment is known.
        short = {name.partition(".")[2]: at for name, at in answer["positions"].items()}
        text = urlsafe_b64encode(json.dumps(short, separators=(",", ":")).encode()).decode()
        return LogPiece(tails, text)

    def bounds(self) -> str:
        """Say what holds applications to their limits."""
        return str(self._ask("/health", {}).get("bounds", ""))

    def _processes(self, environment_id: UUID) -> list[dict[str, Any]]:
        found: list[dict[str, Any]] = self._ask("/processes", {"environment": str(environment_id)})["processes"]
        return found

    def _all(self) -> list[dict[str, Any]]:
        found: list[dict[str, Any]] = self._ask("/processes", {})["processes"]
        return found

    def _ask(
        self, path: str, parameters: dict[str, str], method: str = "GET", body: bytes | None = None
    ) -> dict[str, Any]:
        try:
            with httpx.Client(transport=httpx.HTTPTransport(uds=self._socket), timeout=SECONDS) as client:
                answer: dict[str, Any] = client.request(
                    method, f"http://process-host{path}", params=parameters, content=body
                ).json()
        except (httpx.HTTPError, ValueError) as error:
            raise TargetUnavailableError(f"The process host does not answer: {error}. Is it running?") from error
        if "code" in answer and "message" in answer:
            raise TargetUnavailableError(f"The process host refused: {answer['message']}")
        return answer


def _named(process: dict[str, Any]) -> str:
    return f"the process {process['name']} ({process['id']})"


def _positions(environment_id: UUID, position: str) -> dict[str, int]:
    """Read what ``log_after`` wrote; anything else is a beginning."""
    try:
        found = json.loads(urlsafe_b64decode(position))
    except ValueError:
        return {}
    items = found.items() if isinstance(found, dict) else ()
    return {f"{environment_id}.{name}": at for name, at in items if isinstance(at, int)}


def _uuid(process: dict[str, Any]) -> UUID | None:
    try:
        return UUID(str(process["environment_id"]))
    except (KeyError, ValueError):
        return None  # of something else that the host runs


PROVIDER = TargetProvider("local", LocalTarget, "This machine", backing=ALL_BACKING, seeds=True)

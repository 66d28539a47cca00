"""The API as commands use it: JSON in and out, problems as errors, and streams of events."""

import re
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from importlib.metadata import version
from typing import Any, BinaryIO, Self
from urllib.parse import quote, urlencode
from uuid import uuid4

import httpx

from portal.cli.connection import Connection, current
from portal.cli.errors import ProblemError, UnreachableError
from portal.cli.sse import ServerEvent, parse_events

API = "/api/v1"
_ERRNO = re.compile(r"^\[Errno -?\d+\] ")
# Publishing may take the server some 30 seconds before it answers.
_TIMEOUT = httpx.Timeout(90.0, connect=10.0)
# The server sends a sign of life every ten seconds.
_STREAM_TIMEOUT = httpx.Timeout(25.0, connect=10.0)


class Client:
    """One connection to the portal's API; paths are relative to ``/api/v1``.

    Every method raises ``ProblemError`` where the API refuses and ``UnreachableError`` where it does not answer.
    """

    def __init__(self, connection: Connection) -> None:
        self.connection = connection
        self._http = httpx.Client(
            base_url=connection.url + API,
            headers=_headers(connection),
            timeout=_TIMEOUT,
            # A proxy for the world outside cannot reach this machine.
            trust_env=not connection.is_loopback,
        )

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._http.close()

    def get(self, path: str, params: Mapping[str, Any] | None = None) -> Any:
        """Return what is at ``path``; parameters that are None are left out."""
        given = {name: value for name, value in (params or {}).items() if value is not None}
        return self._json(self._send("GET", path, params=given or None))

    def get_bytes(self, path: str) -> bytes:
        """Return the exact bytes of what is at ``path``."""
        return self._send("GET", path).content

    def post(self, path: str, body: object = None) -> Any:
        """Post a JSON document (none where ``body`` is None) and return the answer."""
        return self._json(self._post(path, json=body))

    def post_bytes(self, path: str, content: bytes, params: Mapping[str, str] | None = None) -> Any:
        """Post a JSON document exactly as it stands and return the answer."""
        headers = {"Content-Type": "application/json", "Idempotency-Key": uuid4().hex}
        return self._json(self._send("POST", path, content=content, headers=headers, params=params))

    def post_file(self, path: str, field: str, name: str, content: bytes, form: Mapping[str, str]) -> Any:
        """Post a form with one file and return the answer."""
        return self._json(self._post(path, files={field: (name, content, "application/gzip")}, data=dict(form)))

    def get_file(self, path: str) -> bytes:
        """Return the exact bytes at ``path``."""
        return self._send("GET", path).content

    def post_for_file(self, path: str, body: object, target: BinaryIO) -> None:
        """Post a JSON document and write the answer's bytes into ``target``."""
        try:
            with self._http.stream("POST", path, json=body) as response:
                if response.is_error:
                    response.read()
                    raise _problem(response)
                target.writelines(response.iter_bytes())
        except httpx.TransportError as error:
            raise self._unreachable(error) from error

    def put(self, path: str, body: object) -> Any:
        """Put a JSON document and return the answer."""
        return self._json(self._send("PUT", path, json=body))

    def items(self, path: str) -> Iterator[dict[str, Any]]:
        """Yield everything in the list at ``path``, page by page."""
        cursor: str | None = None
        while True:
            query = {"limit": 200, **({"cursor": cursor} if cursor else {})}
            found = self.get(f"{path}?{urlencode(query)}")
            yield from found["items"]
            cursor = found.get("next_cursor")
            if cursor is None:
                return

    def delete(self, path: str) -> Any:
        """Delete what is at ``path`` and return the answer, None where it is empty."""
        return self._json(self._send("DELETE", path))

    @contextmanager
    def events(self, path: str, last_id: str) -> Iterator[Iterator[ServerEvent]]:
        """Open the stream of events at ``path``, after the event with ``last_id`` ("" from the beginning on)."""
        headers = {"Accept": "text/event-stream", **({"Last-Event-ID": last_id} if last_id else {})}
        try:
            with self._http.stream("GET", path, headers=headers, timeout=_STREAM_TIMEOUT) as response:
                if response.is_error:
                    response.read()
                    raise _problem(response)
                if not response.headers.get("content-type", "").startswith("text/event-stream"):
                    raise UnreachableError("The portal does not offer a stream of events.")
                yield parse_events(response.iter_text())
        except httpx.TransportError as error:
            raise self._unreachable(error) from error

    def _post(self, path: str, **content: Any) -> httpx.Response:
        headers = {"Idempotency-Key": uuid4().hex}
        try:
            return self._checked(self._http.post(path, headers=headers, **content))
        except (httpx.RemoteProtocolError, httpx.ReadError):
            # The answer was lost on the way. The key makes a repetition the same request, so it is safe.
            return self._send("POST", path, headers=headers, **content)
        except httpx.TransportError as error:
            raise self._unreachable(error) from error

    def _send(self, method: str, path: str, **content: Any) -> httpx.Response:
        try:
            return self._checked(self._http.request(method, path, **content))
        except httpx.TransportError as error:
            raise self._unreachable(error) from error

    def _checked(self, response: httpx.Response) -> httpx.Response:
        if response.is_error:
            raise _problem(response)
        return response

    def _json(self, response: httpx.Response) -> Any:
        if not response.content:
            return None
        try:
            return response.json()
        except ValueError:
            hint = "Is this the address of a Slipway portal?"
            raise UnreachableError(f"{self.connection.url} does not answer as Slipway does.", hint) from None

    def _unreachable(self, error: httpx.TransportError) -> UnreachableError:
        reason = _ERRNO.sub("", str(error)).strip()
        if isinstance(error, httpx.TimeoutException):
            reason = "it took too long to answer"
        hint = (
            "Start it again with `make run` or `slipway up`."
            if self.connection.is_loopback
            else "Check the address and the network."
        )
        return UnreachableError(f"Slipway does not answer at {self.connection.url}: {reason}.", hint)


def _headers(connection: Connection) -> dict[str, str]:
    headers = {"User-Agent": f"slipway/{version('slipway')}"}
    return {**headers, "Authorization": f"Bearer {connection.token}"} if connection.token else headers


def connect() -> Client:
    """Return a client for the Slipway that environment or ``slipway login`` name."""
    return Client(current())


def segment(text: str) -> str:
    """Return ``text`` as one segment of a path."""
    return quote(text, safe="")


def _problem(response: httpx.Response) -> ProblemError:
    try:
        document = response.json()
    except ValueError:
        document = None
    if not isinstance(document, dict):
        document = {"title": f"The server answered {response.status_code} {response.reason_phrase}".strip()}
    return ProblemError(response.status_code, document)

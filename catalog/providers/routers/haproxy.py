"""Routes in HAProxy: a map of host names that is changed at run time, so that nothing is ever reloaded for a route."""

import fcntl
import os
import re
import socket
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from datetime import datetime, timedelta
from pathlib import Path

from catalog.clock import now
from catalog.providers.routers import Route, Router, RouterProvider, RouterUnavailableError

TIMEOUT_SECONDS = 5.0
VISITORS = "previews"
"""The frontend whose table remembers when each host was last asked for."""
REMEMBERED = timedelta(days=20)
"""For how long; HAProxy counts milliseconds in 31 bits."""
_EXPIRES = re.compile(r"\bexp=(\d+)\b")


class HAProxyRouter:
    """Changes the map file first, then the running process, then reads back; undoes the file where that fails.

    The file is what HAProxy reads when it starts or reloads, so routes survive both.
    """

    def __init__(self, map_file: Path, runtime_socket: Path) -> None:
        self._map = map_file
        self._socket = runtime_socket
        self._name = str(map_file).replace(" ", "\\ ")

    def put(self, route: Route) -> None:
        """Make a route effective; raise `RouterUnavailableError`."""
        with self._changing() as routes:
            before = dict(routes)
            routes[route.host] = route.port
            self._write(routes)
            try:
                self._tell(route.host, route.port, known=self._running())
            except RouterUnavailableError:
                self._write(before)
                raise

    def remove(self, host: str) -> None:
        """Take a route away; raise `RouterUnavailableError`.

        A HAProxy that is not running follows no route, and reads the file when it starts.
        """
        with self._changing() as routes:
            if routes.pop(host, None) is not None:
                self._write(routes)
            try:
                if host in self._running():
                    self._ask(f"del map {self._name} {host}")
            except RouterUnavailableError as error:
                if not isinstance(error.__cause__, FileNotFoundError | ConnectionRefusedError):
                    raise
                return
            if host in self._running():
                raise RouterUnavailableError(f"HAProxy did not give up the route of {host}")

    def list(self) -> tuple[Route, ...]:
        """Return the routes in the map file."""
        return _sorted(self._wanted())

    def observed(self) -> tuple[Route, ...]:
        """Return the routes of the running process; raise `RouterUnavailableError`."""
        return _sorted(self._running())

    def last_visit(self, host: str) -> datetime | None:
        """Return when a host was last asked for something, as the running process remembers it."""
        found = _EXPIRES.search(self._ask(f"show table {VISITORS} key {host}"))
        return None if found is None else now() - (REMEMBERED - timedelta(milliseconds=int(found[1])))

    def reconcile(self) -> int:
        """Make the running process follow the map file; return how many routes were wrong."""
        with self._changing() as wanted:
            running = self._running()
            wrong = {host for host in wanted.keys() | running.keys() if wanted.get(host) != running.get(host)}
            for host in wrong:
                if host in wanted:
                    self._tell(host, wanted[host], known=running)
                else:
                    self._ask(f"del map {self._name} {host}")
            return len(wrong)

    def _tell(self, host: str, port: int, *, known: Mapping[str, int]) -> None:
        self._ask(f"{'set' if host in known else 'add'} map {self._name} {host} {port}")
        if self._running().get(host) != port:
            raise RouterUnavailableError(f"HAProxy did not take over the route of {host}")

    def _running(self) -> dict[str, int]:
        answer = self._ask(f"show map {self._name}")
        if "Unknown map" in answer:
            raise RouterUnavailableError(f"HAProxy runs without the map {self._map}; was it started by Slipway?")
        # Each line is an address in memory, the key and the value.
        return _parse(line.partition(" ")[2] for line in answer.splitlines())

    def _ask(self, command: str) -> str:
        with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as connection:
            connection.settimeout(TIMEOUT_SECONDS)
            try:
                connection.connect(str(self._socket))
                connection.sendall(f"{command}\n".encode())
                chunks = []
                while chunk := connection.recv(65536):
                    chunks.append(chunk)
            except OSError as error:
                message = f"HAProxy does not answer at {self._socket} ({error}); is it running?"
                raise RouterUnavailableError(message) from error
        return b"".join(chunks).decode("utf-8", "replace")

    def _wanted(self) -> dict[str, int]:
        try:
            return _parse(self._map.read_text("utf-8").splitlines())
        except FileNotFoundError:
            return {}

    @contextmanager
    def _changing(self) -> Iterator[dict[str, int]]:
        """Hold the lock of the map and yield what is wanted."""
        self._map.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        lock = os.open(self._map.with_suffix(".lock"), os.O_RDWR | os.O_CREAT, 0o600)
        try:
            fcntl.flock(lock, fcntl.LOCK_EX)
            yield self._wanted()
        finally:
            os.close(lock)

    def _write(self, routes: Mapping[str, int]) -> None:
        temporary = self._map.with_suffix(".new")
        with temporary.open("w", encoding="utf-8") as file:
            file.writelines(f"{host} {port}\n" for host, port in sorted(routes.items()))
            file.flush()
            os.fsync(file.fileno())
        temporary.replace(self._map)


def _parse(lines: Iterator[str] | list[str]) -> dict[str, int]:
    routes = {}
    for line in lines:
        host, _, port = line.strip().partition(" ")
        if port.strip().isdigit():
            routes[host] = int(port)
    return routes


def _sorted(routes: Mapping[str, int]) -> tuple[Route, ...]:
    return tuple(Route(host, port) for host, port in sorted(routes.items()))


def map_file(data_dir: Path) -> Path:
    """Return where the map of routes lies."""
    return data_dir / "haproxy" / "routes.map"


def runtime_socket(run_dir: Path) -> Path:
    """Return where HAProxy listens for commands."""
    return run_dir / "haproxy.sock"


def _connect(data_dir: Path, run_dir: Path) -> Router:
    return HAProxyRouter(map_file(data_dir), runtime_socket(run_dir))


PROVIDER = RouterProvider(name="haproxy", connect=_connect)

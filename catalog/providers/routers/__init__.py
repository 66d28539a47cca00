"""The port that leads visitors to applications: host name in, local port out.

Each module of this package defines `PROVIDER`, a `RouterProvider`.
"""

import re
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Protocol

from catalog.errors import FieldError, InvalidInputError, UnavailableError

_HOST = re.compile(r"(?=.{1,253}\Z)[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?(\.[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?)*")


class RouterUnavailableError(UnavailableError):
    """The router does not answer, or did not take a route over; the route is as it was before."""

    code = "router_unavailable"
    title = "The router cannot be reached"


@dataclass(frozen=True, slots=True)
class Route:
    """Requests for `host` (a lower-case DNS name without port) go to `port` of the loopback address."""

    host: str
    port: int

    def __post_init__(self) -> None:
        if not _HOST.fullmatch(self.host):
            raise InvalidInputError(
                "a route needs a host name", [FieldError("/host", "a DNS name in lower case, without port")]
            )
        if not 0 < self.port < 65536:
            raise InvalidInputError("a route needs a port", [FieldError("/port", "a number from 1 to 65535")])


class Router(Protocol):
    """Keeps routes. Every method may be called from several processes at once and may be repeated."""

    def put(self, route: Route) -> None:
        """Make a route effective, replacing one for the same host; raise `RouterUnavailableError`."""
        ...

    def remove(self, host: str) -> None:
        """Take a route away; one that is not there is already removed. Raise `RouterUnavailableError`."""
        ...

    def list(self) -> tuple[Route, ...]:
        """Return the routes that are wanted, by host."""
        ...

    def observed(self) -> tuple[Route, ...]:
        """Return the routes that the running router follows, by host; raise `RouterUnavailableError`."""
        ...

    def last_visit(self, host: str) -> datetime | None:
        """Return when somebody last visited a host; None: not since the router was started, or long ago.

        Raises `RouterUnavailableError`.
        """
        ...

    def reconcile(self) -> int:
        """Make the running router follow what is wanted; return how many routes were wrong."""
        ...


@dataclass(frozen=True, slots=True)
class RouterProvider:
    """An implementation by name; `connect` takes the data directory and the directory of the sockets."""

    name: str
    connect: Callable[[Path, Path], Router]

"""Whether the addresses that Slipway listens on are free, asked before anything is started."""

import errno
import socket
from collections.abc import Sequence
from dataclasses import dataclass

import psutil

from workers.embedded.errors import EmbeddedError


@dataclass(frozen=True)
class Address:
    """Where something of ours will listen, and ``variable``, which moves it elsewhere."""

    host: str
    port: int
    purpose: str
    variable: str


def require_free(addresses: Sequence[Address]) -> None:
    """Raise ``EmbeddedError`` that names every port in use, who has it where that can be told, and the remedy."""
    problems = [problem for address in addresses if (problem := _problem(address))]
    if problems:
        raise EmbeddedError("\n".join(problems))


def _problem(address: Address) -> str | None:
    family = socket.AF_INET6 if ":" in address.host else socket.AF_INET
    with socket.socket(family, socket.SOCK_STREAM) as probe:
        # As servers do, so that connections of the last run that are still closing do not count.
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((address.host, address.port))
        except (OSError, OverflowError) as error:
            if getattr(error, "errno", None) == errno.EADDRINUSE:
                reason = f"is in use{_holder(address.port)}"
            else:
                reason = f"cannot be used on {address.host} ({error})"
            return (
                f"Port {address.port} for {address.purpose} {reason}; "
                f"choose another with {address.variable}, or stop what has it."
            )
    return None


def _holder(port: int) -> str:
    try:
        for connection in psutil.net_connections("tcp"):
            local = connection.laddr
            if connection.status == psutil.CONN_LISTEN and connection.pid and local and local.port == port:
                return f" by process {connection.pid} ({psutil.Process(connection.pid).name()})"
    except psutil.Error:
        return ""
    return ""

"""How it is found out whether an application is well: over HTTP, by a connection, or by a command beside it."""

import http.client
import socket
import time
from dataclasses import replace

from workers.process_host import ASKING, ProcessSpec
from workers.process_host.client import ProcessHostClient

COMMAND_SECONDS = 30.0


def over_http(port: int, path: str) -> str:
    """Ask for a path; return nothing where the answer is below 400, otherwise what was wrong."""
    try:
        connection = http.client.HTTPConnection("127.0.0.1", port, timeout=5)
        try:
            connection.request("GET", path, headers={"Host": "localhost", "User-Agent": "slipway-health"})
            status = connection.getresponse().status
        finally:
            connection.close()
    except ConnectionRefusedError:
        return "nothing listens there"
    except (OSError, http.client.HTTPException) as error:
        return f"no answer ({type(error).__name__})"
    return "" if 200 <= status < 400 else f"answered {status}"


def by_connection(port: int) -> str:
    """Connect; return nothing where that succeeds, otherwise what was wrong."""
    try:
        socket.create_connection(("127.0.0.1", port), timeout=2).close()
    except ConnectionRefusedError:
        return "nothing listens there"
    except OSError as error:
        return f"no answer ({type(error).__name__})"
    return ""


def by_command(client: ProcessHostClient, spec: ProcessSpec, port: int, command: str) -> str:
    """Run a command as the application runs, with its PORT; return nothing where it ends with 0.

    Raises ``ProcessHostError``.
    """
    environment, name, attempt = spec.id.split(".")
    asking = replace(
        spec,
        id=f"{environment}.{name}{ASKING}{attempt}",
        command=f"PORT={port}; export PORT\n{command}",
        port=0,
    )
    try:
        status = client.start(asking)
        deadline = time.monotonic() + COMMAND_SECONDS
        while status.alive and time.monotonic() < deadline:
            time.sleep(0.05)
            status = client.status(asking.id) or status
        lines = client.log_tail(asking.id, lines=1)
    finally:
        client.stop(asking.id, grace_seconds=0.5)
    if status.alive:
        return f"the command of its health check did not end within {COMMAND_SECONDS:.0f} s"
    if status.exit_code == 0:
        return ""
    said = f": {lines[0]}" if lines else ""
    return f"the command of its health check ended with {status.exit_code}{said}"

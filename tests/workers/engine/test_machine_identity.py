"""Programs that are started kept from the machine's identity reach clouds over TLS, and no metadata service."""

import socket
import subprocess
import sys
from collections.abc import Iterator

import pytest

from workers.engine import machine_identity
from workers.engine.machine_identity import kept_from_it

CONNECT = """
import socket, sys
for place in sys.argv[1:]:
    host, _, port = place.rpartition(":")
    try:
        socket.create_connection((host, int(port)), timeout=3).close()
        print("answers")
    except OSError as error:
        print(type(error).__name__)
"""
SERVICES = ("169.254.169.254:80", "169.254.170.2:80", "168.63.129.16:80", "127.0.0.1:80")
OVER_6 = ("::1:80", "fd00:ec2::254:80")
"""A machine may have no IPv6 at all, and says so before anything is asked."""


@pytest.fixture
def listener() -> Iterator[str]:
    """Somebody who listens at a port that the system chose."""
    with socket.socket() as server:
        server.bind(("127.0.0.1", 0))
        server.listen()
        yield f"127.0.0.1:{server.getsockname()[1]}"


def met(*places: str) -> list[str]:
    """Return what a program meets at addresses."""
    command = [sys.executable, "-I", "-c", CONNECT, *places]
    return subprocess.run(command, capture_output=True, text=True, check=True).stdout.split()


def test_metadata_services_are_shut_and_the_rest_is_open(listener: str) -> None:
    if machine_identity.is_enforced():
        assert kept_from_it(lambda: met(listener, *SERVICES)) == ["answers", *["PermissionError"] * len(SERVICES)]
        assert set(kept_from_it(lambda: met(*OVER_6))) <= {"PermissionError", "OSError"}
    else:
        assert kept_from_it(lambda: met(listener)) == ["answers"]
    # Names are asked for over TCP as well; nobody may answer here, and no rule stands before it.
    assert "PermissionError" not in kept_from_it(lambda: met("127.0.0.1:53"))
    # It holds for what was started there alone.
    assert met(listener, "127.0.0.1:443", "127.0.0.1:80")[0] == "answers"
    assert "PermissionError" not in met("127.0.0.1:80")


def test_what_goes_wrong_there_goes_wrong_here() -> None:
    with pytest.raises(ZeroDivisionError):
        kept_from_it(lambda: 1 // 0)

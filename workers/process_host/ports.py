"""The choice of a free port for an application."""

import socket
from collections.abc import Collection
from random import SystemRandom

from workers.process_host import ProcessHostError

# Below the range from which the kernel takes ports for outgoing connections.
PORTS = range(20000, 30000)


def is_free(port: int) -> bool:
    """Say whether somebody could listen on the port of the loopback address now."""
    with socket.socket(socket.AF_INET, socket.SOCK_STREAM) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", port))
        except OSError:
            return False
    return True


def choose(taken: Collection[int]) -> int:
    """Return a free port that is not in `taken`; a random one, so that a port just given back rests for a while."""
    random = SystemRandom()
    for _attempt in range(500):
        port = random.choice(PORTS)
        if port not in taken and is_free(port):
            return port
    raise ProcessHostError("no_port", "no free port was found for the application")

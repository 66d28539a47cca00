"""The embedded Redis: the queue's server, with an append-only file in the data directory."""

import signal
import socket
import subprocess
import time
from pathlib import Path
from urllib.parse import quote

from workers.embedded.accounts import passage, private_directory, service_account
from workers.embedded.errors import EmbeddedError
from workers.embedded.hold import Hold
from workers.embedded.launch import Command, end, start
from workers.embedded.programs import redis_program
from workers.embedded.sockets import forget_socket_directory, socket_directory

# ``noeviction``: a queue that forgets messages to make room would be worse than one that refuses new ones.
_OPTIONS = {
    "port": "0",
    "unixsocketperm": "700",
    "appendonly": "yes",
    "appendfsync": "everysec",
    "auto-aof-rewrite-min-size": "16mb",
    "save": "",
    "maxmemory-policy": "noeviction",
    "databases": "4",
    "daemonize": "no",
    "dir": ".",
}


class EmbeddedRedis:
    """A Redis of our own under ``data``: its file in ``redis/``; it listens on a Unix socket below ``run`` alone.

    It runs as an unprivileged user when we are root, and its socket and data are closed to every other user.
    """

    def __init__(self, data: Path, run: Path) -> None:
        self.name = "redis"
        self.farewell = signal.SIGTERM
        self._data = data.absolute()
        self._run = run.absolute()
        self._files = self._data / "redis"
        self._account = service_account("redis")
        self._hold = Hold(self._data / "redis.lock")
        self._process: subprocess.Popen[bytes] | None = None
        self._socket = Path()

    @property
    def process(self) -> subprocess.Popen[bytes] | None:
        """The server, while it is ours."""
        return self._process

    def start(self) -> None:
        """Start the server; returns before it accepts connections.

        Raises ``AlreadyRunningError`` where another process serves this data, ``EmbeddedError`` where it cannot start.
        """
        passage(self._data)
        passage(self._run)
        self._hold.take(f"the queue in {self._files}", patience=5.0)
        try:
            program = redis_program(self._account)
            private_directory(self._files, self._account)
            self._socket = socket_directory(self._run, "redis", self._account) / "redis.sock"
            self._socket.unlink(missing_ok=True)
            self._process = self._launch(program)
            self._hold.sign(self._process.pid)
        except BaseException:
            forget_socket_directory(self._run, "redis")
            self._hold.release()
            raise

    def wait_ready(self, seconds: float = 30.0) -> None:
        """Wait until the server answers; raise ``EmbeddedError`` where it ends or takes longer than ``seconds``."""
        deadline = time.monotonic() + seconds
        while not self.is_ready():
            if self._process is None or self._process.poll() is not None:
                raise EmbeddedError(f"Redis ended while it was starting; see {self._log_name()}")
            if time.monotonic() >= deadline:
                raise EmbeddedError(f"Redis does not answer after {seconds:.0f} s; see {self._log_name()}")
            time.sleep(0.02)

    def stop(self, seconds: float = 3.0) -> None:
        """End the server within ``seconds``, after it has written everything to disk."""
        if self._process is not None:
            end(self._process, self.farewell, seconds)
            self._process = None
            forget_socket_directory(self._run, "redis")
        self._hold.release()

    def url(self) -> str:
        """Return the address for clients."""
        return f"unix://{quote(str(self._socket), safe='/')}?db=0"

    def is_ready(self) -> bool:
        """Tell whether the server answers."""
        try:
            with socket.socket(socket.AF_UNIX) as connection:
                connection.settimeout(1.0)
                connection.connect(str(self._socket))
                connection.sendall(b"PING\r\n")
                return connection.recv(16).startswith(b"+PONG")
        except OSError:
            return False

    def _launch(self, program: Path) -> subprocess.Popen[bytes]:
        options = _OPTIONS | {"unixsocket": str(self._socket)}
        arguments = [part for name, value in options.items() for part in (f"--{name}", value)]
        command = Command(
            [str(program), *arguments],
            directory=self._files,
            account=self._account,
            farewell=self.farewell,
            keep_open=[self._hold.descriptor],
        )
        with (private_directory(self._data / "logs") / "redis.log").open("ab") as log:
            return start(command, log)

    def _log_name(self) -> str:
        return str(self._data / "logs" / "redis.log")

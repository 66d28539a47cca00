"""The parts of this machine that targets need: the process host and the router."""

import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from catalog.providers.routers.haproxy_configuration import HAProxyOptions, write_configuration
from catalog.settings import Settings


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@contextmanager
def running(**settings: Any) -> Iterator[Settings]:
    """Run a process host and a router over a folder of their own, and give the settings for them."""
    # Not below pytest's own directory, which other users cannot enter: applications run as other users.
    with tempfile.TemporaryDirectory(prefix="slw-targets-") as folder:
        data = Path(folder)
        data.chmod(0o711)
        (data / "run").mkdir()
        options = HAProxyOptions(data, data / "run", preview_port=free_port(), metrics_port=free_port())
        address = data / "run" / "process-host.sock"
        command = [sys.executable, "-m", "workers.process_host", "--data", str(data), "--socket", str(address)]
        with (
            subprocess.Popen(["haproxy", "-db", "-f", str(write_configuration(options))]) as haproxy,
            subprocess.Popen(command) as host,
        ):
            try:
                for path in (address, data / "run" / "haproxy.sock"):
                    deadline = time.monotonic() + 30
                    while not path.exists():
                        assert time.monotonic() < deadline, f"{path} did not appear"
                        time.sleep(0.02)
                # Nothing listens where sleeping environments lead to.
                yield Settings(data_dir=data, preview_port=options.preview_port, port=free_port(), **settings)
            finally:
                haproxy.terminate()
                host.terminate()

"""Run the process host: `python -m workers.process_host --data DIR --socket PATH [--insecure-local]`."""

import argparse
import fcntl
import hashlib
import logging
import os
import signal
import sys
import threading
from pathlib import Path

from workers.process_host.bounds import choose as choose_bounds
from workers.process_host.host import ProcessHost
from workers.process_host.isolation import REASONS, Isolation, choose
from workers.process_host.server import HostServer


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m workers.process_host", description="Runs the applications.")
    parser.add_argument("--data", type=Path, required=True, help="the data directory")
    parser.add_argument("--socket", type=Path, required=True, help="the Unix socket to answer on")
    parser.add_argument("--insecure-local", action="store_true", help="run applications even if nothing isolates them")
    parser.add_argument("--isolation", type=Isolation, choices=[Isolation.USER, Isolation.BUBBLEWRAP], default=None)
    parser.add_argument("--cgroup", default="", help="the control group below which each application gets one")
    return parser.parse_args()


def main() -> int:
    """Serve until SIGTERM or SIGINT; return the exit status."""
    arguments = _arguments()
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(levelname)s %(message)s")
    data = arguments.data.absolute()
    kind = choose(insecure=arguments.insecure_local, wanted=arguments.isolation)
    # Hosts of several data directories may share the group that they are in.
    bounds = choose_bounds(f"slipway-{hashlib.sha256(str(data).encode()).hexdigest()[:12]}", arguments.cgroup)
    host = ProcessHost(data, kind, bounds)
    lock = os.open(data / "processes" / "lock", os.O_RDWR | os.O_CREAT, 0o600)
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        sys.stderr.write(f"another process host already serves {data}\n")
        return 1
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda _number, _frame: host.shut_down())
    server = HostServer(arguments.socket, host)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    logging.getLogger(__name__).info("the process host is ready: %s; bounded by %s", REASONS[kind], bounds.words)
    host.run()
    server.shutdown()
    arguments.socket.unlink(missing_ok=True)
    return 0


if __name__ == "__main__":
    sys.exit(main())

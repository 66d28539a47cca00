"""What Slipway adds to bare Pulumi, in one run: ``python tests/bench/bench_environment.py``.

Request to ``ready`` over HTTP (portal, outbox, relay, worker, engine) beside a bare Automation API script that runs
the same program with the same provider on the same machine, in turn; seconds from the second start to readiness;
memory of portal, worker and relay at rest, as proportional set size of their process trees.
"""

import argparse
import os
import re
import signal
import socket
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import psutil

from catalog import running
from catalog.gates import open_database
from catalog.settings import Settings
from catalog.tenants import bootstrap
from workers.engine import pulumi_cli
from workers.engine.plugin import PluginConfiguration
from workers.engine.plugin.main import write_executable

BARE = """
import sys
import pulumi
from pulumi import automation

repository, commit, directory, name = sys.argv[1:]

def program():
    files = pulumi.CustomResource(
        "slipway:local:Checkout", "checkout", {"repository": repository, "commit": commit, "directory": directory}
    )
    web = Web("web", {
        "environment_id": name, "name": "web", "directory": files.id, "procfile_entry": "web",
        "env": {"GREETING": "Hello"}, "health": {"path": "/"}, "port": None,  # None makes the SDK offer the output
    })
    pulumi.CustomResource("slipway:local:Route", "route", {"host": name + ".preview.localhost", "port": web.port})

class Web(pulumi.CustomResource):
    port: pulumi.Output[int]

    def __init__(self, name, properties):
        super().__init__("slipway:local:Process", name, properties)

stack = automation.create_or_select_stack(stack_name=name, project_name="bare", program=program)
stack.up()
print("up", flush=True)
sys.stdin.readline()
stack.destroy()
stack.workspace.remove_stack(name)
"""
READY = re.compile(r"Slipway is ready at (\S+)")


@dataclass
class Slipway:
    """A running installation, and how long it took to get ready."""

    settings: Settings
    process: subprocess.Popen[str]
    seconds: float
    client: httpx.Client


def free_port() -> int:
    """Return a port whose neighbours 80 and 81 above are free as well."""
    while True:
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            port = int(probe.getsockname()[1])
        if port < 60_000:
            return port


@contextmanager
def slipway(data: Path, port: int) -> Iterator[Slipway]:
    """Run the embedded default until the block ends."""
    begin = time.perf_counter()
    command = [sys.executable, "-m", "workers.embedded", "--data", str(data), "--port", str(port)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        try:
            for line in process.stdout or ():
                if READY.search(line):
                    break
            else:
                raise SystemExit("Slipway did not get ready; see its logs")
            seconds = time.perf_counter() - begin
            settings = running.find(data)
            if settings is None:
                raise SystemExit(f"nothing runs on {data}")
            database = open_database(settings)
            scopes = ["environments:write", "operations:read", "assets:read"]
            token = bootstrap.create_token(database, bootstrap.DEFAULT_TENANT, "bench", scopes, days=1)
            database.close()
            headers = {"Authorization": f"Bearer {token}"}
            with httpx.Client(base_url=f"{settings.base_url}/api/v1", headers=headers, timeout=60) as client:
                yield Slipway(settings, process, seconds, client)
        finally:
            process.send_signal(signal.SIGINT)
            process.wait(30)


def until(client: httpx.Client, environment: str, phase: str) -> None:
    """Wait until an environment is in a phase."""
    deadline = time.monotonic() + 120
    while (seen := client.get(f"/environments/{environment}").raise_for_status().json()["phase"]) != phase:
        if seen in {"failed", "destroy_failed"} or time.monotonic() > deadline:
            raise SystemExit(f"the environment is {seen}")
        time.sleep(0.02)


def ours(running_slipway: Slipway, repository: Path) -> float:
    """Return the seconds from the request for a new environment to ready; it is destroyed afterwards."""
    client = running_slipway.client
    asked: dict[str, Any] = {
        "repository": str(repository),
        "pull_request": 42,
        "blueprint": "slipway/preview-web",
        "inputs": {},
    }
    begin = time.perf_counter()
    environment = client.post("/environments/ephemeral", json=asked).raise_for_status().json()["id"]
    until(client, environment, "ready")
    seconds = time.perf_counter() - begin
    client.delete(f"/environments/{environment}").raise_for_status()
    until(client, environment, "destroyed")
    return seconds


def bare(running_slipway: Slipway, repository: Path, folder: Path, number: int) -> float:
    """Return the seconds that the bare script takes from its start to the end of its ``up``."""
    settings = running_slipway.settings
    configuration = PluginConfiguration(settings.data_dir, settings.run_dir, settings.process_host_socket)
    executable = write_executable(folder / "plugin", configuration)
    cli = pulumi_cli.ensure(settings.tools_dir)
    name = f"bare-{number}"
    (folder / "state").mkdir(exist_ok=True)
    environment = {
        "PATH": f"{executable.parent}:{cli.path.parent}:{os.defpath}",
        "HOME": str(folder),
        "PULUMI_BACKEND_URL": f"file://{folder}/state",
        "PULUMI_CONFIG_PASSPHRASE": "bench",
        "PULUMI_SKIP_UPDATE_CHECK": "true",
    }
    head = ["git", "-C", str(repository), "rev-parse", "HEAD"]
    commit = subprocess.run(head, capture_output=True, text=True, check=True).stdout.strip()
    directory = settings.data_dir / "environments" / name / commit[:12]
    command = [sys.executable, "-c", BARE, str(repository), commit, str(directory), name]
    begin = time.perf_counter()
    with subprocess.Popen(
        command, env=environment, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as process:
        answer = process.stdout.readline() if process.stdout else ""
        seconds = time.perf_counter() - begin
        if answer.strip() != "up":
            raise SystemExit("the bare script failed")
        process.communicate("\n", timeout=60)
    return seconds


def at_rest(running_slipway: Slipway) -> dict[str, float]:
    """Return the proportional set size in MiB of the process trees of portal, worker and relay."""
    names = {"portal": "portal", "workers.runtime.work": "worker", "workers.runtime.relay": "relay"}
    found: dict[str, float] = {}
    for process in psutil.Process(running_slipway.process.pid).children(recursive=True):
        with suppress(psutil.NoSuchProcess):  # what has ended since it was listed takes nothing
            arguments = process.cmdline()
            module = arguments[arguments.index("-m") + 1] if "-m" in arguments else ""
            name = names.get(module)
            if name is None:
                parents = [names.get(m) for p in process.parents() for m in p.cmdline() if m in names]
                name = next((each for each in parents if each), None)
            if name is not None:
                found[name] = found.get(name, 0.0) + process.memory_full_info().pss / 1024 / 1024
    return found


def main() -> int:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=5)
    rounds = parser.parse_args().rounds
    port = free_port()
    with tempfile.TemporaryDirectory(prefix="slw-bench-", dir="/tmp") as root:  # applications must reach it
        folder = Path(root)
        folder.chmod(0o711)
        data = folder / "data"
        with slipway(data, port):
            pass
        with slipway(data, port) as installation:
            print(f"second start to ready: {installation.seconds:.1f} s (limit 10 s)")
            time.sleep(10)
            memory = at_rest(installation)
            parts = ", ".join(f"{name} {size:.0f}" for name, size in sorted(memory.items()))
            print(f"memory at rest: {sum(memory.values()):.0f} MiB PSS ({parts}; limit 400)")
            repository = data / "demo" / "repositories" / "hello-slipway"
            ours(installation, repository)
            bare(installation, repository, folder, 0)
            pairs = [
                (ours(installation, repository), bare(installation, repository, folder, number))
                for number in range(1, rounds + 1)
            ]
        mine, theirs = (statistics.median(column) for column in zip(*pairs, strict=True))
        ratio = statistics.median(a / b for a, b in pairs)
        print(f"request to ready: {mine:.2f} s; bare Automation API script: {theirs:.2f} s (medians of {rounds})")
        print(f"ratio: {ratio:.2f} (limit 1.25, aim 1.10)")
    return 0


if __name__ == "__main__":
    sys.exit(main())

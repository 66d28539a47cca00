"""The plugin carries out what the engine asks as a powerful user; applications of previews share its loopback."""

import json
import subprocess
import sys
import threading
import time
from pathlib import Path
from typing import Any

import psutil
import pytest

# Run as another user in a session of its own, as applications are; `sys.argv`: uid or nothing, path, ports.
CALLER = """
import json, os, sys, grpc
from google.protobuf import empty_pb2
from pulumi.runtime.proto import provider_pb2, provider_pb2_grpc

uid, victim, *ports = sys.argv[1:]
os.setsid()
if uid:
    os.setgroups([])
    os.setgid(int(uid))
    os.setuid(int(uid))
answers = []
for port in ports:
    plugin = provider_pb2_grpc.ResourceProviderStub(grpc.insecure_channel(f"127.0.0.1:{port}"))
    kind = "slipway:local:Checkout"
    calls = (
        lambda: plugin.GetPluginInfo(empty_pb2.Empty(), timeout=5),
        lambda: plugin.Delete(provider_pb2.DeleteRequest(id=victim, urn=f"urn:pulumi:s::p::{kind}::x"), timeout=5),
    )
    for call in calls:
        try:
            call()
            answers.append("done")
        except grpc.RpcError as error:
            answers.append(error.code().name)
print(json.dumps(answers))
"""


def ports_of_operation(data: Path) -> set[int]:
    """Return the ports on which the processes of a running operation listen."""
    ports = set()
    for process in psutil.process_iter(["cmdline"]):
        if "workers.engine.child" not in (process.info["cmdline"] or ()):
            continue
        if Path(process.cwd()).is_relative_to(data / "engine"):
            connections = process.net_connections("inet")
            ports |= {each.laddr.port for each in connections if each.status == psutil.CONN_LISTEN}
    return ports


@pytest.mark.parametrize("uid", ["54321", ""], ids=["another user", "another session"])
def test_nobody_but_the_engine_can_call_the_plugin(target: Any, tmp_path: Path, uid: str) -> None:
    commit = target.commit(f"attacked {uid}")
    victim = tmp_path / "victim"
    victim.mkdir()
    request = target.request(f"attacked{uid}", commit, {"DELAY": "8"})
    operation = threading.Thread(target=target.engine.up, args=(request,))
    operation.start()
    deadline = time.monotonic() + 20
    while not target.processes.list(f"attacked{uid}"):
        assert time.monotonic() < deadline
        time.sleep(0.1)

    command = [sys.executable, "-c", CALLER, uid, str(victim), *map(str, ports_of_operation(target.data))]
    done = subprocess.run(command, check=True, capture_output=True, text=True)
    operation.join()

    answers = json.loads(done.stdout.splitlines()[-1])
    assert "PERMISSION_DENIED" in answers
    assert "done" not in answers
    assert victim.is_dir()
    assert target.get(f"attacked{uid}") == (200, f"attacked {uid}")
    target.engine.destroy(target.request(f"attacked{uid}", commit))

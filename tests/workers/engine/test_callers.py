"""The plugin carries out what the engine asks as a powerful user; applications of previews share its loopback."""

import json
import subprocess
import sys
import threading
import time
from contextlib import suppress
from pathlib import Path
from typing import Any

import psutil
import pytest

from workers.engine import EngineError

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

# The same for the engine's own port, which takes orders from everybody; `sys.argv[1]`: type, inputs, id, ports as JSON.
INTRUDER = """
import json, os, sys, grpc
from google.protobuf import struct_pb2
from pulumi.runtime.proto import resource_pb2, resource_pb2_grpc

kind, inputs, imported, *ports = json.loads(sys.argv[1])
os.setsid()
os.setgroups([])
os.setgid(54321)
os.setuid(54321)
values = struct_pb2.Struct()
values.update(inputs)
order = resource_pb2.RegisterResourceRequest(
    type=kind, name="intruder", custom=True, object=values, importId=imported, acceptSecrets=True
)
for port in ports:
    monitor = resource_pb2_grpc.ResourceMonitorStub(grpc.insecure_channel(f"127.0.0.1:{port}"))
    try:
        monitor.RegisterResource(order, timeout=8)
        print("done")
    except grpc.RpcError as error:
        print(error.code().name, error.details())
"""


def ports_of_operation(data: Path) -> set[int]:
    """Return the ports on which the processes of a running operation listen."""
    ports = set()
    for process in psutil.process_iter(["cmdline"]):
        if "workers.engine.child" not in (process.info["cmdline"] or ()):
            continue
        if Path(process.cwd()).is_relative_to(data / "engine"):
            for each in (process, *process.children(recursive=True)):
                connections = each.net_connections("inet")
                ports |= {end.laddr.port for end in connections if end.status == psutil.CONN_LISTEN}
    return ports


def while_starting(target: Any, name: str, script: str, *arguments: str) -> str:
    """Run a script while an operation waits for its application, and return what it printed.

    The script is told the ports of the operation: as arguments, or at the end of the JSON that is its only one.
    """
    commit = target.commit(name)
    request = target.request(name, commit, {"DELAY": "8"})

    def operate() -> None:
        with suppress(EngineError):
            target.engine.up(request)

    operation = threading.Thread(target=operate)
    operation.start()
    deadline = time.monotonic() + 20
    while not target.processes.list(name):
        assert time.monotonic() < deadline
        time.sleep(0.1)
    ports = sorted(map(str, ports_of_operation(target.data)))
    told = [*arguments, *ports] if script is CALLER else [json.dumps([*json.loads(arguments[0]), *ports])]
    done = subprocess.run([sys.executable, "-c", script, *told], check=True, capture_output=True, text=True)
    operation.join()
    return done.stdout


@pytest.mark.parametrize("uid", ["54321", ""], ids=["another user", "another session"])
def test_nobody_but_the_engine_can_call_the_plugin(target: Any, tmp_path: Path, uid: str) -> None:
    victim = tmp_path / "victim"
    victim.mkdir()

    printed = while_starting(target, f"called{uid}", CALLER, uid, str(victim))

    answers = json.loads(printed.splitlines()[-1])
    assert "PERMISSION_DENIED" in answers
    assert "done" not in answers
    assert victim.is_dir()
    assert target.get(f"called{uid}") == (200, f"called{uid}")
    target.engine.destroy(target.request(f"called{uid}", target.commit("none")))


def test_an_order_that_is_not_of_the_program_starts_nothing(target: Any) -> None:
    place = target.data / "environments"
    place.mkdir(exist_ok=True)
    inputs = {"environment_id": "victim", "name": "web", "directory": str(place), "command": "sleep 60"}

    printed = while_starting(target, "ordered", INTRUDER, json.dumps(["slipway:local:Process", inputs, ""]))

    assert "done" not in printed
    assert target.processes.list("victim") == ()
    target.engine.destroy(target.request("ordered", target.commit("none")))
    assert target.left_over("ordered") == []


def test_a_directory_that_was_never_made_here_is_never_removed(target: Any, tmp_path: Path) -> None:
    victim = tmp_path / "victim"
    victim.mkdir()
    inputs = {"repository": str(target.repository), "commit": "0" * 40, "directory": str(victim)}

    while_starting(target, "imported", INTRUDER, json.dumps(["slipway:local:Checkout", inputs, str(victim)]))
    target.engine.destroy(target.request("imported", target.commit("none")))

    assert victim.is_dir()
    assert target.left_over("imported") == []

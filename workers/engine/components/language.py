"""What the engine takes for the language of a component's program: it starts the sandbox and keeps the door."""

import json
import shutil
import tempfile
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

import grpc
from pulumi.automation._server import LanguageServer
from pulumi.runtime._grpc_settings import _GRPC_CHANNEL_OPTIONS
from pulumi.runtime.proto import language_pb2, resource_pb2_grpc

from workers.engine import ComponentProgram
from workers.engine.components.monitor import Monitor
from workers.sandbox import MIB, Outcome, SandboxError, SandboxLimits, Task
from workers.sandbox.run import Sandbox

_PROGRAM = Path(__file__).with_name("run_component.py")
_RESULT = "result.json"
_THREADS = 16
_LARGEST_MESSAGE = 4 * MIB
"""What a component may say at once; the SDK's own servers take a hundred times as much."""


class See(Protocol):
    """Whoever is told what a component made, or showed that it would."""

    def __call__(self, component: str, shown: list[Any], *, is_complete: bool) -> None:
        """Hear of a component; it is not complete where a preview could not run it to its end."""
        ...


@dataclass(frozen=True)
class ComponentRun:
    """One run of a component: what it is, for how many seconds it may run, who tells it to stop, and who sees it."""

    component: ComponentProgram
    seconds: float
    should_stop: Callable[[], bool]
    see: See

    def __call__(self) -> None:
        """Do nothing: what the engine asks to be run is run by ``ComponentLanguage``."""


class ComponentLanguage(LanguageServer):
    """Serves programs of the SDK as ever, and a ``ComponentRun`` in the sandbox."""

    def Run(self, request: Any, context: Any) -> Any:  # noqa: N802 - the protocol's name
        """Run the program, and answer with what kept it from its end."""
        if not isinstance(self.program, ComponentRun):
            return super().Run(request, context)  # type: ignore[no-untyped-call]  # not annotated in the SDK
        return language_pb2.RunResponse(error=_run(self.program, request))


def _run(run: ComponentRun, request: Any) -> str:
    channel = grpc.insecure_channel(request.monitor_address, options=_GRPC_CHANNEL_OPTIONS)
    told = {
        "project": request.project,
        "stack": request.stack,
        "preview": request.dryRun,
        "inputs": run.component.inputs,
        "secret_inputs": list(run.component.secret_inputs),
        "unknown_inputs": [],
    }
    with channel:
        stub = resource_pb2_grpc.ResourceMonitorStub(channel)
        monitor = Monitor(stub, run.component.providers, foreseen=run.component.foreseen)
        with door(monitor) as socket:
            problem = run_in_sandbox(run.component, told, socket, run.seconds, run.should_stop)
        run.see(run.component.name, monitor.shown, is_complete=not problem)
        return monitor.refused or problem or monitor.left_out()


def run_in_sandbox(
    component: ComponentProgram,
    told: Mapping[str, Any],
    socket: Path,
    seconds: float,
    should_stop: Callable[[], bool],
) -> str:
    """Run a component behind the door at ``socket``; return what kept it from its end, "" where nothing did.

    ``told`` is what the program is told beside wheel, door and name; see ``run_component``.
    """
    limits = SandboxLimits(
        wall_seconds=seconds,
        cpu_seconds=300,
        memory_bytes=1536 * MIB,
        file_bytes=32 * MIB,
        processes=256,
    )
    wheel = Path(component.wheel)
    own = {"wheel": wheel.name, "monitor": str(socket), "component": component.component, "name": component.name}
    task = Task(
        ["python", "-I", str(_PROGRAM)],
        files={wheel.name: wheel.read_bytes()},
        readable=(_PROGRAM, socket.parent),
        collect=(_RESULT,),
        line=json.dumps({**told, **own}),
        limits=limits,
    )
    try:
        outcome = Sandbox().run(task, should_stop)
    except SandboxError as error:
        return f"the component cannot be run here: {error}"
    return _problem(outcome, limits)


def _problem(outcome: Outcome, limits: SandboxLimits) -> str:
    if not outcome.succeeded:
        return f"the component did not come to its end: {outcome.reason(limits)}"
    try:
        told = json.loads(outcome.files.get(_RESULT, b""))
        problem = told["problem"]
    except (ValueError, KeyError, TypeError, RecursionError):
        return "the component did not come to its end"
    return problem if isinstance(problem, str) else "the component gave no readable answer"


@contextmanager
def door(monitor: Monitor) -> Iterator[Path]:
    """Serve a monitor at a socket of its own, which nobody finds by name; yields where that is."""
    folder = Path(tempfile.mkdtemp(prefix="slipway-door-"))
    folder.chmod(0o711)
    socket = folder / "monitor"
    options = [("grpc.max_receive_message_length", _LARGEST_MESSAGE)]
    server = grpc.server(ThreadPoolExecutor(_THREADS), options=options)
    resource_pb2_grpc.add_ResourceMonitorServicer_to_server(monitor, server)
    server.add_insecure_port(f"unix:{socket}")
    server.start()
    socket.chmod(0o666)  # the run becomes another user, who has to be able to knock
    try:
        yield socket
    finally:
        server.stop(None)
        shutil.rmtree(folder, ignore_errors=True)

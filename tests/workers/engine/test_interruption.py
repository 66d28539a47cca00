"""Operations that are cut short: by a limit, by a wish, by the death of the worker, by another operation."""

import json
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import asdict
from pathlib import Path
from typing import Any

import psutil
import pytest

from workers.engine import ChangeSummary, EngineError, ErrorKind
from workers.engine.pulumi_automation import PulumiAutomationEngine

pytestmark = pytest.mark.engine

WORKER = """
import json, sys
from pathlib import Path
from workers.engine import ProgramResource, StackProgram, StackRef, StackRequest
from workers.engine.pulumi_automation import EngineConfiguration, PulumiAutomationEngine

given = json.loads(sys.argv[1])
configuration = {k: Path(v) if k.endswith(("dir", "socket")) else v for k, v in given["configuration"].items()}
resources = tuple(ProgramResource(r["name"], r["type"], r["inputs"]) for r in given["program"]["resources"])
program = StackProgram(resources, given["program"]["outputs"])
request = StackRequest(StackRef(**given["stack"]), given["passphrase"], program)
engine = PulumiAutomationEngine(EngineConfiguration(**configuration))
engine.up(request, lambda event: print(event.kind.value, event.name, flush=True))
"""


def operation_processes(target: Any) -> set[int]:
    """Return the processes of operations of this target, whoever their parents are by now."""
    found = set()
    for process in psutil.process_iter():
        with suppress(psutil.Error):
            if process.cwd().startswith(f"{target.data}/engine/operation-"):
                found.add(process.pid)
    return found


def wait_until(condition: Callable[[], bool], seconds: float = 15) -> None:
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, "it did not happen in time"
        time.sleep(0.05)


def descendants(pid: int) -> set[int]:
    return {process.pid for process in psutil.Process(pid).children(recursive=True)}


def alive(pids: set[int]) -> set[int]:
    found = set()
    for pid in pids:
        with suppress(psutil.NoSuchProcess):
            if psutil.Process(pid).status() != psutil.STATUS_ZOMBIE:
                found.add(pid)
    return found


def test_killed_worker_leaves_nothing_running_and_the_stack_recovers(target: Any) -> None:
    name, commit = "orphan", target.commit("orphan")
    request = target.request(name, commit, {"DELAY": "60"})
    paths = {key: str(value) for key, value in asdict(target.configuration).items() if key != "credentials"}
    given = {"configuration": paths, "passphrase": request.passphrase}
    given |= {"program": asdict(request.program), "stack": asdict(request.stack)}
    command = [sys.executable, "-c", WORKER, json.dumps(given)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, cwd=Path(__file__).parents[3]) as worker:
        assert worker.stdout is not None
        for line in worker.stdout:
            if line.split() == ["resource_started", "web"]:
                break
        wait_until(lambda: bool(target.processes.list(name)))
        started = descendants(worker.pid)
        assert len(started) >= 2, "the child and the command"
        worker.send_signal(signal.SIGKILL)
    wait_until(lambda: not alive(started), 5)

    with pytest.raises(EngineError) as caught:
        target.engine.up(request)
    assert caught.value.kind is ErrorKind.LOCKED

    recovered = target.engine.recover(request)
    assert [resource.name for resource in recovered.resources] == ["files"]
    assert target.processes.list(name) == (), "the application that no state knows is cleared away"
    quick = target.request(name, commit)
    assert target.engine.up(quick).summary == ChangeSummary(create=2, same=1)
    assert target.get(name) == (200, "orphan")
    target.engine.destroy(request)
    assert target.left_over(name) == []


def test_second_operation_on_a_stack_is_refused_at_once(target: Any) -> None:
    request = target.request("twice", target.commit("twice"), {"DELAY": "4"})
    started = threading.Event()
    results: list[Any] = []

    def first() -> None:
        listen = lambda event: started.set() if event.name == "web" else None  # noqa: E731
        results.append(target.engine.up(request, listen))

    thread = threading.Thread(target=first)
    thread.start()
    assert started.wait(20)
    with pytest.raises(EngineError) as caught:
        target.engine.up(request)
    thread.join()

    assert caught.value.kind is ErrorKind.LOCKED
    assert results[0].summary == ChangeSummary(create=3)
    target.engine.destroy(request)


def test_time_limit_ends_the_operation_and_its_application(target: Any) -> None:
    name, commit = "slow", target.commit("slow")
    started = time.monotonic()

    with pytest.raises(EngineError, match="did not finish within 4 s") as caught:
        target.engine.up(target.request(name, commit, {"DELAY": "60"}, time_limit=4))

    assert caught.value.kind is ErrorKind.TIMEOUT
    assert time.monotonic() - started < 12
    assert target.processes.list(name) == ()
    assert operation_processes(target) == set()
    # It came to a safe point, so the stack needs no recovery.
    target.engine.destroy(target.request(name, commit))
    assert target.left_over(name) == []


def test_operation_that_does_not_stop_is_killed_whole(target: Any) -> None:
    name = "stuck"
    request = target.request(name, target.commit("stuck"), {"DELAY": "60"})
    impatient = PulumiAutomationEngine(target.configuration, safe_point_seconds=0.0)
    stop = threading.Event()

    with pytest.raises(EngineError) as caught:
        impatient.up(request, lambda event: stop.set() if event.name == "web" else None, stop.is_set)

    assert caught.value.kind is ErrorKind.CANCELLED
    assert operation_processes(target) == set()
    target.engine.recover(request)
    assert target.processes.list(name) == ()
    target.engine.destroy(request)
    assert target.left_over(name) == []


def test_child_whose_command_dies_reports_a_failure(target: Any) -> None:
    request = target.request("torn", target.commit("torn"), {"DELAY": "60"})

    def tear(event: Any) -> None:
        if event.name == "web":
            for pid in operation_processes(target):
                if psutil.Process(pid).name() != "pulumi":
                    os.kill(pid, signal.SIGKILL)

    with pytest.raises(EngineError, match="ended unexpectedly"):
        target.engine.up(request, tear)

    assert operation_processes(target) == set()
    target.engine.recover(request)
    target.engine.destroy(request)
    assert target.left_over("torn") == []


def test_state_has_no_parts_that_are_written_bit_by_bit(target: Any) -> None:
    request = target.request("whole", target.commit("whole"))
    target.engine.up(request)

    assert list((target.data / "pulumi-state").rglob("whole*.attrs")) == []
    target.engine.destroy(request)
    assert list((target.data / "pulumi-state").rglob("whole*")) == []

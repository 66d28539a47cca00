"""Stacks of the local target from creation to destruction, on the real engine."""

import tempfile
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from workers.engine import (
    ChangeSummary,
    EngineError,
    ErrorKind,
    ProgramResource,
    ResourceOperation,
    StackProgram,
    StackRef,
    StackRequest,
)

pytestmark = pytest.mark.engine


def test_stack_lives_from_preview_to_destroy(target: Any, events: Any) -> None:
    engine, name = target.engine, "life"
    first, second = target.commit("one"), target.commit("two")

    planned = engine.preview(target.request(name, first))
    assert [(change.name, change.operation) for change in planned.changes] == [
        ("files", ResourceOperation.CREATE),
        ("web", ResourceOperation.CREATE),
        ("route", ResourceOperation.CREATE),
    ]
    graph = {node.name: node for node in planned.graph}
    assert {node.operation for node in graph.values()} == {ResourceOperation.CREATE}
    assert graph["route"].inputs == {"host": f"{name}.test", "port": "[unknown]"}
    assert not engine.exists(StackRef("environments", name))

    applied = engine.up(target.request(name, first), events)
    there = {node.name: node for node in applied.graph}
    assert (there["web"].provider, there["web"].type) == ("slipway", "slipway:local:Process")
    assert there["web"].inputs["env"] == "[secret]"
    assert there["route"].inputs["port"] == applied.outputs["port"]
    assert set(there["route"].depends_on) >= {"web"}
    assert applied.summary == ChangeSummary(create=3)
    assert target.get(name) == (200, "one")
    assert events.steps() == [
        (kind, resource, "create")
        for resource in ("files", "web", "route")
        for kind in ("resource_started", "resource_finished")
    ]
    assert isinstance(applied.outputs["port"], int)
    assert applied.outputs["url"] == f"http://{name}.test:{target.preview_port}/"
    assert engine.stacks("environments") == (StackRef("environments", name),)

    assert engine.up(target.request(name, first)).summary == ChangeSummary(same=3)

    answers, done = [], threading.Event()

    def visit() -> None:
        while not done.is_set():
            answers.append(target.get(name))
            time.sleep(0.01)

    visitor = threading.Thread(target=visit)
    visitor.start()
    updated = engine.up(target.request(name, second))
    done.set()
    visitor.join()
    assert updated.summary == ChangeSummary(create=2, update=1, delete=2)
    assert set(answers) == {(200, "one"), (200, "two")}, "the old version serves until the new one is healthy"
    assert target.get(name) == (200, "two")
    assert [status.id for status in target.processes.list(name)] == [updated.outputs["id"]]

    inventory = engine.resources(StackRef("environments", name))
    assert {resource.name for resource in inventory} == {"files", "web", "route"}

    engine.destroy(target.request(name, second))
    assert target.left_over(name) == []
    assert target.get(name)[0] == 404
    assert not engine.exists(StackRef("environments", name))
    assert engine.resources(StackRef("environments", name)) == ()
    # Whoever removed the stack may have been killed before the copy of its state went.
    state = target.data / "pulumi-state" / ".pulumi" / "stacks" / "environments"
    (state / f"{name}.json.bak").write_text("{}")
    assert engine.destroy(target.request(name, second)).summary == ChangeSummary()
    assert list(state.glob(f"{name}*")) == []


def test_refresh_notices_drift_and_up_repairs_it(target: Any) -> None:
    engine, name = target.engine, "drift"
    request = target.request(name, target.commit("steady"))
    applied = engine.up(request)

    target.processes.stop(applied.outputs["id"])
    refreshed = engine.refresh(request)

    assert (refreshed.changed, refreshed.missing) == ((), ("web",))
    assert engine.up(request).summary == ChangeSummary(create=1, update=1, same=1)
    assert target.get(name) == (200, "steady")
    engine.destroy(request)


def test_failed_update_leaves_the_old_version_serving(target: Any) -> None:
    engine, name = target.engine, "keeps"
    good, bad = target.commit("good"), target.commit("bad")
    engine.up(target.request(name, good))

    with pytest.raises(EngineError) as caught:
        engine.up(target.request(name, bad, {"EXIT": "3"}))

    assert caught.value.resource == "web"
    assert "exited with code 3" in caught.value.message
    assert target.get(name) == (200, "good")
    assert len(target.processes.list(name)) == 1
    engine.up(target.request(name, good))
    assert target.get(name) == (200, "good")
    engine.destroy(target.request(name, good))
    assert target.left_over(name) == []


@pytest.fixture(scope="module")
def failing_commit(target: Any) -> Iterator[str]:
    commit = target.commit("fails")
    yield commit
    target.engine.destroy(target.request("fails", commit))
    assert target.left_over("fails") == []


@pytest.mark.parametrize(
    ("env", "web", "reason"),
    [
        (
            {"LEAK": "hunter-22", "EXIT": "7"},
            {},
            "web: exited with code 7 before it was healthy.\nIts last lines:\nstarting",
        ),
        ({"STATUS": "500"}, {"health": {"path": "/", "timeout_seconds": 1}}, "not healthy after 1 s"),
        ({"OFFSET": "1"}, {"health": {"timeout_seconds": 1}}, "nothing listens there. The application must listen"),
        ({}, {"procfile_entry": "worker"}, "the Procfile has no entry 'worker'"),
        ({}, {"environment_id": "../x"}, "environment_id: must be letters"),
    ],
)
def test_failure_says_why_and_leaves_no_process(
    target: Any, failing_commit: str, events: Any, env: dict[str, str], web: dict[str, Any], reason: str
) -> None:
    request = target.request("fails", failing_commit, env, **web)

    with pytest.raises(EngineError) as caught:
        target.engine.up(request, events)

    assert caught.value.kind is ErrorKind.FAILED
    assert caught.value.resource == "web"
    assert reason in caught.value.message
    assert "Traceback" not in caught.value.message
    assert "hunter-22" not in caught.value.message + "".join(event.message for event in events)
    assert target.processes.list("fails") == ()


def test_unknown_commit_is_named(target: Any) -> None:
    target.commit("known")
    request = target.request("nocommit", "0" * 40)

    with pytest.raises(EngineError, match=f"does not hold the commit {'0' * 40}"):
        target.engine.up(request)

    target.engine.destroy(request)


def test_port_taken_in_between_is_tried_again_once(target: Any) -> None:
    with tempfile.TemporaryDirectory() as directory:
        Path(directory).chmod(0o777)
        request = target.request("taken", target.commit("second try"), {"TAKEN_ONCE": f"{directory}/seen"})

        target.engine.up(request)

    assert target.get("taken") == (200, "second try")
    target.engine.destroy(request)


def test_secrets_stay_out_of_state_events_and_results(target: Any, events: Any) -> None:
    commit = target.commit("secret")
    program = target.program("secret", commit, {"TOKEN": "hunter-33"})
    files = next(resource for resource in program.resources if resource.name == "files")
    program = StackProgram(
        resources=(files, ProgramResource("web", "slipway:local:Process", program.resources[1].inputs)),
        outputs={"token": "hunter-44 ${web.port}", "plain": "${web.address}"},
        secret_outputs=("token",),
    )
    request = StackRequest(StackRef("environments", "secret"), "correct horse", program)

    applied = target.engine.up(request, events)

    assert list(applied.outputs) == ["plain"]
    assert applied.secret_outputs["token"].startswith("hunter-44 ")
    assert "hunter" not in repr(applied) + repr(events)
    state = [path for path in target.data.joinpath("pulumi-state").rglob("*") if path.is_file()]
    logs = [path for path in target.data.joinpath("engine").rglob("*") if path.is_file()]
    assert state
    for path in (*state, *logs):
        assert b"hunter-" not in path.read_bytes(), path
    with pytest.raises(EngineError, match="passphrase"):
        target.engine.refresh(StackRequest(request.stack, "wrong horse", program))
    target.engine.destroy(request)

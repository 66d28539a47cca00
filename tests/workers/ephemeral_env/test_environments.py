"""The life of an environment through the real worker, engine, process host and router."""

from typing import Any

import pytest

from catalog.environments.models import Phase
from catalog.operations.models import OperationState, StepState
from catalog.providers.targets import target

pytestmark = pytest.mark.engine

World = Any  # the fixture's class lives in conftest.py, which test files do not import


def test_a_pull_request_gets_an_environment_that_moves_and_goes(world: World) -> None:
    first = world.git("rev-parse", "HEAD")
    environment_id = world.request(inputs={"greeting": "Ahoy"})
    assert world.look(environment_id).phase is Phase.QUEUED

    world.work()
    ready = world.look(environment_id)
    assert (ready.phase, ready.deployed_sha, ready.failure) == (Phase.READY, first, None)
    assert world.visit(ready) == (200, "one Ahoy")
    assert ready.outputs["revision"] == first
    assert {resource.type for resource in ready.resources} >= {"slipway:local:Process", "slipway:local:Route"}
    operation = world.operation(ready.operation_id)
    assert (operation.state, operation.progress) == (OperationState.SUCCEEDED, 100)
    assert {step.state for step in operation.steps} == {StepState.SUCCEEDED}
    assert "visited" in world.log(environment_id)
    graph = world.graph(environment_id)
    assert (graph.source, graph.revision, graph.complete) == ("deployment", first, True)
    inputs = {each.name: each.inputs for each in graph.resources}
    assert inputs["web"]["env"] == "[secret]"
    assert inputs["route"]["host"] == ready.hostname

    second = world.commit("two")
    world.watch()
    assert "environments.provision" in world.ran
    moved = world.look(environment_id)
    assert (moved.phase, moved.deployed_sha, moved.generation) == (Phase.READY, second, 2)
    assert world.visit(moved) == (200, "two Ahoy")
    assert moved.hostname == ready.hostname

    world.close_pull_request()
    world.watch()
    assert world.look(environment_id).phase is Phase.READY, "missing once may be a push in progress"
    world.watch()
    gone = world.look(environment_id)
    assert gone.phase is Phase.DESTROYED
    assert not world.left_over(gone), world.left_over(gone)
    assert world.visit(gone)[0] == 404


def test_a_version_that_never_gets_healthy_leaves_the_old_one_serving(world: World) -> None:
    environment_id = world.request()
    world.work()
    served = world.look(environment_id)
    world.commit("broken", exit="")
    world.watch()
    failed = world.look(environment_id)
    assert failed.phase is Phase.FAILED
    assert failed.failure is not None
    assert "exited with code 3" in failed.failure.message
    assert "the database is missing" in failed.failure.message
    assert world.visit(failed) == (200, "one Hello from a preview environment")
    assert failed.deployed_sha == served.deployed_sha
    assert [each.reason for each in failed.conditions if each.type == "Serving"] == ["PreviousVersion"]

    world.commit("mended")
    world.watch()
    assert world.look(environment_id).phase is Phase.READY
    assert world.visit(served)[1].startswith("mended")
    world.destroy(environment_id)
    world.work()
    assert not world.left_over(failed), world.left_over(failed)


def test_the_same_request_again_changes_nothing(world: World) -> None:
    environment_id = world.request()
    world.work()
    assert world.request() == environment_id
    assert world.look(environment_id).generation == 1
    assert world.work() == []
    assert world.request(inputs={"greeting": "Moin"}) == environment_id
    world.work()
    assert world.visit(world.look(environment_id)) == (200, "one Moin")
    world.destroy(environment_id)
    world.work()


def test_destroying_before_anything_was_made(world: World) -> None:
    environment_id = world.request()
    world.destroy(environment_id)
    world.work()
    gone = world.look(environment_id)
    assert gone.phase is Phase.DESTROYED
    assert gone.destroyed_at is not None
    assert not world.left_over(gone), world.left_over(gone)


def test_a_destroyed_environment_lives_again_on_request(world: World) -> None:
    environment_id = world.request()
    world.work()
    world.destroy(environment_id)
    world.work()
    assert world.request() == environment_id
    world.work()
    again = world.look(environment_id)
    assert (again.phase, again.incarnation) == (Phase.READY, 2)
    assert world.visit(again)[0] == 200
    world.destroy(environment_id)
    world.work()
    assert not world.left_over(again), world.left_over(again)


def test_a_request_while_it_is_destroyed_waits_and_then_lives_again(world: World) -> None:
    environment_id = world.request()
    world.work()
    world.destroy(environment_id)
    assert world.request(inputs={"greeting": "Again"}) == environment_id
    assert world.look(environment_id).phase is Phase.DESTROYING
    ran = world.work()
    assert ran.index("environments.tear_down") < ran.index("environments.provision")
    again = world.look(environment_id)
    assert (again.phase, again.incarnation) == (Phase.READY, 2)
    assert world.visit(again) == (200, "one Again")
    world.destroy(environment_id)
    world.work()
    assert not world.left_over(again), world.left_over(again)


def test_an_expired_environment_is_destroyed(world: World) -> None:
    environment_id = world.request(ttl="PT1M")
    world.work()
    ready = world.look(environment_id)
    world.set_expiry(environment_id, seconds=-1)
    world.work(periodic=True)
    gone = world.look(environment_id)
    assert gone.phase is Phase.DESTROYED
    assert not world.left_over(ready), world.left_over(ready)


def test_a_commit_pushed_while_another_is_applied_wins(world: World) -> None:
    world.commit("slow", delay="3")
    environment_id = world.request()
    newer: list[str] = []

    def push() -> None:
        newer.append(world.commit("newer"))
        world.watch_now(environment_id)

    world.later(1.5, push)
    world.work()
    moved = world.look(environment_id)
    assert (moved.phase, moved.deployed_sha) == (Phase.READY, newer[0])
    assert world.visit(moved)[1].startswith("newer")
    states = [world.operation(each).state for each in world.operations(environment_id)]
    assert sorted(states) == [OperationState.CANCELLED, OperationState.SUCCEEDED]
    world.destroy(environment_id)
    world.work()
    assert not world.left_over(moved), world.left_over(moved)


def test_an_environment_sleeps_remembers_visits_and_wakes_as_it_was(world: World) -> None:
    environment_id = world.request()
    world.work()
    ready = world.look(environment_id)
    assert world.visit(ready)[0] == 200
    seen = target("local", world.settings).last_visit(ready.hostname)
    assert seen is not None
    assert seen >= ready.last_deploy_at
    assert target("local", world.settings).last_visit("nobody.example") is None
    world.act("sleep", environment_id)
    world.work()
    asleep = world.look(environment_id)
    assert asleep.phase is Phase.SLEEPING
    assert world.visit(asleep)[0] != 200
    assert not [each for each in world.left_over(asleep) if each.startswith("the process")]
    assert world.operation(asleep.operation_id).state is OperationState.SUCCEEDED
    world.act("wake", environment_id)
    world.work()
    woken = world.look(environment_id)
    assert (woken.phase, woken.deployed_sha) == (Phase.READY, ready.deployed_sha)
    assert world.visit(woken) == (200, "one Hello from a preview environment")
    world.destroy(environment_id)
    world.work()
    assert not world.left_over(woken), world.left_over(woken)

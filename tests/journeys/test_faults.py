"""Whatever is killed, emptied or wrong: each ends in a clear state, nothing is lost and nothing is left behind."""

import signal
import subprocess
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from threading import Barrier
from typing import Any

import psutil
import pytest
import redis

from catalog import running

# The classes of these fixtures live in conftest.py, which test files do not import.
Installation = Any
NewRepository = Callable[..., Any]
WaitUntil = Callable[..., Any]

pytestmark = [pytest.mark.engine, pytest.mark.usefixtures("blueprints")]
# What a fault may cost at most, on a busy machine: a lost lease of 30 s, a start of everything.
PATIENCE = 120


@pytest.fixture(scope="module")
def served(installation: Installation, blueprints: None, new_repository: NewRepository) -> Iterator[dict[str, Any]]:
    """Keep one environment ready while other things fail."""
    assert blueprints is None
    installation.make_ready()
    accepted = installation.request(new_repository("kept"), inputs={"greeting": "Still here"})
    yield installation.wait_for_phase(accepted["id"], "ready")
    installation.make_ready()
    installation.destroy(accepted["id"])


def assert_serves(slipway: Installation, environment: dict[str, Any], wait_until: WaitUntil) -> None:
    wait_until("the application answers", lambda: slipway.visit(environment)[0] == 200, PATIENCE)
    assert slipway.visit(environment)[1].endswith("Still here")


def assert_made_once(slipway: Installation, environment: dict[str, Any]) -> None:
    """See that an environment has one of each thing."""
    number = environment["id"]
    assert len(slipway.stacks(number)) == 1
    # What was replaced may take a moment to end.
    deadline = time.monotonic() + 20
    while len(running_now := slipway.applications(number)) != 1 and time.monotonic() < deadline:
        time.sleep(0.2)
    assert len(running_now) == 1, [(each, each.ppid(), each.cmdline()) for each in running_now]
    assert len(list((slipway.data / "environments" / number).iterdir())) == 1
    assert environment["hostname"] in slipway.routes()
    kinds = sorted(each["type"] for each in environment["resources"])
    assert kinds == ["slipway:local:Checkout", "slipway:local:Process", "slipway:local:Route"]
    assert slipway.visit(environment)[0] == 200


def in_apply(slipway: Installation, wait_until: WaitUntil, environment_id: str) -> None:
    """Wait until the application of an environment has been started and is waited for."""
    wait_until("the application was started", lambda: slipway.applications(environment_id), PATIENCE)


# Wrong wishes


def test_two_requests_at_once_make_one_environment(slipway: Installation, new_repository: NewRepository) -> None:
    repository, together = new_repository("twins"), Barrier(4)
    body = {"repository": str(repository.path), "pull_request": 7, "blueprint": "demo/journey"}
    assert slipway.token

    def ask(_: int) -> Any:
        together.wait(30)
        return slipway.call("POST", "/environments/ephemeral", json=body)

    with ThreadPoolExecutor(4) as pool:
        answers = list(pool.map(ask, range(4)))
    assert [answer.status_code for answer in answers] == [202] * 4, [answer.text for answer in answers]
    (number,) = {answer.json()["id"] for answer in answers}
    environment = slipway.wait_for_phase(number, "ready")
    assert environment["generation"] == 1
    of_repository = [
        each["id"] for each in slipway.json("env", "list")["items"] if each["repository"] == str(repository.path)
    ]
    assert of_repository == [number]
    assert_made_once(slipway, environment)
    slipway.destroy(number)


@pytest.mark.parametrize(
    ("wrong", "pointer"),
    [
        ({"repository": "/nowhere/at/all"}, "/repository"),
        ({"pull_request": 4711}, "/pull_request"),
        ({"head_sha": "0" * 40}, "/head_sha"),
        ({"blueprint": "demo/nothing"}, "/blueprint"),
        ({"blueprint": "demo/journey>=7"}, "/blueprint"),
        ({"blueprint": "slipway/library-pipeline"}, "/blueprint"),
        ({"branch": "no-such-branch", "pull_request": 4711}, "/branch"),
        ({"inputs": {"greeting": 1}}, "/inputs/greeting"),
        ({"inputs": {"unknown": "x"}}, "/inputs/unknown"),
        ({"ttl": "P99D"}, "/ttl"),
        ({"unknown": 1}, "/unknown"),
    ],
    ids=str,
)
def test_what_is_unknown_is_named(slipway: Installation, wrong: dict[str, Any], pointer: str) -> None:
    sample = slipway.data / "demo" / "repositories" / "hello-slipway"
    body = {"repository": str(sample), "pull_request": 42, "blueprint": "demo/journey", **wrong}
    answer = slipway.call("POST", "/environments/ephemeral", json=body)
    assert answer.status_code == 422, answer.text
    problem = answer.json()
    assert answer.headers["content-type"].startswith("application/problem+json")
    assert [each["pointer"] for each in problem["errors"]] == [pointer], problem
    assert all(len(each["detail"]) > 10 for each in problem["errors"])


# Applications that do not do well


@pytest.fixture(scope="module")
def unwell(installation: Installation, blueprints: None, new_repository: NewRepository) -> dict[str, str]:
    """Ask for the environments of applications that exit, that never become healthy, and that flood their log."""
    assert blueprints is None
    installation.make_ready()
    asked = {
        "exits": (new_repository("exits", exit="yes"), "demo/journey"),
        "ill": (new_repository("ill", ill="yes"), "demo/hasty"),
        "floods": (new_repository("floods", flood="100"), "demo/journey"),
    }
    return {
        name: installation.request(repository, blueprint=blueprint)["id"]
        for name, (repository, blueprint) in asked.items()
    }


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("exits", ("exited with code 3", "the database is missing")),
        ("ill", ("/", "500", "3 s")),
    ],
)
def test_an_application_that_does_not_start_says_why(
    slipway: Installation, unwell: dict[str, str], name: str, words: tuple[str, ...]
) -> None:
    environment = slipway.wait_for_phase(unwell[name], "failed", PATIENCE)
    shown = slipway.command("env", "show", environment["name"]).stdout
    assert shown.startswith(f"{environment['name']} is failed\n")
    assert "Why it failed: " in shown
    assert [word for word in words if word not in shown] == [], shown
    assert slipway.applications(unwell[name]) == []
    operation = slipway.call("GET", f"/operations/{environment['operation_id']}").json()
    assert operation["state"] == "failed"
    slipway.destroy(unwell[name])


def test_an_application_that_floods_its_log_runs_and_its_log_stays_small(
    slipway: Installation, unwell: dict[str, str]
) -> None:
    number = unwell["floods"]
    environment = slipway.wait_for_phase(number, "ready", PATIENCE)
    kept = list((slipway.data / "processes" / "logs").glob(f"{number}*"))
    assert kept
    assert sum(path.stat().st_size for path in kept) < 11 * 1024 * 1024
    assert slipway.command("env", "show", environment["name"]).stdout.startswith(f"{environment['name']} is ready\n")
    logged = slipway.command("env", "logs", environment["name"], "--lines", 5).stdout.splitlines()
    assert (len(logged), logged[-1]) == (5, "the flood is over")
    slipway.destroy(number)


# Something is killed while an environment is being made


def test_a_killed_worker_is_replaced_and_the_apply_goes_on(
    slipway: Installation, new_repository: NewRepository, wait_until: WaitUntil
) -> None:
    worker = slipway.part("worker")
    accepted = slipway.request(new_repository("orphan", delay="3"))
    in_apply(slipway, wait_until, accepted["id"])
    slipway.kill_part("worker")
    slipway.wait_for_part("worker", other_than=worker.pid)
    assert "worker ended unexpectedly (killed by SIGKILL" in slipway.words()
    environment = slipway.wait_for_phase(accepted["id"], "ready", PATIENCE)
    assert_made_once(slipway, environment)
    slipway.destroy(accepted["id"])


def test_an_emptied_redis_loses_nothing(
    slipway: Installation, new_repository: NewRepository, wait_until: WaitUntil
) -> None:
    client = redis.Redis.from_url(running.find(slipway.data).redis_url)  # type: ignore[union-attr]  # it runs
    worker = slipway.part("worker")
    worker.suspend()
    try:
        accepted = slipway.request(new_repository("emptied"))
        wait_until("the work is queued", lambda: _messages(client), 30)
        client.flushall()
        assert _messages(client) == 0
    finally:
        worker.resume()
    environment = slipway.wait_for_phase(accepted["id"], "ready", PATIENCE)
    assert_made_once(slipway, environment)
    slipway.destroy(accepted["id"])


def _messages(client: Any) -> int:
    return sum(int(client.hlen(key)) for key in client.keys("*.msgs"))


def test_a_killed_database_comes_back_and_the_environment_is_made(
    slipway: Installation, new_repository: NewRepository, wait_until: WaitUntil
) -> None:
    postgres = slipway.part("postgres")
    accepted = slipway.request(new_repository("durable", delay="2"))
    in_apply(slipway, wait_until, accepted["id"])
    slipway.kill_part("postgres")
    slipway.wait_for_part("postgres", other_than=postgres.pid)
    environment = slipway.wait_for_phase(accepted["id"], "ready", PATIENCE)
    assert_made_once(slipway, environment)
    slipway.destroy(accepted["id"])


def test_a_killed_portal_does_not_end_the_waiting(
    slipway: Installation, new_repository: NewRepository, tmp_path: Path, wait_until: WaitUntil
) -> None:
    portal, progress = slipway.part("portal"), tmp_path / "progress"
    repository = new_repository("patient", delay="2")
    command = ["slipway", "env", "request", "--repo", str(repository.path), "--pr", "7", "--blueprint", "demo/journey"]
    with progress.open("wb") as stream:
        waiting = subprocess.Popen([*command, "--wait"], env=slipway.variables, stdout=subprocess.PIPE, stderr=stream)
    wait_until("it follows the work", lambda: "✓ Prepare the stack" in progress.read_text(), 60)
    slipway.kill_part("portal")
    address, _ = waiting.communicate(timeout=PATIENCE)
    assert waiting.returncode == 0, progress.read_text()
    slipway.wait_for_part("portal", other_than=portal.pid)
    environment = slipway.json("env", "show", "patient-pr-7")
    assert address.decode() == f"{environment['url']}\n"
    said = progress.read_text().splitlines()
    assert [said.count(line) for line in said if line.startswith("✓")] == [1] * 4, said
    slipway.destroy(environment["id"])


# Something is killed under an environment that serves


def test_a_killed_process_host_brings_applications_back_where_they_were(
    slipway: Installation, served: dict[str, Any], wait_until: WaitUntil
) -> None:
    routes, host = slipway.routes(), slipway.part("process host")
    (before,) = slipway.applications(served["id"])
    slipway.kill_part("process host")
    slipway.wait_for_part("process host", other_than=host.pid)
    wait_until("another process runs", lambda: before.pid not in _pids(slipway.applications(served["id"])), 30)
    assert_serves(slipway, served, wait_until)
    assert slipway.routes() == routes
    assert len(slipway.applications(served["id"])) == 1


def test_a_killed_router_finds_its_routes_again(
    slipway: Installation, served: dict[str, Any], wait_until: WaitUntil
) -> None:
    router = slipway.part("haproxy")
    slipway.kill_part("haproxy")
    slipway.wait_for_part("haproxy", other_than=router.pid)
    assert_serves(slipway, served, wait_until)
    assert slipway.visit({"hostname": "nobody.preview.localhost"})[0] == 404


def test_a_killed_relay_is_replaced(slipway: Installation, new_repository: NewRepository) -> None:
    relay = slipway.part("relay")
    slipway.kill_part("relay")
    accepted = slipway.request(new_repository("relayed"))
    slipway.wait_for_part("relay", other_than=relay.pid)
    environment = slipway.wait_for_phase(accepted["id"], "ready", PATIENCE)
    assert_made_once(slipway, environment)
    slipway.destroy(accepted["id"])


# All of it stops


def test_stopped_and_started_again_everything_is_as_it_was(
    slipway: Installation, served: dict[str, Any], wait_until: WaitUntil
) -> None:
    before, listed, link = slipway.look(served["id"]), slipway.json("search"), slipway.link
    status, seconds = slipway.stop(signal.SIGINT)
    assert (status, slipway.survivors()) == (0, []), slipway.words()
    assert seconds < 10, slipway.words()
    assert slipway.visit(served)[0] == 0
    assert "Slipway does not answer" in slipway.command("env", "list", status=5).stderr

    slipway.start()
    assert_serves(slipway, served, wait_until)
    assert slipway.look(served["id"]) == before
    assert slipway.json("search") == listed
    assert slipway.link != link


def test_a_killed_supervisor_leaves_nothing_running(
    slipway: Installation, served: dict[str, Any], wait_until: WaitUntil
) -> None:
    slipway.remember_family()
    slipway.supervisor().kill()
    assert slipway.front.wait(30) == 1
    wait_until("everything has ended", lambda: not slipway.survivors(), 15)
    assert "the supervisor was killed; everything it ran has been stopped." in slipway.words()
    slipway.start()
    assert_serves(slipway, served, wait_until)


def test_a_killed_front_leaves_nothing_running(
    slipway: Installation, served: dict[str, Any], wait_until: WaitUntil
) -> None:
    slipway.remember_family()
    slipway.front.kill()
    slipway.front.wait(30)
    wait_until("everything has ended", lambda: not slipway.survivors(), 30)
    slipway.start()
    assert_serves(slipway, served, wait_until)


def _pids(processes: list[psutil.Process]) -> set[int]:
    return {each.pid for each in processes}

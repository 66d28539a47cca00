"""``slipway env``: requests, following the work, and what can be done with an environment, against the real portal."""

import json
import os
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from subprocess import CompletedProcess
from uuid import UUID

import pytest

from catalog.db import Database
from catalog.operations.models import OperationState, Problem, StepState
from catalog.operations.service import OperationService
from catalog.providers.scm.local_git import demo_repositories
from catalog.settings import Settings, inherited_environment
from catalog.tenancy import Principal
from portal.cli.sample_repository import ensure_sample_repository

Slipway = Callable[..., CompletedProcess[str]]
STEPS = ("source", "prepare", "apply", "publish")


@pytest.fixture
def repository(settings: Settings) -> Path:
    """Return a repository with pull request 42."""
    return ensure_sample_repository(demo_repositories(settings), inherited_environment()["PATH"])[0]


@pytest.fixture
def request_arguments(repository: Path, blueprint: Path) -> tuple[str, ...]:
    """Return the arguments of a request that will be accepted."""
    return ("env", "request", "--repo", str(repository), "--pr", "42", "--blueprint", f"acme/{blueprint.name}")


class Work:
    """What a worker would tell of an operation; the machinery that makes environments is tested elsewhere."""

    def __init__(self, database: Database, principal: Principal) -> None:
        self._database = database
        self._tenant = principal.tenant_id

    def wait_for_operation(self) -> UUID:
        """Return the operation that is open, as soon as there is one."""
        deadline = time.monotonic() + 30
        while time.monotonic() < deadline:
            with self._database.tenant_session(self._tenant) as session:
                found = [each for each in OperationService(session).recent(self._tenant) if each.finished_at is None]
            if found:
                return found[0].id
            time.sleep(0.05)
        raise AssertionError("nobody asked for anything")

    def step(self, operation: UUID, name: str, state: StepState = StepState.SUCCEEDED) -> None:
        """Move one step."""
        with self._database.tenant_session(self._tenant) as session:
            OperationService(session).run(self._tenant, operation)
            OperationService(session).step(self._tenant, operation, name, state)

    def finish(self, operation: UUID, state: OperationState, problem: Problem | None = None) -> None:
        """End the operation."""
        with self._database.tenant_session(self._tenant) as session:
            OperationService(session).run(self._tenant, operation)
            OperationService(session).finish(self._tenant, operation, state, problem)


@pytest.fixture
def work(database: Database, acme: Principal) -> Work:
    """Return the worker's side of operations in ``acme``."""
    return Work(database, acme)


@contextmanager
def running(arguments: tuple[str, ...], env: dict[str, str]) -> Iterator[subprocess.Popen[str]]:
    """Run a command while the block does something else."""
    command = [sys.executable, "-m", "portal.cli.main", *arguments]
    process = subprocess.Popen(command, env=env, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    try:
        yield process
    finally:
        if process.poll() is None:
            process.kill()
        process.wait(10)


def test_a_request_is_accepted_and_listed(
    slipway: Slipway, signed_in: dict[str, str], request_arguments: tuple[str, ...]
) -> None:
    done = slipway(*request_arguments, "--ttl", "8h", "--set", "greeting=Ahoy", "--json", env=signed_in)
    assert done.returncode == 0, done.stderr
    accepted = json.loads(done.stdout)
    assert set(accepted) == {"id", "phase", "url", "expires_at", "operation"}
    listed = slipway("env", "list", env=signed_in)
    assert accepted["id"][:8] in listed.stdout
    assert all(line == line.rstrip() for line in listed.stdout.splitlines())
    shown = slipway("env", "show", accepted["id"][:8], env=signed_in)
    assert shown.returncode == 0, shown.stderr
    assert "Ahoy" in shown.stdout
    name = json.loads(slipway("env", "show", accepted["id"], "--json", env=signed_in).stdout)["name"]
    extended = slipway("env", "extend", name, "--by", "1d", env=signed_in)
    assert extended.returncode == 0, extended.stderr
    assert name in extended.stdout
    assert slipway("env", "list", "--phase", "destroyed", env=signed_in).stdout.startswith("There are no environments")
    text = slipway(*request_arguments, "--ttl", "8h", "--set", "greeting=Ahoy", env=signed_in)
    assert accepted["id"] in text.stdout


def test_every_field_at_fault_is_named(
    slipway: Slipway, signed_in: dict[str, str], request_arguments: tuple[str, ...]
) -> None:
    done = slipway(*request_arguments, "--set", "greting=x", env=signed_in)
    assert done.returncode == 1
    assert "/inputs" in done.stderr
    assert "greting" in done.stderr
    other = slipway(*request_arguments, "--branch", "no-such-branch", env=signed_in)
    assert other.returncode == 1
    assert "no-such-branch" in other.stderr
    assert "\n  /branch\n" in other.stderr
    assert other.stderr.count("no-such-branch") == 1
    assert "Traceback" not in done.stderr + other.stderr


def test_inputs_start_from_a_preset(
    slipway: Slipway, signed_in: dict[str, str], request_arguments: tuple[str, ...], blueprint: Path
) -> None:
    examples = {path.parent.name: json.loads(path.read_text()) for path in blueprint.glob("examples/*/inputs.json")}
    ((name, inputs),) = examples.items()
    asked = slipway(*request_arguments, "--example", name, "--set", "greeting=Ahoy", "--json", env=signed_in)
    assert asked.returncode == 0, asked.stderr
    shown = json.loads(slipway("env", "show", json.loads(asked.stdout)["id"], "--json", env=signed_in).stdout)
    assert shown["inputs"] == {**shown["inputs"], **inputs, "greeting": "Ahoy"}
    unknown = slipway(*request_arguments, "--example", "none", env=signed_in)
    assert unknown.returncode == 2
    assert f"has no preset 'none'; it has {name}" in unknown.stderr


def test_a_relative_repository_is_the_one_here(
    slipway: Slipway, signed_in: dict[str, str], blueprint: Path, repository: Path, tmp_path: Path
) -> None:
    relative = os.path.relpath(repository, tmp_path)
    done = slipway(
        "env", "request", "--repo", relative, "--pr", "42", "--blueprint", f"acme/{blueprint.name}", env=signed_in
    )
    assert done.returncode == 0, done.stderr


@pytest.mark.parametrize("command", [["show"], ["logs"], ["destroy"], ["extend", "--by", "1h"]])
@pytest.mark.parametrize("which", ["nothing-of-this-name", "00000000-0000-4000-8000-000000000000"])
def test_an_unknown_environment_ends_with_status_4(
    slipway: Slipway, signed_in: dict[str, str], command: list[str], which: str
) -> None:
    done = slipway("env", *command, which, env=signed_in)
    assert done.returncode == 4
    assert which in done.stderr


def test_waiting_shows_each_step_and_ends_with_the_address(
    command_environment: dict[str, str], signed_in: dict[str, str], request_arguments: tuple[str, ...], work: Work
) -> None:
    with running((*request_arguments, "--wait"), {**command_environment, **signed_in}) as process:
        operation = work.wait_for_operation()
        for name in STEPS:
            work.step(operation, name)
        work.finish(operation, OperationState.SUCCEEDED)
        _, err = process.communicate(timeout=30)
    assert process.returncode == 0, err
    assert [line[0] for line in err.splitlines()[1:5]] == ["✓"] * 4
    assert "Fetch the commit" in err
    assert "\x1b" not in err


def test_a_failure_ends_with_status_1_reason_and_hint(
    command_environment: dict[str, str], signed_in: dict[str, str], request_arguments: tuple[str, ...], work: Work
) -> None:
    with running((*request_arguments, "--wait"), {**command_environment, **signed_in}) as process:
        operation = work.wait_for_operation()
        work.step(operation, "source")
        problem = Problem(code="unhealthy", message="It never became healthy.\nline of its log", hint="See it.")
        work.finish(operation, OperationState.FAILED, problem)
        out, err = process.communicate(timeout=30)
    assert process.returncode == 1
    assert out == ""
    assert "slipway: It never became healthy.\nline of its log\nSee it." in err
    assert err.count("line of its log") == 1


def test_ctrl_c_stops_the_waiting_and_not_the_work(
    command_environment: dict[str, str], signed_in: dict[str, str], request_arguments: tuple[str, ...], work: Work
) -> None:
    with running((*request_arguments, "--wait"), {**command_environment, **signed_in}) as process:
        operation = work.wait_for_operation()
        work.step(operation, "source")
        assert process.stderr is not None
        assert process.stderr.readline().startswith("Environment ")
        assert "Fetch the commit" in process.stderr.readline()
        process.send_signal(2)
        _, err = process.communicate(timeout=30)
    assert process.returncode == 1
    assert "goes on without you" in err
    assert "Traceback" not in err
    work.step(operation, "prepare")


class Cutter:
    """A gateway to the portal that breaks every stream of events once more than ``limit`` bytes have passed."""

    def __init__(self, target: str, limit: int) -> None:
        self._port = int(target.rpartition(":")[2])
        self._limit = limit
        self.requests: list[str] = []
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.url = f"http://127.0.0.1:{self._listener.getsockname()[1]}"
        threading.Thread(target=self._accept, daemon=True).start()

    def close(self) -> None:
        """Take no more connections."""
        self._listener.close()

    def _accept(self) -> None:
        while True:
            try:
                client, _ = self._listener.accept()
            except OSError:
                return
            threading.Thread(target=self._serve, args=(client,), daemon=True).start()

    def _serve(self, client: socket.socket) -> None:
        upstream = socket.create_connection(("127.0.0.1", self._port))
        with client, upstream:
            threading.Thread(target=self._send, args=(client, upstream), daemon=True).start()
            is_stream, passed = False, 0
            while part := upstream.recv(256):
                is_stream |= b"text/event-stream" in part
                client.sendall(part)
                passed += len(part) if is_stream else 0
                if is_stream and passed > self._limit:
                    # Closing alone would leave the connection open as long as the other thread reads from it.
                    client.shutdown(socket.SHUT_RDWR)
                    return

    def _send(self, client: socket.socket, upstream: socket.socket) -> None:
        try:
            while part := client.recv(65536):
                self.requests.append(part.decode("latin-1"))
                upstream.sendall(part)
        except OSError:
            return


@pytest.mark.parametrize("limit", [0, 1200])
def test_a_stream_that_breaks_is_taken_up_where_it_broke(
    command_environment: dict[str, str],
    signed_in: dict[str, str],
    request_arguments: tuple[str, ...],
    work: Work,
    limit: int,
) -> None:
    cutter = Cutter(signed_in["SLIPWAY_URL"], limit)
    env = {**command_environment, **signed_in, "SLIPWAY_URL": cutter.url}
    try:
        with running((*request_arguments, "--wait"), env) as process:
            operation = work.wait_for_operation()
            for name in STEPS:
                time.sleep(0.3)
                work.step(operation, name, StepState.RUNNING)
                work.step(operation, name)
            work.finish(operation, OperationState.SUCCEEDED)
            _, err = process.communicate(timeout=60)
    finally:
        cutter.close()
    assert process.returncode == 0, err
    assert err.count("✓") == len(STEPS)
    resumed = [each for each in cutter.requests if "last-event-id:" in each.lower()]
    assert bool(resumed) == bool(limit), "a stream that told something is taken up after the last line it told"


def test_destroying_is_accepted_and_followed_to_its_end(
    slipway: Slipway,
    command_environment: dict[str, str],
    signed_in: dict[str, str],
    request_arguments: tuple[str, ...],
    work: Work,
) -> None:
    accepted = json.loads(slipway(*request_arguments, "--json", env=signed_in).stdout)
    done = slipway("env", "destroy", accepted["id"], "--json", env=signed_in)
    assert done.returncode == 0, done.stderr
    document = json.loads(done.stdout)
    assert document["id"] == accepted["id"]
    assert document["phase"] not in {"requested", "queued"}
    waiting = ("env", "destroy", accepted["id"], "--wait")
    with running(waiting, {**command_environment, **signed_in}) as process:
        work.finish(UUID(document["operation"]), OperationState.SUCCEEDED)
        out, err = process.communicate(timeout=30)
    assert process.returncode == 0, err
    assert accepted["id"] in out


def test_dead_letters_are_listed_and_an_unknown_one_is_told(slipway: Slipway, signed_in: dict[str, str]) -> None:
    listed = slipway("dead-letters", "list", env=signed_in)
    assert (listed.returncode, listed.stdout) == (0, "No job has failed for good.\n")
    assert json.loads(slipway("dead-letters", "list", "--json", env=signed_in).stdout)["items"] == []
    assert slipway("dead-letters", "replay", "4711", env=signed_in).returncode == 4


def test_where_environments_go_is_said_and_chosen(
    slipway: Slipway, signed_in: dict[str, str], repository: Path
) -> None:
    shown = slipway("env", "target", env=signed_in)
    assert "New environments go to local" in shown.stdout
    assert "installation" in shown.stdout
    chosen = json.loads(slipway("env", "target", "local", "--json", env=signed_in).stdout)
    assert (chosen["target"], chosen["placement"]["by"]) == ("local", "tenant")
    assert "chose local" in slipway("env", "target", env=signed_in).stdout
    explained = slipway("env", "explain", "--repo", str(repository), "--pr", "42", env=signed_in)
    assert "TARGET BY" in explained.stdout
    assert "decides" in explained.stdout
    refused = slipway("env", "target", "moon", env=signed_in)
    assert (refused.returncode, "There is no target moon here" in refused.stderr) == (1, True)
    assert slipway("env", "target", "local", "--reset", env=signed_in).returncode == 2
    assert "installation" in slipway("env", "target", "--reset", env=signed_in).stdout

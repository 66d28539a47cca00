"""The plugin beyond Slipway's own engine, and what its resources refuse."""

import os
import subprocess
import sys
from pathlib import Path
from threading import Event
from typing import Any

import pytest
from annotated_types import Le

from catalog.assets.blueprint_spec import ProcessLimits
from workers.engine import pulumi_cli
from workers.engine.components import part_monitor
from workers.engine.plugin import process as process_plugin
from workers.engine.plugin.checkout import CheckoutResource
from workers.engine.plugin.main import write_executable
from workers.engine.plugin.process import ProcessResource
from workers.engine.plugin.resource import UNKNOWN, ResourceFailure
from workers.engine.plugin.route import RouteResource
from workers.process_host import ProcessSpec, ProcessState, ProcessStatus
from workers.process_host.client import ProcessHostClient

PROGRAM = """
import sys
import pulumi
from pulumi import automation

repository, commit, directory = sys.argv[1:]

def program():
    files = pulumi.CustomResource(
        "slipway:local:Checkout", "files", {"repository": repository, "commit": commit, "directory": directory}
    )
    pulumi.CustomResource("slipway:local:Process", "web", {
        "environment_id": "bare", "name": "web", "directory": files.id, "command": "python3 app.py",
        "health": {"path": "/"},
    })

stack = automation.create_or_select_stack(stack_name="bare", project_name="bare", program=program)
print(stack.up().summary.resource_changes)
print(stack.destroy().summary.resource_changes)
"""


@pytest.mark.engine
def test_plugin_serves_any_pulumi_program(target: Any, tmp_path: Path) -> None:
    executable = write_executable(tmp_path / "plugin", target.configuration.plugin)
    cli = pulumi_cli.ensure(target.configuration.tools_dir)
    (tmp_path / "state").mkdir()
    environment = {
        "PATH": f"{executable.parent}:{cli.path.parent}:{os.defpath}",
        "HOME": str(tmp_path),
        "PULUMI_BACKEND_URL": f"file://{tmp_path}/state",
        "PULUMI_CONFIG_PASSPHRASE": "correct horse",
    }
    directory = target.data / "environments" / "bare" / "files"
    commit = target.commit("bare")
    command = [sys.executable, "-c", PROGRAM, str(target.repository), commit, str(directory)]

    done = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=120)

    assert done.returncode == 0, done.stderr
    created, deleted = done.stdout.splitlines()
    assert (created, deleted) == ("{'create': 3}", "{'delete': 3}")
    assert target.left_over("bare") == []


def test_worker_does_not_import_the_engine() -> None:
    program = "import sys, workers.engine.pulumi_automation; print({'pulumi', 'grpc'} & sys.modules.keys())"

    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True)

    assert (done.stdout, done.stderr) == ("set()\n", "")


def make_repository(path: Path, **files: str) -> str:
    git = ["git", "-C", str(path), "-c", "user.name=Test", "-c", "user.email=test@example.com"]
    path.mkdir()
    subprocess.run([*git, "init", "--quiet"], check=True)
    for name, text in files.items():
        (path / name.replace("__", ".")).write_text(text)
    subprocess.run([*git, "add", "--all"], check=True)
    subprocess.run([*git, "commit", "--quiet", "--message", "one"], check=True)
    return subprocess.run([*git, "rev-parse", "HEAD"], check=True, capture_output=True, text=True).stdout.strip()


def test_checkout_runs_nothing_of_the_repository(tmp_path: Path) -> None:
    repository, proof = tmp_path / "repository", tmp_path / "proof"
    commit = make_repository(repository, __gitattributes="* filter=evil\n", app="plain\n")
    hook = repository / ".git" / "hooks" / "post-checkout"
    hook.write_text(f"#!/bin/sh\ntouch {proof}\n")
    hook.chmod(0o755)
    evil = f'[filter "evil"]\n\tsmudge = touch {proof}\n[core]\n\tfsmonitor = touch {proof}\n'
    (repository / ".git" / "config").open("a").write(evil)
    (repository / ".git" / "config").open("a").write(f'[remote "origin"]\n\tuploadpack = touch {proof}\n')
    checkout = CheckoutResource(tmp_path / "environments")
    directory = tmp_path / "environments" / "env" / "files"

    created = checkout.create({"repository": str(repository), "commit": commit, "directory": str(directory)})

    assert (directory / "app").read_text() == "plain\n"
    assert not proof.exists()
    assert (directory / "app").stat().st_mode & 0o777 == 0o644
    assert directory.stat().st_mode & 0o777 == 0o755
    assert checkout.read(created.id, {"commit": commit}) == {"commit": commit}
    checkout.delete(created.id, {})
    assert checkout.read(created.id, {}) is None
    assert not directory.parent.exists()


def test_checkout_of_any_depth_is_removed(tmp_path: Path) -> None:
    repository = tmp_path / "repository"
    make_repository(repository, a="a")
    git, path = ("git", "-C", str(repository)), "d/" * 1100 + "a"
    stream = f"commit refs/heads/deep\ncommitter T <t@example.com> 0 +0000\ndata 0\nM 100644 inline {path}\ndata 1\na\n"
    subprocess.run([*git, "fast-import", "--quiet"], input=stream, check=True, text=True)
    commit = subprocess.run([*git, "rev-parse", "deep"], check=True, capture_output=True, text=True).stdout.strip()
    directory = tmp_path / "environments" / "one" / "files"
    checkout = CheckoutResource(tmp_path / "environments")
    created = checkout.create({"repository": str(repository), "commit": commit, "directory": str(directory)})
    assert (directory / "d" / "d" / "d").is_dir()
    checkout.delete(created.id, {})
    assert not directory.exists()


def test_checkout_cannot_be_made_to_remove_other_directories(tmp_path: Path) -> None:
    checkout = CheckoutResource(tmp_path / "environments")
    good = {"repository": "/r", "commit": "0" * 40}

    for directory in ("/etc", str(tmp_path), str(tmp_path / "environments"), f"{tmp_path}/environments/../x", "files"):
        _inputs, problems = checkout.check({**good, "directory": directory})
        assert [problem.property for problem in problems] == ["directory"], directory
    checkout.abandon({"directory": str(tmp_path)}, [])
    assert tmp_path.exists()


@pytest.mark.parametrize(
    ("inputs", "property_name"),
    [
        ({"command": "x", "procfile_entry": "web"}, "command"),
        ({}, "command"),
        ({"command": ""}, "command"),
        ({"command": "x", "limits": {"memory": 5}}, "limits"),
        ({"command": "x", "limits": {"memory_mb": 0}}, "limits.memory_mb"),
        ({"command": "x", "limits": {"memory_mb": 65_537}}, "limits.memory_mb"),
        ({"command": "x", "limits": {"processes": 1e9}}, "limits.processes"),
        ({"command": "x", "health": {"path": "healthz"}}, "health.path"),
        ({"command": "x", "health": {"timeout_seconds": "5"}}, "health.timeout_seconds"),
        ({"command": "x", "env": "A=1"}, "env"),
        ({"command": "x", "port": 80}, "port"),
        ({"command": "x", "name": "a/b"}, "name"),
    ],
)
def test_process_names_the_input_that_is_wrong(tmp_path: Path, inputs: dict[str, Any], property_name: str) -> None:
    process = ProcessResource(ProcessHostClient(tmp_path / "none"), Event())
    good = {"environment_id": "env", "name": "web", "directory": "/d"}

    _inputs, problems = process.check({**good, **inputs})

    assert [problem.property for problem in problems] == [property_name]


def test_procfile_that_is_a_link_is_not_read(tmp_path: Path) -> None:
    (tmp_path / "secret").write_text("web: leak\n")
    (tmp_path / "Procfile").symlink_to(tmp_path / "secret")
    process = ProcessResource(ProcessHostClient(tmp_path / "none"), Event())
    inputs, _problems = process.check(
        {"environment_id": "env", "name": "web", "directory": str(tmp_path), "procfile_entry": "web"}
    )

    with pytest.raises(ResourceFailure, match="no readable Procfile"):
        process.create(inputs)


@pytest.mark.parametrize("start", [{"command": "true"}, {"procfile_entry": "web"}])
def test_a_directory_that_leads_out_of_the_files_by_a_link_runs_nothing(tmp_path: Path, start: dict[str, str]) -> None:
    outside, files = tmp_path / "outside" / "sub", tmp_path / "files"
    for folder in (outside, files / "packages" / "web"):
        folder.mkdir(parents=True)
        (folder / "Procfile").write_text("web: true\n")
    (files / "link").symlink_to(outside.parent)
    (files / "web").symlink_to("packages/web")
    process = ProcessResource(ProcessHostClient(tmp_path / "none"), Event())
    asked = {"environment_id": "env", "name": "web", "root": str(files), **start}

    for directory, said in (("link/sub", "leads out"), ("../outside/sub", "leads out"), ("web", "does not answer")):
        inputs, _problems = process.check({**asked, "directory": f"{files}/{directory}"})
        with pytest.raises(ResourceFailure, match=said):
            process.create(inputs)


def test_what_is_wired_into_a_variable_becomes_text(tmp_path: Path) -> None:
    process = ProcessResource(ProcessHostClient(tmp_path / "none"), Event())
    asked = {"environment_id": "env", "name": "web", "directory": "/d", "command": "x"}
    inputs, problems = process.check({**asked, "env": {"A": 1, "B": "b", "C": True, "D": UNKNOWN}})
    assert (problems, inputs["env"]) == ([], {"A": "1", "B": "b", "C": "true", "D": UNKNOWN})


def test_failed_start_is_explained_where_the_process_host_is_away(tmp_path: Path) -> None:
    process = ProcessResource(ProcessHostClient(tmp_path / "none"), Event())
    inputs, _problems = process.check(
        {"environment_id": "env", "name": "web", "directory": str(tmp_path), "command": "true"}
    )

    with pytest.raises(ResourceFailure, match="the process host does not answer"):
        process.create(inputs)


def test_route_changes_its_port_in_place_and_its_host_never() -> None:
    route = RouteResource(router=None)  # type: ignore[arg-type]  # comparing needs no router
    old = {"host": "a.test", "port": 1}

    assert route.diff(old, {"host": "a.test", "port": 2}).replaces == ()
    assert route.diff(old, {"host": "b.test", "port": 1}).replaces == ("host",)
    assert route.check({"host": "A.Test", "port": 1}) == ({"host": "a.test", "port": 1}, [])
    assert [problem.property for problem in route.check({"host": "a b", "port": True})[1]] == ["port"]


class _Ended(ProcessHostClient):
    """A host whose processes have ended at once, and repeated a part of what they were given."""

    def start(self, spec: ProcessSpec) -> ProcessStatus:
        return ProcessStatus(spec.id, spec.environment_id, spec.name, ProcessState.EXITED, 8000, 0, 1, 0, "")

    def status(self, process_id: str) -> ProcessStatus | None:
        del process_id
        return None

    def stop(self, process_id: str, *, grace_seconds: float = 5.0) -> None:
        del process_id, grace_seconds

    def log_tail(self, process_id: str, *, lines: int = 100) -> tuple[str, ...]:
        del process_id, lines
        return ("no entry for user app with hush-hush", "postgres://app:hush-hush@db/app", "debug=True")


def test_what_an_application_prints_of_its_variables_is_masked_in_parts_as_well(tmp_path: Path) -> None:
    process = ProcessResource(_Ended(tmp_path / "none"), Event())
    env = {"DATABASE_URL": "postgres://app:hush-hush@db/app", "DEBUG": "True"}
    asked = {"environment_id": "env", "name": "web", "directory": "/d", "command": "x", "env": env}
    with pytest.raises(ResourceFailure) as failed:
        process.create(process.check(asked)[0])
    lines = failed.value.args[0].splitlines()[-3:]
    assert lines == ["no entry for user app with [secret]", "[secret]", "debug=True"]


def test_limits_have_the_bounds_that_blueprints_have() -> None:
    fields = ProcessLimits.model_fields
    tops = {name: next(each.le for each in fields[name].metadata if isinstance(each, Le)) for name in fields}
    assert tops == process_plugin.MOST
    room = {name: fields[name].default for name in part_monitor.ROOM}
    assert (room, {name: tops[name] for name in part_monitor.EACH}) == (part_monitor.ROOM, part_monitor.EACH)

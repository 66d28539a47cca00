"""What holds for every command: exit statuses, where things are printed, and that no traceback ever reaches a user."""

import stat
from collections.abc import Callable
from pathlib import Path
from subprocess import CompletedProcess

import pytest

Slipway = Callable[..., CompletedProcess[str]]


def test_the_list_of_commands_is_printed(slipway: Slipway) -> None:
    done = slipway("--help")
    assert done.returncode == 0
    assert "env " in done.stdout
    assert "demo" not in done.stdout


@pytest.mark.parametrize("arguments", [["nonsense"], ["env", "nonsense"], ["search", "--nonsense"], ["publish"]])
def test_wrong_use_ends_with_status_2(slipway: Slipway, arguments: list[str]) -> None:
    done = slipway(*arguments)
    assert done.returncode == 2
    assert "Error" in done.stderr


def test_without_login_the_way_in_is_named(slipway: Slipway) -> None:
    done = slipway("search", "x")
    assert done.returncode == 1
    assert "slipway login" in done.stderr
    assert done.stdout == ""


def test_a_portal_that_does_not_answer_ends_with_status_5(slipway: Slipway) -> None:
    done = slipway("search", env={"SLIPWAY_URL": "http://127.0.0.1:9", "SLIPWAY_TOKEN": "slw_x"})
    assert done.returncode == 5
    assert "does not answer at http://127.0.0.1:9" in done.stderr


def test_a_proxy_for_the_world_outside_is_not_asked_for_this_machine(slipway: Slipway) -> None:
    env = {"SLIPWAY_URL": "http://localhost:9", "SLIPWAY_TOKEN": "slw_x", "HTTP_PROXY": "http://proxy.invalid:1"}
    done = slipway("search", env=env)
    assert "proxy" not in done.stderr
    assert "localhost:9" in done.stderr


@pytest.mark.parametrize("url", ["slipway.example.com", "ftp://example.com", "http://", "http://[::1", "http://a:b"])
def test_an_address_that_is_none_is_wrong_use(slipway: Slipway, url: str) -> None:
    done = slipway("search", env={"SLIPWAY_URL": url, "SLIPWAY_TOKEN": "slw_x"})
    assert done.returncode == 2
    assert "not the address of a portal" in done.stderr


def test_without_a_running_slipway_local_commands_end_with_status_5(slipway: Slipway, tmp_path: Path) -> None:
    done = slipway("token", "create", "--tenant", "acme", "--name", "ci", "--scope", "assets:read", "--data", tmp_path)
    assert done.returncode == 5
    assert str(tmp_path) in done.stderr
    assert "slipway up" in done.stderr


def test_settings_that_cannot_be_are_named(slipway: Slipway) -> None:
    done = slipway("serve", env={"SLIPWAY_REQUEST_THREADS": "many"})
    assert done.returncode == 2
    assert "request_threads" in done.stderr
    assert "Traceback" not in done.stderr


def test_a_fault_of_the_command_is_one_line_and_a_log(slipway: Slipway, home: Path) -> None:
    broken = slipway("tenant", "create", "acme", env={"SLIPWAY_DATABASE_URL": "no-address-at-all"})
    assert broken.returncode == 1
    assert "Traceback" not in broken.stderr
    log = Path(broken.stderr.strip().rpartition("Details are in ")[2].removesuffix("."))
    assert log.is_relative_to(home)
    assert "Traceback" in log.read_text()
    assert stat.S_IMODE(log.stat().st_mode) == 0o600


def test_credentials_that_cannot_be_read_are_named(slipway: Slipway, home: Path) -> None:
    folder = home / ".config" / "slipway"
    folder.mkdir(parents=True)
    (folder / "credentials.json").write_text("{")
    done = slipway("search")
    assert done.returncode == 1
    assert "credentials.json" in done.stderr


def test_shells_are_offered_commands(slipway: Slipway) -> None:
    env = {"_SLIPWAY_COMPLETE": "bash_complete", "COMP_WORDS": "slipway env re", "COMP_CWORD": "2"}
    assert slipway(env=env).stdout.split() == ["plain,request", "plain,rebuild"]

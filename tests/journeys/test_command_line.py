"""A publisher and a developer at their terminals: the whole way of a preview environment by the real command."""

import json
import subprocess
from collections.abc import Callable
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

# The classes of these fixtures live in conftest.py, which test files do not import.
Installation = Any
NewRepository = Callable[..., Any]

pytestmark = pytest.mark.engine
STEPS = [
    "✓ Fetch the commit",
    "✓ Prepare the stack",
    "✓ Start the application and wait until it is healthy",
    "✓ Publish the address",
]


def lines(text: str) -> list[str]:
    return [line for line in text.splitlines() if line]


def test_from_a_blueprint_to_a_preview_that_moves_and_goes(
    slipway: Installation, new_repository: NewRepository, tmp_path: Path, wait_until: Callable[..., Any]
) -> None:
    slipway.command("asset", "init", "deployment-blueprint", "greeter", cwd=tmp_path)
    assert (
        slipway.command("asset", "check", "greeter", cwd=tmp_path).stdout == "Nothing is wrong; it can be published.\n"
    )
    published = slipway.command("publish", "greeter", cwd=tmp_path).stdout
    assert published == f"demo/greeter@0.1.0 is published: {slipway.url}/assets/demo/greeter\n"
    again = slipway.command("publish", "greeter", cwd=tmp_path)
    assert "demo/greeter@0.1.0" in again.stdout

    shop = new_repository("shop")
    first = shop.git("rev-parse", "HEAD")
    asked = ["env", "request", "--repo", shop.path, "--pr", 7, "--blueprint", "demo/greeter", "--set", "greeting=Ahoy"]
    requested = slipway.command(*asked, "--ttl", "8h", "--wait")
    environment = slipway.json("env", "show", "shop-pr-7")
    assert requested.stdout == f"{environment['url']}\n"
    assert lines(requested.stderr)[1:5] == STEPS
    assert (environment["phase"], environment["deployed_sha"]) == ("ready", first)
    assert environment["outputs"]["revision"] == first
    assert slipway.visit(environment) == (200, "<title>app</title>one Ahoy")

    with slipway.visiting(environment) as visits:
        # Slow to start, so that there is time in which the old version has to answer.
        second = shop.commit("two", delay="2")
        wait_until("the commit is deployed", lambda: slipway.look(environment["id"])["deployed_sha"] == second, 60)
        slipway.wait_for_phase(environment["id"], "ready")
        wait_until("it was visited", lambda: visits.seen[-1][1].endswith("two Ahoy"), 10)
    assert visits.seen == [(200, "<title>app</title>one Ahoy"), (200, "<title>app</title>two Ahoy")]
    assert visits.count > 30

    shown = slipway.command("env", "show", "shop-pr-7").stdout
    assert shown.startswith("shop-pr-7 is ready\n")
    assert all(text in shown for text in (environment["url"], second[:12], "slipway:local:Process", "Ahoy"))
    assert lines(slipway.command("env", "logs", "shop-pr-7").stdout) == ["starting"]
    assert "shop-pr-7" in slipway.command("env", "list", "--phase", "ready").stdout

    before = slipway.look(environment["id"])["expires_at"]
    slipway.command("env", "extend", "shop-pr-7", "--by", "8h")
    after = slipway.look(environment["id"])["expires_at"]
    assert datetime.fromisoformat(after) - datetime.fromisoformat(before) == timedelta(hours=8)
    slipway.command("env", "extend", "shop-pr-7", "--by", "30d")
    prolonged = slipway.look(environment["id"])
    assert prolonged["expires_at"] == prolonged["hard_expires_at"]
    assert "--by" in slipway.command("env", "extend", "shop-pr-7", "--by", "soon", status=2).stderr

    processes = slipway.applications(environment["id"])
    assert len(processes) == 1
    assert len(slipway.stacks(environment["id"])) == 1
    ended = slipway.command("env", "destroy", "shop-pr-7", "--wait")
    assert ended.stdout == f"Environment {environment['id']} is destroyed.\n"
    assert "✓ Verify that nothing is left" in ended.stderr
    assert not processes[0].is_running()
    assert slipway.visit(environment)[0] == 404
    assert slipway.left_of(environment) == []
    assert slipway.command("env", "show", "shop-pr-7").stdout.startswith("shop-pr-7 is destroyed\n")


def test_the_same_for_programs(slipway: Installation, blueprints: None, new_repository: NewRepository) -> None:
    assert blueprints is None
    tool = new_repository("tool")
    asked = ["env", "request", "--repo", tool.path, "--pr", 7, "--blueprint", "demo/journey"]
    done = slipway.command(*asked, "--set", "greeting=Moin", "--wait", "--json")
    environment = json.loads(done.stdout)
    assert (environment["phase"], environment["deployed_sha"]) == ("ready", tool.git("rev-parse", "HEAD"))
    assert slipway.visit(environment) == (200, "<title>app</title>one Moin")
    assert environment["id"] in {each["id"] for each in slipway.json("env", "list")["items"]}
    assert slipway.json("env", "logs", environment["id"])["lines"] == ["starting"]
    assert slipway.json("env", "destroy", environment["id"], "--wait")["phase"] == "destroyed"
    assert slipway.left_of(environment) == []
    missing = slipway.command("env", "show", "tool-pr-8", "--json", status=4)
    assert (missing.stdout, "There is no environment tool-pr-8." in missing.stderr) == ("", True)


def test_a_closed_pull_request_ends_its_environment(
    slipway: Installation, blueprints: None, new_repository: NewRepository
) -> None:
    assert blueprints is None
    brief = new_repository("brief")
    environment = slipway.look(slipway.request(brief)["id"])
    slipway.wait_for_phase(environment["id"], "ready")
    brief.git("symbolic-ref", "--delete", "refs/pull/7/head")
    slipway.call("POST", "/hooks/git", json={"repository": str(brief.path)})
    slipway.wait_for_phase(environment["id"], "destroyed")
    assert slipway.left_of(environment) == []


def test_a_terminal_without_slipway_is_told_what_to_do(slipway: Installation, tmp_path: Path) -> None:
    variables = {**slipway.variables, "HOME": str(tmp_path), "XDG_CONFIG_HOME": str(tmp_path / ".config")}
    command = ["slipway", "env", "list"]
    done = subprocess.run(command, env=variables, capture_output=True, text=True, timeout=60)
    assert done.returncode != 0
    assert "slipway login" in done.stderr
    assert "Traceback" not in done.stderr

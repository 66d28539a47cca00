"""A commit of a fork is let in through every door there is; what runs is kept, put to rest and woken on its page."""

import subprocess
import sys
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest
from litestar import Litestar
from litestar.testing import TestClient

from catalog.clock import now
from catalog.db import Database
from catalog.environments.models import Environment, Phase
from catalog.providers.scm import NewPullRequest
from catalog.settings import Settings, inherited_environment
from catalog.tenancy import Principal
from tests.catalog.providers.scm.worlds import GitHubWorld, git

Client = TestClient[Litestar]
API = "/api/v1"


@pytest.fixture
def world(tmp_path: Path) -> Iterator[GitHubWorld]:
    opened = GitHubWorld(tmp_path)
    yield opened
    opened.close()


@pytest.fixture
def settings(settings: Settings, world: GitHubWorld) -> Settings:
    """Let tenants connect to the fake server."""
    changed = {"scm_servers": (world.fake.url,), "scm_write_pause_seconds": 0, "master_key": "a key for tests"}
    return Settings.model_validate({**settings.model_dump(), **changed})


@pytest.fixture
def waiting(api: Client, archive: bytes, world: GitHubWorld) -> dict[str, Any]:
    """The environment of a fork's pull request that somebody asked for without naming a commit."""
    connected = {"name": "github", "base_url": world.fake.url, "credentials": {"token": "good"}}
    assert api.post(f"{API}/scm/connections", json=connected).status_code == 201
    api.post(f"{API}/assets", files={"archive": ("a.tar.gz", archive, "application/gzip")})
    number = world.open().open_pull_request(NewPullRequest("A title", "A body", "feature", "main")).number
    world.fake.state.pulls[number] |= {"fork": "mallory/hello", "user": "mallory"}
    asked = {"repository": f"{world.fake.url}/acme/hello", "pull_request": number, "blueprint": "acme/preview"}
    accepted = api.post(f"{API}/environments/ephemeral", json=asked)
    assert (accepted.status_code, accepted.json()["phase"]) == (202, "pending_approval"), accepted.text
    found: dict[str, Any] = api.get(f"{API}/environments/{accepted.json()['id']}").json()
    assert found["waiting_sha"] == git(world.origin, "rev-parse", "feature")
    return found


def standing(api: Client, environment: dict[str, Any]) -> tuple[str, str | None, str | None]:
    found = api.get(f"{API}/environments/{environment['id']}").json()
    return found["phase"], found["waiting_sha"], found["approved_sha"]


def test_by_the_api(api: Client, waiting: dict[str, Any]) -> None:
    path, commit = f"{API}/environments/{waiting['id']}/approve", waiting["waiting_sha"]
    other = api.post(path, json={"head_sha": "0" * 40})
    assert (other.status_code, "Look at it first" in other.json()["detail"]) == (409, True)
    assert api.post(path, json={"head_sha": commit}).status_code in {200, 202}
    assert standing(api, waiting) == ("queued", None, commit)


def test_on_its_page(api: Client, browser: Client, waiting: dict[str, Any]) -> None:
    path, commit = f"/environments/{waiting['id']}", waiting["waiting_sha"]
    page = browser.get(path).text
    assert f'name="head_sha" value="{commit}"' in page
    assert f"Commit {commit[:12]} comes from a fork" in page
    wrong = browser.post(f"{path}/approve", data={"head_sha": "0" * 40}, follow_redirects=False)
    assert (wrong.status_code, "Look at it first" in wrong.text) == (409, True)
    approved = browser.post(f"{path}/approve", data={"head_sha": commit}, follow_redirects=False)
    assert (approved.status_code, approved.headers["location"]) == (303, path)
    assert standing(api, waiting) == ("queued", None, commit)
    assert "comes from a fork" not in browser.get(path).text


def test_by_the_command(
    api: Client, acme: Principal, new_token: Any, served: Settings, tmp_path: Path, waiting: dict[str, Any]
) -> None:
    def slipway(*arguments: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [sys.executable, "-m", "portal.cli.main", *arguments],
            env={
                "PATH": inherited_environment()["PATH"],
                "HOME": str(tmp_path),
                "SLIPWAY_URL": served.base_url,
                "SLIPWAY_TOKEN": new_token(acme),
            },
            capture_output=True,
            text=True,
            timeout=240,
        )

    commit = waiting["waiting_sha"]
    asked = ("--repo", waiting["repository"], "--pr", str(waiting["pull_request"]), "--blueprint", "acme/preview")
    held = slipway("env", "request", *asked, "--wait")
    assert (held.returncode, commit in held.stderr) == (1, True), held.stderr
    assert f"slipway env approve {waiting['name']} --commit {commit}" in held.stderr
    approved = slipway("env", "approve", waiting["name"], "--commit", commit)
    assert (approved.returncode, f"moves to {commit[:12]}" in approved.stdout) == (0, True), approved.stderr
    assert standing(api, waiting) == ("queued", None, commit)


def test_what_runs_is_kept_rests_and_is_made_again_on_its_page(
    api: Client, browser: Client, database: Database, acme: Principal, waiting: dict[str, Any]
) -> None:
    path = f"/environments/{waiting['id']}"

    def stands(phase: Phase) -> None:
        with database.tenant_session(acme.tenant_id) as session:
            environment = session.get(Environment, UUID(waiting["id"]))
            assert environment is not None
            environment.phase, environment.observed_generation = phase, environment.generation
            environment.approved_sha, environment.waiting_sha = environment.head_sha, None
            environment.expires_at = now() + timedelta(minutes=10)
            session.add(environment)

    def press(button: str, **fields: str) -> dict[str, Any]:
        assert f'action="{path}/{button}"' in browser.get(path).text, button
        pressed = browser.post(f"{path}/{button}", data=fields, follow_redirects=False)
        assert (pressed.status_code, pressed.headers["location"]) == (303, path), pressed.text
        found: dict[str, Any] = api.get(f"{API}/environments/{waiting['id']}").json()
        return found

    stands(Phase.READY)
    kept = press("pin", by="P1D", reason="Shown to customers")
    assert (kept["pin"]["reason"], kept["ends_at"]) == ("Shown to customers", kept["pin"]["until"])
    assert kept["expires_at"] < kept["ends_at"], "it is shown until when it really lives"
    assert press("unpin")["pin"] is None
    assert press("sleep")["phase"] == "sleeping"
    assert press("wake")["phase"] == "waking"
    stands(Phase.READY)
    assert press("rebuild")["phase"] == "updating"

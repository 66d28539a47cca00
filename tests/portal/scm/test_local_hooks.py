"""Hooks of repositories on this machine: whatever they say, and whoever sends them, the repository decides."""

import os
import subprocess
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from litestar import Litestar
from litestar.testing import TestClient

from catalog.settings import Settings
from catalog.tenancy import Principal
from portal.cli.sample_repository import PULL_REQUEST, ensure_sample_repository
from workers import environment_watch
from workers.main import App
from workers.runtime.drain import drain
from workers.runtime.registry import registry

Client = TestClient[Litestar]
API = "/api/v1"
QUICK = timedelta(milliseconds=100)
NAMES = ("phase", "incarnation", "generation", "head_sha", "expires_at", "operation_id")


@pytest.fixture
def settings(settings: Settings, tmp_path: Path) -> Settings:
    return settings.model_copy(update={"local_repository_roots": (tmp_path,), "pull_request_poll_seconds": 0.01})


@pytest.fixture
def repository(tmp_path: Path) -> Path:
    return ensure_sample_repository(tmp_path, os.defpath)[0]


@pytest.fixture
def working(settings: Settings) -> Iterator[App]:
    app = App(settings, registry((environment_watch.WORKER,)))
    yield app
    app.close()


def git(repository: Path, *arguments: str) -> str:
    name = ("-c", "user.name=Ann", "-c", "user.email=ann@example.com")
    command = ["git", "-C", str(repository), *name, *arguments]
    return subprocess.run(command, check=True, capture_output=True, text=True).stdout.strip()


def test_whatever_hooks_say_an_environment_ends_as_its_repository_is(
    api: Client, anyone: Client, client_of: Any, rival: Principal, archive: bytes, repository: Path, working: App
) -> None:
    assert api.post(f"{API}/assets", files={"archive": ("a", archive, "application/gzip")}).status_code == 201
    asked = {"repository": str(repository), "pull_request": PULL_REQUEST, "blueprint": "acme/preview"}
    path = f"{API}/environments/{api.post(f'{API}/environments/ephemeral', json=asked).json()['id']}"

    def stands() -> dict[str, Any]:
        found = api.get(path).json()
        return {name: found[name] for name in NAMES}

    before = stands()
    this = {"repository": str(repository), "pull_request": PULL_REQUEST}
    lies = [
        {**this, "action": "closed"},
        {**this, "action": "push"},
        {**this, "action": "reopened"},
        {"repository": str(repository), "action": "closed"},
        {"repository": f"{repository}/", "pull_request": PULL_REQUEST, "action": "closed"},
        {"repository": f"{repository}/.git", "pull_request": PULL_REQUEST, "action": "closed"},
        {"repository": str(repository), "pull_request": PULL_REQUEST + 1, "action": "closed"},
    ]
    # By nobody, by another tenant, by somebody who may only look, and by one who may: twice each, in both orders.
    senders = [(anyone, 401), (client_of(rival), 202), (client_of(rival, ["environments:read"]), 403), (api, 202)]
    for sender, status in senders:
        for order in (lies, lies[::-1]):
            for body in order:
                keyed = {"Idempotency-Key": f"delivery-{lies.index(body)}"}
                answers = [sender.post("/hooks/git", json=body, headers=each) for each in ({}, {}, keyed, keyed)]
                assert {each.status_code for each in answers} == {status}, answers[0].text
                if sender is not api:
                    assert str(before["operation_id"]) not in "".join(each.text for each in answers)
            drain(working, periodic=True, patience=QUICK)
            assert stands() == before

    # What was missed is found by looking, and what is told late, twice and of another order finds what is so by then.
    git(repository, "commit", "--quiet", "--allow-empty", "-m", "More")
    drain(working, periodic=True, patience=QUICK)
    moved = stands()
    assert moved["head_sha"] == git(repository, "rev-parse", "HEAD") != before["head_sha"]
    git(repository, "symbolic-ref", "--delete", f"refs/pull/{PULL_REQUEST}/head")
    for action in ("reopened", "closed", "push", "closed", "reopened"):
        assert api.post("/hooks/git", json={**this, "action": action}).status_code == 202
    gone = stands()
    assert gone["phase"] == "destroyed", "it was never made, so nothing is to be removed"
    drain(working, periodic=True, patience=QUICK)
    assert stands() == gone

"""Environments at their gates: not made, or left at the commit before, with the reason where people look."""

import os
import subprocess
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from jsonschema import Draft202012Validator
from litestar import Litestar
from litestar.testing import TestClient
from sqlalchemy import text

from catalog.clock import now
from catalog.db import Database
from catalog.gates.inputs import input_schema
from catalog.settings import Settings
from catalog.tenancy import Principal
from portal.cli.sample_repository import BRANCH, PULL_REQUEST, ensure_sample_repository
from workers import environment_gates
from workers.main import App
from workers.runtime.drain import drain
from workers.runtime.registry import registry

Client = TestClient[Litestar]
API = "/api/v1"
SHORT = """
deny contains {"rule": "short-lived", "message": "It lives too long.", "path": "/environment/ttl_seconds"} if {
    input.environment.ttl_seconds > 3600
}
deny contains {"rule": "first-commit", "message": "Only the first commit is shown."} if {
    input.point == "environment_update"
}
"""


@pytest.fixture
def settings(settings: Settings, tmp_path: Path) -> Settings:
    """Let repositories below the test's folder be read."""
    return settings.model_copy(update={"local_repository_roots": (tmp_path.parent,)})


@pytest.fixture
def asked(
    api: Client, archive: bytes, tmp_path: Path, publish_policy: Callable[..., str], acme: Principal
) -> dict[str, Any]:
    """A published blueprint, a bound bundle, and what an environment is asked for with."""
    published = api.post(f"{API}/assets", files={"archive": ("a.tar.gz", archive, "application/gzip")})
    assert published.status_code == 201, published.text
    publish_policy(acme, "short", SHORT)
    bound = api.post(
        f"{API}/policies/bindings",
        json={"bundle": "acme/short", "scope": {"kind": "environment"}, "level": "mandatory-with-override"},
    )
    assert bound.status_code == 201, bound.text
    repository = ensure_sample_repository(tmp_path, os.defpath)[0]
    return {
        "repository": str(repository),
        "pull_request": PULL_REQUEST,
        "branch": BRANCH,
        "blueprint": "acme/preview",
        "ttl": "PT1H",
    }


def begin(database: Database, acme: Principal, identifier: str) -> None:
    """Let a worker have begun with the environment, so that another commit moves it."""
    with database.tenant_session(acme.tenant_id) as session:
        session.execute(text("UPDATE environments SET touched = true WHERE id = :id"), {"id": identifier})


def test_a_request_is_refused_and_nothing_is_made(api: Client, asked: dict[str, Any]) -> None:
    refused = api.post(f"{API}/environments/ephemeral", json={**asked, "ttl": "P1D"})
    assert refused.status_code == 403, refused.text
    assert [each["rule"] for each in refused.json()["violations"]] == ["short-lived"]
    assert api.get(f"{API}/environments").json()["items"] == []
    kept = api.get(f"{API}/policies/evaluations/{refused.json()['evaluation']}").json()
    Draft202012Validator(input_schema()).validate(kept["input"])
    assert kept["input"]["plan"]["resources"][0]["type"] == "slipway:local:Checkout"
    made = api.post(f"{API}/environments/ephemeral", json=asked)
    assert made.status_code == 202, made.text
    assert api.get(f"{API}/environments/{made.json()['id']}").json()["verdict"]["bundles"] == 1


def test_a_commit_that_is_refused_leaves_the_one_before(
    api: Client, asked: dict[str, Any], database: Database, acme: Principal
) -> None:
    identifier = api.post(f"{API}/environments/ephemeral", json=asked).json()["id"]
    begin(database, acme, identifier)
    before = api.get(f"{API}/environments/{identifier}").json()
    git = ["git", "-C", asked["repository"], "-c", "user.name=Ann", "-c", "user.email=ann@example.com"]
    subprocess.run([*git, "commit", "--quiet", "--allow-empty", "-m", "More"], check=True)
    for _ in range(2):
        answer = api.post("/hooks/git", json={"repository": asked["repository"], "action": "push"})
        assert answer.status_code == 202, answer.text
    after = api.get(f"{API}/environments/{identifier}").json()
    assert (after["head_sha"], after["generation"]) == (before["head_sha"], before["generation"])
    (condition,) = after["conditions"]
    assert (condition["type"], condition["status"], condition["reason"]) == ("Allowed", False, "PolicyRefused")
    assert "first-commit" in condition["message"]
    denied = api.get(f"{API}/policies/evaluations?allowed=false").json()["items"]
    assert [each["point"] for each in denied] == ["environment_update"], "the same commit is asked about once"


def test_a_refused_commit_is_asked_about_again_when_what_counts_changes(
    api: Client, asked: dict[str, Any], settings: Settings, database: Database, acme: Principal
) -> None:
    identifier = api.post(f"{API}/environments/ephemeral", json=asked).json()["id"]
    begin(database, acme, identifier)
    git = ["git", "-C", asked["repository"], "-c", "user.name=Ann", "-c", "user.email=ann@example.com"]
    subprocess.run([*git, "commit", "--quiet", "--allow-empty", "-m", "More"], check=True)
    api.post("/hooks/git", json={"repository": asked["repository"], "action": "push"})
    app = App(settings, registry([environment_gates.WORKER]))
    try:
        waiver = {
            "rule": "other",
            "scope": {"kind": "tenant"},
            "reason": "trying",
            "owner": "ann",
            "expires_at": (now() + timedelta(days=1)).isoformat(),
        }
        assert api.post(f"{API}/policies/waivers", json=waiver).status_code == 201
        assert drain(app, patience=timedelta(seconds=1)) == ["environments.ask_again"] * 2  # of the binding, too
        refused = api.get(f"{API}/environments/{identifier}").json()
        assert [each["reason"] for each in refused["conditions"]] == ["PolicyRefused"]
        assert api.post(f"{API}/policies/waivers", json={**waiver, "rule": "first-commit"}).status_code == 201
        drain(app, patience=timedelta(seconds=1))
    finally:
        app.close()
    moved = api.get(f"{API}/environments/{identifier}").json()
    assert (moved["conditions"], moved["generation"]) == ([], refused["generation"] + 1)
    assert moved["head_sha"] != refused["head_sha"]


def test_the_form_shows_what_policies_say(browser: Client, asked: dict[str, Any]) -> None:
    form = {name: str(value) for name, value in asked.items()} | {"ttl": "P1D"}
    page = browser.post("/environments", data=form)
    assert page.status_code == 403
    assert "It lives too long." in page.text
    evaluations = browser.get("/policies/evaluations").text
    assert f"environments/{asked['repository']}#{PULL_REQUEST}" in evaluations

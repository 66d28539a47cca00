"""Environments over HTTP: asked for, listed, watched by ETag, prolonged, dismissed, and moved by a hook."""

import os
import subprocess
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest
from litestar import Litestar
from litestar.testing import TestClient
from sqlalchemy import text
from sqlmodel import Session

from catalog.db import Database
from catalog.environments.models import Environment, Phase
from catalog.environments.service import EphemeralEnvironmentService
from catalog.providers.targets import LogPiece
from catalog.settings import Settings
from catalog.tenancy import Principal
from catalog.tenants import bootstrap
from portal.api.v1.environment_logs import MOST_FOLLOWERS
from portal.cli.sample_repository import BRANCH, PULL_REQUEST, ensure_sample_repository

Client = TestClient[Litestar]
API = "/api/v1"


@pytest.fixture
def settings(settings: Settings, tmp_path: Path) -> Settings:
    """Let repositories below the test's folder be read."""
    return settings.model_copy(update={"local_repository_roots": (tmp_path.parent,), "environment_quota": 3})


@pytest.fixture
def repository(tmp_path: Path) -> Path:
    """Make a repository with a pull request."""
    return ensure_sample_repository(tmp_path, os.defpath)[0]


@pytest.fixture
def asked(api: Client, archive: bytes, repository: Path) -> dict[str, Any]:
    """Publish a blueprint, and return what an environment of it is asked for with."""
    published = api.post(f"{API}/assets", files={"archive": ("a.tar.gz", archive, "application/gzip")})
    assert published.status_code == 201, published.text
    return {
        "repository": str(repository),
        "pull_request": PULL_REQUEST,
        "branch": BRANCH,
        "blueprint": "acme/preview",
    }


def commit(repository: Path) -> None:
    git = ["git", "-C", str(repository), "-c", "user.name=Ann", "-c", "user.email=ann@example.com"]
    subprocess.run([*git, "commit", "--quiet", "--allow-empty", "-m", "More"], check=True)


def test_an_environment_is_accepted_and_can_be_followed(api: Client, asked: dict[str, Any]) -> None:
    answer = api.post(f"{API}/environments/ephemeral", json=asked)
    assert answer.status_code == 202, answer.text
    accepted = answer.json()
    assert set(accepted) == {"id", "phase", "url", "expires_at", "operation"}
    assert accepted["phase"] == "queued"
    assert answer.headers["location"] == f"{API}/operations/{accepted['operation']}"
    operation = api.get(answer.headers["location"]).json()
    assert operation["state"] == "pending"
    assert operation["subject"] == f"environments/{accepted['id']}"
    assert [each["name"] for each in operation["steps"]] == ["source", "prepare", "apply", "publish"]
    assert accepted["expires_at"].endswith("Z"), "times are RFC 3339 in UTC"
    assert operation["created_at"].endswith("Z")


def test_the_promised_path_at_the_root_is_the_same(api: Client, asked: dict[str, Any]) -> None:
    key = {"Idempotency-Key": "one"}
    first = api.post("/environments/ephemeral", json=asked, headers=key)
    second = api.post(f"{API}/environments/ephemeral", json=asked, headers=key)
    assert (first.status_code, second.status_code) == (202, 202)
    assert first.content == second.content
    assert second.headers["idempotency-replayed"] == "true"
    assert second.headers["location"] == first.headers["location"]
    assert len(api.get(f"{API}/environments").json()["items"]) == 1


def test_at_the_root_errors_are_those_of_the_api(anyone: Client) -> None:
    answer = anyone.post("/environments/ephemeral", json={}, headers={"Accept": "text/html"})
    assert answer.status_code == 401
    assert answer.headers["content-type"] == "application/problem+json"


def test_the_same_pull_request_moves_the_same_environment(api: Client, asked: dict[str, Any], repository: Path) -> None:
    first = api.post(f"{API}/environments/ephemeral", json=asked).json()
    same = api.post(f"{API}/environments/ephemeral", json=asked).json()
    assert same["operation"] == first["operation"]
    commit(repository)
    moved = api.post(f"{API}/environments/ephemeral", json=asked).json()
    assert moved["id"] == first["id"]
    assert moved["url"] == first["url"]
    assert moved["operation"] != first["operation"]


@pytest.mark.parametrize(
    ("change", "pointer"),
    [
        ({"repository": "/nowhere/at/all"}, "/repository"),
        ({"pull_request": 43, "branch": None}, "/pull_request"),
        ({"blueprint": "acme/nothing"}, "/blueprint"),
        ({"blueprint": "acme/preview>=99"}, "/blueprint"),
        ({"inputs": {"surprise": 1}}, "/inputs/surprise"),
        ({"ttl": "three days"}, "/ttl"),
    ],
)
def test_what_cannot_be_is_said_by_field(
    api: Client, asked: dict[str, Any], change: dict[str, Any], pointer: str
) -> None:
    answer = api.post(f"{API}/environments/ephemeral", json={**asked, **change})
    assert answer.status_code == 422, answer.text
    assert any(each["pointer"].startswith(pointer) for each in answer.json()["errors"]), answer.json()
    assert api.get(f"{API}/environments").json()["items"] == []


def test_the_quota_is_said(api: Client, asked: dict[str, Any], repository: Path) -> None:
    for number in range(50, 54):
        ref = ["symbolic-ref", f"refs/pull/{number}/head", f"refs/heads/{BRANCH}"]
        subprocess.run(["git", "-C", str(repository), *ref], check=True)
    body = {**asked, "branch": None}
    statuses = [
        api.post(f"{API}/environments/ephemeral", json={**body, "pull_request": number}) for number in range(50, 54)
    ]
    assert [each.status_code for each in statuses] == [202, 202, 202, 202], [each.text for each in statuses]
    waits = api.get(f"{API}/environments/{statuses[3].json()['id']}").json()
    assert (waits["phase"], waits["queue"]["place"], waits["queue"]["length"]) == ("queued", 1, 1)
    assert api.delete(f"{API}/environments/{waits['id']}").status_code == 202
    pages = []
    path: str | None = f"{API}/environments?limit=2&phase=queued&phase=ready"
    while path is not None:
        answer = api.get(path)
        pages.append([each["pull_request"] for each in answer.json()["items"]])
        link = answer.headers.get("link")
        assert (link is None) == (answer.json()["next_cursor"] is None)
        path = link.partition("<")[2].partition(">")[0] if link else None
        assert path is None or "phase=queued&phase=ready" in path
    assert pages == [[52, 51], [50]]
    assert api.get(f"{API}/environments?phase=ready").json()["items"] == []


def test_a_read_is_conditional(api: Client, asked: dict[str, Any]) -> None:
    identifier = api.post(f"{API}/environments/ephemeral", json=asked).json()["id"]
    path = f"{API}/environments/{identifier}"
    first = api.get(path)
    tag = first.headers["etag"]
    for given in (tag, f"W/{tag}", f'"x", {tag}', "*"):
        answer = api.get(path, headers={"If-None-Match": given})
        assert answer.status_code == 304
        assert answer.content == b""
        assert answer.headers["etag"] == tag
    assert api.get(path, headers={"If-None-Match": '"x"'}).status_code == 200
    assert api.post(f"{path}/extend", json={"by": "PT1H"}).status_code == 200
    assert api.get(path, headers={"If-None-Match": tag}).status_code == 200


def test_an_environment_can_live_longer_but_not_for_ever(api: Client, asked: dict[str, Any]) -> None:
    accepted = api.post(f"{API}/environments/ephemeral", json={**asked, "ttl": "PT1H"}).json()
    path = f"{API}/environments/{accepted['id']}/extend"
    longer = api.post(path, json={"by": "PT2H"})
    assert longer.status_code == 200, longer.text
    assert longer.json()["expires_at"] > accepted["expires_at"]
    assert api.post(path, json={"by": "soon"}).json()["errors"][0]["pointer"] == "/by"
    assert api.post(path, json={"by": "PT1H", "until": "x"}).json()["errors"][0]["pointer"] == "/until"
    api.post(path, json={"by": "P300D"})
    assert api.post(path, json={"by": "P1D"}).status_code == 409


def test_destroying_is_accepted_as_often_as_asked(api: Client, asked: dict[str, Any]) -> None:
    identifier = api.post(f"{API}/environments/ephemeral", json=asked).json()["id"]
    first = api.delete(f"{API}/environments/{identifier}")
    second = api.delete(f"{API}/environments/{identifier}")
    assert (first.status_code, second.status_code) == (202, 202)
    assert first.json()["operation"] == second.json()["operation"]
    assert first.headers["location"].endswith(first.json()["operation"])
    assert api.post(f"{API}/environments/{identifier}/extend", json={"by": "PT1H"}).status_code == 409


def test_a_hook_makes_the_environment_follow(api: Client, asked: dict[str, Any], repository: Path) -> None:
    identifier = api.post(f"{API}/environments/ephemeral", json=asked).json()["id"]
    before = api.get(f"{API}/environments/{identifier}").json()
    commit(repository)
    answer = api.post("/hooks/git", json={"repository": str(repository), "action": "push"})
    assert answer.status_code == 202, answer.text
    assert [each["id"] for each in answer.json()["environments"]] == [identifier]
    after = api.get(f"{API}/environments/{identifier}").json()
    assert after["head_sha"] != before["head_sha"]
    closed = {"repository": str(repository), "action": "closed", "pull_request": PULL_REQUEST}
    assert api.post("/hooks/git", json=closed).status_code == 202
    assert api.get(f"{API}/environments/{identifier}").json()["phase"] == "queued", "the repository shows it open"
    ref = ["symbolic-ref", "--delete", f"refs/pull/{PULL_REQUEST}/head"]
    subprocess.run(["git", "-C", str(repository), *ref], check=True)
    assert api.post("/hooks/git", json=closed).status_code == 202
    assert api.get(f"{API}/environments/{identifier}").json()["phase"] in {"destroying", "destroyed"}
    elsewhere = api.post("/hooks/git", json={"repository": "/nowhere"})
    assert (elsewhere.status_code, elsewhere.json()) == (202, {"environments": []})


def test_logs_are_empty_before_anything_ran(api: Client, asked: dict[str, Any]) -> None:
    identifier = api.post(f"{API}/environments/ephemeral", json=asked).json()["id"]
    assert api.get(f"{API}/environments/{identifier}/logs").json() == {"lines": [], "components": []}


def test_the_stream_of_logs_ends_with_the_environment(api: Client, asked: dict[str, Any]) -> None:
    identifier = api.post(f"{API}/environments/ephemeral", json=asked).json()["id"]
    api.delete(f"{API}/environments/{identifier}")
    assert api.get(f"{API}/environments/{identifier}").json()["phase"] == "destroyed"
    told = api.get(f"{API}/environments/{identifier}/logs/events", headers={"Last-Event-ID": "made up"})
    assert told.headers["content-type"].startswith("text/event-stream")
    assert told.text == 'retry: 1000\n\nevent: end\ndata: {"phase": "destroyed"}\n\n'


def test_followers_of_logs_keep_no_connection_and_are_not_too_many(
    api: Client, asked: dict[str, Any], acme: Principal, monkeypatch: pytest.MonkeyPatch
) -> None:
    identifier = api.post(f"{API}/environments/ephemeral", json=asked).json()["id"]
    api.delete(f"{API}/environments/{identifier}")
    open_sessions, read_with = [0], list[int]()
    tenant_session, reader = Database.tenant_session, EphemeralEnvironmentService.log_reader

    @contextmanager
    def counted(self: Database, tenant_id: UUID) -> Iterator[Session]:
        with tenant_session(self, tenant_id) as session:
            open_sessions[0] += 1
            try:
                yield session
            finally:
                open_sessions[0] -= 1

    def slow(self: EphemeralEnvironmentService, tenant_id: UUID, environment_id: UUID) -> Callable[[str], LogPiece]:
        read = reader(self, tenant_id, environment_id)

        def reading(position: str) -> LogPiece:
            read_with.append(open_sessions[0])
            return read(position)

        return reading

    monkeypatch.setattr(Database, "tenant_session", counted)
    monkeypatch.setattr(EphemeralEnvironmentService, "log_reader", slow)
    address = f"{API}/environments/{identifier}/logs/events"
    assert api.get(address).text.endswith('{"phase": "destroyed"}\n\n')
    assert (read_with[0], len(read_with)) == (0, 2)
    followers = api.app.state.streams.followers_of_logs
    assert followers[acme.tenant_id] == 0
    followers[acme.tenant_id] = MOST_FOLLOWERS
    assert api.get(address).status_code == 429


def test_an_environment_is_kept_and_let_go(api: Client, asked: dict[str, Any]) -> None:
    made = api.post(f"{API}/environments/ephemeral", json=asked).json()
    address = f"{API}/environments/{made['id']}"
    for wrong in ({"by": "P1D"}, {"by": "P1D", "reason": " "}, {"by": "PT1S", "reason": "shown"}):
        assert api.post(f"{address}/pin", json=wrong).status_code in {400, 422}
    kept = api.post(f"{address}/pin", json={"by": "P1D", "reason": "Shown to customers"})
    assert kept.status_code == 200, kept.text
    assert kept.json()["pin"]["reason"] == "Shown to customers"
    assert api.post(f"{address}/sleep").status_code == 409
    assert api.get(address).json()["pin"]["until"] == kept.json()["pin"]["until"]
    assert api.post(f"{address}/unpin").json()["pin"] is None
    extended = api.post(f"{address}/extend", json={"by": "PT1H", "reason": "A demonstration"})
    assert extended.status_code == 200, extended.text
    rebuilt = api.post(f"{address}/rebuild")
    assert (rebuilt.status_code, rebuilt.json()["phase"]) == (202, "queued")
    assert api.post(f"{address}/wake").status_code == 202, "what is awake stays as it is"


def test_a_visit_wakes_a_sleeping_environment(api: Client, asked: dict[str, Any], database: Database) -> None:
    made = api.post(f"{API}/environments/ephemeral", json=asked).json()
    host = made["url"].removeprefix("http://").split(":")[0]
    visit = {"Host": f"{host}:8080"}
    assert api.get("/anything", headers=visit).status_code == 503
    tenant_id = bootstrap.ensure_tenant(database, "acme").id
    with database.tenant_session(tenant_id) as session:
        row = session.get(Environment, UUID(made["id"]))
        assert row is not None
        row.phase, row.observed_generation, row.touched = Phase.SLEEPING, row.generation, True
        session.add(row)
    woken = api.get("/anything", headers=visit)
    assert (woken.status_code, woken.headers["retry-after"]) == (503, "3")
    assert "is waking up" in woken.text
    found = api.get(f"{API}/environments/{made['id']}").json()
    assert (found["phase"], found["generation"]) == ("waking", 2)
    assert api.get("/", headers={"Host": f"nobody.{host.partition('.')[2]}"}).status_code == 404


def test_one_whose_spec_cannot_be_read_is_shown_with_the_reason_and_destroyed(
    api: Client, asked: dict[str, Any], browser: Client, database: Database, acme: Principal
) -> None:
    path = f"{API}/environments/{api.post(f'{API}/environments/ephemeral', json=asked).json()['id']}"
    with database.tenant_session(acme.tenant_id) as session:
        session.execute(
            text("""UPDATE environments SET spec = CAST('{"environment"\\: {"components"\\: [1]}}' AS jsonb)""")
        )
    (said,) = api.get(path).json()["conditions"]
    assert (said["type"], said["status"], said["reason"]) == ("Specified", False, "SpecUnreadable")
    assert "environment.components: Input should be" in said["message"]
    page = browser.get(path.removeprefix(API))
    assert (page.status_code, "What it is made of cannot be read (environment.components" in page.text) == (200, True)
    refused = api.post(f"{path}/rebuild")
    assert (refused.status_code, refused.json()["type"]) == (409, "urn:slipway:problem:environment_spec_unreadable")
    assert browser.get("/environments").status_code == 200
    assert browser.get(f"{path.removeprefix(API)}/destroy").status_code == 200
    assert api.delete(path).status_code == 202
    assert api.get(path).json()["phase"] == "destroyed", "nothing of it was made yet"


def test_a_part_of_a_commits_id_is_made_whole_or_refused(api: Client, asked: dict[str, Any], repository: Path) -> None:
    command = ["git", "-C", str(repository), "rev-parse", BRANCH]
    head = subprocess.run(command, check=True, capture_output=True, text=True).stdout.strip()
    made = api.post(f"{API}/environments/ephemeral", json={**asked, "head_sha": head[:8]})
    assert made.status_code == 202, made.text
    path = f"{API}/environments/{made.json()['id']}"
    assert api.get(path).json()["head_sha"] == head
    again = api.post(f"{API}/environments/ephemeral", json={**asked, "head_sha": head})
    assert (again.status_code, again.json()["id"], api.get(path).json()["generation"]) == (202, made.json()["id"], 1)
    unknown = "0123456" if not head.startswith("0123456") else "7654321"
    refused = api.post(f"{API}/environments/ephemeral", json={**asked, "head_sha": unknown})
    assert refused.status_code == 422
    (said,) = refused.json()["errors"]
    assert (said["pointer"], unknown in said["detail"]) == ("/head_sha", True)
    short = api.post(f"{API}/environments/ephemeral", json={**asked, "head_sha": head[:6]})
    assert [each["pointer"] for each in short.json()["errors"]] == ["/head_sha"]

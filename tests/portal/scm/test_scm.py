"""Connections, hooks, polls, outward signs and commands, against the fake of GitHub: hooks decide nothing."""

import hashlib
import hmac
import json
from collections.abc import Iterator
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest
from litestar import Litestar
from litestar.testing import TestClient
from sqlalchemy import text

from catalog.clock import now
from catalog.db import Database
from catalog.environments.service import EnvironmentShowing
from catalog.events.service import EventService
from catalog.providers.scm import (
    NewPullRequest,
    PullRequest,
    PullRequestChange,
    PullRequestState,
    RepositoryUnavailableError,
)
from catalog.providers.scm.github_api.repository import GitHubRepository
from catalog.scm.service import ScmService
from catalog.settings import Settings
from catalog.tenancy import Principal
from tests.catalog.providers.scm.worlds import GitHubWorld, git
from workers import scm_connections, scm_feedback, scm_watch
from workers.main import App
from workers.runtime.drain import drain
from workers.runtime.registry import registry
from workers.runtime.worker import GiveUp, JobContext

Client = TestClient[Litestar]
API = "/api/v1"
QUICK = timedelta(milliseconds=300)


@pytest.fixture
def world(tmp_path: Path) -> Iterator[GitHubWorld]:
    opened = GitHubWorld(tmp_path)
    yield opened
    opened.close()


@pytest.fixture
def settings(settings: Settings, world: GitHubWorld) -> Settings:
    """Let tenants connect to the fake server, and list its repositories when told to."""
    changed = {"scm_servers": (world.fake.url,), "scm_write_pause_seconds": 0, "master_key": "a key for tests"}
    return Settings.model_validate({**settings.model_dump(), **changed})


@pytest.fixture
def working(settings: Settings) -> Iterator[App]:
    app = App(settings, registry((scm_watch.WORKER, scm_feedback.WORKER, scm_connections.WORKER)))
    yield app
    app.close()


@pytest.fixture
def connection(api: Client, world: GitHubWorld) -> dict[str, Any]:
    asked = {"name": "github", "base_url": world.fake.url, "credentials": {"token": "good"}}
    made = api.post(f"{API}/scm/connections", json=asked)
    assert made.status_code == 201, made.text
    found: dict[str, Any] = made.json()
    followed = api.post(f"{API}/scm/connections/{found['id']}/repositories", json={"address": address(world)})
    assert followed.status_code == 201, followed.text
    return found


def address(world: GitHubWorld) -> str:
    return f"{world.fake.url}/acme/hello"


def opened(world: GitHubWorld) -> int:
    return world.open().open_pull_request(NewPullRequest("A title", "A body", "feature", "main")).number


def deliver(
    client: Client,
    connection: dict[str, Any],
    body: dict[str, Any],
    *,
    secret: str = "",
    delivery: str = "1",
    kind: str = "push",
) -> Any:
    raw = json.dumps(body).encode()
    signature = hmac.new((secret or connection["hook_secret"]).encode(), raw, hashlib.sha256).hexdigest()
    headers = {
        "Content-Type": "application/json",
        "X-GitHub-Delivery": delivery,
        "X-GitHub-Event": kind,
        "X-Hub-Signature-256": f"sha256={signature}",
    }
    path = connection["hook_url"].split("/hooks/")[1]
    return client.post(f"/hooks/{path}", content=raw, headers=headers)


def pushed(world: GitHubWorld) -> dict[str, Any]:
    return {"ref": "refs/heads/feature", "after": "a" * 40, "repository": {"html_url": address(world)}}


def commented(world: GitHubWorld, number: int, who: str, text: str) -> dict[str, Any]:
    comment = world.fake.state.comment(number, who, text)
    told = {"id": comment, "body": text, "user": {"login": who, "type": "User"}, "author_association": "OWNER"}
    issue = {"number": number, "pull_request": {}}
    return {"action": "created", "issue": issue, "comment": told, "repository": {"html_url": address(world)}}


def happened(database: Database, principal: Principal) -> list[tuple[str, int]]:
    with database.tenant_session(principal.tenant_id) as session:
        rows = EventService(session).after(principal.tenant_id, 0).events
        return [
            (each.type.removeprefix("dev.slipway.").removesuffix(".v1"), each.data["pull_request"])
            for each in rows
            if "pull_request." in each.type
        ]


def test_a_connection_shows_no_secret_and_is_its_tenant_s_alone(
    api: Client, client_of: Any, rival: Principal, connection: dict[str, Any], database: Database
) -> None:
    shown = api.get(f"{API}/scm/connections").text + api.get(f"{API}/scm/connections/{connection['id']}").text
    assert "good" not in shown
    assert connection["hook_secret"] not in shown
    other = client_of(rival)
    assert other.get(f"{API}/scm/connections").json() == {"items": []}
    path = f"{API}/scm/connections/{connection['id']}"
    assert [other.get(path).status_code, other.delete(path).status_code] == [404, 404]
    assert other.post(f"{path}/rotate").status_code == 404
    reader = client_of(rival, ["environments:read"])
    assert reader.post(f"{API}/scm/connections", json={}).status_code == 403
    with database.tenant_session(rival.tenant_id) as session:
        assert "github" not in str(EventService(session).after(rival.tenant_id, 0))


@pytest.mark.parametrize(
    ("change", "pointer"),
    [
        ({"base_url": "http://169.254.169.254"}, "/base_url"),
        ({"provider": "gitea"}, "/provider"),
        ({"credentials": {"password": "x"}}, "/credentials"),
        ({"credentials": {"app_id": "x", "installation_id": "1", "private_key": "k"}}, "/credentials/app_id"),
    ],
)
def test_what_cannot_be_connected_names_the_field(
    api: Client, world: GitHubWorld, change: dict[str, Any], pointer: str
) -> None:
    asked = {"name": "one", "base_url": world.fake.url, "credentials": {"token": "good"}, **change}
    answer = api.post(f"{API}/scm/connections", json=asked)
    assert answer.status_code == 422
    assert [each["pointer"] for each in answer.json()["errors"]] == [pointer]


def test_what_may_be_done_is_tested(api: Client, world: GitHubWorld, connection: dict[str, Any]) -> None:
    world.fake.state.user_permissions = {"admin": False, "push": True, "pull": True}
    found = api.post(f"{API}/scm/test", json={"address": address(world)}).json()["items"]
    missing = {each["type"]: each["message"] for each in found if not each["status"]}
    assert list(missing) == ["Right:environments"]
    assert "admin" in missing["Right:environments"]
    assert connection["name"] == "github"
    unconnected = api.post(f"{API}/scm/test", json={"address": "https://github.com/acme/hello"})
    assert unconnected.status_code == 422


def test_a_forged_hook_does_nothing(
    anyone: Client, api: Client, world: GitHubWorld, connection: dict[str, Any], working: App
) -> None:
    drain(working, patience=QUICK)
    asked = len(world.fake.requests)
    answers = [
        deliver(anyone, connection, pushed(world), secret="forged"),
        deliver(anyone, {**connection, "hook_url": "x/hooks/github?connection=nobody-s"}, pushed(world)),
    ]
    assert [each.status_code for each in answers] == [403, 403]
    assert answers[0].json()["detail"] == answers[1].json()["detail"]
    assert "rotate" in answers[0].json()["detail"]
    assert anyone.post("/hooks/github", content=b"{}").status_code in {400, 422}
    drain(working, patience=QUICK)
    assert len(world.fake.requests) == asked
    assert api.get(f"{API}/scm/connections").status_code == 200


def test_a_replayed_hook_and_one_of_no_interest_do_nothing(
    anyone: Client, world: GitHubWorld, connection: dict[str, Any]
) -> None:
    assert deliver(anyone, connection, pushed(world)).json() == {"delivery": "1", "repositories": 1}
    assert deliver(anyone, connection, pushed(world)).json() == {"delivery": "1", "repositories": 0}
    unknown = deliver(anyone, connection, {"zen": "x"}, delivery="2", kind="something_new")
    assert (unknown.status_code, unknown.json()["repositories"]) == (202, 0)
    elsewhere = {**pushed(world), "repository": {"html_url": "https://github.com/other/one"}}
    assert deliver(anyone, connection, elsewhere, delivery="3").json()["repositories"] == 0
    assert deliver(anyone, connection, {"action": "opened"}, delivery="4", kind="pull_request").status_code == 422


def test_a_secret_is_rotated_without_a_lost_delivery(anyone: Client, api: Client, connection: dict[str, Any]) -> None:
    path, secrets = f"{API}/scm/connections/{connection['id']}/rotate", [connection["hook_secret"]]
    secrets += [api.post(path).json()["hook_secret"] for _ in range(2)]
    found = [
        deliver(anyone, connection, {}, secret=secret, delivery=secret, kind="ping").status_code for secret in secrets
    ]
    assert found == [403, 202, 202]


def test_the_listing_decides_whatever_hooks_say(
    anyone: Client, world: GitHubWorld, connection: dict[str, Any], working: App, database: Database, acme: Principal
) -> None:
    drain(working, patience=QUICK)
    number = opened(world)
    closed = {
        "action": "closed",
        "pull_request": {"number": number, "head": {"sha": "b" * 40, "ref": "feature"}},
        "repository": {"html_url": address(world)},
    }
    for delivery in ("3", "1", "1"):  # closed is said before it is, and twice
        deliver(anyone, connection, closed, delivery=delivery, kind="pull_request")
        drain(working, patience=QUICK)
    assert happened(database, acme) == [("pull_request.opened", number)]

    git(world.origin, "update-ref", "refs/heads/feature", git(world.origin, "rev-parse", "main"))
    world.open().label(number, frozenset({"preview"}))
    deliver(anyone, connection, pushed(world), delivery="5")
    drain(working, patience=QUICK)
    world.open().change_pull_request(number, PullRequestChange(state=PullRequestState.CLOSED))
    world.fake.next_refusals = [(502, {}, "Bad gateway")]
    deliver(anyone, connection, pushed(world), delivery="6")
    drain(working, patience=QUICK)
    told = [name for name, _ in happened(database, acme)]
    assert told == ["pull_request.opened", "pull_request.synchronized", "pull_request.changed"]
    deliver(anyone, connection, pushed(world), delivery="7")
    drain(working, patience=QUICK)
    assert happened(database, acme)[-1] == ("pull_request.closed", number)


def test_a_listing_that_was_overtaken_changes_nothing(
    api: Client, settings: Settings, connection: dict[str, Any], database: Database, acme: Principal
) -> None:
    shown = api.get(f"{API}/scm/connections/{connection['id']}").json()
    repository, later = UUID(shown["repositories"][0]["id"]), now()
    pull = PullRequest(7, PullRequestState.OPEN, "a" * 40, "feature", base="main")
    for pulls, asked_at, taken in (([pull], later, True), ([], later - timedelta(seconds=1), False)):
        with database.tenant_session(acme.tenant_id) as session:
            service = ScmService(session, settings)
            assert service.listed(acme.tenant_id, repository, pulls, [], asked_at) is taken
    shown = api.get(f"{API}/scm/connections/{connection['id']}").json()
    assert shown["repositories"][0]["open_pull_requests"] == 1


def test_an_environment_follows_shows_itself_and_obeys(
    anyone: Client, api: Client, archive: bytes, world: GitHubWorld, connection: dict[str, Any], working: App
) -> None:
    number = opened(world)
    api.post(f"{API}/assets", files={"archive": ("a.tar.gz", archive, "application/gzip")})
    asked = {"repository": address(world), "pull_request": number, "blueprint": "acme/preview"}
    accepted = api.post(f"{API}/environments/ephemeral", json=asked)
    assert accepted.status_code == 202, accepted.text
    drain(working, patience=QUICK)
    assert sum("waits for its turn" in each for each in world.comments(number)) == 1
    assert world.deployments() == {f"preview/pr-{number}": "queued"}

    path = f"{API}/environments/{accepted.json()['id']}"
    before = api.get(path).json()["expires_at"]
    for delivery, who in (("1", "mallory"), ("2", "maria")):
        told = commented(world, number, who, "Please\n/preview extend 24h")
        taken = deliver(anyone, connection, told, delivery=delivery, kind="issue_comment")
        assert taken.json() == {"delivery": delivery, "repositories": 1}
        assert "environments.obey_comment" in drain(working, patience=QUICK)
        assert (api.get(path).json()["expires_at"] == before) == (who == "mallory"), who
    answers = [each for each in world.comments(number) if "@maria" in each]
    assert len(answers) == 1
    assert "lives until" in answers[0]

    world.fake.refused = {"/deployments": "deployments=write"}
    world.fake.state.deployments.clear()
    world.fake.state.environments.clear()
    deliver(
        anyone, connection, commented(world, number, "maria", "/preview extend 1h"), delivery="3", kind="issue_comment"
    )
    drain(working, patience=QUICK)
    conditions = {each["type"]: each for each in api.get(path).json()["conditions"]}
    assert "deployments=write" in conditions["OutwardSigns"]["message"]
    world.fake.refused = {}

    world.open().change_pull_request(number, PullRequestChange(state=PullRequestState.CLOSED))
    deliver(anyone, connection, pushed(world), delivery="4")
    drain(working, patience=QUICK)
    assert api.get(path).json()["phase"] == "destroyed", "it was never made, so nothing is to be removed"
    operation = api.get(f"{API}/operations/{api.get(path).json()['operation_id']}").json()
    assert operation["kind"] == "environment.destroy"
    assert world.deployments() == {}
    assert sum("is gone" in each for each in world.comments(number)) == 1
    conditions = {each["type"]: each for each in api.get(path).json()["conditions"]}
    assert "OutwardSigns" not in conditions


def environment(api: Client, archive: bytes, world: GitHubWorld, number: int) -> str:
    """Ask for the environment of a pull request, and return its path."""
    api.post(f"{API}/assets", files={"archive": ("a.tar.gz", archive, "application/gzip")})
    asked = {"repository": address(world), "pull_request": number, "blueprint": "acme/preview"}
    return f"{API}/environments/{api.post(f'{API}/environments/ephemeral', json=asked).json()['id']}"


def context(working: App) -> JobContext:
    return JobContext(working.runtime, "tests.look")


def late(working: App) -> None:
    """Let whatever is not shown yet be shown again by now."""
    with working.database.system_session() as session:
        tenants = {each.tenant_id for each in EnvironmentShowing.due(session, now() + timedelta(days=1), 100)}
    for tenant_id in tenants:
        with working.database.tenant_session(tenant_id) as session:
            session.execute(text("UPDATE environments SET signs_due_at = now() WHERE signs_due_at IS NOT NULL"))


def test_a_comment_is_obeyed_once_however_often_it_is_told_of_and_its_answer_fails(
    anyone: Client,
    api: Client,
    archive: bytes,
    world: GitHubWorld,
    connection: dict[str, Any],
    working: App,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    number = opened(world)
    path = environment(api, archive, world, number)
    drain(working, patience=QUICK)
    before = datetime.fromisoformat(api.get(path).json()["expires_at"])
    told = commented(world, number, "maria", "/preview extend 2h")
    as_ever, tries = GitHubRepository.set_comment, list[str]()

    def fails_once(self: GitHubRepository, number: int, marker: str, body: str | None) -> Any:
        tries.append(marker)
        if marker == scm_feedback.REPLY and tries.count(marker) == 1:
            raise RepositoryUnavailableError("GitHub does not answer.")
        return as_ever(self, number, marker, body)

    monkeypatch.setattr(GitHubRepository, "set_comment", fails_once)
    for delivery in ("repository", "app"):
        taken = deliver(anyone, connection, told, delivery=delivery, kind="issue_comment")
        assert taken.json()["repositories"] == 1
        drain(working, patience=timedelta(seconds=3))
    after = datetime.fromisoformat(api.get(path).json()["expires_at"])
    assert after - before == timedelta(hours=2)
    assert (tries.count(scm_feedback.REPLY), sum("@maria" in each for each in world.comments(number))) == (2, 1)


def test_signs_are_shown_once_the_provider_is_back_and_the_right_is_there(  # fixtures
    anyone: Client,
    api: Client,
    archive: bytes,
    world: GitHubWorld,
    connection: dict[str, Any],
    working: App,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    number = opened(world)
    path = environment(api, archive, world, number)
    drain(working, patience=QUICK)
    assert world.deployments() == {f"preview/pr-{number}": "queued"}

    def away(*_: object) -> None:
        raise GiveUp("The provider was away for longer than this was tried.")

    with monkeypatch.context() as patched:
        patched.setattr(GitHubRepository, "set_comment", away)
        world.open().change_pull_request(number, PullRequestChange(state=PullRequestState.CLOSED))
        deliver(anyone, connection, pushed(world), delivery="closed")
        drain(working, patience=QUICK)
    assert api.get(path).json()["phase"] == "destroyed"
    assert world.deployments() == {f"preview/pr-{number}": "queued"}, "it is left as it was"
    world.fake.refused = {"/environments": "administration=write"}
    late(working)
    scm_feedback.show_late_signs(context(working))
    assert sum("is gone" in each for each in world.comments(number)) == 1
    conditions = {each["type"]: each["reason"] for each in api.get(path).json()["conditions"]}
    assert conditions["OutwardSigns"] == "MissingRights"

    world.fake.refused = {}
    late(working)
    scm_feedback.show_late_signs(context(working))
    assert (world.deployments(), world.fake.state.environments) == ({}, type(world.fake.state.environments)())
    assert "OutwardSigns" not in {each["type"] for each in api.get(path).json()["conditions"]}
    asked = len(world.fake.requests)
    late(working)
    scm_feedback.show_late_signs(context(working))
    assert not [each for each in world.fake.requests[asked:] if "comments" in each], "nothing is late any more"


def test_credentials_that_are_refused_are_said_on_the_environment(  # fixtures
    api: Client,
    archive: bytes,
    world: GitHubWorld,
    connection: dict[str, Any],
    working: App,
) -> None:
    number = opened(world)
    path = environment(api, archive, world, number)
    place = f"{API}/scm/connections/{connection['id']}/credentials"
    assert api.put(place, json={"credentials": {"token": "revoked"}}).status_code < 300
    drain(working, patience=QUICK)
    conditions = {each["type"]: each["reason"] for each in api.get(path).json()["conditions"]}
    assert conditions["OutwardSigns"] == "CredentialsRefused"
    assert api.put(place, json={"credentials": {"token": "good"}}).status_code < 300
    late(working)
    scm_feedback.show_late_signs(context(working))
    assert world.deployments() == {f"preview/pr-{number}": "queued"}
    assert "OutwardSigns" not in {each["type"] for each in api.get(path).json()["conditions"]}


def connect(api: Client, world: GitHubWorld) -> str:
    asked = {"name": "again", "base_url": world.fake.url, "credentials": {"token": "good"}}
    path: str = f"{API}/scm/connections/{api.post(f'{API}/scm/connections', json=asked).json()['id']}"
    return path


def conditions(api: Client, path: str) -> dict[str, str]:
    return {each["type"]: each["reason"] for each in api.get(path).json()["conditions"]}


def test_a_connection_that_is_removed_is_said_made_good_and_ends_what_nobody_watches(
    api: Client,
    archive: bytes,
    world: GitHubWorld,
    connection: dict[str, Any],
    working: App,
    database: Database,
    acme: Principal,
) -> None:
    number = opened(world)
    path = environment(api, archive, world, number)
    drain(working, patience=QUICK)
    assert api.delete(f"{API}/scm/connections/{connection['id']}").status_code == 204
    drain(working, patience=QUICK)
    assert conditions(api, path)["Watched"] == "NoConnection"
    assert api.get(path).json()["phase"] == "queued"

    again = connect(api, world)
    drain(working, patience=QUICK)
    assert "Watched" not in conditions(api, path)
    assert [each["address"] for each in api.get(again).json()["repositories"]] == [address(world)]
    git(world.origin, "update-ref", "refs/heads/feature", git(world.origin, "rev-parse", "main"))
    with database.tenant_session(acme.tenant_id) as session:
        session.execute(text("UPDATE scm_repositories SET poll_at = now()"))
    scm_watch.poll_due(context(working))
    assert api.get(path).json()["head_sha"] == git(world.origin, "rev-parse", "main")

    assert api.delete(again).status_code == 204
    drain(working, patience=QUICK)
    scm_connections.leave_unwatched(context(working))
    assert api.get(path).json()["phase"] == "queued", "there is a day in which to connect it again"
    a_day_passes(database, acme)
    scm_connections.leave_unwatched(context(working))
    assert api.get(path).json()["phase"] == "destroyed"


def a_day_passes(database: Database, acme: Principal) -> None:
    """Let every condition have been there for a day longer."""
    statement = """
        UPDATE environments SET conditions = (
            SELECT jsonb_agg(jsonb_set(each, '{at}', to_jsonb(CAST(each ->> 'at' AS timestamptz) - interval '1 day')))
            FROM jsonb_array_elements(conditions) AS each)
        WHERE jsonb_array_length(conditions) > 0
    """
    with database.tenant_session(acme.tenant_id) as session:
        session.execute(text(statement))


def test_a_repository_that_is_not_found_for_long_closes_nothing_and_is_said(
    api: Client,
    archive: bytes,
    world: GitHubWorld,
    connection: dict[str, Any],
    working: App,
    database: Database,
    acme: Principal,
) -> None:
    path = environment(api, archive, world, opened(world))
    drain(working, patience=QUICK)
    assert connection["repositories"] == []

    def look(minutes: int) -> None:
        with database.tenant_session(acme.tenant_id) as session:
            moved = "UPDATE scm_repositories SET poll_at = now(), polled_at = now() - :span"
            session.execute(text(moved), {"span": timedelta(minutes=minutes)})
        scm_watch.poll_due(context(working))

    for minutes, told in ((1, None), (20, "NoRepository"), (20, "NoRepository")):
        world.fake.next_refusals = [(404, {}, "Not Found")] * 3
        look(minutes)
        assert (conditions(api, path).get("Watched"), api.get(path).json()["phase"]) == (told, "queued")
    world.fake.next_refusals = []
    look(20)
    assert "Watched" not in conditions(api, path)


def lies(world: GitHubWorld, number: int) -> list[tuple[str, dict[str, Any]]]:
    """What could be said of a pull request that is open: none of it is so."""
    about = {"number": number, "merged": True, "head": {"sha": "b" * 40, "ref": "feature"}}
    told = {"pull_request": about, "repository": {"html_url": address(world)}}
    said = commented(world, number, "mallory", "/preview down")
    said["comment"]["user"]["login"] = "maria"
    return [
        ("pull_request", {"action": "closed", **told}),
        ("pull_request", {"action": "synchronize", "before": "c" * 40, "after": "b" * 40, **told}),
        ("pull_request", {"action": "unlabeled", **told}),
        ("pull_request", {"action": "reopened", **told}),
        ("push", {"ref": "refs/heads/feature", "deleted": True, "after": "0" * 40, **told}),
        ("issue_comment", said),
    ]


def test_whatever_is_delivered_an_environment_ends_as_its_pull_request_is(
    anyone: Client, api: Client, archive: bytes, world: GitHubWorld, connection: dict[str, Any], working: App
) -> None:
    number = opened(world)
    api.post(f"{API}/assets", files={"archive": ("a.tar.gz", archive, "application/gzip")})
    asked = {"repository": address(world), "pull_request": number, "blueprint": "acme/preview"}
    path = f"{API}/environments/{api.post(f'{API}/environments/ephemeral', json=asked).json()['id']}"
    drain(working, patience=QUICK)
    names = ("phase", "incarnation", "generation", "head_sha", "expires_at", "operation_id")

    def stands() -> dict[str, Any]:
        found = api.get(path).json()
        return {name: found[name] for name in names}

    before, said = stands(), lies(world, number)
    for secret in ("forged", ""):
        # Each of them in two orders and, where the signature holds, twice under one delivery and once under another.
        for order in (said, said[::-1]):
            for place, (kind, body) in enumerate(order):
                name = f"{secret}{kind}{place}{order is said}"
                answers = [
                    deliver(anyone, connection, body, secret=secret, delivery=each, kind=kind).status_code
                    for each in (name, name, f"{name} again")
                ]
                assert set(answers) == ({403} if secret else {202})
            drain(working, patience=QUICK)
            assert stands() == before, secret or "signed"
    assert sum("Preview environment" in each for each in world.comments(number)) == 1
    assert world.deployments() == {f"preview/pr-{number}": "queued"}

    git(world.origin, "update-ref", "refs/heads/feature", git(world.origin, "rev-parse", "main"))
    deliver(anyone, connection, said[2][1], delivery="late", kind="pull_request")
    drain(working, patience=QUICK)
    assert stands()["head_sha"] == git(world.origin, "rev-parse", "main"), "the pull request itself was looked at"


def test_a_repository_without_a_connection_is_refused(api: Client, archive: bytes) -> None:
    api.post(f"{API}/assets", files={"archive": ("a.tar.gz", archive, "application/gzip")})
    asked = {"repository": "https://github.com/acme/hello", "pull_request": 1, "blueprint": "acme/preview"}
    answer = api.post(f"{API}/environments/ephemeral", json=asked)
    assert answer.status_code == 422
    assert answer.json()["errors"][0]["pointer"] == "/repository"
    assert "/api/v1/scm/connections" in answer.json()["errors"][0]["detail"]

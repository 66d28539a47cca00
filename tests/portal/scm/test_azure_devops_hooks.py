"""Azure DevOps through the portal: service hooks that are genuine and taken once, signs and commands, the page."""

import base64
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from litestar import Litestar
from litestar.testing import TestClient

from catalog.providers.scm import NewPullRequest, PullRequestChange, PullRequestState
from catalog.settings import Settings
from tests.catalog.providers.scm.azure_fake import hook
from tests.catalog.providers.scm.worlds import AzureDevOpsWorld, git
from workers import scm_feedback, scm_watch
from workers.main import App
from workers.runtime.drain import drain
from workers.runtime.registry import registry

Client = TestClient[Litestar]
API = "/api/v1"
QUICK = timedelta(milliseconds=300)
COMMENTED = "ms.vss-code.git-pullrequest-comment-event"


@pytest.fixture
def world(tmp_path: Path) -> Iterator[AzureDevOpsWorld]:
    opened = AzureDevOpsWorld(tmp_path)
    yield opened
    opened.close()


@pytest.fixture
def settings(settings: Settings, world: AzureDevOpsWorld) -> Settings:
    """Let tenants connect to the fake server, and list its repositories when told to."""
    changed = {"scm_servers": (world.fake.url,), "scm_write_pause_seconds": 0, "master_key": "a key for tests"}
    return Settings.model_validate({**settings.model_dump(), **changed})


@pytest.fixture
def working(settings: Settings) -> Iterator[App]:
    app = App(settings, registry((scm_watch.WORKER, scm_feedback.WORKER)))
    yield app
    app.close()


@pytest.fixture
def connection(api: Client, world: AzureDevOpsWorld) -> dict[str, Any]:
    asked = {
        "name": "azure",
        "provider": "azure_devops",
        "base_url": f"{world.fake.url}/Acme",
        "credentials": {"token": "good"},
    }
    made = api.post(f"{API}/scm/connections", json=asked)
    assert made.status_code == 201, made.text
    found: dict[str, Any] = made.json()
    spelled = f"{world.fake.url}/Acme/Hello/_git/Hello"
    followed = api.post(f"{API}/scm/connections/{found['id']}/repositories", json={"address": spelled})
    assert (followed.status_code, followed.json()["address"]) == (201, world.open().address)
    return found


def deliver(client: Client, connection: dict[str, Any], body: dict[str, Any], secret: str = "") -> Any:
    given = f"slipway:{secret or connection['hook_secret']}".encode()
    headers = {"Authorization": f"Basic {base64.b64encode(given).decode()}"}
    return client.post(f"/hooks/{connection['hook_url'].split('/hooks/')[1]}", json=body, headers=headers)


def commented(world: AzureDevOpsWorld, number: int, who: str, text: str, notification: int) -> dict[str, Any]:
    thread, comment = world.fake.state.comment(number, who, text)
    told = {
        "id": comment,
        "content": text,
        "author": world.fake.state.identity(who),
        "commentType": "text",
        "_links": {"self": {"href": f"{world.fake.url}/acme/_apis/x/threads/{thread}/comments/{comment}"}},
    }
    return hook(world.fake, COMMENTED, {"comment": told, "pullRequest": world.fake.state.pull(number)}, notification)


def test_a_hook_is_genuine_and_taken_once(anyone: Client, world: AzureDevOpsWorld, connection: dict[str, Any]) -> None:
    assert "/hooks/azure-devops?connection=" in connection["hook_url"]
    number = world.open().open_pull_request(NewPullRequest("t", "b", "feature", "main")).number
    body = hook(world.fake, "git.pullrequest.created", world.fake.state.pull(number), 7)

    forged = [deliver(anyone, connection, body, "forged"), anyone.post("/hooks/azure-devops?connection=x", json=body)]
    assert [each.status_code for each in forged] == [403, 403]
    assert forged[0].json()["detail"] == forged[1].json()["detail"]
    taken = [deliver(anyone, connection, body).json()["repositories"] for _ in range(2)]
    assert taken == [1, 0]
    other = {**body, "subscriptionId": "another"}
    assert deliver(anyone, connection, other).json()["repositories"] == 1
    assert deliver(anyone, connection, {**body, "resource": None, "notificationId": 8}).status_code == 422
    path = f"/hooks/{connection['hook_url'].split('/hooks/')[1]}"
    headers = {"X-Slipway-Secret": connection["hook_secret"]}
    assert anyone.post(path, json={**body, "notificationId": 9}, headers=headers).status_code == 202


def test_an_environment_shows_itself_and_obeys(
    anyone: Client,
    api: Client,
    archive: bytes,
    world: AzureDevOpsWorld,
    connection: dict[str, Any],
    working: App,
) -> None:
    world.fake.state.visibility = "public"
    number = world.open().open_pull_request(NewPullRequest("A title", "A body", "feature", "main")).number
    api.post(f"{API}/assets", files={"archive": ("a.tar.gz", archive, "application/gzip")})
    asked = {"repository": world.open().address, "pull_request": number, "blueprint": "acme/preview"}
    accepted = api.post(f"{API}/environments/ephemeral", json=asked)
    assert accepted.status_code == 202, accepted.text
    drain(working, patience=QUICK)
    assert sum("waits for its turn" in each for each in world.comments(number)) == 1
    assert world.deployments() == {f"preview/pr-{number}": "queued"}

    path = f"{API}/environments/{accepted.json()['id']}"
    before = api.get(path).json()["expires_at"]
    for notification, who in ((1, "mallory"), (2, "maria")):
        told = commented(world, number, who, "Please\n/preview extend 24h", notification)
        assert deliver(anyone, connection, told).json()["repositories"] == 1
        assert "environments.obey_comment" in drain(working, patience=QUICK)
        assert (api.get(path).json()["expires_at"] == before) == (who == "mallory"), who
    assert sum("lives until" in each and "@maria" in each for each in world.comments(number)) == 1

    world.fake.refused = {"/statuses": "PullRequestContribute"}
    world.fake.state.pull_statuses.clear()
    deliver(anyone, connection, commented(world, number, "maria", "/preview extend 1h", 3))
    drain(working, patience=QUICK)
    conditions = {each["type"]: each for each in api.get(path).json()["conditions"]}
    assert "Contribute to pull requests" in conditions["OutwardSigns"]["message"]
    world.fake.refused = {}

    world.open().change_pull_request(number, PullRequestChange(state=PullRequestState.CLOSED))
    deliver(anyone, connection, hook(world.fake, "git.pullrequest.updated", world.fake.state.pull(number), 4))
    drain(working, patience=QUICK)
    assert api.get(path).json()["phase"] == "destroyed", "it was never made, so nothing is to be removed"
    assert world.deployments() == {}
    assert sum("is gone" in each for each in world.comments(number)) == 1


def lies(world: AzureDevOpsWorld, number: int) -> list[tuple[str, dict[str, Any]]]:
    """What could be said of a pull request that is open: none of it is so."""
    pull, repository = world.fake.state.pull(number), world.fake.state.repository()
    other = {**pull, "lastMergeSourceCommit": {"commitId": "b" * 40}}
    branch = {"name": "refs/heads/feature", "oldObjectId": "c" * 40}
    said = commented(world, number, "mallory", "/preview down", 0)["resource"]
    said["comment"]["author"] = world.fake.state.identity("maria")
    return [
        ("git.pullrequest.updated", {**pull, "status": "abandoned"}),
        ("git.pullrequest.merged", {**pull, "status": "completed"}),
        ("git.pullrequest.updated", other),
        ("git.pullrequest.created", other),
        ("git.push", {"repository": repository, "refUpdates": [{**branch, "newObjectId": "0" * 40}]}),
        ("git.push", {"repository": repository, "refUpdates": [{**branch, "newObjectId": "b" * 40}]}),
        ("git.repo.deleted", {"repository": repository}),
        (COMMENTED, said),
    ]


def test_whatever_is_delivered_an_environment_ends_as_its_pull_request_is(
    anyone: Client, api: Client, archive: bytes, world: AzureDevOpsWorld, connection: dict[str, Any], working: App
) -> None:
    world.fake.state.visibility = "public"
    number = world.open().open_pull_request(NewPullRequest("A title", "A body", "feature", "main")).number
    api.post(f"{API}/assets", files={"archive": ("a.tar.gz", archive, "application/gzip")})
    asked = {"repository": world.open().address, "pull_request": number, "blueprint": "acme/preview"}
    path = f"{API}/environments/{api.post(f'{API}/environments/ephemeral', json=asked).json()['id']}"
    drain(working, patience=QUICK)
    names = ("phase", "incarnation", "generation", "head_sha", "expires_at", "operation_id")

    def stands() -> dict[str, Any]:
        found = api.get(path).json()
        return {name: found[name] for name in names}

    before, said, notification = stands(), lies(world, number), 100
    for secret, status in (("forged", 403), ("", 202)):
        # Each of them in two orders, twice as one notification and once as another.
        for order in (said, said[::-1]):
            for kind, resource in order:
                bodies = [hook(world.fake, kind, resource, notification + more) for more in (1, 1, 2)]
                notification += 2
                assert {deliver(anyone, connection, each, secret).status_code for each in bodies} == {status}
            drain(working, patience=QUICK)
            assert stands() == before, secret or "genuine"
    assert sum("Preview environment" in each for each in world.comments(number)) == 1
    assert world.deployments() == {f"preview/pr-{number}": "queued"}

    main = git(world.origin, "rev-parse", "main")
    git(world.origin, "update-ref", "refs/heads/feature", main)
    deliver(anyone, connection, hook(world.fake, *said[0], notification + 1))
    drain(working, patience=QUICK)
    assert stands()["head_sha"] == main, "the pull request itself was looked at"


@pytest.mark.parametrize(
    ("change", "pointer"),
    [
        ({"base_url": "https://dev.azure.com.evil.example/acme"}, "/base_url"),
        ({"base_url": "https://dev.azure.com/../x"}, "/base_url"),
        ({"credentials": {"app_id": "1", "installation_id": "1", "private_key": "k"}}, "/credentials"),
        ({"credentials": {"client_id": "x", "client_secret": "y"}}, "/credentials"),
    ],
)
def test_what_cannot_be_connected_names_the_field(api: Client, change: dict[str, Any], pointer: str) -> None:
    asked = {"name": "one", "provider": "azure_devops", "credentials": {"token": "good"}, **change}
    answer = api.post(f"{API}/scm/connections", json=asked)
    assert answer.status_code == 422
    assert [each["pointer"] for each in answer.json()["errors"]] == [pointer]


def test_the_closest_of_several_connections_is_used(
    api: Client, world: AzureDevOpsWorld, connection: dict[str, Any]
) -> None:
    wide = {
        "name": "a-wider-one",
        "provider": "azure_devops",
        "base_url": world.fake.url,
        "credentials": {"token": "bad"},
    }
    assert api.post(f"{API}/scm/connections", json=wide).status_code == 201
    told = api.post(f"{API}/scm/test", json={"address": world.open().address})
    assert told.status_code == 200, (told.text, connection["id"])
    assert all(each["status"] for each in told.json()["items"])


def test_a_connection_is_made_followed_rotated_and_forgotten_on_the_page(
    browser: Client, world: AzureDevOpsWorld
) -> None:
    assert "No connections yet" in browser.get("/scm/connections").text
    shown = browser.get("/scm/connections?way=azure-principal").text
    assert 'name="client_secret"' in shown
    form = {"way": "azure-token", "name": "azure", "base_url": "https://evil.example", "token": "good-as-gold"}
    refused = browser.post("/scm/connections", data=form)
    assert refused.status_code == 422
    assert "SLIPWAY_SCM_SERVERS" in refused.text
    assert "https://evil.example" in refused.text, "what was written is kept"
    assert "good-as-gold" not in refused.text
    empty = browser.post("/scm/connections", data={**form, "token": " "})
    assert (empty.status_code, "Fill this in." in empty.text) == (422, True)

    made = browser.post("/scm/connections", data={**form, "base_url": f"{world.fake.url}/acme"})
    assert made.status_code == 201
    assert "/hooks/azure-devops?connection=" in made.text
    again = browser.get("/scm/connections").text
    assert "/hooks/azure-devops?connection=" not in again
    path = again.split('action="/scm/connections/')[1].split("/")[0]
    wrong = browser.post(f"/scm/connections/{path}/repositories", data={"address": "nothing"})
    assert wrong.status_code == 422
    assert "Write https://dev.azure.com/ORGANISATION/PROJECT/_git/NAME" in wrong.text
    followed = browser.post(f"/scm/connections/{path}/repositories", data={"address": world.open().address})
    assert world.open().address in followed.text
    assert browser.post(f"/scm/connections/{path}/rotate").status_code == 201
    assert "No connections yet" in browser.post(f"/scm/connections/{path}/remove").text

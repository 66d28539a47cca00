"""What is Azure DevOps' own: addresses, limits, permissions, lists that move, people, and hooks that nobody signs."""

import base64
import json
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from catalog.errors import InvalidInputError
from catalog.providers.scm import (
    Access,
    Association,
    CredentialsRefusedError,
    Deployment,
    DeploymentState,
    FolderEntry,
    HookAction,
    HookEvent,
    MissingRightsError,
    NewCommit,
    NewPullRequest,
    PullRequestChange,
    PullRequestState,
    RateLimitedError,
    RepositoryMovedError,
    RepositoryNotFoundError,
    RepositoryUnavailableError,
    Right,
    ScmConflictError,
    provider_for,
)
from catalog.providers.scm.azure_devops import PROVIDER
from catalog.settings import Settings
from tests.catalog.providers.scm.azure_fake import hook
from tests.catalog.providers.scm.github_fake_git import GitSide
from tests.catalog.providers.scm.worlds import AzureDevOpsEntraWorld, AzureDevOpsWorld, git

SECRET = "it's a secret"
ADDRESS = "https://dev.azure.com/acme/hello%20world/_git/web"


@pytest.fixture
def world(tmp_path: Path) -> Iterator[AzureDevOpsWorld]:
    opened = AzureDevOpsWorld(tmp_path)
    yield opened
    opened.close()


@pytest.fixture
def principal_world(tmp_path: Path) -> Iterator[AzureDevOpsEntraWorld]:
    opened = AzureDevOpsEntraWorld(tmp_path)
    yield opened
    opened.close()


class Still(GitSide):
    """A repository whose branches are all where ``main`` is: a process for each of many would take long."""

    def find(self, revision: str) -> str | None:
        return super().find("main") if revision == "main" else "a" * 40


def opened(world: AzureDevOpsWorld, branch: str = "feature") -> int:
    return world.open().open_pull_request(NewPullRequest("t", "b", branch, "main")).number


@pytest.mark.parametrize(
    "spelled",
    [
        ADDRESS,
        "https://dev.azure.com/Acme/Hello World/_git/Web",
        "dev.azure.com/acme/hello%20World/_git/web/",
        "https://acme@dev.azure.com/acme/hello%20world/_git/web",
        "https://acme.visualstudio.com/DefaultCollection/hello%20world/_git/web",
        "https://acme.visualstudio.com/hello world/_git/web",
        "git@ssh.dev.azure.com:v3/acme/hello%20world/web",
    ],
)
def test_addresses_have_one_spelling(spelled: str) -> None:
    assert provider_for(spelled).name == "azure_devops"
    assert PROVIDER.normalise(spelled, Settings()) == ADDRESS


def test_addresses_of_servers_and_short_ones_are_known() -> None:
    for spelled, normal in (
        ("https://dev.azure.com/acme/_git/web", "https://dev.azure.com/acme/web/_git/web"),
        ("http://tfs.acme.example:8080/tfs/Main/Web/_git/Api", "http://tfs.acme.example:8080/tfs/main/web/_git/api"),
    ):
        assert provider_for(spelled).name == "azure_devops"
        assert PROVIDER.normalise(spelled, Settings()) == normal


@pytest.mark.parametrize(
    "wrong",
    [
        "https://dev.azure.com/acme/web",
        "https://dev.azure.com/acme/a/b/_git/web",
        "https://u:p@dev.azure.com/acme/a/_git/web",
        "https://dev.azure.com/acme/a/_git/..",
        "https://dev.azure.com/acme/%2e%2e/_git/web",
        "https://dev.azure.com/acme/a/_git/a%2Fb",
        "https://dev.azure.com/acme/a/_git/web?version=1",
        "https://dev.azure.com:port/acme/a/_git/web",
        "git@ssh.dev.azure.com:v3/acme/web",
        "ftp://x/a/b/_git/c",
        "a",
    ],
)
def test_what_is_no_address_is_refused(wrong: str) -> None:
    with pytest.raises(RepositoryNotFoundError):
        PROVIDER.normalise(wrong, Settings())


@pytest.mark.parametrize(
    ("status", "headers", "least", "most"),
    [
        (429, {"Retry-After": "7"}, 7, 7),
        (503, {"Retry-After": "3"}, 3, 3),
        (429, {"X-RateLimit-Remaining": "0", "X-RateLimit-Reset": "in 30 s"}, 20, 31),
        (429, {}, 60, 60),
    ],
)
def test_a_limit_is_told_and_nothing_more_is_asked(
    world: AzureDevOpsWorld, status: int, headers: dict[str, str], least: float, most: float
) -> None:
    in_30_seconds = str(int(time.time()) + 30)
    told = {name: in_30_seconds if value == "in 30 s" else value for name, value in headers.items()}
    world.fake.next_answers = [(status, told, "TF400733: The request has been canceled.")]
    with pytest.raises(RateLimitedError) as limited:
        world.open().pull_requests()
    assert least <= limited.value.retry_after <= most
    asked = len(world.fake.requests)
    with pytest.raises(RateLimitedError):
        world.open().resolve("main")
    assert len(world.fake.requests) == asked


@pytest.mark.parametrize("headers", [{"Retry-After": "30"}, {"X-RateLimit-Remaining": "0", "X-RateLimit-Reset": "9e9"}])
def test_a_good_answer_that_asks_for_a_pause_is_taken_and_obeyed(
    world: AzureDevOpsWorld, headers: dict[str, str]
) -> None:
    told = {name: str(int(time.time()) + 900) if value == "9e9" else value for name, value in headers.items()}
    world.fake.extra_headers = told
    head = world.open().branch("main")
    assert head == git(world.origin, "rev-parse", "main")
    with pytest.raises(RateLimitedError) as limited:
        world.open().branch("main")
    assert limited.value.retry_after <= 60


def test_permissions_that_are_missing_are_named(world: AzureDevOpsWorld) -> None:
    repository, number = world.open(), opened(world)
    main = repository.resolve("main")
    world.fake.refused = {"/threads": "PullRequestContribute"}
    with pytest.raises(MissingRightsError, match="'Contribute to pull requests'") as refused:
        repository.set_comment(number, "environment", "x")
    assert refused.value.right == "Contribute to pull requests"
    world.fake.push_refused = 403
    with pytest.raises(MissingRightsError, match="'Contribute'"):
        repository.commit_files(NewCommit("main", main, "m", {"a": FolderEntry(b"a")}))
    assert git(world.origin, "rev-parse", "main") == main
    world.fake.scopes_end_at = "/statuses"
    with pytest.raises(MissingRightsError, match=r"Code \(status\)"):
        repository.set_deployment(Deployment("preview/pr-1", main, DeploymentState.SUCCESS, pull_request=number))


def test_what_the_account_may_do_is_asked_of_the_server(world: AzureDevOpsWorld) -> None:
    world.fake.state.refused_bits = {16384, 16}
    about = world.open().about()
    assert about.rights >= {Right.READ, Right.STATUSES}
    assert "Contribute to pull requests" in about.missing[Right.PULL_REQUESTS]
    assert "Create branch" in about.missing[Right.PUSH]


def test_credentials_that_are_not_good_are_refused(world: AzureDevOpsWorld) -> None:
    at = f"{world.fake.url}/acme/hello/_git/hello"
    bad_principal = {"directory_id": "acme", "client_id": "7", "client_secret": "bad"}
    for credentials in ({"token": "bad"}, bad_principal, {"password": "x"}):
        with pytest.raises(CredentialsRefusedError) as refused:
            PROVIDER.open(at, Access(world.fake.url, credentials), world.settings).about()
        assert "Trace" not in refused.value.detail
    # A page for signing in is what a browser would get.
    for status in (203, 302):
        world.fake.next_answers = [(status, {}, "")]
        with pytest.raises(CredentialsRefusedError):
            world.open().about()
    elsewhere = f"{world.fake.url}/acme/other/_git/other"
    with pytest.raises(RepositoryNotFoundError):
        PROVIDER.open(elsewhere, Access(world.fake.url, {"token": "good"}), world.settings).about()
    with pytest.raises(InvalidInputError, match="not on the server"):
        PROVIDER.open(ADDRESS, Access("https://dev.azure.com/other", {"token": "good"}), world.settings)


def test_a_principal_s_token_is_fetched_once_for_all_it_does(principal_world: AzureDevOpsEntraWorld) -> None:
    main = principal_world.open().resolve("main")
    new = NewCommit("main", main, "As a service", {"a": FolderEntry(b"a")})
    assert principal_world.open().commit_files(new) == git(principal_world.origin, "rev-parse", "main")
    assert len(principal_world.fake.entra_tokens) == 1


def test_a_server_that_does_not_answer_is_told(world: AzureDevOpsWorld) -> None:
    world.fake.next_answers = [(502, {}, "Bad gateway")]
    with pytest.raises(RepositoryUnavailableError):
        world.open().resolve("main")


def test_a_project_that_was_renamed_is_told(world: AzureDevOpsWorld) -> None:
    world.fake.state.project_name = "Hi"
    with pytest.raises(RepositoryMovedError) as moved:
        world.open().about()
    assert moved.value.to == f"{world.fake.url}/acme/hi/_git/hello"


def test_every_page_is_read_and_a_list_that_moves_is_read_again(world: AzureDevOpsWorld) -> None:
    for number in range(1, 206):
        world.fake.state.pulls[number] = {
            "title": "t", "description": "", "sourceRefName": f"refs/heads/b{number}", "isDraft": False,
            "targetRefName": "refs/heads/main", "status": "active", "labels": [], "author": "maria", "head": "",
        }  # fmt: skip
    world.fake.state.git = Still(world.origin)
    assert [each.number for each in world.open().pull_requests()] == list(range(1, 206))

    world.fake.state.before_page = [lambda: None, lambda: world.fake.state.pulls[205].update(status="abandoned")]
    assert [each.number for each in world.open().pull_requests()] == list(range(1, 205))
    moving = [number for number in range(204, 190, -1) for _ in range(2)]
    world.fake.state.before_page = [
        (lambda gone=number: world.fake.state.pulls[gone].update(status="abandoned")) for number in moving
    ]
    with pytest.raises(RepositoryUnavailableError, match="changed while"):
        world.open().pull_requests()


def test_what_is_too_long_is_cut_and_a_list_s_cut_is_not_taken_for_the_whole(world: AzureDevOpsWorld) -> None:
    repository = world.open()
    made = repository.open_pull_request(NewPullRequest("t" * 500, "b" * 5000, "feature", "main"))
    assert (len(made.title), len(made.body), made.body[-1]) == (400, 4000, "…")
    found = repository.find_pull_request("feature")
    assert found == made
    changed = repository.change_pull_request(made.number, PullRequestChange(body="c" * 5000))
    assert len(changed.body) == 4000


def test_completed_is_merged_and_does_not_open_again(world: AzureDevOpsWorld) -> None:
    repository, number = world.open(), opened(world)
    world.fake.state.pulls[number]["status"] = "completed"
    found = repository.pull_request(number)
    assert (found.state, found.is_merged) == (PullRequestState.CLOSED, True)
    same = repository.change_pull_request(number, PullRequestChange(state=PullRequestState.CLOSED))
    assert same.is_merged
    with pytest.raises(ScmConflictError, match="TF401181"):
        repository.change_pull_request(number, PullRequestChange(state=PullRequestState.OPEN))


def test_a_comment_with_our_marker_by_somebody_else_is_not_ours(world: AzureDevOpsWorld) -> None:
    repository, number = world.open(), opened(world)
    repository.set_comment(number, "environment", "Ready")
    assert [each["status"] for each in world.fake.state.threads[number]] == ["closed"]
    world.fake.state.comment(number, "mallory", "Go to evil.example\n\n<!-- slipway: environment -->")
    world.fake.state.comment(number, "slipway", "Old\n\n<!-- slipway: environment -->")

    repository.set_comment(number, "environment", "Ready again")
    shown = world.comments(number)
    assert len(shown) == 2
    assert sum("Ready again" in each for each in shown) == 1
    repository.set_comment(number, "environment", None)
    assert ["evil" in each for each in world.comments(number)] == [True]


def test_there_is_one_status_per_context_and_ours_alone_is_removed(world: AzureDevOpsWorld) -> None:
    repository, number = world.open(), opened(world)
    feature = repository.resolve("feature")
    theirs = {"id": 1, "state": "failed", "context": {"genre": "build", "name": "preview/pr-1"}}
    world.fake.state.pull_statuses[number] = [theirs]
    said = Deployment("preview/pr-1", feature, DeploymentState.SUCCESS, "https://x.example", pull_request=number)
    for _ in range(2):
        repository.set_deployment(said)
    wrote = [each for each in world.fake.requests if each.startswith("POST") and each.endswith("/statuses")]
    assert len(wrote) == 1
    repository.remove_deployment("preview/pr-1", number)
    assert world.fake.state.pull_statuses[number] == [theirs]


def test_how_somebody_stands_is_asked_of_the_project(world: AzureDevOpsWorld) -> None:
    repository, number = world.open(), opened(world)
    by = {who: world.fake.state.comment(number, who, "/preview up") for who in ("maria", "olga", "mallory")}

    def stands(who: str) -> Association:
        thread, comment = by[who]
        return world.open().comment_association(number, f"{thread}/{comment}")

    # In a private project nobody comments who was not let in.
    assert [stands(who) for who in by] == [Association.MEMBER, Association.OWNER, Association.COLLABORATOR]
    for wrong in ("0/1", "../1", f"{by['maria'][0]}/9", "1"):
        assert repository.comment_association(number, wrong) is Association.NONE
    assert repository.comment_association(number + 1, "/".join(map(str, by["maria"]))) is Association.NONE


def test_nobody_in_a_public_project_has_a_part_in_it_by_commenting(world: AzureDevOpsWorld) -> None:
    world.fake.state.visibility = "public"
    number = opened(world)
    thread, comment = world.fake.state.comment(number, "mallory", "/preview up")
    assert world.open().comment_association(number, f"{thread}/{comment}") is Association.NONE


def test_forks_bots_and_drafts_are_told(world: AzureDevOpsWorld) -> None:
    repository = world.open()
    number = repository.open_pull_request(NewPullRequest("t", "b", "feature", "main", is_draft=True)).number
    world.fake.state.pulls[number] |= {"fork": True, "author": "Build\\7"}
    found = repository.pull_request(number)
    assert (found.is_fork, found.is_bot, found.is_draft) == (True, True, True)
    assert repository.find_pull_request("feature") is None, "a fork's branch is none of the repository's"


def test_what_protects_a_branch_is_told(world: AzureDevOpsWorld) -> None:
    repository, main = world.open(), world.open().resolve("main")
    refusing = world.origin / "hooks" / "update"
    refusing.parent.mkdir(exist_ok=True)
    refusing.write_text("#!/bin/sh\nexit 1\n")
    refusing.chmod(0o755)
    with pytest.raises(ScmConflictError, match="does not take the commit"):
        repository.commit_files(NewCommit("main", main, "m", {"a": FolderEntry(b"a")}))
    assert git(world.origin, "rev-parse", "main") == main


def pull_resource(status: str = "active") -> dict[str, Any]:
    return {
        "repository": {"name": "web", "remoteUrl": "https://acme@dev.azure.com/acme/Hello%20World/_git/web"},
        "pullRequestId": 7,
        "status": status,
        "createdBy": {"uniqueName": "maria@acme.example", "descriptor": "aad.maria"},
        "sourceRefName": "refs/heads/feature",
        "lastMergeSourceCommit": {"commitId": "a" * 40},
    }


def comment_resource(**changed: Any) -> dict[str, Any]:
    comment = {
        "id": 2,
        "content": "/preview up",
        "author": {"uniqueName": "maria@acme.example"},
        "commentType": "text",
        "publishedDate": "2026-01-01T10:00:00.123Z",
        "lastContentUpdatedDate": "2026-01-01T10:00:00.1234567Z",
        "_links": {"self": {"href": "https://dev.azure.com/acme/_apis/git/pullRequests/7/threads/5/comments/2"}},
    }
    return {"comment": comment | changed, "pullRequest": pull_resource()}


def parsed(kind: str, resource: Any) -> tuple[HookEvent, ...]:
    body = {"subscriptionId": "s", "notificationId": 3, "eventType": kind, "resource": resource}
    delivery = PROVIDER.parse_hook({}, json.dumps(body).encode())
    assert (delivery.id, delivery.kind) == ("s/3", kind)
    return delivery.events


@pytest.mark.parametrize(
    ("kind", "resource", "action"),
    [
        ("git.pullrequest.created", pull_resource(), HookAction.OPENED),
        ("git.pullrequest.updated", pull_resource(), HookAction.SYNCHRONIZED),
        ("git.pullrequest.updated", pull_resource("abandoned"), HookAction.CLOSED),
        ("git.pullrequest.merged", pull_resource("completed"), HookAction.CLOSED),
    ],
)
def test_hooks_of_pull_requests_are_read(kind: str, resource: dict[str, Any], action: HookAction) -> None:
    (told,) = parsed(kind, resource)
    assert (told.repository, told.action, told.pull_request) == (ADDRESS, action, 7)
    assert (told.head_sha, told.branch, told.author) == ("a" * 40, "feature", "maria@acme.example")


def test_hooks_of_comments_and_pushes_are_read() -> None:
    kind = "ms.vss-code.git-pullrequest-comment-event"
    (told,) = parsed(kind, comment_resource())
    assert (told.action, told.comment_id, told.comment) == (HookAction.COMMENTED, "5/2", "/preview up")
    assert told.association is Association.NONE, "how somebody stands is asked, not told"
    for changed in (
        {"isDeleted": True},
        {"commentType": "system"},
        {"lastContentUpdatedDate": "2026-01-01T11:00:00Z"},
    ):
        assert parsed(kind, comment_resource(**changed)) == ()

    push = {"repository": pull_resource()["repository"], "refUpdates": [
        {"name": "refs/heads/main", "oldObjectId": "a" * 40, "newObjectId": "b" * 40},
        {"name": "refs/heads/gone", "oldObjectId": "a" * 40, "newObjectId": "0" * 40},
        {"name": "refs/tags/v1", "oldObjectId": "0" * 40, "newObjectId": "b" * 40},
    ]}  # fmt: skip
    assert [(each.branch, each.head_sha) for each in parsed("git.push", push)] == [("main", "b" * 40), ("gone", None)]
    assert parsed("workitem.created", {"id": 1}) == ()


def test_a_delivery_without_a_notification_is_known_by_its_event() -> None:
    body = {"id": "e1", "eventType": "git.pullrequest.created", "resource": pull_resource()}
    delivery = PROVIDER.parse_hook({}, json.dumps(body).encode())
    assert (delivery.id, len(delivery.events)) == ("e1", 1)


@pytest.mark.parametrize(
    "body",
    [
        b"", b"[]", b"\xff", b"{}", b"[" * 100_000,
        b'{"subscriptionId": "s", "notificationId": "1", "eventType": "git.push"}',
        b'{"subscriptionId": "s", "notificationId": 1, "eventType": "git.push"}',
        b'{"subscriptionId": "s", "notificationId": 1, "eventType": "git.push", "resource": null}',
        b'{"subscriptionId": "s", "notificationId": 1, "eventType": "git.push", "resource": {"repository": {}}}',
    ],
)  # fmt: skip
def test_a_delivery_that_is_none_is_refused(body: bytes) -> None:
    with pytest.raises(InvalidInputError):
        PROVIDER.parse_hook({}, body)


def test_a_delivery_is_genuine_by_its_password_or_header_alone() -> None:
    def basic(password: str) -> dict[str, str]:
        return {"authorization": "Basic " + base64.b64encode(f"anybody:{password}".encode()).decode()}

    for headers in (basic(SECRET), {"x-slipway-secret": SECRET}):
        assert PROVIDER.hook_is_genuine(headers, b"", [SECRET])
        assert PROVIDER.hook_is_genuine(headers, b"", ["newer", SECRET])
        assert not PROVIDER.hook_is_genuine(headers, b"", [])
    wrong = [
        {}, basic(""), basic(f"{SECRET}x"), basic("é"), {"x-slipway-secret": ""}, {"x-slipway-secret": SECRET.upper()},
        {"authorization": f"Bearer {SECRET}"}, {"authorization": "Basic %%%"}, {"authorization": "Basic /w=="},
        {"authorization": f"Basic {SECRET}"}, {"authorization": "Basic " + "A" * 10_000},
    ]  # fmt: skip
    for headers in wrong:
        assert not PROVIDER.hook_is_genuine(headers, b"", [SECRET])
        assert not PROVIDER.hook_is_genuine(headers, b"", [""])


def test_a_delivery_as_the_fake_sends_it_is_read(world: AzureDevOpsWorld) -> None:
    number = opened(world)
    body = hook(world.fake, "git.pullrequest.created", world.fake.state.pull(number))
    delivery = PROVIDER.parse_hook({}, json.dumps(body).encode())
    assert [each.repository for each in delivery.events] == [world.open().address]

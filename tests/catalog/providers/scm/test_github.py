"""What is GitHub's own: limits, conditional requests, pages, App tokens, rights, and the webhooks it publishes."""

import hashlib
import hmac
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
    FolderLimits,
    HookAction,
    MissingRightsError,
    NewCommit,
    NewPullRequest,
    PullRequestChange,
    RateLimitedError,
    RepositoryMovedError,
    RepositoryNotFoundError,
    RepositoryUnavailableError,
    Right,
    provider_for,
)
from catalog.providers.scm.github import PROVIDER, _client
from catalog.settings import Settings
from tests.catalog.providers.scm import openapi
from tests.catalog.providers.scm.worlds import GitHubAppWorld, GitHubWorld

SECRET = "it's a secret"


@pytest.fixture
def world(tmp_path: Path) -> Iterator[GitHubWorld]:
    opened = GitHubWorld(tmp_path)
    yield opened
    opened.close()


@pytest.fixture
def app_world(tmp_path: Path) -> Iterator[GitHubAppWorld]:
    opened = GitHubAppWorld(tmp_path)
    yield opened
    opened.close()


@pytest.mark.parametrize(
    ("status", "headers", "message", "least", "most"),
    [
        (403, {"Retry-After": "7"}, "You have exceeded a secondary rate limit", 7, 7),
        (429, {"Retry-After": "3"}, "Too many requests", 3, 3),
        (
            403,
            {"X-RateLimit-Remaining": "0", "X-RateLimit-Reset": "in 100 s"},
            "API rate limit",
            90,
            101,
        ),
        (403, {}, "You have exceeded a secondary rate limit. Please wait a few minutes.", 60, 60),
        (429, {}, "slow down", 60, 60),
    ],
)
def test_a_limit_is_told_and_nothing_more_is_asked(
    world: GitHubWorld, status: int, headers: dict[str, str], message: str, least: float, most: float
) -> None:
    in_100_seconds = str(int(time.time()) + 100)
    told = {name: in_100_seconds if value == "in 100 s" else value for name, value in headers.items()}
    world.fake.next_refusals = [(status, told, message)]
    with pytest.raises(RateLimitedError) as limited:
        world.open().pull_requests()
    assert least <= limited.value.retry_after <= most
    asked = len(world.fake.requests)
    with pytest.raises(RateLimitedError):
        world.open().resolve("main")
    assert len(world.fake.requests) == asked


def test_what_did_not_change_costs_no_quota(world: GitHubWorld) -> None:
    world.open().open_pull_request(NewPullRequest("t", "b", "feature", "main"))
    first = world.open().pull_requests()
    world.fake.statuses.clear()
    assert world.open().pull_requests() == first
    assert world.fake.statuses == [304]
    world.open().change_pull_request(first[0].number, PullRequestChange(title="n"))
    assert world.open().pull_requests()[0].title == "n"


def test_every_page_is_read(world: GitHubWorld) -> None:
    world.fake.state.largest_page = 2
    main = world.open().resolve("main")
    for number in range(5):
        world.open().create_branch(f"branch-{number}", main)
        world.open().open_pull_request(NewPullRequest("t", "b", f"branch-{number}", "main"))
    assert [each.number for each in world.open().pull_requests()] == [1, 2, 3, 4, 5]


def test_a_comment_with_our_marker_by_somebody_else_is_not_ours(world: GitHubWorld) -> None:
    repository = world.open()
    number = repository.open_pull_request(NewPullRequest("t", "b", "feature", "main")).number
    repository.set_comment(number, "environment", "Ready")
    forged = world.fake.state.comment(number, "mallory", "Go to evil.example\n\n<!-- slipway: environment -->")
    surplus = world.fake.state.comment(number, "slipway", "Old\n\n<!-- slipway: environment -->")

    repository.set_comment(number, "environment", "Ready again")
    assert forged in world.fake.state.comments
    assert surplus not in world.fake.state.comments
    assert sum("Ready again" in each for each in world.comments(number)) == 1


def test_how_somebody_stands_is_asked_of_github(world: GitHubWorld) -> None:
    repository = world.open()
    number = repository.open_pull_request(NewPullRequest("t", "b", "feature", "main")).number
    by = {who: str(world.fake.state.comment(number, who, "/preview up")) for who in ("maria", "mallory")}
    assert repository.comment_association(number, by["maria"]) is Association.COLLABORATOR
    assert repository.comment_association(number, by["mallory"]) is Association.NONE
    world.fake.state.rights["maria"] = "read"
    assert repository.comment_association(number, by["maria"]) is Association.CONTRIBUTOR
    for elsewhere, comment in ((number + 1, by["maria"]), (number, "0"), (number, "../1")):
        assert repository.comment_association(elsewhere, comment) is Association.NONE


def test_forks_bots_and_drafts_are_told(world: GitHubWorld) -> None:
    repository = world.open()
    number = repository.open_pull_request(NewPullRequest("t", "b", "feature", "main", is_draft=True)).number
    world.fake.state.pulls[number] |= {"fork": "mallory/hello", "user": "slipway-app[bot]"}
    found = repository.pull_request(number)
    assert (found.is_fork, found.is_bot, found.is_draft) == (True, True, True)


def test_a_forks_author_is_trusted_only_where_he_may_write(world: GitHubWorld) -> None:
    repository = world.open()
    number = repository.open_pull_request(NewPullRequest("t", "b", "feature", "main")).number
    world.fake.state.pulls[number] |= {"fork": "maria/hello", "user": "maria"}
    for may, association in (("write", Association.COLLABORATOR), ("read", Association.CONTRIBUTOR)):
        world.fake.state.rights["maria"] = may
        assert repository.pull_request(number).association is association
        assert [each.association for each in repository.pull_requests()] == [association]


def test_missing_rights_are_named(world: GitHubWorld) -> None:
    repository = world.open()
    feature = repository.resolve("feature")
    repository.set_deployment(Deployment("preview/pr-1", feature, DeploymentState.SUCCESS))
    world.fake.state.user_permissions = {"admin": False, "push": True, "pull": True}
    with pytest.raises(MissingRightsError, match="administration"):
        repository.remove_deployment("preview/pr-1")
    assert world.fake.state.deployments == {}
    about = repository.about()
    assert Right.PUSH in about.rights
    assert "admin" in about.missing[Right.ENVIRONMENTS]
    world.fake.refused = {"/git/blobs": "contents=write"}
    with pytest.raises(MissingRightsError) as refused:
        repository.commit_files(NewCommit("main", repository.resolve("main"), "m", {"a": FolderEntry(b"a")}))
    assert refused.value.right == "contents=write"


def test_an_app_s_token_is_kept_and_its_missing_permissions_are_named(app_world: GitHubAppWorld) -> None:
    state = app_world.fake.state
    for _ in range(3):
        app_world.open().resolve("main")
    assert len(state.installation_tokens) == 1
    state.permissions = {"contents": "read", "metadata": "read"}
    about = app_world.open().about()
    assert about.rights == {Right.READ}
    assert "pull_requests: write" in about.missing[Right.PULL_REQUESTS]


def test_credentials_that_are_not_good_are_refused(world: GitHubWorld, settings_alone: Settings) -> None:
    for credentials in ({"token": "bad"}, {"app_id": "7", "installation_id": "9", "private_key": "no key"}):
        with pytest.raises(CredentialsRefusedError):
            PROVIDER.open(f"{world.fake.url}/acme/hello", Access(world.fake.url, credentials), settings_alone).about()
    access = Access(world.fake.url, {"token": "good"})
    with pytest.raises(RepositoryNotFoundError):
        PROVIDER.open(f"{world.fake.url}/acme/other", access, settings_alone).about()
    with pytest.raises(InvalidInputError, match="not on the server"):
        PROVIDER.open("https://elsewhere.example/acme/hello", access, settings_alone)


def test_a_repository_that_was_renamed_is_told(world: GitHubWorld) -> None:
    world.fake.moved_to = "acme/hi"
    with pytest.raises(RepositoryMovedError) as moved:
        world.open().about()
    assert moved.value.to == f"{world.fake.url}/acme/hi"


def test_a_server_that_does_not_answer_is_told(world: GitHubWorld) -> None:
    world.fake.next_refusals = [(502, {}, "Bad gateway")]
    with pytest.raises(RepositoryUnavailableError):
        world.open().resolve("main")


def test_a_large_folder_is_fetched_by_git(world: GitHubWorld) -> None:
    repository, main = world.open(), world.open().resolve("main")
    made = repository.commit_files(
        NewCommit("main", main, "many", {f"many/{number}": FolderEntry(b"") for number in range(60)})
    )
    asked = len(world.fake.requests)
    assert len(repository.read_folder(made, "many", FolderLimits(100, 1000))) == 60
    assert len(world.fake.requests) - asked < 10


@pytest.fixture
def settings_alone(tmp_path: Path) -> Settings:
    return Settings(data_dir=tmp_path / "data", scm_write_pause_seconds=0)


def test_addresses_have_one_spelling(settings_alone: Settings) -> None:
    for spelled in ("https://github.com/Acme/Hello.git", "git@github.com:acme/hello.git", "github.com/acme/hello/"):
        assert provider_for(spelled).name == "github"
        assert PROVIDER.normalise(spelled, settings_alone) == "https://github.com/acme/hello"
    for wrong in (
        "https://github.com/acme",
        "https://u:p@github.com/a/b",
        "https://github.com/a/..",
        "ftp://x/a/b",
        "a",
    ):
        with pytest.raises(RepositoryNotFoundError):
            PROVIDER.normalise(wrong, settings_alone)


def published() -> list[Any]:
    openapi.ensure_descriptions()
    examples: list[Any] = json.loads(openapi.EXAMPLES.read_text("utf-8"))
    return examples


def test_every_webhook_that_github_publishes_is_read() -> None:
    actions: dict[str, set[HookAction]] = {}
    for kind in published():
        for example in kind["examples"]:
            headers = {"x-github-delivery": "1", "x-github-event": kind["name"], "content-type": "application/json"}
            found = PROVIDER.parse_hook(headers, json.dumps(example).encode())
            actions.setdefault(kind["name"], set()).update(each.action for each in found.events)
            assert all(each.repository.startswith("https://github.com/") for each in found.events)
    assert actions["pull_request"] == {
        HookAction.OPENED,
        HookAction.SYNCHRONIZED,
        HookAction.CLOSED,
        HookAction.LABELLED,
        HookAction.EDITED,
    }
    assert actions["issue_comment"] <= {HookAction.COMMENTED}
    assert actions["push"] == {HookAction.PUSHED}
    assert actions["ping"] == actions["star"] == set()


def test_a_delivery_is_genuine_by_its_raw_bytes_alone() -> None:
    body = b'{"zen":  "x"}'
    signature = "sha256=" + hmac.new(SECRET.encode(), body, hashlib.sha256).hexdigest()
    headers = {"x-hub-signature-256": signature}

    assert PROVIDER.hook_is_genuine(headers, body, [SECRET])
    assert PROVIDER.hook_is_genuine(headers, body, ["newer", SECRET])
    # The example that GitHub publishes for testing one's own code.
    known = "sha256=757107ea0eb2509fc211221cce984b8a37570b6d7586c22c46f4379c8b043e17"
    assert PROVIDER.hook_is_genuine({"x-hub-signature-256": known}, b"Hello, World!", ["It's a Secret to Everybody"])
    for wrong in (
        "",
        "sha256=",
        signature.upper(),
        signature[:-1],
        f"{signature}0",
        "sha1=" + "0" * 40,
        "sha256=" + "é" * 64,
    ):
        assert not PROVIDER.hook_is_genuine({"x-hub-signature-256": wrong}, body, [SECRET])
    assert not PROVIDER.hook_is_genuine(headers, b'{"zen": "x"}', [SECRET])
    assert not PROVIDER.hook_is_genuine(headers, body, [])
    empty = "sha256=" + hmac.new(b"", body, hashlib.sha256).hexdigest()
    assert not PROVIDER.hook_is_genuine({"x-hub-signature-256": empty}, body, [""])


@pytest.mark.parametrize("body", [b"", b"[]", b"\xff", b"{}", b'{"action": "opened"}', b"[" * 100_000])
def test_a_delivery_that_is_none_is_refused(body: bytes) -> None:
    headers = {"x-github-delivery": "1", "x-github-event": "pull_request"}
    with pytest.raises(InvalidInputError):
        PROVIDER.parse_hook(headers, body)
    with pytest.raises(InvalidInputError):
        PROVIDER.parse_hook({}, b"{}")


@pytest.mark.parametrize(
    ("server", "api"),
    [
        ("https://github.com", "https://api.github.com"),
        ("https://github.example.com:8443", "https://github.example.com:8443/api/v3"),
    ],
)
def test_each_server_is_asked_at_its_own_api(
    server: str, api: str, settings_alone: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[str] = []

    def answer(self: Any, verb: str, url: str, *_: Any) -> tuple[int, dict[str, str], str]:
        asked.append(f"{verb} {self.base_url}{url}")
        return 404, {}, "{}"

    monkeypatch.setattr("github.Requester.Requester.requestJson", answer)
    repository = PROVIDER.open(f"{server}/acme/hello", Access(server, {"token": server}), settings_alone)
    assert repository.branch("main") is None
    assert asked
    assert all(each.startswith(f"GET {api}/repos/acme/hello/") for each in asked)


def test_clients_are_kept_apart_by_their_credentials() -> None:
    one, other = (_client("https://api.github.com", (("token", name),), 0.0) for name in ("one", "two"))
    assert one is not other
    assert one is _client("https://api.github.com", (("token", "one"),), 0.0)

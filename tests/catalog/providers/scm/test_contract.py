"""What every provider of source code management promises, asked of each in the same words."""

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from catalog.errors import InvalidInputError
from catalog.providers.scm import (
    Association,
    BranchMovedError,
    CommitNotFoundError,
    Deployment,
    DeploymentState,
    FileNotInRepositoryError,
    FolderEntry,
    FolderLimits,
    FolderRefusedError,
    NewCommit,
    NewPullRequest,
    PullRequestChange,
    PullRequestNotFoundError,
    PullRequestState,
    Report,
    ReportState,
    Right,
    ScmConflictError,
    TagNotFoundError,
)
from tests.catalog.providers.scm.worlds import (
    AzureDevOpsWorld,
    GitHubAppWorld,
    GitHubWorld,
    LocalGitWorld,
    World,
    git,
)

NOWHERE = "a" * 40
LIMITS = FolderLimits(files=10, size=10_000)
WORLDS: dict[str, Callable[[Path], World]] = {
    "local_git": LocalGitWorld,
    "github_token": GitHubWorld,
    "github_app": GitHubAppWorld,
    "azure_devops": AzureDevOpsWorld,
}


@pytest.fixture(params=WORLDS)
def world(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[World]:
    opened: World = WORLDS[request.param](tmp_path)
    yield opened
    close = getattr(opened, "close", None)
    if close is not None:
        close()


def new(world: World, branch: str = "feature", base: str = "main") -> int:
    return world.open().open_pull_request(NewPullRequest("A title", "A body", branch, base)).number


def test_commits_are_found_by_branch_tag_and_id(world: World) -> None:
    repository, first = world.open(), git(world.origin, "rev-parse", "v1.0.0")
    head = git(world.origin, "rev-parse", "main")

    assert repository.resolve("main") == repository.branch("main") == head
    assert repository.resolve("v1.0.0") == repository.tag("v1.0.0") == first
    assert repository.resolve(first) == repository.commit(first) == repository.commit(first[:10]) == first
    assert repository.branch("nothing") is None
    for asked in ("nothing", NOWHERE, "--upload-pack=x", "main^", "", "ma in"):
        with pytest.raises(CommitNotFoundError):
            repository.resolve(asked)
    with pytest.raises(CommitNotFoundError):
        repository.commit(NOWHERE)
    with pytest.raises(TagNotFoundError):
        repository.tag("main")


def test_files_are_read_at_any_ref(world: World) -> None:
    repository = world.open()

    assert repository.read_file("README.md", 100) == "# Hello\n"
    assert repository.read_file("READ.md", 100, "feature") == "# Hello\n"
    for path, largest, ref in (("README.md", 3, None), ("app", 100, None), ("READ.md", 100, "main"), ("no", 9, None)):
        with pytest.raises(FileNotInRepositoryError):
            repository.read_file(path, largest, ref)
    with pytest.raises(CommitNotFoundError):
        repository.read_file("README.md", 100, "nothing")


def test_folders_are_read_with_their_modes(world: World) -> None:
    repository = world.open()
    commit = repository.resolve("feature")

    assert repository.read_folder(commit, "app", LIMITS) == {
        "run.sh": FolderEntry(b"#!/bin/sh\necho hello\n", is_executable=True),
        "new.txt": FolderEntry(b"new\n"),
    }
    assert set(repository.read_folder(commit, "", LIMITS)) == {"READ.md", "app/run.sh", "app/new.txt"}
    for folder, limits in (("nowhere", LIMITS), ("app", FolderLimits(1, 1000)), ("app", FolderLimits(10, 5))):
        with pytest.raises(FolderRefusedError):
            repository.read_folder(commit, folder, limits)


def test_changes_are_those_since_the_merge_base(world: World) -> None:
    repository = world.open()
    main, feature = repository.resolve("main"), repository.resolve("feature")

    assert repository.merge_base(main, feature) == repository.resolve("v1.0.0")
    assert repository.changed_paths(main, feature) == ("READ.md", "README.md", "app/new.txt")


def test_a_commit_is_mirrored(world: World, tmp_path: Path) -> None:
    repository = world.open()
    number = new(world)
    feature = repository.resolve("feature")

    mirror = repository.mirror(feature, number, tmp_path / "mirrors")
    assert repository.mirror(feature, number, tmp_path / "mirrors") == mirror
    assert git(mirror, "show", f"{feature}:app/new.txt") == "new"
    with pytest.raises(CommitNotFoundError):
        repository.mirror(NOWHERE, number, tmp_path / "mirrors")


def test_a_branch_is_made_once_and_removed_where_it_was_left(world: World) -> None:
    repository, main = world.open(), world.open().resolve("main")

    repository.create_branch("slipway/one", main)
    repository.create_branch("slipway/one", main)
    assert git(world.origin, "rev-parse", "slipway/one") == main
    with pytest.raises(ScmConflictError):
        repository.create_branch("slipway/one", repository.resolve("feature"))
    with pytest.raises(CommitNotFoundError):
        repository.create_branch("slipway/two", NOWHERE)
    with pytest.raises(InvalidInputError):
        repository.create_branch("a..b", main)
    with pytest.raises(BranchMovedError) as moved:
        repository.delete_branch("slipway/one", NOWHERE)
    assert moved.value.found == main
    repository.delete_branch("slipway/one", main)
    repository.delete_branch("slipway/one", main)
    assert repository.branch("slipway/one") is None


def test_files_are_committed_on_what_the_caller_saw(world: World) -> None:
    repository, main = world.open(), world.open().resolve("main")
    repository.create_branch("slipway/one", main)
    changes = {
        "app/run.sh": FolderEntry(b"#!/bin/sh\n", is_executable=True),
        "deep/er/file.bin": FolderEntry(b"\x00\xff\n"),
        "docs.md": None,
        "nothing/there": None,
    }

    made = repository.commit_files(NewCommit("slipway/one", main, "Change things\n\nAnd why.", changes))

    assert git(world.origin, "rev-parse", "slipway/one", "slipway/one^") == f"{made}\n{main}"
    assert git(world.origin, "log", "-1", "--format=%B", made) == "Change things\n\nAnd why."
    assert repository.read_folder(made, "", LIMITS) == {
        "README.md": FolderEntry(b"# Hello\n"),
        "app/run.sh": FolderEntry(b"#!/bin/sh\n", is_executable=True),
        "deep/er/file.bin": FolderEntry(b"\x00\xff\n"),
    }
    assert repository.commit_files(NewCommit("slipway/one", made, "Again", changes)) == made


def test_a_branch_takes_up_what_happened_elsewhere(world: World) -> None:
    repository, main = world.open(), world.open().resolve("main")
    repository.create_branch("slipway/one", main)
    first = repository.commit_files(
        NewCommit("slipway/one", main, "One", {"a": FolderEntry(b"a"), "b": FolderEntry(b"b")})
    )
    other = repository.resolve("other")
    changes = {"a": FolderEntry(b"A")}

    made = repository.commit_files(NewCommit("slipway/one", first, "Two", dict(changes), onto=other))

    assert git(world.origin, "rev-parse", f"{made}^1", f"{made}^2").split() == [first, other]
    assert git(world.origin, "diff", "--name-only", other, made) == "a"
    again = repository.commit_files(NewCommit("slipway/one", made, "Three", {"a": FolderEntry(b"B")}, onto=other))
    assert git(world.origin, "rev-list", "--parents", "-n", "1", again).split()[1:] == [made]
    assert (
        repository.commit_files(NewCommit("slipway/one", again, "Same", {"a": FolderEntry(b"B")}, onto=other)) == again
    )


def test_a_push_meanwhile_is_seen_and_nothing_is_written(world: World) -> None:
    repository, main = world.open(), world.open().resolve("main")
    repository.create_branch("slipway/one", main)
    forced = git(world.origin, "rev-parse", "v1.0.0")
    git(world.origin, "update-ref", "refs/heads/slipway/one", forced)

    for expected in (main, NOWHERE):
        with pytest.raises(BranchMovedError) as moved:
            repository.commit_files(NewCommit("slipway/one", expected, "Mine", {"a": FolderEntry(b"a")}))
        assert moved.value.found == forced
    assert git(world.origin, "rev-parse", "slipway/one") == forced
    git(world.origin, "update-ref", "-d", "refs/heads/slipway/one")
    with pytest.raises(BranchMovedError) as gone:
        repository.commit_files(NewCommit("slipway/one", main, "Mine", {"a": FolderEntry(b"a")}))
    assert gone.value.found is None


@pytest.mark.parametrize("path", ["../out", "/etc/passwd", ".git/hooks/update", "a/../../b", "a//b", "", "a/.GIT/b"])
def test_paths_that_lead_out_are_refused(world: World, path: str) -> None:
    repository, main = world.open(), world.open().resolve("main")
    repository.create_branch("slipway/one", main)
    with pytest.raises(InvalidInputError):
        repository.commit_files(NewCommit("slipway/one", main, "Out", {path: FolderEntry(b"x")}))
    assert repository.branch("slipway/one") == main


def test_a_pull_request_lives_from_opening_to_closing(world: World) -> None:
    repository = world.open()
    feature = repository.resolve("feature")
    asked = NewPullRequest("A title", "A body", "feature", "main", labels=frozenset({"one"}))

    opened = repository.open_pull_request(asked)
    assert (opened.title, opened.body, opened.branch, opened.base) == ("A title", "A body", "feature", "main")
    assert (opened.head_sha, opened.labels, opened.is_draft) == (feature, frozenset({"one"}), False)
    assert not opened.is_fork
    assert repository.open_pull_request(asked).number == opened.number
    assert [each.number for each in repository.pull_requests()] == [opened.number]
    assert repository.pull_request(opened.number) == repository.find_pull_request("feature", "main")

    changed = repository.change_pull_request(opened.number, PullRequestChange(title="Better", body="More"))
    assert (changed.title, changed.body, changed.state) == ("Better", "More", PullRequestState.OPEN)
    repository.label(opened.number, frozenset({"two"}), frozenset({"one", "never"}))
    repository.label(opened.number, frozenset({"two"}), frozenset({"one", "never"}))
    assert repository.pull_request(opened.number).labels == {"two"}

    closed = repository.change_pull_request(opened.number, PullRequestChange(state=PullRequestState.CLOSED))
    assert (closed.state, closed.is_merged, repository.pull_requests()) == (PullRequestState.CLOSED, False, [])
    found = repository.find_pull_request("feature")
    assert found is not None
    assert (found.number, found.state) == (opened.number, PullRequestState.CLOSED)
    assert repository.branch("feature") == feature
    again = repository.change_pull_request(opened.number, PullRequestChange(state=PullRequestState.OPEN))
    assert again.state is PullRequestState.OPEN


def test_pull_requests_that_cannot_be(world: World) -> None:
    repository = world.open()
    with pytest.raises(PullRequestNotFoundError):
        repository.pull_request(4711)
    with pytest.raises(PullRequestNotFoundError):
        repository.change_pull_request(4711, PullRequestChange(title="x"))
    with pytest.raises(PullRequestNotFoundError):
        repository.set_comment(4711, "environment", "x")
    for branch, base in (("nothing", "main"), ("feature", "nothing")):
        with pytest.raises((CommitNotFoundError, ScmConflictError)):
            repository.open_pull_request(NewPullRequest("t", "b", branch, base))
    assert repository.find_pull_request("nothing") is None
    assert repository.pull_requests() == []


def test_all_pull_requests_are_listed_by_number(world: World) -> None:
    repository, main = world.open(), world.open().resolve("main")
    numbers = [new(world, "feature"), new(world, "other")]
    repository.create_branch("third", repository.resolve("feature"))
    numbers.append(new(world, "third"))

    assert [each.number for each in repository.pull_requests()] == sorted(numbers)
    git(world.origin, "update-ref", "refs/heads/third", main)
    heads = {each.branch: each.head_sha for each in repository.pull_requests()}
    assert heads["third"] == main


def test_there_is_exactly_one_comment_per_marker(world: World) -> None:
    repository, number = world.open(), new(world)

    for body in ("Making it", "Ready at https://one.example", "Ready at https://two.example"):
        repository.set_comment(number, "environment/1", body)
    repository.set_comment(number, "cost", "Cheap")
    found = world.comments(number)
    assert len(found) == 2
    assert any("Ready at https://two.example" in each for each in found)

    assert repository.set_comment(number, "environment/1", None) is None
    repository.set_comment(number, "environment/1", None)
    assert ["Cheap" in each for each in world.comments(number)] == [True]
    with pytest.raises(InvalidInputError):
        repository.set_comment(number, "a --> b", "x")


def test_a_deployment_is_one_per_environment_and_vanishes(world: World) -> None:
    repository = world.open()
    feature = repository.resolve("feature")
    one, two = new(world), new(world, "other")
    for state in (DeploymentState.IN_PROGRESS, DeploymentState.SUCCESS, DeploymentState.SUCCESS):
        repository.set_deployment(
            Deployment("preview/pr-1", feature, state, "https://one.example", "It runs", pull_request=one)
        )
    repository.set_deployment(Deployment("preview/pr-2", feature, DeploymentState.FAILURE, pull_request=two))
    assert world.deployments() == {"preview/pr-1": "success", "preview/pr-2": "failure"}

    repository.remove_deployment("preview/pr-1", one)
    repository.remove_deployment("preview/pr-1", one)
    assert world.deployments() == {"preview/pr-2": "failure"}


def test_what_is_said_of_a_commit_takes_the_place_of_what_was_said(world: World) -> None:
    repository = world.open()
    feature = repository.resolve("feature")
    repository.report(feature, Report("slipway/preview", ReportState.PENDING, "Making it"))
    repository.report(feature, Report("slipway/preview", ReportState.SUCCESS, "Ready", "Details", "https://x.example"))
    repository.report(feature, Report("slipway/policy", ReportState.FAILURE, "Denied"))
    assert world.reports(feature) == {"slipway/preview": "success", "slipway/policy": "failure"}


def test_what_may_be_done_is_told(world: World) -> None:
    about = world.open().about()
    assert (about.default_branch, about.rights) == ("main", frozenset(Right))
    assert Association.MEMBER.is_trusted
    assert not Association.CONTRIBUTOR.is_trusted

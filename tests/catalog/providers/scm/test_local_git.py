"""Repositories of strangers: what they say is read, what they ask for is not done, and they lead nowhere else."""

import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from catalog.providers.scm import (
    CommitNotFoundError,
    FileNotInRepositoryError,
    FolderEntry,
    FolderLimits,
    FolderRefusedError,
    PullRequestNotFoundError,
    RepositoryNotFoundError,
    RepositoryUnavailableError,
    TagNotFoundError,
    open_repository,
)
from catalog.providers.scm.local_git import PROVIDER
from catalog.settings import Settings

IDENTITY = ("-c", "user.name=Test", "-c", "user.email=test@example.com")
MISSING = "a" * 40


def git(path: Path, *arguments: str) -> str:
    command = ["git", "-C", str(path), *IDENTITY, *arguments]
    return subprocess.run(command, check=True, capture_output=True, text=True).stdout.strip()


def repository(path: Path) -> Path:
    path.mkdir(parents=True)
    git(path, "init", "--quiet", "--initial-branch", "main")
    git(path, "commit", "--quiet", "--allow-empty", "--message", "first")
    git(path, "branch", "pr-1")
    return path


@pytest.fixture
def allowed(settings: Settings, tmp_path: Path) -> Settings:
    return settings.model_copy(update={"local_repository_roots": (tmp_path / "open",)})


def test_a_repository_below_a_root_is_read(allowed: Settings, tmp_path: Path) -> None:
    path = repository(tmp_path / "open" / "app")
    (tmp_path / "open" / "link").symlink_to(path)

    assert PROVIDER.normalise(str(tmp_path / "open" / "link"), allowed) == str(path)
    assert open_repository(str(path), allowed).pull_request(1).head_sha == git(path, "rev-parse", "HEAD")


def test_a_work_tree_and_a_clone_that_shares_objects_are_read(allowed: Settings, tmp_path: Path) -> None:
    path = repository(tmp_path / "open" / "app")
    git(path, "worktree", "add", "--quiet", str(tmp_path / "open" / "tree"), "pr-1")
    git(path, "clone", "--quiet", "--shared", str(path), str(tmp_path / "open" / "clone"))

    for name in ("tree", "clone"):
        found = open_repository(str(tmp_path / "open" / name), allowed).pull_request(1, "main")
        assert found.head_sha == git(path, "rev-parse", "HEAD")


@pytest.mark.parametrize("setting", ["remote.origin.uploadpack", "core.fsmonitor", "core.sshCommand"])
def test_commands_that_a_repository_names_are_not_run(allowed: Settings, tmp_path: Path, setting: str) -> None:
    path = repository(tmp_path / "open" / "app")
    mark, command = tmp_path / "mark", tmp_path / "command"
    command.write_text(f"#!/bin/sh\ntouch {mark}\n")
    command.chmod(0o755)
    for name, value in {
        "core.repositoryFormatVersion": "1",
        "extensions.partialClone": "origin",
        "remote.origin.promisor": "true",
        "remote.origin.url": str(path),
        setting: str(command),
    }.items():
        git(path, "config", name, value)

    with pytest.raises(CommitNotFoundError):
        open_repository(str(path), allowed).commit(MISSING)
    found = open_repository(str(path), allowed).pull_request(1)
    with pytest.raises(CommitNotFoundError):
        open_repository(str(path), allowed).mirror(MISSING, found.number, tmp_path / "mirrors")
    open_repository(str(path), allowed).mirror(found.head_sha, found.number, tmp_path / "mirrors")

    assert not mark.exists()


def by_git_file(decoy: Path, private: Path) -> None:
    decoy.mkdir(parents=True)
    (decoy / ".git").write_text(f"gitdir: {private / '.git'}\n")


def by_git_link(decoy: Path, private: Path) -> None:
    decoy.mkdir(parents=True)
    (decoy / ".git").symlink_to(private / ".git")


def by_common_directory(decoy: Path, private: Path) -> None:
    repository(decoy)
    (decoy / ".git" / "commondir").write_text(f"{private / '.git'}\n")


def by_alternates(decoy: Path, private: Path) -> None:
    repository(decoy)
    middle = decoy / "objects"
    (middle / "info").mkdir(parents=True)
    (middle / "info" / "alternates").write_text(f"{private / '.git' / 'objects'}\n")
    (decoy / ".git" / "objects" / "info" / "alternates").write_text(f"{middle}\n")


def by_link_to_objects(decoy: Path, private: Path) -> None:
    repository(decoy)
    objects = decoy / ".git" / "objects"
    # The folder that the commit lies in must be free for the link.
    while (objects / git(private, "rev-parse", "HEAD")[:2]).exists():
        git(private, "commit", "--quiet", "--allow-empty", "--message", "once more")
    folder = git(private, "rev-parse", "HEAD")[:2]
    (objects / folder).symlink_to(private / ".git" / "objects" / folder)


ESCAPES = [by_git_file, by_git_link, by_common_directory, by_alternates, by_link_to_objects]


@pytest.mark.parametrize("escape", ESCAPES, ids=lambda each: each.__name__)
def test_a_repository_does_not_lead_out_of_the_roots(
    allowed: Settings, tmp_path: Path, escape: Callable[[Path, Path], None]
) -> None:
    private = repository(tmp_path / "private")
    git(private, "commit", "--quiet", "--allow-empty", "--message", "not for everybody")
    decoy = tmp_path / "open" / "decoy"
    escape(decoy, private)

    with pytest.raises(RepositoryNotFoundError):
        open_repository(str(decoy), allowed).commit(git(private, "rev-parse", "HEAD"))


@pytest.mark.parametrize("name", ["/a\0b", "~nobody-of-that-name/x", "a" * 900, "loop"])
def test_a_name_that_is_none_is_not_found(allowed: Settings, tmp_path: Path, name: str) -> None:
    (tmp_path / "open").mkdir()
    (tmp_path / "open" / "loop").symlink_to(tmp_path / "open" / "loop")
    asked = name if name.startswith(("/", "~")) else str(tmp_path / "open" / name)

    with pytest.raises(RepositoryNotFoundError):
        PROVIDER.normalise(asked, allowed)


def test_a_refusal_does_not_tell_where_a_link_leads(allowed: Settings, tmp_path: Path) -> None:
    (tmp_path / "open").mkdir()
    (tmp_path / "hidden-name").mkdir()
    (tmp_path / "open" / "link").symlink_to(tmp_path / "hidden-name")

    with pytest.raises(RepositoryNotFoundError) as caught:
        PROVIDER.normalise(str(tmp_path / "open" / "link"), allowed)

    assert "hidden-name" not in caught.value.detail


def test_a_branch_that_is_not_text_does_no_harm(allowed: Settings, tmp_path: Path) -> None:
    path = repository(tmp_path / "open" / "app")
    sha = git(path, "rev-parse", "HEAD")
    heads = path / ".git" / "refs" / "heads"
    with open(bytes(heads) + b"/\xff", "w", encoding="ascii") as file:  # noqa: PTH123 - a path cannot hold this name
        file.write(f"{sha}\n")
    pull = path / ".git" / "refs" / "pull" / "7" / "head"
    pull.parent.mkdir(parents=True)
    pull.write_bytes(b"ref: refs/heads/\xff\n")

    assert open_repository(str(path), allowed).pull_request(7).head_sha == sha


def test_strange_and_broken_refs_keep_no_pull_request_from_the_listing(allowed: Settings, tmp_path: Path) -> None:
    path = repository(tmp_path / "open" / "app")
    sha = git(path, "rev-parse", "HEAD")
    git(path, "tag", "--annotate", "--message", "Say", "said")
    refs = {
        "heads/one\u2028line": sha,
        "pull/7/head": git(path, "rev-parse", "said"),
        "pull/8/head": git(path, "rev-parse", "HEAD^{tree}"),
        "pull/9/head": "1" * 40,
        "pull/10/head": sha,
    }
    for name, found in refs.items():
        place = path / ".git" / "refs" / name
        place.parent.mkdir(parents=True, exist_ok=True)
        place.write_text(f"{found}\n")

    pulls = open_repository(str(path), allowed).pull_requests()
    assert [(each.number, each.head_sha) for each in pulls] == [(1, sha), (7, sha), (10, sha)]


def test_files_of_a_tag_are_read_as_they_are(allowed: Settings, tmp_path: Path) -> None:
    path = repository(tmp_path / "open" / "app")
    (path / "asset" / "content").mkdir(parents=True)
    (path / "asset" / "asset.yaml").write_bytes(b"kind: x\r\n")
    (path / "asset" / "content" / "run").write_bytes(b"\x00\xff")
    (path / "asset" / "content" / "run").chmod(0o755)
    git(path, "add", ".")
    git(path, "commit", "--quiet", "--message", "asset")
    git(path, "tag", "--annotate", "v1.0.0", "--message", "one")
    commit = open_repository(str(path), allowed).tag("v1.0.0")
    assert commit == git(path, "rev-parse", "HEAD")

    found = open_repository(str(path), allowed).read_folder(commit, "asset", FolderLimits(10, 1000))

    assert found == {
        "asset.yaml": FolderEntry(b"kind: x\r\n", is_executable=False),
        "content/run": FolderEntry(b"\x00\xff", is_executable=True),
    }
    with pytest.raises(FolderRefusedError, match="more than 1 files"):
        open_repository(str(path), allowed).read_folder(commit, "asset", FolderLimits(1, 1000))
    with pytest.raises(FolderRefusedError, match="has no folder nowhere"):
        open_repository(str(path), allowed).read_folder(commit, "nowhere", FolderLimits(10, 1000))
    for name in ("v2.0.0", "--help", "v1.0.0^{tree}"):
        with pytest.raises(TagNotFoundError):
            open_repository(str(path), allowed).tag(name)


def test_links_and_other_repositories_are_not_taken_from_a_folder(allowed: Settings, tmp_path: Path) -> None:
    path = repository(tmp_path / "open" / "app")
    (path / "passwd").symlink_to("/etc/passwd")
    (path / ".slipway-publisher").symlink_to("/etc/hostname")
    git(path, "add", ".")
    git(path, "commit", "--quiet", "--message", "link")
    commit = git(path, "rev-parse", "HEAD")
    with pytest.raises(FolderRefusedError, match="is a link or another repository"):
        open_repository(str(path), allowed).read_folder(commit, "", FolderLimits(10, 1000))
    with pytest.raises(FileNotInRepositoryError):
        open_repository(str(path), allowed).read_file(".slipway-publisher", 1000)


def lose_objects(path: Path) -> None:
    (path / ".git" / "objects").rename(path / "elsewhere")
    (path / ".git" / "objects").mkdir()


def break_configuration(path: Path) -> None:
    (path / ".git" / "config").write_text("[core\n")


def lose_refs(path: Path) -> None:
    (path / ".git" / "refs").rename(path / "elsewhere")


@pytest.mark.parametrize("damage", [lose_objects, break_configuration, lose_refs])
def test_what_cannot_be_read_is_not_taken_for_absent(
    allowed: Settings, tmp_path: Path, damage: Callable[[Path], None]
) -> None:
    path = repository(tmp_path / "open" / "app")
    found = open_repository(str(path), allowed)
    with pytest.raises(PullRequestNotFoundError):
        found.pull_request(2)
    damage(path)
    for number in (1, 2) if damage is not lose_objects else (1,):
        with pytest.raises(RepositoryUnavailableError):
            found.pull_request(number)


def test_a_board_of_strangers_does_no_harm(allowed: Settings, tmp_path: Path) -> None:
    path = repository(tmp_path / "open" / "app")
    (path / "pulls").mkdir()
    (path / "pulls" / "1.json").write_text('{"a":' * 60_000 + "1" + "}" * 60_000)
    git(path, "add", ".")
    git(path, "commit", "--quiet", "--message", "deep")
    git(path, "update-ref", "refs/slipway/board", "HEAD")
    found = open_repository(str(path), allowed)
    assert [each.number for each in found.pull_requests()] == [1]

    blob = git(path, "rev-parse", "HEAD:pulls/1.json")
    (path / ".git" / "objects" / blob[:2] / blob[2:]).unlink()
    with pytest.raises(RepositoryUnavailableError):
        found.pull_requests()

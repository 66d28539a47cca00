"""One repository on this machine, opened: what ``Repository`` promises, by the git command and Slipway's records."""

import hashlib
import re
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

from catalog.providers.scm.changes import check_branch, hidden_marker
from catalog.providers.scm.errors import (
    BranchMovedError,
    CommitNotFoundError,
    FileNotInRepositoryError,
    FolderRefusedError,
    MissingRightsError,
    RepositoryUnavailableError,
    ScmConflictError,
    TagNotFoundError,
)
from catalog.providers.scm.git_command import run_git
from catalog.providers.scm.git_fetching import locked
from catalog.providers.scm.local_git_board import Board, key
from catalog.providers.scm.local_git_pulls import LocalPullRequests
from catalog.providers.scm.local_git_reading import (
    changed_paths,
    contents,
    entries,
    folder_at,
    merge_base,
    object_at,
    resolved,
)
from catalog.providers.scm.local_git_writing import (
    make_commit,
    move_ref,
    remove_ref,
    require_not_checked_out,
    require_writable,
)
from catalog.providers.scm.values import (
    About,
    Association,
    Comment,
    Deployment,
    FolderEntry,
    FolderLimits,
    NewCommit,
    NewPullRequest,
    PullRequest,
    PullRequestChange,
    Report,
    Right,
)

COMMIT = re.compile(r"[0-9a-f]{7,64}")
REF = re.compile(r"(?!-)[\w./+@#-]{1,200}")


class LocalRepository:
    """See ``Repository``; ``place`` is a path that was looked at already."""

    def __init__(self, place: Path) -> None:
        self.address = str(place)
        self._place = place
        self._board = Board(place)
        self._pulls = LocalPullRequests(place, self._board)

    def about(self) -> About:
        """See ``Repository``."""
        try:
            require_writable(self._place)
        except MissingRightsError as error:
            missing = dict.fromkeys(set(Right) - {Right.READ}, error.detail)
            return About(self.address, self._pulls.default_branch(), rights=frozenset({Right.READ}), missing=missing)
        return About(self.address, self._pulls.default_branch())

    def resolve(self, ref: str) -> str:
        """See ``Repository``."""
        names = (f"refs/heads/{ref}", f"refs/tags/{ref}") if REF.fullmatch(ref) else ()
        for name in (*names, *([ref] if COMMIT.fullmatch(ref) else [])):
            if sha := resolved(self._place, f"{name}^{{commit}}"):
                return sha
        raise CommitNotFoundError(f"{self._place} has no branch, tag or commit {ref[:100]!a}.")

    def commit(self, revision: str) -> str:
        """See ``Repository``."""
        sha = resolved(self._place, f"{revision}^{{commit}}") if COMMIT.fullmatch(revision) else None
        if sha is None:
            raise CommitNotFoundError(f"{self._place} has no commit {revision}.")
        return sha

    def tag(self, name: str) -> str:
        """See ``Repository``."""
        sha = resolved(self._place, f"refs/tags/{name}^{{commit}}") if REF.fullmatch(name) else None
        if sha is None:
            raise TagNotFoundError(f"{self._place} has no tag {name[:100]!a}.")
        return sha

    def branch(self, name: str) -> str | None:
        """See ``Repository``."""
        return resolved(self._place, f"refs/heads/{name}^{{commit}}") if REF.fullmatch(name) else None

    def read_file(self, path: str, largest: int, ref: str | None = None) -> str:
        """See ``Repository``."""
        tree = "HEAD" if ref is None else self.resolve(ref)
        entry = next(iter(entries(self._place, tree, path)), None)
        where = "its default branch" if ref is None else ref[:100]
        if entry is None or entry.is_link or entry.path != path:
            raise FileNotInRepositoryError(f"{self._place} has no file {path} on {where}.")
        if entry.size > largest:
            raise FileNotInRepositoryError(f"{path} of {self._place} is larger than {largest // 1024} KiB.")
        return contents(self._place, [entry.blob])[0].decode("utf-8", "replace")

    def read_folder(self, commit: str, folder: str, limits: FolderLimits) -> Mapping[str, FolderEntry]:
        """See ``Repository``."""
        inside = folder.strip("/")
        if not COMMIT.fullmatch(commit) or object_at(self._place, commit, inside) is None:
            raise FolderRefusedError(f"{self._place} has no folder {inside or '/'} at {commit[:12]}.")
        return folder_at(self._place, f"{commit}:{inside}", inside, limits)

    def merge_base(self, one: str, other: str) -> str:
        """See ``Repository``."""
        return merge_base(self._place, self.commit(one), self.commit(other))

    def changed_paths(self, base: str, head: str) -> tuple[str, ...]:
        """See ``Repository``."""
        return changed_paths(self._place, self.commit(base), self.commit(head))

    def mirror(self, commit: str, number: int, into: Path) -> Path:
        """See ``Repository``; the mirror is our own, and its configuration nothing that the repository can touch."""
        mirror = into / f"{hashlib.sha256(self.address.encode()).hexdigest()[:24]}.git"
        with locked(into / f"{mirror.name}.lock"):
            if not (mirror / "HEAD").exists():
                run_git(None, "init", "--quiet", "--bare", str(mirror))
            if resolved(mirror, f"{commit}^{{commit}}") is None:
                fetch = ["fetch", "--quiet", "--no-tags", "--no-write-fetch-head", "--no-recurse-submodules"]
                try:
                    run_git(mirror, *fetch, self.address, f"+{commit}:refs/slipway/{number}/{commit}")
                except RepositoryUnavailableError as error:
                    detail = f"Commit {commit[:12]} cannot be fetched from {self._place}: {error}"
                    raise CommitNotFoundError(detail) from error
        return mirror

    def create_branch(self, name: str, sha: str) -> None:
        """See ``Repository``."""
        check_branch(name)
        commit = self.commit(sha)
        try:
            move_ref(self._place, f"refs/heads/{name}", commit, None)
        except BranchMovedError as error:
            if error.found != commit:
                raise ScmConflictError(f"{self._place} has a branch {name} already, at another commit.") from None

    def delete_branch(self, name: str, expected: str) -> None:
        """See ``Repository``."""
        require_not_checked_out(self._place, name)
        if self.branch(name) is not None:
            remove_ref(self._place, f"refs/heads/{name}", expected)

    def commit_files(self, new: NewCommit) -> str:
        """See ``Repository``."""
        check_branch(new.branch)
        require_not_checked_out(self._place, new.branch)
        found = self.branch(new.branch)
        if found != new.expected_parent:
            at = "gone" if found is None else f"at {found[:12]}"
            raise BranchMovedError(f"{new.branch} is {at}, not at {new.expected_parent[:12]}.", found)
        made = make_commit(self._place, new.expected_parent, new.changes, new.message, new.onto)
        if made != new.expected_parent:
            move_ref(self._place, f"refs/heads/{new.branch}", made, new.expected_parent)
        return made

    def pull_request(self, number: int, branch: str | None = None) -> PullRequest:
        """See ``Repository``."""
        return self._pulls.get(number, branch)

    def pull_requests(self) -> Sequence[PullRequest]:
        """See ``Repository``."""
        return self._pulls.opened()

    def find_pull_request(self, branch: str, base: str | None = None) -> PullRequest | None:
        """See ``Repository``."""
        return self._pulls.find(branch, base)

    def open_pull_request(self, new: NewPullRequest) -> PullRequest:
        """See ``Repository``."""
        return self._pulls.open(new)

    def change_pull_request(self, number: int, change: PullRequestChange) -> PullRequest:
        """See ``Repository``."""
        given = {name: value for name, value in asdict(change).items() if value is not None}
        return self._pulls.change(number, given)

    def label(self, number: int, add: frozenset[str] = frozenset(), remove: frozenset[str] = frozenset()) -> None:
        """See ``Repository``."""
        labels = self.pull_request(number).labels
        self._pulls.change(number, {"labels": sorted((labels | add) - remove)})

    def set_comment(self, number: int, marker: str, body: str | None) -> Comment | None:
        """See ``Repository``."""
        name, hidden = key("comments", str(number), marker), hidden_marker(marker)
        if body is None:
            self._board.change(lambda _: {name: None})
            return None
        self.pull_request(number)
        text = f"{body}\n\n{hidden}"
        self._board.change(lambda _: {name: {"body": text}})
        return Comment(name, text, "slipway")

    def comment_association(self, number: int, comment_id: str) -> Association:
        """See ``Repository``."""
        del number, comment_id
        return Association.OWNER

    def set_deployment(self, deployment: Deployment) -> None:
        """See ``Repository``."""
        self._put(key("deployments", deployment.environment), asdict(deployment))

    def remove_deployment(self, environment: str, pull_request: int | None = None) -> None:
        """See ``Repository``."""
        del pull_request
        self._put(key("deployments", environment), None)

    def report(self, sha: str, report: Report) -> None:
        """See ``Repository``."""
        self._put(key("reports", self.commit(sha), report.name), asdict(report))

    def _put(self, name: str, record: dict[str, Any] | None) -> None:
        self._board.change(lambda _: {name: record})

"""Pull requests of a repository on this machine: the refs that name them, and what the records add."""

import re
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from catalog.providers.scm.changes import check_branch
from catalog.providers.scm.errors import (
    CommitNotFoundError,
    PullRequestNotFoundError,
    RepositoryUnavailableError,
    ScmConflictError,
)
from catalog.providers.scm.git_command import run_git
from catalog.providers.scm.local_git_board import Board, Records, key
from catalog.providers.scm.local_git_reading import commits_of, resolved, symbolic_target
from catalog.providers.scm.values import Association, NewPullRequest, PullRequest, PullRequestState

BRANCH = re.compile(r"(?!-)[\w./+@#-]{1,200}")
_NAMES = ("refs/pull/{}/head", "refs/heads/pull/{}", "refs/heads/pr/{}", "refs/heads/pr-{}")
_NUMBERED = re.compile(r"refs/(?:pull/(\d{1,10})/head|heads/(?:pull/|pr/|pr-)(\d{1,10}))")


class LocalPullRequests:
    """The pull requests of one repository."""

    def __init__(self, place: Path, board: Board) -> None:
        self._place = place
        self._board = board

    def default_branch(self) -> str:
        """Return the branch that the repository's HEAD names; "" where it names none."""
        return self._target("HEAD")

    def get(self, number: int, branch: str | None) -> PullRequest:
        """Return a pull request as its ref and its record are now."""
        record = self._board.records().get(_record(number), {})
        if branch is not None and not BRANCH.fullmatch(branch):
            raise PullRequestNotFoundError(f"{branch!r} cannot be the name of a branch.")
        candidates = [f"refs/heads/{branch}"] if branch is not None else [name.format(number) for name in _NAMES]
        for ref in candidates:
            sha = resolved(self._place, f"{ref}^{{commit}}")
            if sha is not None:
                return self._described(number, sha, branch or self._target(ref), record)
        if broken := next((ref for ref in candidates if resolved(self._place, ref) is not None), None):
            raise RepositoryUnavailableError(f"{broken} of {self._place} names no commit that can be read.")
        raise PullRequestNotFoundError(
            f"{self._place} has no pull request {number}: none of {', '.join(candidates)} exists. "
            "Push the branch, or name the branch to use."
        )

    def opened(self) -> Sequence[PullRequest]:
        """Return the open ones, by number."""
        return self._all(with_closed=False)

    def find(self, branch: str, base: str | None) -> PullRequest | None:
        """Return the open one from a branch, else the one opened last."""
        matching = [each for each in self._all() if each.branch == branch and base in (None, each.base)]
        return max(matching, key=lambda each: (each.state is PullRequestState.OPEN, each.number), default=None)

    def open(self, new: NewPullRequest) -> PullRequest:
        """Open one, or return the one that is open already; its number follows the highest there is."""
        for name in (new.branch, new.base):
            check_branch(name)
            if resolved(self._place, f"refs/heads/{name}^{{commit}}") is None:
                raise CommitNotFoundError(f"{self._place} has no branch {name}.")
        if new.branch == new.base:
            raise ScmConflictError(f"A pull request from {new.branch} to itself changes nothing.")
        number = 0

        def decide(records: Records) -> Mapping[str, dict[str, Any]]:
            nonlocal number
            present = self.find(new.branch, new.base)
            if present is not None and present.state is PullRequestState.OPEN:
                number = present.number
                return {}
            number = max([0, *_numbers(self._refs()), *(each["number"] for each in _pulls(records).values())]) + 1
            return {
                _record(number): {
                    "number": number,
                    "title": new.title,
                    "body": new.body,
                    "branch": new.branch,
                    "base": new.base,
                    "is_draft": new.is_draft,
                    "labels": sorted(new.labels),
                    "state": PullRequestState.OPEN,
                }
            }

        self._board.change(decide)
        if resolved(self._place, f"refs/pull/{number}/head") is None:
            run_git(self._place, "symbolic-ref", f"refs/pull/{number}/head", f"refs/heads/{new.branch}")
        return self.get(number, None)

    def change(self, number: int, given: Mapping[str, Any]) -> PullRequest:
        """Write into the record of a pull request, which is made where only a ref names it."""
        found = self.get(number, None)

        def decide(records: Records) -> Mapping[str, dict[str, Any]]:
            record = records.get(_record(number)) or {
                "number": number,
                "branch": found.branch,
                "base": found.base,
                "state": found.state,
            }
            return {_record(number): {**record, **given}}

        self._board.change(decide)
        return self.get(number, None)

    def _described(
        self, number: int, sha: str, branch: str, record: Mapping[str, Any], default: str | None = None
    ) -> PullRequest:
        base = str(record.get("base") or default or self.default_branch())
        is_closed = _is_closed(record)
        labels = record.get("labels")
        return PullRequest(
            number=number,
            state=PullRequestState.CLOSED if is_closed else PullRequestState.OPEN,
            head_sha=sha,
            branch=branch,
            title=str(record.get("title", "")),
            body=str(record.get("body", "")),
            base=base,
            author="slipway" if "title" in record else "",
            association=Association.OWNER,
            labels=frozenset(map(str, labels if isinstance(labels, list) else ())),
            is_draft=bool(record.get("is_draft")),
            is_bot="title" in record,
            is_merged=is_closed and self._contains(base, sha),
        )

    def _all(self, *, with_closed: bool = True) -> list[PullRequest]:
        """Return them by number, from one listing of the refs: a repository may have thousands."""
        records, default, refs = self._board.records(), self.default_branch(), self._refs()
        found = []
        for number in sorted(_numbers(refs)):
            record = records.get(_record(number), {})
            if not with_closed and _is_closed(record):
                continue
            for name in _NAMES:
                sha, branch = refs.get(name.format(number), (None, ""))
                if sha is not None:
                    found.append(self._described(number, sha, branch, record, default))
                    break
        return found

    def _refs(self) -> dict[str, tuple[str | None, str]]:
        """Return each ref that may name a pull request: its commit, if any, and the branch that it is or points to."""
        shown = "%(refname) %(objectname) %(symref)"  # what is asked of an object fails where one is missing
        listing = run_git(self._place, "for-each-ref", f"--format={shown}", "refs/pull", "refs/heads")
        # Not by any other sign that ends a line: a branch's name may hold one.
        refs = [line.split(" ", 2) for line in listing.split("\n") if line]
        commits = commits_of(self._place, [sha for _, sha, _ in refs])
        return {name: (commits[sha], (target or name).removeprefix("refs/heads/")) for name, sha, target in refs}

    def _target(self, ref: str) -> str:
        return symbolic_target(self._place, ref).removeprefix("refs/heads/")

    def _contains(self, base: str, sha: str) -> bool:
        try:
            run_git(self._place, "merge-base", "--is-ancestor", sha, f"refs/heads/{base}")
        except RepositoryUnavailableError:
            return False
        return True


def _record(number: int) -> str:
    return key("pulls", str(number))


def _is_closed(record: Mapping[str, Any]) -> bool:
    return record.get("state") == PullRequestState.CLOSED


def _numbers(refs: Iterable[str]) -> set[int]:
    matches = (_NUMBERED.fullmatch(name) for name in refs)
    return {int(match[1] or match[2]) for match in matches if match}


def _pulls(records: Records) -> Records:
    return {
        name: each
        for name, each in records.items()
        if name.startswith("pulls/") and isinstance(each.get("number"), int)
    }

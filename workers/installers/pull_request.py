"""Pipeline templates: an install is a pull request that merges what the template renders to into a repository."""

import difflib
import hashlib
import io
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from sqlmodel import Session

from catalog.errors import ConflictError
from catalog.installs.files import File, pack
from catalog.installs.models import Action, OutcomeState
from catalog.installs.service import DECLINED, Applied, Draft, Proposal, Work
from catalog.operations.models import Problem
from catalog.providers.blobs import BlobStore, open_blobs
from catalog.providers.scm import (
    BranchMovedError,
    CommitNotFoundError,
    FolderEntry,
    NewCommit,
    NewPullRequest,
    PullRequest,
    PullRequestChange,
    PullRequestNotFoundError,
    PullRequestState,
    Repository,
    Right,
    open_repository,
)
from catalog.providers.scm.git_command import run_git, run_git_for_bytes
from catalog.settings import Settings
from workers.installers import Bench, InstallRefusedError
from workers.installers.merging import Merged, merge, scratch
from workers.installers.pull_request_text import body_of, title_of
from workers.installers.rendering import read_files, render_key, rendered

MOST_DIFF = 20_000
"""How many characters of one file's difference a plan holds; the digests stand for all of it."""


class BranchTakenError(ConflictError):
    """The branch of an install's pull request holds what somebody else put there; it is left alone."""

    code = "branch_taken"
    title = "The branch holds something else"


class PullRequestInstaller:
    """Renders, merges three ways, and proposes the outcome; nothing of the user's is ever overwritten."""

    name = "pull-request"

    def plan(self, draft: Draft, bench: Bench) -> Proposal:
        """Say what a pull request would change, file by file, and where both sides changed the same."""
        blobs = open_blobs(bench.settings)
        repository = _opened(draft.head["target"]["repository"], bench.settings)
        branch, head = _start(repository, draft.head["target"]["branch"])
        new_blob = None if draft.action is Action.UNINSTALL else self._render(draft, bench)
        new = _present(read_files(new_blob, blobs))
        last = _present(read_files(draft.applied.files_blob if draft.applied else None, blobs))
        mirror = repository.mirror(head, 0, bench.settings.data_dir / "repositories")
        label = _label(draft)
        with scratch(mirror) as place:
            tree = run_git(place, "rev-parse", "--verify", f"{head}^{{tree}}").strip()
            found = merge(place, last, new, tree, label)
        files, writes = _decided(found, draft.conflicts)
        changes = {"files": files, "branch": branch}
        evidence: dict[str, Any] = {"head": head, "branch": branch}
        if new_blob is not None:
            evidence["render"] = {render_key(draft.version, draft.inputs): new_blob}
        return Proposal(changes, evidence, new, new_blob, _keep(writes, blobs))

    def apply(self, work: Work, bench: Bench) -> Applied:
        """Make the branch, the commit and the pull request, each only where it is not there yet."""
        blobs = open_blobs(bench.settings)
        writes = read_files(work.writes_blob, blobs)
        repository = _opened(work.content["target"]["repository"], bench.settings)
        if writes:
            found = self._propose(repository, work, writes, bench.settings)
            outputs = {
                "pull_request": found.number,
                "url": found.url,
                "branch": found.branch,
                "commit": found.head_sha,
            }
            applied = Applied(outputs, OutcomeState.WAITING)
        else:
            applied = Applied({"unchanged": True})
        _close_previous(repository, work)
        return applied

    def record(self, session: Session, work: Work, applied: Applied, settings: Settings) -> Applied:  # noqa: ARG002
        """Add nothing: everything lies in the repository."""
        return applied

    def look(self, work: Work, bench: Bench) -> Applied | None:
        """Return whether the pull request was merged or closed; note where its branch was changed by somebody."""
        repository = _opened(work.content["target"]["repository"], bench.settings)
        number, branch = int(work.outputs["pull_request"]), str(work.outputs["branch"])
        try:
            found = repository.pull_request(number, branch)
        except PullRequestNotFoundError:
            found = None
        if found is not None and (found.is_merged or _is_contained(repository, found)):
            if found.state is PullRequestState.OPEN:
                repository.change_pull_request(number, PullRequestChange(state=PullRequestState.CLOSED))
            return Applied({**work.outputs, "merged": found.head_sha})
        if found is None or found.state is PullRequestState.CLOSED:
            # Whoever squashes and removes the branch has merged it all the same.
            if _is_there(repository, work, bench):
                return Applied({**work.outputs, "merged": work.outputs["commit"]})
            return Applied(work.outputs, OutcomeState.DECLINED, _declined(number, is_gone=found is None))
        if found.head_sha != work.outputs["commit"]:
            raise BranchTakenError(
                f"Somebody pushed to {branch} after Slipway did. It is left as it is; merge or close pull request "
                f"{number}, or plan another change, which gets a branch of its own."
            )
        return None

    def _render(self, draft: Draft, bench: Bench) -> str:
        """Return the blob of the new render; one that a revision holds already is not made again."""
        for revision in (draft.base, draft.applied):
            if revision is not None and revision.files_blob is not None:
                content = revision.content
                same = content["digest"] == draft.head["digest"] and content["inputs"] == draft.head["inputs"]
                if same:
                    return rendered(draft.version, draft.inputs, bench, revision.files_blob)
        return rendered(draft.version, draft.inputs, bench, draft.known.get(render_key(draft.version, draft.inputs)))

    def _propose(
        self, repository: Repository, work: Work, writes: Mapping[str, File | None], settings: Settings
    ) -> PullRequest:
        branch = f"slipway/{work.name}-{work.revision_id.hex[:8]}"
        head = str(work.evidence["head"])
        known = repository.branch(branch)
        if known is None:
            repository.create_branch(branch, head)
            known = head
        if known != head and not _is_ours(repository, head, known, writes, settings):
            raise BranchTakenError(f"The branch {branch} is there already and holds something else. It is left alone.")
        changes = {path: None if file is None else FolderEntry(file[0], file[1]) for path, file in writes.items()}
        if known == head:
            repository.commit_files(NewCommit(branch, head, title_of(work), changes))
        text = body_of(work, settings)
        return repository.open_pull_request(NewPullRequest(title_of(work), text, branch, str(work.evidence["branch"])))


def _opened(address: str, settings: Settings) -> Repository:
    return open_repository(address, settings)


def _start(repository: Repository, wanted: str | None) -> tuple[str, str]:
    """Return the branch that a pull request goes to and its commit; raise where Slipway may not write there."""
    about = repository.about()
    if about.is_archived:
        raise InstallRefusedError(f"{about.address} is archived, so nothing can be proposed to it.")
    for right in (Right.PUSH, Right.PULL_REQUESTS):
        if right not in about.rights:
            why = about.missing.get(right, f"The right {right} is missing.")
            raise InstallRefusedError(f"Slipway may not open pull requests in {about.address}. {why}")
    branch = wanted or about.default_branch
    head = repository.branch(branch)
    if head is None:
        raise InstallRefusedError(
            f"{about.address} has no branch {branch} yet. Push a first commit to it, or name another branch."
        )
    return branch, head


def _decided(
    found: Mapping[str, Merged], decisions: Mapping[str, str]
) -> tuple[list[dict[str, Any]], dict[str, File | None]]:
    """Return what a plan says of each path, and what would be written once every conflict has its decision."""
    files: list[dict[str, Any]] = []
    writes: dict[str, File | None] = {}
    for path, each in found.items():
        choice = decisions.get(path, decisions.get("*")) if each.conflict else None
        after = {"mine": each.before, "theirs": each.new}.get(choice or "", each.after)
        told: dict[str, Any] = {
            "path": path,
            "status": _status(each.before, after),
            "before": _digest(each.before),
            "after": _digest(after),
            "diff": _diff(path, each.before, after),
        }
        if each.conflict:
            told |= {"conflict": each.conflict, "resolved": choice}
        files.append(told)
        if after != each.before:
            writes[path] = after
    return files, writes


def _status(before: File | None, after: File | None) -> str:
    if before == after:
        return "kept"
    if before is None:
        return "added"
    return "removed" if after is None else "changed"


def _digest(file: File | None) -> str | None:
    return None if file is None else hashlib.sha256(file[0]).hexdigest()


def _diff(path: str, before: File | None, after: File | None) -> str:
    texts = [_text(before), _text(after)]
    if None in texts:
        return "Not a text; compare the digests."
    lines = difflib.unified_diff(
        (texts[0] or "").splitlines(), (texts[1] or "").splitlines(), f"a/{path}", f"b/{path}", lineterm=""
    )
    text = "\n".join(lines)
    return text if len(text) <= MOST_DIFF else text[:MOST_DIFF] + "\n… (more)"


def _text(file: File | None) -> str | None:
    if file is None:
        return ""
    try:
        text = file[0].decode()
    except UnicodeDecodeError:
        return None
    return None if "\0" in text else text


def _is_ours(
    repository: Repository, head: str, known: str, writes: Mapping[str, File | None], settings: Settings
) -> bool:
    """Tell whether a branch holds just what Slipway would write on top of ``head``: it did, and was then stopped."""
    mirror = repository.mirror(known, 0, settings.data_dir / "repositories")
    parents = run_git(mirror, "rev-list", "--parents", "-n", "1", known).split()[1:]
    is_all = set(repository.changed_paths(head, known)) == set(writes)
    return parents == [head] and is_all and _holds(mirror, known, writes)


def _is_contained(repository: Repository, found: PullRequest) -> bool:
    """Tell whether the base branch has the pull request's commit already, however it came there."""
    base = repository.branch(found.base)
    try:
        return base is not None and repository.merge_base(found.head_sha, base) == found.head_sha
    except CommitNotFoundError:
        return False


def _is_there(repository: Repository, work: Work, bench: Bench) -> bool:
    """Tell whether the base branch holds what was proposed, byte for byte."""
    base = repository.branch(str(work.evidence["branch"]))
    if base is None:
        return False
    mirror = repository.mirror(base, 0, bench.settings.data_dir / "repositories")
    return _holds(mirror, base, read_files(work.writes_blob, open_blobs(bench.settings)))


def _holds(mirror: Path, commit: str, writes: Mapping[str, File | None]) -> bool:
    paths = [f":(literal){path}" for path in writes]
    listing = run_git_for_bytes(mirror, "ls-tree", "-r", "-z", "--full-tree", commit, "--", *paths)
    found = {}
    for entry in listing.split(b"\0"):
        head, tab, name = entry.partition(b"\t")
        if tab:
            found[os.fsdecode(name)] = head.split(b" ")[2].decode()
    wanted = {path: None if file is None else _blob_id(file[0]) for path, file in writes.items()}
    return all(found.get(path) == blob for path, blob in wanted.items())


def _blob_id(data: bytes) -> str:
    return hashlib.sha1(b"blob %d\0" % len(data) + data).hexdigest()  # noqa: S324  # it is how git names a blob


def _close_previous(repository: Repository, work: Work) -> None:
    """Close the pull request of a revision that nobody merged, and its branch if it is still Slipway's own."""
    number = work.waiting.get("pull_request")
    if number is None or number == work.outputs.get("pull_request"):
        return
    try:
        found = repository.pull_request(int(number), work.waiting["branch"])
        if found.state is PullRequestState.OPEN:
            repository.change_pull_request(int(number), PullRequestChange(state=PullRequestState.CLOSED))
        repository.delete_branch(work.waiting["branch"], work.waiting["commit"])
    except (PullRequestNotFoundError, BranchMovedError):
        return  # it is gone, or somebody works on it: both are theirs to decide


def _keep(writes: Mapping[str, File | None], blobs: BlobStore) -> str | None:
    return blobs.write(io.BytesIO(pack(writes))).digest if writes else None


def _present(files: Mapping[str, File | None]) -> dict[str, File]:
    return {path: file for path, file in files.items() if file is not None}


def _label(draft: Draft) -> str:
    return f"{draft.head['asset']}-{draft.head['version']}"


def _declined(number: int, *, is_gone: bool) -> Problem:
    how = "is not there any more" if is_gone else "was closed without being merged"
    return Problem(code=DECLINED.code, message=f"Pull request {number} {how}.", hint=DECLINED.hint)


INSTALLER = PullRequestInstaller()

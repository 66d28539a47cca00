"""Pipeline templates: an install is a pull request that merges what the template renders to into a repository."""

import io
from collections.abc import Mapping
from typing import Any

from sqlmodel import Session

from catalog.installs.files import File, pack
from catalog.installs.models import Action, OutcomeState
from catalog.installs.service import DECLINED, Applied, Draft, Proposal, Work
from catalog.operations.models import Problem
from catalog.providers.blobs import BlobStore, open_blobs
from catalog.providers.scm import (
    CommitNotFoundError,
    MissingRightsError,
    PullRequest,
    PullRequestChange,
    PullRequestNotFoundError,
    PullRequestState,
    Repository,
    Right,
    ScmConflictError,
)
from catalog.providers.scm.git_command import run_git
from catalog.scm.service import ScmService
from catalog.settings import Settings
from workers.installers import Bench
from workers.installers.merged_by_hand import departures, outcome
from workers.installers.merging import merge
from workers.installers.proposing import BranchTakenError, close_previous, propose
from workers.installers.pull_request_files import decided
from workers.installers.rendering import read_files, render_key, rendered
from workers.installers.repositories import WORKFLOWS, holds, is_contained, opened, require, start


class PullRequestInstaller:
    """Renders, merges three ways, and proposes the outcome; nothing of the user's is ever overwritten."""

    name = "pull-request"

    def plan(self, draft: Draft, bench: Bench) -> Proposal:
        """Say what a pull request would change, file by file, and where both sides changed the same."""
        blobs = open_blobs(bench.settings)
        repository = opened(draft.head["target"]["repository"], draft.tenant_id, bench)
        about, branch, head = start(repository, draft.head["target"]["branch"])
        new_blob = None if draft.action is Action.UNINSTALL else self._render(draft, bench)
        new = _present(read_files(new_blob, blobs))
        last = _present(read_files(draft.applied.files_blob if draft.applied else None, blobs))
        mirror = repository.mirror(head, 0, bench.settings.data_dir / "repositories")
        label = _label(draft)
        tree = run_git(mirror, "rev-parse", "--verify", f"{head}^{{tree}}").strip()
        found = merge(mirror, last, new, tree, label)
        files, writes = decided(found, draft.conflicts)
        if any(path.startswith(WORKFLOWS) for path in writes):
            require(about, Right.WORKFLOWS)
        changes = {"files": files, "branch": branch}
        evidence: dict[str, Any] = {"head": head, "branch": branch}
        if new_blob is not None:
            evidence["render"] = {render_key(draft.version, draft.inputs): new_blob}
        return Proposal(changes, evidence, new, new_blob, _keep(writes, blobs))

    def apply(self, work: Work, bench: Bench) -> Applied:
        """Make the branch, the commit and the pull request, each only where it is not there yet."""
        writes = read_files(work.writes_blob, open_blobs(bench.settings))
        repository = opened(work.content["target"]["repository"], work.tenant_id, bench)
        found = propose(repository, work, writes, bench.settings) if writes else None
        if found is None:
            close_previous(repository, work, None)
            return Applied({"unchanged": True})
        outputs = {"pull_request": found.number, "url": found.url, "branch": found.branch, "commit": found.head_sha}
        try:
            close_previous(repository, work, found)
        except (MissingRightsError, ScmConflictError) as error:
            # It is proposed, whatever keeps the one before from being closed: that is told, and theirs to do.
            outputs["not_closed"] = error.detail
        return Applied(outputs, OutcomeState.WAITING)

    def record(self, session: Session, work: Work, applied: Applied, settings: Settings) -> Applied:
        """Have the repository followed, so that what becomes of the pull request is heard of soon."""
        if applied.state is OutcomeState.WAITING:
            ScmService(session, settings).note(work.tenant_id, work.content["target"]["repository"])
        return applied

    def look(self, work: Work, bench: Bench) -> Applied | None:
        """Return whether the pull request was merged or closed; note where its branch was changed by somebody."""
        repository = opened(work.content["target"]["repository"], work.tenant_id, bench)
        number, branch = int(work.outputs["pull_request"]), str(work.outputs["branch"])
        found: PullRequest | None
        try:
            found = repository.pull_request(number, branch)
        except PullRequestNotFoundError:
            found = None
        if found is not None and (found.is_merged or is_contained(repository, found)):
            if found.state is PullRequestState.OPEN:
                repository.change_pull_request(number, PullRequestChange(state=PullRequestState.CLOSED))
            return _merged(repository, work, found, bench)
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


def _merged(repository: Repository, work: Work, found: PullRequest, bench: Bench) -> Applied:
    """Return what a merged pull request means: what Slipway proposed, or what somebody made of it before."""
    outputs = {**work.outputs, "merged": found.head_sha}
    if found.head_sha == work.outputs["commit"]:
        return Applied(outputs)
    writes, mirrors = read_files(work.writes_blob, open_blobs(bench.settings)), bench.settings.data_dir / "repositories"
    try:
        commit = found.head_sha or repository.resolve(found.base)
        mirror = repository.mirror(commit, found.number, mirrors)
    except CommitNotFoundError:  # its branch is gone, and its commits with it: what came of them is in the base branch
        commit = repository.resolve(found.base)
        mirror = repository.mirror(commit, 0, mirrors)
    return outcome(outputs, departures(mirror, commit, writes, work), len(writes))


def _is_there(repository: Repository, work: Work, bench: Bench) -> bool:
    """Tell whether the base branch holds what was proposed, byte for byte."""
    base = repository.branch(str(work.evidence["branch"]))
    if base is None:
        return False
    mirror = repository.mirror(base, 0, bench.settings.data_dir / "repositories")
    return holds(mirror, base, read_files(work.writes_blob, open_blobs(bench.settings)))


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

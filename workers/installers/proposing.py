"""The branch and the pull request of a revision: made once, moved on with the next revision, never over anybody's work.

A revision that follows one whose pull request is still open goes into the same pull request: one more commit on its
branch, which takes up what happened in the target branch meanwhile. Where somebody else has pushed to that branch, it
and its pull request are theirs: they are left as they are, and the revision gets a branch of its own.

A worker may be killed between what it does at the server and the note of it. Whoever goes on looks for what is there
already, also where somebody has merged or closed it meanwhile: what was decided about is not proposed a second time.
"""

from collections.abc import Mapping
from dataclasses import dataclass

from catalog.errors import ConflictError
from catalog.installs.files import File
from catalog.installs.service import Work
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
)
from catalog.settings import Settings
from workers.installers.pull_request_text import body_of, given_way, title_of
from workers.installers.repositories import holds, parents

Writes = Mapping[str, File | None]


class BranchTakenError(ConflictError):
    """The branch of an install's pull request holds what somebody else put there; it is left alone."""

    code = "branch_taken"
    title = "The branch holds something else"


@dataclass(frozen=True)
class _Place:
    """A branch for a revision: ``start`` is where Slipway left it, or where it is to begin."""

    branch: str
    start: str


def propose(repository: Repository, work: Work, writes: Writes, settings: Settings) -> PullRequest:
    """Make the branch, the commit and the pull request, each only where it is not there yet.

    The pull request may be closed or merged: a worker that was killed had opened it, and somebody decided since.
    Raises ``BranchTakenError`` where the branch of this very revision holds something else, or such a pull request
    is not known to propose the revision: whoever may push to the repository can open one from a branch of that name.
    """
    own = _Place(f"slipway/{work.name}-{work.revision_id.hex[:8]}", str(work.evidence["head"]))
    made = repository.find_pull_request(own.branch, str(work.evidence["branch"]))
    if made is not None and made.state is PullRequestState.CLOSED:
        if not _proposes(repository, work, writes, made, settings):
            raise BranchTakenError(
                f"Pull request {made.number} from {own.branch} was decided about and proposes something else. "
                "It is left alone; plan the change again, which gets a branch of its own."
            )
        return made
    before = None if repository.branch(own.branch) else _before(repository, work, writes, settings)
    if isinstance(before, PullRequest):
        return before
    try:
        return _written(repository, work, writes, before or own, settings)
    except BranchMovedError:
        if before is None:
            raise
        return _written(repository, work, writes, own, settings)  # somebody pushed to it just now


def close_previous(repository: Repository, work: Work, present: PullRequest | None) -> None:
    """Close the pull request of a revision that nobody merged, and remove its branch, if both are still Slipway's own.

    ``present`` is the one that took its place, None where there is nothing left to propose.
    """
    number = work.waiting.get("pull_request")
    if number is None or (present is not None and number == present.number):
        return
    try:
        found = repository.pull_request(int(number), work.waiting["branch"])
        if found.state is PullRequestState.OPEN:
            is_ours = found.head_sha == work.waiting["commit"]
            repository.set_comment(found.number, "install", given_way(work, present, is_ours=is_ours))
            if not is_ours:
                return
            repository.change_pull_request(found.number, PullRequestChange(state=PullRequestState.CLOSED))
        repository.delete_branch(work.waiting["branch"], work.waiting["commit"])
    except (PullRequestNotFoundError, BranchMovedError):
        return  # it is gone, or somebody works on it: both are theirs to decide


def _written(repository: Repository, work: Work, writes: Writes, place: _Place, settings: Settings) -> PullRequest:
    head, base = str(work.evidence["head"]), str(work.evidence["branch"])
    known = repository.branch(place.branch)
    if known is None:
        repository.create_branch(place.branch, place.start)
        known = place.start
    if known == place.start:
        changes = {path: None if file is None else FolderEntry(file[0], file[1]) for path, file in writes.items()}
        repository.commit_files(NewCommit(place.branch, place.start, title_of(work), changes, onto=head))
    elif not _is_ours(repository, work, writes, place.start, known, settings):
        raise BranchTakenError(
            f"The branch {place.branch} is there already and holds something else. It is left alone."
        )
    title, text = title_of(work), body_of(work, settings)
    found = repository.open_pull_request(NewPullRequest(title, text, place.branch, base))
    if (found.title, found.body) != (title, text):
        found = repository.change_pull_request(found.number, PullRequestChange(title=title, body=text))
    return found


def _before(repository: Repository, work: Work, writes: Writes, settings: Settings) -> _Place | PullRequest | None:
    """Return the branch of the revision before where its pull request is open and nobody else has pushed to it.

    Where that pull request proposes this revision already and was closed or merged since, it is returned itself.
    """
    number = work.waiting.get("pull_request")
    if number is None:
        return None
    place = _Place(str(work.waiting["branch"]), str(work.waiting["commit"]))
    try:
        found = repository.pull_request(int(number), place.branch)
        if found.base != work.evidence["branch"] or found.branch != place.branch:
            return None
        is_open = found.state is PullRequestState.OPEN and not found.is_merged
        if found.head_sha == place.start:
            return place if is_open else None
        is_ours = _is_ours(repository, work, writes, place.start, found.head_sha, settings)
    except (PullRequestNotFoundError, CommitNotFoundError):
        return None
    return (place if is_open else found) if is_ours else None


def _proposes(repository: Repository, work: Work, writes: Writes, made: PullRequest, settings: Settings) -> bool:
    """Tell whether a pull request that is closed or merged proposed the revision.

    Its commit says so, or, where others went on from that or it is gone, the base branch, which got all that was to
    be written: somebody merged the same.
    """
    start = str(work.evidence["head"])
    try:
        if made.head_sha and _is_ours(repository, work, writes, start, made.head_sha, settings):
            return True
    except CommitNotFoundError:
        pass  # its branch is gone, and its commits with it
    base = repository.branch(made.base) if made.is_merged else None
    return base is not None and holds(repository.mirror(base, 0, settings.data_dir / "repositories"), base, writes)


def _is_ours(repository: Repository, work: Work, writes: Writes, start: str, known: str, settings: Settings) -> bool:
    """Tell whether a commit is just what Slipway would write on top of ``start``: it did, and was then stopped."""
    head = str(work.evidence["head"])
    mirror = repository.mirror(known, 0, settings.data_dir / "repositories")
    above = parents(mirror, known)
    if above[:1] != [start] or not set(above[1:]) <= {head}:
        return False
    return set(repository.changed_paths(head, known)) == set(writes) and holds(mirror, known, writes)

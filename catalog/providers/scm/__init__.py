"""Source code management: where pull requests live, commits come from, and Slipway leaves its signs.

``open_repository`` gives a ``Repository``: everything that can be read and written, the same for each provider. Its
methods may be called from several threads, each is bounded in time, and what they write can be written again: the
second time finds it done. Errors are those of this package and no others.
"""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Protocol, runtime_checkable

from catalog.discovery import discover
from catalog.errors import InvalidInputError
from catalog.providers.scm.errors import (
    BranchMovedError,
    CommitNotFoundError,
    CredentialsRefusedError,
    FileNotInRepositoryError,
    FolderRefusedError,
    MissingRightsError,
    PullRequestNotFoundError,
    RateLimitedError,
    RepositoryMovedError,
    RepositoryNotFoundError,
    RepositoryUnavailableError,
    ScmConflictError,
    TagNotFoundError,
)
from catalog.providers.scm.values import (
    About,
    Access,
    Association,
    Comment,
    Deployment,
    DeploymentState,
    FolderEntry,
    FolderLimits,
    HookAction,
    HookDelivery,
    HookEvent,
    NewCommit,
    NewPullRequest,
    PullRequest,
    PullRequestChange,
    PullRequestState,
    Report,
    ReportState,
    Right,
)
from catalog.settings import Settings

__all__ = [
    "About",
    "Access",
    "Association",
    "BranchMovedError",
    "Comment",
    "CommitNotFoundError",
    "CredentialsRefusedError",
    "Deployment",
    "DeploymentState",
    "FileNotInRepositoryError",
    "FolderEntry",
    "FolderLimits",
    "FolderRefusedError",
    "HookAction",
    "HookDelivery",
    "HookEvent",
    "MissingRightsError",
    "NewCommit",
    "NewPullRequest",
    "PullRequest",
    "PullRequestChange",
    "PullRequestNotFoundError",
    "PullRequestState",
    "RateLimitedError",
    "Report",
    "ReportState",
    "Repository",
    "RepositoryMovedError",
    "RepositoryNotFoundError",
    "RepositoryUnavailableError",
    "Right",
    "ScmConflictError",
    "ScmProvider",
    "TagNotFoundError",
    "normalised",
    "open_repository",
    "provider_for",
    "providers",
]


class Repository(Protocol):
    """One repository, opened. Every write tells ``MissingRightsError`` where the credentials do not allow it."""

    address: str
    """The one spelling under which the repository is recorded."""

    def about(self) -> About:
        """Return what the repository is and what may be done in it."""
        ...

    def resolve(self, ref: str) -> str:
        """Return the full commit id that a branch, a tag or a commit id names; ``CommitNotFoundError`` for none."""
        ...

    def commit(self, revision: str) -> str:
        """Return the full id of the commit that ``revision`` (a full or abbreviated id) names."""
        ...

    def tag(self, name: str) -> str:
        """Return the full id of the commit that a tag names; raise ``TagNotFoundError`` where there is none."""
        ...

    def branch(self, name: str) -> str | None:
        """Return the commit at the head of a branch, or None where there is no such branch."""
        ...

    def read_file(self, path: str, largest: int, ref: str | None = None) -> str:
        """Return a text file at ``ref``, by default the head of the default branch.

        ``largest`` bounds it in bytes; a link is no file. Raises ``FileNotInRepositoryError`` where there is none.
        """
        ...

    def read_folder(self, commit: str, folder: str, limits: FolderLimits) -> Mapping[str, FolderEntry]:
        """Return the files below a folder ("" for all) at a commit, by path within it.

        Raises ``FolderRefusedError`` for links, other repositories inside, and more than ``limits`` allow.
        """
        ...

    def merge_base(self, one: str, other: str) -> str:
        """Return the commit from which two commits went apart; ``CommitNotFoundError`` where they have none."""
        ...

    def changed_paths(self, base: str, head: str) -> tuple[str, ...]:
        """Return the paths that ``head`` changed since its merge base with ``base``, sorted; old and new of a move."""
        ...

    def mirror(self, commit: str, number: int, into: Path) -> Path:
        """Bring ``commit`` into a bare repository below ``into`` and return its path; safe to repeat and to race.

        ``number`` is that of the pull request whose commit it is, because some servers hand it out by that alone.
        """
        ...

    def create_branch(self, name: str, sha: str) -> None:
        """Make a branch at a commit; one that is there already raises ``ScmConflictError`` unless it is at ``sha``."""
        ...

    def delete_branch(self, name: str, expected: str) -> None:
        """Remove a branch that is still at ``expected``, else raise ``BranchMovedError``; one that is gone is fine."""
        ...

    def commit_files(self, new: NewCommit) -> str:
        """Make a commit on a branch and return its id: compare-and-swap, see ``NewCommit``.

        Nothing is committed, and ``expected_parent`` returned, where the files are so already.
        """
        ...

    def pull_request(self, number: int, branch: str | None = None) -> PullRequest:
        """Return the pull request as it is now; ``branch`` helps where the provider keeps no numbers."""
        ...

    def pull_requests(self) -> Sequence[PullRequest]:
        """Return all open pull requests, by number. Complete or an error: what is missing here is closed."""
        ...

    def find_pull_request(self, branch: str, base: str | None = None) -> PullRequest | None:
        """Return the pull request from a branch of this repository: the open one, else the one opened last."""
        ...

    def open_pull_request(self, new: NewPullRequest) -> PullRequest:
        """Open a pull request; the one that is open from that branch to that base already is returned as it is."""
        ...

    def change_pull_request(self, number: int, change: PullRequestChange) -> PullRequest:
        """Change title, body, base or state, and return how it is then; closing leaves the branch alone."""
        ...

    def label(self, number: int, add: frozenset[str] = frozenset(), remove: frozenset[str] = frozenset()) -> None:
        """Put labels on a pull request and take others off; repeating it changes nothing."""
        ...

    def set_comment(self, number: int, marker: str, body: str | None) -> Comment | None:
        """Keep exactly one comment per ``marker`` on a pull request: make it, change it, or (None) remove it.

        The marker (letters, digits, ``-``, ``.``, ``/``) is hidden in the comment; only comments written with these
        credentials count, so that nobody else's comment is ever taken for Slipway's. Surplus ones are removed.
        """
        ...

    def comment_association(self, number: int, comment_id: str) -> Association:
        """Return how the author of a comment stands to the repository, asked of the provider itself."""
        ...

    def set_deployment(self, deployment: Deployment) -> None:
        """Show one deployment per environment name: make it, or bring its state and address up to date."""
        ...

    def remove_deployment(self, environment: str, pull_request: int | None = None) -> None:
        """Let a deployment and the name of its environment vanish; what is not there is fine.

        ``pull_request`` is that of the ``Deployment``.
        """
        ...

    def report(self, sha: str, report: Report) -> None:
        """Say something of a commit, in place of what was said under the same name before."""
        ...


@runtime_checkable
class ScmProvider(Protocol):
    """One kind of source code management."""

    name: str

    def claims(self, repository: str) -> bool:
        """Tell whether an address of a repository is of this provider's kind, wherever its server is."""
        ...

    def normalise(self, repository: str, settings: Settings) -> str:
        """Return the one spelling under which the repository is recorded, without asking any server.

        Raises ``RepositoryNotFoundError`` or ``InvalidInputError`` for what can be none.
        """
        ...

    def open(self, repository: str, access: Access, settings: Settings) -> Repository:
        """Open a repository with credentials; no server is asked until a method is called."""
        ...

    def hook_is_genuine(self, headers: Mapping[str, str], body: bytes, secrets: Sequence[str]) -> bool:
        """Tell, in constant time, whether one of ``secrets`` vouches for a delivery; header names are lower case.

        Any malformed header is simply not genuine. Without secrets nothing is.
        """
        ...

    def parse_hook(self, headers: Mapping[str, str], body: bytes) -> HookDelivery:
        """Read a genuine delivery; raise ``InvalidInputError`` where it is not as the provider writes them.

        Kinds and actions that mean nothing to Slipway give a delivery without events.
        """
        ...


def providers() -> dict[str, ScmProvider]:
    """Return every provider by name."""
    return discover("slipway.providers.scm", "PROVIDER", ScmProvider)


def provider_for(repository: str) -> ScmProvider:
    """Return the provider that claims an address; raise ``InvalidInputError`` where none does."""
    for provider in providers().values():
        if provider.claims(repository):
            return provider
    known = ", ".join(sorted(providers()))
    raise InvalidInputError(f"No provider knows the repository address {repository!r}. Known providers: {known}.")


def normalised(repository: str, settings: Settings) -> str:
    """Return the one spelling of a repository's address; see ``provider_for`` and ``ScmProvider.normalise``."""
    return provider_for(repository).normalise(repository, settings)


def open_repository(repository: str, settings: Settings, access: Access | None = None) -> Repository:
    """Open a repository by its address; without ``access`` as anybody could."""
    provider = provider_for(repository)
    return provider.open(provider.normalise(repository, settings), access or Access(), settings)

"""Source code management: where pull requests live and commits come from."""

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import Protocol, runtime_checkable

from catalog.discovery import discover
from catalog.errors import InvalidInputError, NotFoundError, UnavailableError
from catalog.settings import Settings


class PullRequestState(StrEnum):
    """Whether a pull request is still worked on."""

    OPEN = "open"
    CLOSED = "closed"


@dataclass(frozen=True)
class PullRequest:
    """A pull request as its provider tells it; ``head_sha`` is a full commit id."""

    number: int
    state: PullRequestState
    head_sha: str
    branch: str


class RepositoryNotFoundError(NotFoundError):
    """There is no such repository, or Slipway may not read it."""

    code = "repository_not_found"


class PullRequestNotFoundError(NotFoundError):
    """The repository has no such pull request."""

    code = "pull_request_not_found"


class CommitNotFoundError(NotFoundError):
    """The repository has no such commit."""

    code = "commit_not_found"


class TagNotFoundError(NotFoundError):
    """The repository has no such tag."""

    code = "tag_not_found"


class FileNotInRepositoryError(NotFoundError):
    """The repository has no such file."""

    code = "file_not_in_repository"


class FolderRefusedError(InvalidInputError):
    """A folder of a repository holds what cannot be taken from it."""

    code = "folder_refused"


class RepositoryUnavailableError(UnavailableError):
    """The provider did not answer; nothing is known."""

    code = "repository_unavailable"


@dataclass(frozen=True)
class FolderLimits:
    """How much is read of a folder: sizes in bytes."""

    files: int
    size: int


@dataclass(frozen=True)
class FolderEntry:
    """One file of a folder."""

    content: bytes
    is_executable: bool


@runtime_checkable
class ScmProvider(Protocol):
    """One kind of source code management. Every method raises the errors of this module and no others."""

    name: str

    def claims(self, repository: str) -> bool:
        """Tell whether an address of a repository is of this provider's kind."""
        ...

    def normalise(self, repository: str, settings: Settings) -> str:
        """Return the one spelling under which the repository is recorded."""
        ...

    def pull_request(self, repository: str, number: int, branch: str | None, settings: Settings) -> PullRequest:
        """Return the pull request as it is now; ``branch`` helps where the provider keeps no numbers."""
        ...

    def commit(self, repository: str, revision: str, settings: Settings) -> str:
        """Return the full id of the commit that ``revision`` (a full or abbreviated id) names."""
        ...

    def tag(self, repository: str, name: str, settings: Settings) -> str:
        """Return the full id of the commit that a tag names; raise ``TagNotFoundError`` where there is none."""
        ...

    def read_file(self, repository: str, path: str, settings: Settings, largest: int) -> str:
        """Return a text file at the head of the default branch; raise ``FileNotInRepositoryError`` where none is.

        ``largest`` bounds it in bytes; a link is no file.
        """
        ...

    def read_folder(
        self, repository: str, commit: str, folder: str, settings: Settings, limits: FolderLimits
    ) -> Mapping[str, FolderEntry]:
        """Return the files below a folder ("" for all) at a commit, by path within it.

        Raises ``FolderRefusedError`` for links, other repositories inside, and more than ``limits`` allow.
        """
        ...

    def mirror(self, repository: str, commit: str, pull_request: PullRequest, into: Path, settings: Settings) -> Path:
        """Bring ``commit`` into a bare repository below ``into`` and return its path; safe to repeat and to race."""
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

"""What can go wrong with a repository; adapters raise these errors and no others."""

from catalog.errors import ConflictError, ForbiddenError, InvalidInputError, NotFoundError, UnavailableError


class RepositoryNotFoundError(NotFoundError):
    """There is no such repository, or Slipway may not read it."""

    code = "repository_not_found"


class PullRequestNotFoundError(NotFoundError):
    """The repository has no such pull request."""

    code = "pull_request_not_found"


class CommitNotFoundError(NotFoundError):
    """The repository has no such commit, branch or tag."""

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


class MissingRightsError(ForbiddenError):
    """The credentials are good, but do not allow this; ``right`` names what is missing in the provider's own words."""

    code = "repository_rights_missing"
    title = "The repository does not allow this"

    def __init__(self, detail: str, right: str) -> None:
        super().__init__(detail)
        self.right = right


class ScmConflictError(ConflictError):
    """The repository's state does not allow this: a branch of that name exists, a pull request is open already."""

    code = "repository_conflict"


class BranchMovedError(ScmConflictError):
    """A branch is not where the caller saw it: somebody pushed meanwhile. ``found`` is its commit, None if it is gone.

    Nothing was written. Read the branch again and decide anew.
    """

    code = "branch_moved"

    def __init__(self, detail: str, found: str | None) -> None:
        super().__init__(detail)
        self.found = found


class RepositoryUnavailableError(UnavailableError):
    """The provider did not answer, or not as it should; nothing is known."""

    code = "repository_unavailable"


class RepositoryMovedError(ScmConflictError):
    """The repository was renamed or transferred; ``to`` is its address now. Nothing was written."""

    code = "repository_moved"

    def __init__(self, detail: str, to: str) -> None:
        super().__init__(detail)
        self.to = to


class RateLimitedError(RepositoryUnavailableError):
    """The provider takes no more requests for now; ``retry_after`` is in seconds."""

    code = "repository_rate_limited"

    def __init__(self, detail: str, retry_after: float) -> None:
        super().__init__(detail)
        self.retry_after = retry_after


class CredentialsRefusedError(RepositoryUnavailableError):
    """The provider does not know the credentials: they expired, were revoked, or belong to somewhere else."""

    code = "repository_credentials_refused"

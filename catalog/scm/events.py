"""What happens to connections and to the pull requests of repositories that are followed through them."""

from uuid import UUID

from catalog.events.registry import EventData, event


@event("scm_connection.created", version=1)
class ScmConnectionCreated(EventData):
    """A tenant can reach repositories with credentials of its own."""

    connection_id: UUID
    provider: str
    base_url: str


@event("scm_connection.rotated", version=1)
class ScmConnectionRotated(EventData):
    """A connection has another secret for its hooks, or other credentials."""

    connection_id: UUID
    what: str


@event("scm_connection.removed", version=1)
class ScmConnectionRemoved(EventData):
    """A connection is gone, and the repositories followed through it are followed no longer."""

    connection_id: UUID


@event("scm_repository.followed", version=1)
class ScmRepositoryFollowed(EventData):
    """The pull requests of a repository are looked at from now on."""

    repository_id: UUID
    address: str


@event("scm_hook.received", version=1)
class ScmHookReceived(EventData):
    """A genuine hook asked for a look at a repository."""

    repository_id: UUID
    action: str


@event("pull_request.commented", version=1)
class PullRequestCommented(EventData):
    """Somebody commented on a pull request with what may be a command; who may give it is asked of the provider."""

    repository_id: UUID
    repository: str
    pull_request: int
    comment_id: str
    author: str
    command: str


class PullRequestEvent(EventData):
    """What every event of a pull request says, as the provider listed it."""

    repository_id: UUID
    repository: str
    pull_request: int
    head_sha: str


@event("pull_request.opened", version=1)
class PullRequestOpened(PullRequestEvent):
    """A pull request is open that was not."""

    branch: str
    base: str
    author: str
    is_draft: bool
    is_fork: bool
    is_bot: bool
    labels: tuple[str, ...]


@event("pull_request.synchronized", version=1)
class PullRequestSynchronized(PullRequestEvent):
    """The head of a pull request is another commit, by a push or a force push."""

    before_sha: str


@event("pull_request.changed", version=1)
class PullRequestChanged(PullRequestEvent):
    """Base branch, labels or draft of a pull request are others; ``what`` names which."""

    what: tuple[str, ...]
    base: str
    is_draft: bool
    labels: tuple[str, ...]


@event("pull_request.closed", version=1)
class PullRequestClosed(PullRequestEvent):
    """A pull request is open no longer, merged or not."""

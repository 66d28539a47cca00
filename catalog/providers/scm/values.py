"""What is said about repositories, pull requests and what stands beside them, the same for every provider."""

from dataclasses import dataclass, field
from enum import StrEnum


class PullRequestState(StrEnum):
    """Whether a pull request is still worked on."""

    OPEN = "open"
    CLOSED = "closed"


class Association(StrEnum):
    """How somebody stands to a repository, strongest first. The words are GitHub's; others are mapped to them."""

    OWNER = "owner"
    MEMBER = "member"
    COLLABORATOR = "collaborator"
    CONTRIBUTOR = "contributor"
    FIRST_TIME_CONTRIBUTOR = "first_time_contributor"
    NONE = "none"

    @property
    def is_trusted(self) -> bool:
        """Tell whether the repository's owners gave this person a part in it, rather than anybody who came by."""
        return self in {Association.OWNER, Association.MEMBER, Association.COLLABORATOR}


@dataclass(frozen=True)
class PullRequest:
    """A pull request as its provider tells it; ``head_sha`` is a full commit id.

    ``branch`` is where it comes from and ``base`` where it goes to. ``is_fork`` is true as well where the repository
    it comes from is gone. ``association`` is the author's.
    """

    number: int
    state: PullRequestState
    head_sha: str
    branch: str
    title: str = ""
    body: str = ""
    base: str = ""
    author: str = ""
    association: Association = Association.NONE
    labels: frozenset[str] = frozenset()
    is_draft: bool = False
    is_bot: bool = False
    is_fork: bool = False
    is_merged: bool = False
    url: str = ""


@dataclass(frozen=True)
class FolderLimits:
    """How much is read of a folder: sizes in bytes."""

    files: int
    size: int


@dataclass(frozen=True)
class FolderEntry:
    """One file of a folder."""

    content: bytes
    is_executable: bool = False


@dataclass(frozen=True)
class NewCommit:
    """A commit to be made on a branch: ``changes`` by path, None for a file that is to go.

    ``expected_parent`` is the branch's commit as the caller saw it: were it another one by now, because somebody
    pushed or force-pushed, nothing is written and ``BranchMovedError`` tells what was found.

    ``onto`` is the commit whose files are changed where those are not the branch's own: it becomes a second parent
    unless the branch holds it already, so that the branch takes up what happened elsewhere and nobody's work is lost.
    """

    branch: str
    expected_parent: str
    message: str
    changes: dict[str, FolderEntry | None]
    onto: str | None = None


@dataclass(frozen=True)
class NewPullRequest:
    """A pull request to be opened from ``branch`` to ``base`` of the same repository."""

    title: str
    body: str
    branch: str
    base: str
    is_draft: bool = False
    labels: frozenset[str] = frozenset()


@dataclass(frozen=True)
class PullRequestChange:
    """What is to be different about a pull request; None leaves a thing as it is."""

    title: str | None = None
    body: str | None = None
    base: str | None = None
    state: PullRequestState | None = None


@dataclass(frozen=True)
class Comment:
    """A comment on a pull request; ``id`` is the provider's."""

    id: str
    body: str
    author: str = ""
    url: str = ""


class DeploymentState(StrEnum):
    """How far a deployment is. ``inactive`` means that nothing of it is there any more."""

    QUEUED = "queued"
    IN_PROGRESS = "in_progress"
    SUCCESS = "success"
    FAILURE = "failure"
    INACTIVE = "inactive"


@dataclass(frozen=True)
class Deployment:
    """What a repository shows of a place where a commit runs; ``environment`` names the place, ``url`` leads there.

    ``pull_request`` is the one it is made for: Azure DevOps shows it there, and nothing of it without one.
    """

    environment: str
    sha: str
    state: DeploymentState
    url: str = ""
    description: str = ""
    log_url: str = ""
    pull_request: int | None = None


class ReportState(StrEnum):
    """What a report about a commit says."""

    PENDING = "pending"
    SUCCESS = "success"
    FAILURE = "failure"
    NEUTRAL = "neutral"


@dataclass(frozen=True)
class Report:
    """What Slipway says of a commit, one per ``name``: a check run where a provider has them, else a commit status.

    ``summary`` is one line of at most 140 characters, ``details`` is Markdown for those who look closer.
    """

    name: str
    state: ReportState
    summary: str
    details: str = ""
    url: str = ""


class Right(StrEnum):
    """What a connection may be allowed to do in a repository."""

    READ = "read"
    PUSH = "push"
    PULL_REQUESTS = "pull_requests"
    DEPLOYMENTS = "deployments"
    STATUSES = "statuses"
    ENVIRONMENTS = "environments"
    WORKFLOWS = "workflows"


@dataclass(frozen=True)
class About:
    """What a repository is; ``missing`` says of each right that is not given what would give it."""

    address: str
    default_branch: str
    url: str = ""
    is_archived: bool = False
    rights: frozenset[Right] = frozenset(Right)
    missing: dict[Right, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Access:
    """With what a repository is opened: the address of the server, and credentials as the provider names them.

    GitHub: ``token``, or ``app_id``, ``private_key`` and ``installation_id``. Azure DevOps: ``token``, or
    ``directory_id``, ``client_id`` and ``client_secret`` of a service principal. Never logged.
    """

    base_url: str = ""
    credentials: dict[str, str] = field(default_factory=dict, repr=False)


class HookAction(StrEnum):
    """What a hook says happened. It hastens a look at the repository and decides nothing."""

    OPENED = "opened"
    SYNCHRONIZED = "synchronized"
    CLOSED = "closed"
    LABELLED = "labelled"
    EDITED = "edited"
    PUSHED = "pushed"
    COMMENTED = "commented"
    REPOSITORY_CHANGED = "repository_changed"


@dataclass(frozen=True)
class HookEvent:
    """One thing that a hook tells; ``repository`` is spelled as ``normalise`` would.

    ``comment`` and ``association`` are those of a comment's author; ``branch`` is that of a push.
    """

    repository: str
    action: HookAction
    pull_request: int | None = None
    head_sha: str | None = None
    branch: str = ""
    author: str = ""
    association: Association = Association.NONE
    is_bot: bool = False
    comment: str = ""
    comment_id: str = ""


@dataclass(frozen=True)
class HookDelivery:
    """A delivery of a provider: ``id`` is the same when it is delivered again; events of no interest are left out."""

    id: str
    kind: str
    events: tuple[HookEvent, ...] = ()

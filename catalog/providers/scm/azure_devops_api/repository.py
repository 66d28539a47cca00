"""One repository on Azure DevOps, opened."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from catalog.providers.scm.azure_devops_api.addresses import Place, place_of
from catalog.providers.scm.azure_devops_api.client import AzureError, Client
from catalog.providers.scm.azure_devops_api.contents import Contents
from catalog.providers.scm.azure_devops_api.people import People
from catalog.providers.scm.azure_devops_api.pulls import Pulls
from catalog.providers.scm.errors import RepositoryMovedError, RepositoryNotFoundError
from catalog.providers.scm.values import (
    About,
    Association,
    Comment,
    Deployment,
    DeploymentState,
    FolderEntry,
    FolderLimits,
    NewCommit,
    NewPullRequest,
    PullRequest,
    PullRequestChange,
    Report,
    ReportState,
    Right,
)

_GENRE = "slipway"
_LONGEST = 140
_STATES = {
    DeploymentState.QUEUED: "pending",
    DeploymentState.IN_PROGRESS: "pending",
    DeploymentState.SUCCESS: "succeeded",
    DeploymentState.FAILURE: "failed",
    DeploymentState.INACTIVE: "notApplicable",
}
_REPORTED = {
    ReportState.PENDING: "pending",
    ReportState.SUCCESS: "succeeded",
    ReportState.FAILURE: "failed",
    ReportState.NEUTRAL: "notApplicable",
}


class AzureDevOpsRepository:
    """See ``Repository``."""

    def __init__(self, client: Client, place: Place, people: People, kept: Path) -> None:
        self.address = place.address
        self._client = client
        self._place = place
        self._people = people
        self._contents = Contents(client, place, kept)
        self._pulls = Pulls(client, place, people)

    def about(self) -> About:
        """See ``Repository``; raises ``RepositoryMovedError`` where Azure DevOps has it under another name now."""
        data = self._data()
        now_at = place_of(f"{self._place.root}/{data['project']['name']}/_git/{data['name']}").address
        if now_at != self.address:
            raise RepositoryMovedError(f"{self.address} is {now_at} now.", now_at)
        missing = self._people.missing(data)
        branch = str(data.get("defaultBranch", "")).removeprefix("refs/heads/")
        rights = frozenset(Right) - frozenset(missing)
        return About(self.address, branch, data.get("webUrl", ""), bool(data.get("isDisabled")), rights, missing)

    def resolve(self, ref: str) -> str:
        """See ``Repository``."""
        return self._contents.resolve(ref)

    def commit(self, revision: str) -> str:
        """See ``Repository``."""
        return self._contents.commit(revision)

    def tag(self, name: str) -> str:
        """See ``Repository``."""
        return self._contents.tag(name)

    def branch(self, name: str) -> str | None:
        """See ``Repository``."""
        return self._contents.branch(name)

    def read_file(self, path: str, largest: int, ref: str | None = None) -> str:
        """See ``Repository``."""
        if ref is None:
            branch = str(self._data().get("defaultBranch", "")).removeprefix("refs/heads/")
            return self._contents.read_file(path, largest, self.resolve(branch), "its default branch")
        return self._contents.read_file(path, largest, self.resolve(ref), ref[:100])

    def read_folder(self, commit: str, folder: str, limits: FolderLimits) -> Mapping[str, FolderEntry]:
        """See ``Repository``."""
        return self._contents.read_folder(commit, folder, limits)

    def merge_base(self, one: str, other: str) -> str:
        """See ``Repository``."""
        return self._contents.merge_base(one, other)

    def changed_paths(self, base: str, head: str) -> tuple[str, ...]:
        """See ``Repository``."""
        return self._contents.changed_paths(base, head)

    def mirror(self, commit: str, number: int, into: Path) -> Path:
        """See ``Repository``; commits of forks are reachable by ``refs/pull``, and so handed out by their ids, too."""
        del number
        return self._contents.mirror(commit, into)

    def create_branch(self, name: str, sha: str) -> None:
        """See ``Repository``."""
        self._contents.create_branch(name, sha)

    def delete_branch(self, name: str, expected: str) -> None:
        """See ``Repository``."""
        self._contents.delete_branch(name, expected)

    def commit_files(self, new: NewCommit) -> str:
        """See ``Repository``."""
        return self._contents.commit_files(new)

    def pull_request(self, number: int, branch: str | None = None) -> PullRequest:
        """See ``Repository``."""
        del branch
        return self._pulls.get(number)

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
        return self._pulls.change(number, change)

    def label(self, number: int, add: frozenset[str] = frozenset(), remove: frozenset[str] = frozenset()) -> None:
        """See ``Repository``."""
        self._pulls.label(number, add, remove)

    def set_comment(self, number: int, marker: str, body: str | None) -> Comment | None:
        """See ``Repository``."""
        return self._pulls.set_comment(number, marker, body)

    def comment_association(self, number: int, comment_id: str) -> Association:
        """See ``Repository``."""
        return self._pulls.comment_association(number, comment_id)

    def set_deployment(self, deployment: Deployment) -> None:
        """See ``Repository``: a status on the pull request, because Azure DevOps shows no deployments of others."""
        if deployment.pull_request is None:
            return
        status = {
            "state": _STATES[deployment.state],
            "description": deployment.description[:_LONGEST],
            "context": {"genre": _GENRE, "name": deployment.environment},
        }
        url = deployment.url or deployment.log_url
        self._pulls.set_status(deployment.pull_request, status | ({"targetUrl": url} if url else {}))

    def remove_deployment(self, environment: str, pull_request: int | None = None) -> None:
        """See ``Repository``."""
        if pull_request is not None:
            self._pulls.remove_status(pull_request, {"genre": _GENRE, "name": environment})

    def report(self, sha: str, report: Report) -> None:
        """See ``Repository``: a status of the commit, of which Azure DevOps shows the last of each name."""
        genre, _, name = report.name.rpartition("/")
        body: dict[str, Any] = {
            "state": _REPORTED[report.state],
            "description": report.summary[:_LONGEST],
            "context": {"genre": genre or _GENRE, "name": name},
        }
        body |= {"targetUrl": report.url} if report.url else {}
        self._client.send("POST", f"{self._place.api}/commits/{self.commit(sha)}/statuses", body)

    def _data(self) -> Mapping[str, Any]:
        try:
            data: Mapping[str, Any] = self._client.get(self._place.api)
        except AzureError as error:
            where = f"There is no {self.address} on Azure DevOps, or these credentials may not see it"
            raise RepositoryNotFoundError(f"{where}: {error.message}") from None
        return data

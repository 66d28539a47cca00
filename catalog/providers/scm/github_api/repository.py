"""One repository on GitHub, opened."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from catalog.providers.scm.errors import (
    CommitNotFoundError,
    MissingRightsError,
    RepositoryMovedError,
    RepositoryNotFoundError,
)
from catalog.providers.scm.github_api.client import Client, GitHubError, path_of
from catalog.providers.scm.github_api.contents import Contents
from catalog.providers.scm.github_api.pulls import Pulls
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

_TASK = "slipway"
_LONGEST = 140
_CHECK = {
    ReportState.PENDING: {"status": "in_progress"},
    ReportState.SUCCESS: {"status": "completed", "conclusion": "success"},
    ReportState.FAILURE: {"status": "completed", "conclusion": "failure"},
    ReportState.NEUTRAL: {"status": "completed", "conclusion": "neutral"},
}
_APP_RIGHTS = {
    Right.READ: ("contents", "read"),
    Right.PUSH: ("contents", "write"),
    Right.PULL_REQUESTS: ("pull_requests", "write"),
    Right.DEPLOYMENTS: ("deployments", "write"),
    Right.STATUSES: ("checks", "write"),
    Right.ENVIRONMENTS: ("administration", "write"),
    Right.WORKFLOWS: ("workflows", "write"),
}


class GitHubRepository:
    """See ``Repository``; ``address`` is normalised."""

    def __init__(self, client: Client, address: str) -> None:
        self.address = address
        self._owner, self._name = address.rsplit("/", 2)[1:]
        self._client = client
        self._base = "/repos" + path_of(self._owner, self._name)
        self._contents = Contents(client, address, self._base, f"{address}.git")
        self._pulls = Pulls(client, address, self._base, self._owner)

    def about(self) -> About:
        """See ``Repository``; raises ``RepositoryMovedError`` where GitHub has it under another name now."""
        data = self._data()
        if data["full_name"].lower() != f"{self._owner}/{self._name}":
            to = f"{self.address.rsplit('/', 2)[0]}/{data['full_name'].lower()}"
            raise RepositoryMovedError(f"{self.address} is {to} now.", to)
        rights, missing = self._rights(data)
        return About(self.address, data["default_branch"], data["html_url"], data["archived"], rights, missing)

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
            branch = self._data()["default_branch"]
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
        """See ``Repository``; GitHub hands out the commits of pull requests from forks by their ids, too."""
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
        try:
            return self._pulls.opened()
        except GitHubError as error:
            raise RepositoryNotFoundError(f"There is no {self.address} on GitHub: {error.message}") from None

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
        """See ``Repository``; a deployment of another commit to the same environment gives way to this one."""
        present = self._deployments(deployment.environment)
        same = [each for each in present if each["sha"] == deployment.sha]
        current = same[0] if same else self._new_deployment(deployment)
        status: dict[str, Any] = {"state": deployment.state.value, "auto_inactive": True}
        status["description"] = deployment.description[:_LONGEST]
        status |= {"environment_url": deployment.url} if deployment.url else {}
        status |= {"log_url": deployment.log_url} if deployment.log_url else {}
        url = f"{self._base}/deployments/{current['id']}/statuses"
        last = self._client.get(url, {"per_page": 1})
        if not last or any(last[0].get(name) != value for name, value in status.items() if name != "auto_inactive"):
            self._client.send("POST", url, status)
        for other in present:
            if other["id"] != current["id"]:
                self._remove(other["id"])

    def remove_deployment(self, environment: str, pull_request: int | None = None) -> None:
        """See ``Repository``; the name of an environment takes the right to administer the repository."""
        del pull_request
        for each in self._deployments(environment):
            self._remove(each["id"])
        url = f"{self._base}/environments{path_of(environment)}"
        try:
            self._client.get(url)
        except GitHubError:
            return
        try:
            self._client.send("DELETE", url)
        except GitHubError:  # GitHub hides from those who may not administer that there is something to delete
            detail = f"GitHub keeps the environment name {environment}: removing it takes 'administration: write'."
            raise MissingRightsError(detail, "administration=write") from None

    def report(self, sha: str, report: Report) -> None:
        """See ``Repository``; check runs are for GitHub Apps alone, a token leaves a commit status."""
        commit = self.commit(sha)
        if not self._client.is_app:
            state = "success" if report.state is ReportState.NEUTRAL else report.state.value
            body = {"state": state, "context": report.name, "description": report.summary[:_LONGEST]}
            body |= {"target_url": report.url} if report.url else {}
            self._client.send("POST", f"{self._base}/statuses/{commit}", body)
            return
        asked = {"check_name": report.name, "app_id": self._client.app_id()}
        present = self._client.every(f"{self._base}/commits/{commit}/check-runs", asked, "check_runs")
        body = {"name": report.name, **_CHECK[report.state]}
        body |= {"details_url": report.url} if report.url else {}
        output = {"title": report.summary[:_LONGEST], "summary": report.details or report.summary}
        if present:
            self._client.send("PATCH", f"{self._base}/check-runs/{present[0]['id']}", {**body, "output": output})
        else:
            self._client.send("POST", f"{self._base}/check-runs", {**body, "head_sha": commit, "output": output})

    def _data(self) -> Mapping[str, Any]:
        try:
            data: Mapping[str, Any] = self._client.get(self._base)
        except GitHubError as error:
            detail = f"There is no {self.address} on GitHub, or these credentials may not see it: {error.message}"
            raise RepositoryNotFoundError(detail) from None
        return data

    def _rights(self, data: Mapping[str, Any]) -> tuple[frozenset[Right], dict[Right, str]]:
        given = self._client.permissions()
        if given is not None:
            levels = {"read": 1, "write": 2, "admin": 3}
            missing = {
                right: f"Give the GitHub App the permission '{name}: {level}'."
                for right, (name, level) in _APP_RIGHTS.items()
                if levels.get(given.get(name, ""), 0) < levels[level]
            }
        else:
            may = data.get("permissions") or {}
            needed = dict.fromkeys(Right, "push") | {Right.READ: "pull", Right.ENVIRONMENTS: "admin"}
            missing = {
                right: f"The token's owner needs the right '{name}' in the repository."
                for right, name in needed.items()
                if not may.get(name, right is Right.READ)
            }
        return frozenset(Right) - frozenset(missing), missing

    def _deployments(self, environment: str) -> list[Any]:
        return self._client.every(f"{self._base}/deployments", {"environment": environment, "task": _TASK})

    def _new_deployment(self, deployment: Deployment) -> Any:
        body = {
            "ref": deployment.sha,
            "task": _TASK,
            "auto_merge": False,
            "required_contexts": [],
            "environment": deployment.environment,
            "description": deployment.description[:_LONGEST],
            "transient_environment": True,
            "production_environment": False,
        }
        try:
            return self._client.send("POST", f"{self._base}/deployments", body)
        except GitHubError as error:
            raise CommitNotFoundError(f"GitHub deploys no {deployment.sha[:12]}: {error.message}") from None

    def _remove(self, deployment_id: int) -> None:
        url = f"{self._base}/deployments/{deployment_id}"
        try:
            # GitHub deletes no active deployment.
            self._client.send("POST", f"{url}/statuses", {"state": DeploymentState.INACTIVE.value})
            self._client.send("DELETE", url)
        except GitHubError as error:
            if error.answered != 404:
                raise

"""Pull requests on GitHub and what stands on them: labels and comments."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

from catalog.providers.scm.changes import hidden_marker
from catalog.providers.scm.errors import MissingRightsError, PullRequestNotFoundError, ScmConflictError
from catalog.providers.scm.github_api.client import Client, GitHubError, path_of
from catalog.providers.scm.github_api.hooks import association
from catalog.providers.scm.values import (
    Association,
    Comment,
    NewPullRequest,
    PullRequest,
    PullRequestChange,
    PullRequestState,
)

_WRITES = frozenset({"admin", "write"})
"""What GitHub calls the rights of those who may push: a role such as ``maintain`` counts as ``write`` there."""


class Pulls:
    """The pull requests of one repository; ``owner`` is whom it belongs to."""

    def __init__(self, client: Client, address: str, base: str, owner: str) -> None:
        self._client = client
        self._address = address
        self._base = base
        self._owner = owner

    def get(self, number: int) -> PullRequest:
        """See ``Repository.pull_request``."""
        try:
            found = described(self._client.get(f"{self._base}/pulls/{number}"))
        except GitHubError:
            raise self._missing(number) from None
        return self._weighed(found)

    def opened(self) -> Sequence[PullRequest]:
        """See ``Repository.pull_requests``."""
        listed = self._client.every(f"{self._base}/pulls", {"state": "open", "sort": "created", "direction": "asc"})
        # The list moves while it is read page by page: what is seen twice counts once.
        found = {each.number: each for each in map(described, listed)}
        return [self._weighed(found[number]) for number in sorted(found)]

    def find(self, branch: str, base: str | None) -> PullRequest | None:
        """See ``Repository.find_pull_request``."""
        asked = {"head": f"{self._owner}:{branch}", "state": "all", **({"base": base} if base else {})}
        listed = [described(each) for each in self._client.every(f"{self._base}/pulls", asked)]
        own = [each for each in listed if each.branch == branch and not each.is_fork]
        return max(own, key=lambda each: (each.state is PullRequestState.OPEN, each.number), default=None)

    def open(self, new: NewPullRequest) -> PullRequest:
        """See ``Repository.open_pull_request``."""
        present = self.find(new.branch, new.base)
        if present is not None and present.state is PullRequestState.OPEN:
            return present
        body = {
            "title": new.title,
            "body": new.body,
            "head": new.branch,
            "base": new.base,
            "draft": new.is_draft,
        }
        try:
            made = described(self._client.send("POST", f"{self._base}/pulls", body))
        except GitHubError as error:
            raise ScmConflictError(f"GitHub opens no pull request from {new.branch}: {error.message}") from None
        if new.labels:
            self.label(made.number, new.labels, frozenset())
            return self.get(made.number)
        return made

    def change(self, number: int, change: PullRequestChange) -> PullRequest:
        """See ``Repository.change_pull_request``."""
        wanted = {"title": change.title, "body": change.body, "base": change.base, "state": change.state}
        body = {name: value for name, value in wanted.items() if value is not None}
        try:
            return described(self._client.send("PATCH", f"{self._base}/pulls/{number}", body))
        except GitHubError as error:
            if error.answered == 404:
                raise self._missing(number) from None
            raise ScmConflictError(f"GitHub does not change pull request {number}: {error.message}") from None

    def label(self, number: int, add: frozenset[str], remove: frozenset[str]) -> None:
        """See ``Repository.label``."""
        labels = self.get(number).labels
        if add - labels:
            self._client.send("POST", f"{self._base}/issues/{number}/labels", {"labels": sorted(add - labels)})
        for name in sorted(remove & labels):
            try:
                self._client.send("DELETE", f"{self._base}/issues/{number}/labels{path_of(name)}")
            except GitHubError as error:
                if error.answered != 404:
                    raise

    def set_comment(self, number: int, marker: str, body: str | None) -> Comment | None:
        """See ``Repository.set_comment``."""
        hidden = hidden_marker(marker)
        try:
            listed = self._client.every(f"{self._base}/issues/{number}/comments")
        except GitHubError:
            raise self._missing(number) from None
        me = self._client.me()
        own = [each for each in listed if hidden in (each["body"] or "") and _login(each) == me]
        for surplus in own if body is None else own[1:]:
            self._remove_comment(surplus["id"])
        if body is None:
            return None
        text = f"{body}\n\n{hidden}"
        if not own:
            made = self._client.send("POST", f"{self._base}/issues/{number}/comments", {"body": text})
        elif own[0]["body"] == text:
            made = own[0]
        else:
            made = self._client.send("PATCH", f"{self._base}/issues/comments/{own[0]['id']}", {"body": text})
        return Comment(str(made["id"]), made["body"], _login(made), made["html_url"])

    def comment_association(self, number: int, comment_id: str) -> Association:
        """See ``Repository.comment_association``."""
        try:
            found = self._client.get(f"{self._base}/issues/comments/{int(comment_id)}")
        except (GitHubError, ValueError):
            return Association.NONE
        if not str(found["issue_url"]).endswith(f"/issues/{number}"):
            return Association.NONE
        return self._standing(_login(found), association(found["author_association"]))

    def _weighed(self, pull: PullRequest) -> PullRequest:
        """Return a pull request; of a fork's author GitHub is asked what he may, because commits run by his word."""
        if not pull.is_fork:
            return pull  # whoever has a branch in the repository itself may write to it
        return replace(pull, association=self._standing(pull.author, pull.association))

    def _standing(self, login: str, told: Association) -> Association:
        """Return how somebody stands, with a part in the repository only where he may write to it.

        GitHub calls every member of an organisation one, also of what he may only read, and every collaborator so
        ("Get repository permissions for a user").
        """
        if not told.is_trusted:
            return told
        try:
            found = self._client.get(f"{self._base}/collaborators{path_of(login)}/permission")
        except (GitHubError, MissingRightsError):
            return Association.CONTRIBUTOR
        return told if found["permission"] in _WRITES else Association.CONTRIBUTOR

    def _remove_comment(self, comment_id: int) -> None:
        try:
            self._client.send("DELETE", f"{self._base}/issues/comments/{comment_id}")
        except GitHubError as error:
            if error.answered != 404:
                raise

    def _missing(self, number: int) -> PullRequestNotFoundError:
        return PullRequestNotFoundError(f"{self._address} has no pull request {number}.")


def described(data: Mapping[str, Any]) -> PullRequest:
    """Return what GitHub says of a pull request, whether by itself, in a list or in a hook."""
    head, base = data["head"], data["base"]
    source = head.get("repo")
    return PullRequest(
        number=data["number"],
        state=PullRequestState(data["state"]),
        head_sha=head["sha"],
        branch=head["ref"],
        title=data["title"],
        body=data.get("body") or "",
        base=base["ref"],
        author=_login(data),
        association=association(data.get("author_association")),
        labels=frozenset(str(each["name"]) for each in data.get("labels", ())),
        is_draft=bool(data.get("draft")),
        is_bot=(data.get("user") or {}).get("type") == "Bot",
        is_fork=source is None or source["full_name"].lower() != base["repo"]["full_name"].lower(),
        is_merged=bool(data.get("merged_at")),
        url=data.get("html_url", ""),
    )


def _login(data: Mapping[str, Any]) -> str:
    return str((data.get("user") or {}).get("login", ""))

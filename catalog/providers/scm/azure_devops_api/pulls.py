"""Pull requests on Azure DevOps and what stands on them: labels, comments in threads, statuses."""

import re
from collections.abc import Mapping, Sequence
from typing import Any
from urllib.parse import quote

from catalog.providers.scm.azure_devops_api.addresses import Place
from catalog.providers.scm.azure_devops_api.client import AzureError, Client
from catalog.providers.scm.azure_devops_api.people import People, is_bot, name_of
from catalog.providers.scm.changes import hidden_marker
from catalog.providers.scm.errors import (
    PullRequestNotFoundError,
    RepositoryNotFoundError,
    RepositoryUnavailableError,
    ScmConflictError,
)
from catalog.providers.scm.values import (
    Association,
    Comment,
    NewPullRequest,
    PullRequest,
    PullRequestChange,
    PullRequestState,
)

_PAGE = 100
_LISTINGS = 3
_LONGEST_TITLE = 400
_LONGEST_BODY = 4000
_HEADS = "refs/heads/"
_COMMENT_ID = re.compile(r"(\d{1,10})/(\d{1,10})")


class Pulls:
    """The pull requests of one repository."""

    def __init__(self, client: Client, place: Place, people: People) -> None:
        self._client = client
        self._place = place
        self._people = people
        self._base = f"{place.api}/pullrequests"

    def get(self, number: int) -> PullRequest:
        """See ``Repository.pull_request``."""
        try:
            return self._described(self._client.get(f"{self._base}/{number}"))
        except AzureError:
            raise self._missing(number) from None

    def opened(self) -> Sequence[PullRequest]:
        """See ``Repository.pull_requests``."""
        try:
            listed = self._listed({"searchCriteria.status": "active"})
        except AzureError as error:
            detail = f"There is no {self._place.address} on Azure DevOps: {error.message}"
            raise RepositoryNotFoundError(detail) from None
        found = {each.number: each for each in map(self._described, listed)}
        return [found[number] for number in sorted(found)]

    def find(self, branch: str, base: str | None) -> PullRequest | None:
        """See ``Repository.find_pull_request``; a list cuts what was written, so the one found is asked for again."""
        asked = {"searchCriteria.status": "all", "searchCriteria.sourceRefName": f"{_HEADS}{branch}"}
        asked |= {"searchCriteria.targetRefName": f"{_HEADS}{base}"} if base else {}
        own = [each for each in self._listed(asked) if not each.get("forkSource")]
        last = max(own, key=lambda each: (each["status"] == "active", each["pullRequestId"]), default=None)
        return None if last is None else self.get(last["pullRequestId"])

    def open(self, new: NewPullRequest) -> PullRequest:
        """See ``Repository.open_pull_request``."""
        present = self.find(new.branch, new.base)
        if present is not None and present.state is PullRequestState.OPEN:
            return present
        body = {
            "title": new.title[:_LONGEST_TITLE],
            "description": _cut(new.body),
            "sourceRefName": f"{_HEADS}{new.branch}",
            "targetRefName": f"{_HEADS}{new.base}",
            "isDraft": new.is_draft,
        }
        try:
            made = self._client.send("POST", self._base, body)
        except AzureError as error:
            detail = f"Azure DevOps opens no pull request from {new.branch}: {error.message}"
            raise ScmConflictError(detail) from None
        if new.labels:
            self.label(made["pullRequestId"], new.labels, frozenset())
        return self.get(made["pullRequestId"])

    def change(self, number: int, change: PullRequestChange) -> PullRequest:
        """See ``Repository.change_pull_request``; closing abandons, and only what was abandoned opens again."""
        body: dict[str, Any] = {}
        body |= {"title": change.title[:_LONGEST_TITLE]} if change.title is not None else {}
        body |= {"description": _cut(change.body)} if change.body is not None else {}
        body |= {"targetRefName": f"{_HEADS}{change.base}"} if change.base is not None else {}
        if change.state is not None and change.state is not self.get(number).state:
            body["status"] = "active" if change.state is PullRequestState.OPEN else "abandoned"
        try:
            if body:
                self._client.send("PATCH", f"{self._base}/{number}", body)
        except AzureError as error:
            if error.answered == 404:
                raise self._missing(number) from None
            raise ScmConflictError(f"Azure DevOps does not change pull request {number}: {error.message}") from None
        return self.get(number)

    def label(self, number: int, add: frozenset[str], remove: frozenset[str]) -> None:
        """See ``Repository.label``."""
        labels, url = self.get(number).labels, f"{self._place.api}/pullRequests/{number}/labels"
        for name in sorted(add - labels):
            self._client.send("POST", url, {"name": name})
        for name in sorted(remove & labels):
            self._remove(f"{url}/{quote(name, safe='')}")

    def set_comment(self, number: int, marker: str, body: str | None) -> Comment | None:
        """See ``Repository.set_comment``; a thread of its own, closed, so that no policy waits for an answer to it."""
        hidden, threads = hidden_marker(marker), f"{self._place.api}/pullRequests/{number}/threads"
        try:
            listed = self._client.get(threads)["value"]
        except AzureError:
            raise self._missing(number) from None
        me = self._client.me(self._place.root)
        own = [
            (thread["id"], comment)
            for thread in listed
            for comment in thread.get("comments", ())
            if not (thread.get("isDeleted") or comment.get("isDeleted"))
            and hidden in (comment.get("content") or "")
            and comment["author"]["id"] == me
        ]
        for thread, surplus in own if body is None else own[1:]:
            self._remove(f"{threads}/{thread}/comments/{surplus['id']}")
        if body is None:
            return None
        text = f"{body}\n\n{hidden}"
        if not own:
            comment = {"parentCommentId": 0, "content": text, "commentType": "text"}
            made = self._client.send("POST", threads, {"comments": [comment], "status": "closed"})
            thread, kept = made["id"], made["comments"][0]
        else:
            thread, kept = own[0]
            if kept["content"] != text:
                kept = self._client.send("PATCH", f"{threads}/{thread}/comments/{kept['id']}", {"content": text})
        url = f"{self._place.address}/pullrequest/{number}?discussionId={thread}"
        return Comment(f"{thread}/{kept['id']}", kept["content"], name_of(kept["author"]), url)

    def comment_association(self, number: int, comment_id: str) -> Association:
        """See ``Repository.comment_association``; an id is that of the thread and that within it."""
        match = _COMMENT_ID.fullmatch(comment_id)
        if match is None:
            return Association.NONE
        threads = f"{self._place.api}/pullRequests/{number}/threads"
        try:
            found = self._client.get(f"{threads}/{match[1]}/comments/{match[2]}")
        except AzureError:
            return Association.NONE
        return Association.NONE if found.get("isDeleted") else self._people.association(found["author"])

    def set_status(self, number: int, status: Mapping[str, Any]) -> None:
        """Keep exactly one status of a context on a pull request; Azure DevOps would keep every one ever made."""
        url = f"{self._place.api}/pullRequests/{number}/statuses"
        present = self._statuses(number, status["context"])
        last = present[-1] if present else None
        said = last is not None and all(last.get(name) == value for name, value in status.items() if name != "context")
        if not said:
            self._client.send("POST", url, status)
        for old in present[:-1] if said else present:
            self._remove(f"{url}/{old['id']}")

    def remove_status(self, number: int, context: Mapping[str, str]) -> None:
        """Take the statuses of a context from a pull request."""
        for each in self._statuses(number, context):
            self._remove(f"{self._place.api}/pullRequests/{number}/statuses/{each['id']}")

    def _statuses(self, number: int, context: Mapping[str, str]) -> list[Any]:
        try:
            listed = self._client.get(f"{self._place.api}/pullRequests/{number}/statuses")["value"]
        except AzureError:
            raise self._missing(number) from None
        same = [each for each in listed if {name: each["context"].get(name) for name in context} == context]
        return sorted(same, key=lambda each: each["id"])

    def _listed(self, asked: Mapping[str, str]) -> list[Any]:
        """Return a whole list. Pages overlap by one, which shows where the list moved while it was read."""
        for _ in range(_LISTINGS):
            found: list[Any] = []
            while True:
                skipped = max(0, len(found) - 1)
                page = self._client.get(self._base, {**asked, "$top": _PAGE, "$skip": skipped})["value"]
                if found and [each["pullRequestId"] for each in page[:1]] != [found[-1]["pullRequestId"]]:
                    break
                found += page[1:] if found else page
                if len(page) < _PAGE:
                    return found
        raise RepositoryUnavailableError(f"The pull requests of {self._place.address} changed while they were read.")

    def _described(self, data: Mapping[str, Any]) -> PullRequest:
        author = data.get("createdBy")
        state = PullRequestState.OPEN if data["status"] == "active" else PullRequestState.CLOSED
        return PullRequest(
            number=data["pullRequestId"],
            state=state,
            head_sha=(data.get("lastMergeSourceCommit") or {}).get("commitId", ""),
            branch=str(data["sourceRefName"]).removeprefix(_HEADS),
            title=data["title"],
            body=data.get("description") or "",
            base=str(data["targetRefName"]).removeprefix(_HEADS),
            author=name_of(author),
            association=self._people.association(author),
            labels=frozenset(str(each["name"]) for each in data.get("labels") or () if each.get("active", True)),
            is_draft=bool(data.get("isDraft")),
            is_bot=is_bot(author),
            is_fork=bool(data.get("forkSource")),
            is_merged=data["status"] == "completed",
            url=f"{self._place.address}/pullrequest/{data['pullRequestId']}",
        )

    def _remove(self, url: str) -> None:
        try:
            self._client.send("DELETE", url)
        except AzureError as error:
            if error.answered != 404:
                raise

    def _missing(self, number: int) -> PullRequestNotFoundError:
        return PullRequestNotFoundError(f"{self._place.address} has no pull request {number}.")


def _cut(body: str) -> str:
    return body if len(body) <= _LONGEST_BODY else f"{body[: _LONGEST_BODY - 2]}\n…"

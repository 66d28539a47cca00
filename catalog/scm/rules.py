"""What happened between two listings of a repository."""

from collections.abc import Mapping, Sequence
from typing import Any
from uuid import UUID

from catalog.events.registry import EventData
from catalog.providers.scm import PullRequest
from catalog.scm.events import PullRequestChanged, PullRequestClosed, PullRequestOpened, PullRequestSynchronized


def snapshot(listed: Sequence[PullRequest]) -> dict[str, dict[str, Any]]:
    """Return what is remembered of a listing, by number."""
    return {
        str(each.number): {
            "head_sha": each.head_sha,
            "branch": each.branch,
            "base": each.base,
            "author": each.author,
            "is_draft": each.is_draft,
            "is_fork": each.is_fork,
            "is_bot": each.is_bot,
            "labels": sorted(each.labels),
        }
        for each in listed
    }


def differences(
    repository_id: UUID, repository: str, before: Mapping[str, Any], after: Mapping[str, Any]
) -> list[EventData]:
    """Return what happened between two snapshots. It depends on nothing else: no hook, no order, no repetition."""
    found: list[EventData] = []
    for number in sorted({*before, *after}, key=int):
        old, new = before.get(number), after.get(number)
        common: dict[str, Any] = {"repository_id": repository_id, "repository": repository, "pull_request": int(number)}
        if new is None and old is not None:
            found.append(PullRequestClosed(**common, head_sha=old["head_sha"]))
        elif old is None and new is not None:
            found.append(PullRequestOpened(**common, **new))
        elif old is not None and new is not None:
            common["head_sha"] = new["head_sha"]
            if old["head_sha"] != new["head_sha"]:
                found.append(PullRequestSynchronized(**common, before_sha=old["head_sha"]))
            what = tuple(name for name in ("base", "is_draft", "labels") if old[name] != new[name])
            if what:
                told = {name: new[name] for name in ("base", "is_draft", "labels")}
                found.append(PullRequestChanged(**common, what=what, **told))
    return found

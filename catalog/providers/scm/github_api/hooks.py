"""Deliveries of GitHub's webhooks, read as hints: what they name is looked up before anything is done."""

import json
from collections.abc import Callable, Mapping
from typing import Any
from urllib.parse import parse_qs

from catalog.errors import InvalidInputError
from catalog.providers.scm.changes import hook_header
from catalog.providers.scm.values import Association, HookAction, HookDelivery, HookEvent

_PULL_REQUEST = {
    "opened": HookAction.OPENED,
    "reopened": HookAction.OPENED,
    "ready_for_review": HookAction.OPENED,
    "synchronize": HookAction.SYNCHRONIZED,
    "closed": HookAction.CLOSED,
    "labeled": HookAction.LABELLED,
    "unlabeled": HookAction.LABELLED,
    "edited": HookAction.EDITED,
    "converted_to_draft": HookAction.EDITED,
}
_ASSOCIATIONS = {"FIRST_TIMER": Association.FIRST_TIME_CONTRIBUTOR, "MANNEQUIN": Association.NONE}


def association(word: object) -> Association:
    """Return what GitHub's word for somebody's part in a repository means; a word unknown to us gives no part."""
    try:
        return _ASSOCIATIONS.get(str(word)) or Association(str(word).lower())
    except ValueError:
        return Association.NONE


def parse_delivery(headers: Mapping[str, str], body: bytes) -> HookDelivery:
    """Read a delivery as JSON or as a form; see ``ScmProvider.parse_hook``."""
    delivery, kind = hook_header(headers, "x-github-delivery"), hook_header(headers, "x-github-event")
    if not delivery or not kind:
        raise InvalidInputError("GitHub's deliveries have the headers X-GitHub-Delivery and X-GitHub-Event.")
    data = _payload(headers.get("content-type", ""), body)
    read = _KINDS.get(kind)
    try:
        events = read(data) if read else ()
    except (KeyError, TypeError, AttributeError, ValueError) as error:
        raise InvalidInputError(f"The delivery is no {kind} as GitHub writes them: {error!r} is missing.") from None
    return HookDelivery(delivery, kind, events)


def _payload(content_type: str, body: bytes) -> dict[str, Any]:
    try:
        text = body.decode()
        if content_type.startswith("application/x-www-form-urlencoded"):
            text = parse_qs(text, max_num_fields=10, strict_parsing=True)["payload"][0]
        data = json.loads(text)
    except (ValueError, KeyError, RecursionError):
        raise InvalidInputError("The delivery's body is not JSON.") from None
    if not isinstance(data, dict):
        raise InvalidInputError("The delivery's body is not a JSON object.")
    return data


def _repository(data: Mapping[str, Any]) -> str:
    return str(data["repository"]["html_url"]).lower()


def _pull_request(data: Mapping[str, Any]) -> tuple[HookEvent, ...]:
    action = _PULL_REQUEST.get(data["action"])
    if action is None:
        return ()
    pull = data["pull_request"]
    user = pull.get("user") or {}
    return (
        HookEvent(
            _repository(data),
            action,
            int(pull["number"]),
            str(pull["head"]["sha"]),
            branch=str(pull["head"]["ref"]),
            author=str(user.get("login", "")),
            association=association(pull.get("author_association")),
            is_bot=user.get("type") == "Bot",
        ),
    )


def _comment(data: Mapping[str, Any]) -> tuple[HookEvent, ...]:
    issue, comment = data["issue"], data["comment"]
    if data["action"] != "created" or "pull_request" not in issue:
        return ()
    user = comment.get("user") or {}
    return (
        HookEvent(
            _repository(data),
            HookAction.COMMENTED,
            int(issue["number"]),
            author=str(user.get("login", "")),
            association=association(comment.get("author_association")),
            is_bot=user.get("type") == "Bot",
            comment=str(comment["body"] or ""),
            comment_id=str(comment["id"]),
        ),
    )


def _push(data: Mapping[str, Any]) -> tuple[HookEvent, ...]:
    ref = str(data["ref"])
    if not ref.startswith("refs/heads/"):
        return ()
    branch = ref.removeprefix("refs/heads/")
    return (HookEvent(_repository(data), HookAction.PUSHED, head_sha=str(data["after"]), branch=branch),)


def _changed(data: Mapping[str, Any]) -> tuple[HookEvent, ...]:
    return (HookEvent(_repository(data), HookAction.REPOSITORY_CHANGED),)


_KINDS: dict[str, Callable[[Mapping[str, Any]], tuple[HookEvent, ...]]] = {
    "pull_request": _pull_request,
    "issue_comment": _comment,
    "push": _push,
    "repository": _changed,
}

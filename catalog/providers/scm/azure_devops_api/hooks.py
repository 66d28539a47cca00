"""Deliveries of the service hooks of Azure DevOps, read as hints: what they name is looked up before anything is done.

Azure DevOps signs nothing. It sends a password (HTTP Basic) or a header that was set beside the address; either is
compared with the connection's secret, so that a delivery is as genuine as its sender is the one who was told.
"""

import base64
import binascii
import hmac
import json
from collections.abc import Callable, Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any

from catalog.errors import InvalidInputError
from catalog.providers.scm.azure_devops_api.addresses import place_of
from catalog.providers.scm.azure_devops_api.people import is_bot, name_of
from catalog.providers.scm.errors import RepositoryNotFoundError
from catalog.providers.scm.values import HookAction, HookDelivery, HookEvent

HEADER = "x-slipway-secret"
_LONGEST = 500
_HEADS = "refs/heads/"
_NO_COMMIT = "0" * 40
_AT_ONCE = timedelta(seconds=5)


def is_genuine(headers: Mapping[str, str], secrets: Sequence[str]) -> bool:
    """Tell whether a delivery brings one of the secrets, as its password or in its header; each is tried."""
    given = [each.encode() for each in (_password(headers.get("authorization", "")), headers.get(HEADER, "")) if each]
    fits = [
        hmac.compare_digest(secret.encode(), each)
        for secret in secrets
        if secret
        for each in given
        if len(each) <= _LONGEST
    ]
    return any(fits)


def parse_delivery(body: bytes) -> HookDelivery:
    """Read a delivery; see ``ScmProvider.parse_hook``.

    Its id is that of the notification within its subscription, or that of the event where a server names neither.
    """
    try:
        data = json.loads(body.decode("utf-8-sig"))
    except (ValueError, RecursionError):
        raise InvalidInputError("The delivery's body is not JSON.") from None
    if not isinstance(data, dict):
        raise InvalidInputError("The delivery's body is not a JSON object.")
    delivery, kind = _delivery(data), data.get("eventType")
    if not delivery or not isinstance(kind, str):
        raise InvalidInputError("Deliveries of Azure DevOps have subscriptionId, notificationId and eventType.")
    read = _KINDS.get(kind)
    try:
        events = read(data["resource"]) if read else ()
    except (KeyError, TypeError, AttributeError, ValueError, IndexError, RepositoryNotFoundError) as error:
        detail = f"The delivery is no {kind[:100]} as Azure DevOps writes them, with all details of the resource: "
        raise InvalidInputError(f"{detail}{error!r}") from None
    return HookDelivery(delivery, kind[:200], events)


def _delivery(data: Mapping[str, Any]) -> str:
    subscription, notification, event = (data.get(name) for name in ("subscriptionId", "notificationId", "id"))
    if isinstance(subscription, str) and isinstance(notification, int):
        return f"{subscription[:100]}/{notification}"
    is_alone = subscription is None and notification is None and isinstance(event, str)
    return str(event)[:100] if is_alone else ""


def _password(authorization: str) -> str:
    kind, _, value = authorization.partition(" ")
    if kind.lower() != "basic" or len(value) > _LONGEST:
        return ""
    try:
        return base64.b64decode(value, validate=True).decode().partition(":")[2]
    except (binascii.Error, ValueError):
        return ""


def _repository(resource: Mapping[str, Any]) -> str:
    return place_of(str(resource["repository"]["remoteUrl"])).address


def _pull_request(action: HookAction) -> Callable[[Mapping[str, Any]], tuple[HookEvent, ...]]:
    def read(resource: Mapping[str, Any]) -> tuple[HookEvent, ...]:
        author, status = resource.get("createdBy"), resource.get("status")
        closed = status in {"abandoned", "completed"}
        return (
            HookEvent(
                _repository(resource),
                HookAction.CLOSED if closed else action,
                int(resource["pullRequestId"]),
                str((resource.get("lastMergeSourceCommit") or {}).get("commitId", "")) or None,
                branch=str(resource["sourceRefName"]).removeprefix(_HEADS),
                author=name_of(author),
                is_bot=is_bot(author),
            ),
        )

    return read


def _comment(resource: Mapping[str, Any]) -> tuple[HookEvent, ...]:
    comment, pull = resource["comment"], resource["pullRequest"]
    if comment.get("isDeleted") or comment.get("commentType", "text") != "text" or _is_edited(comment):
        return ()
    thread = str(comment["_links"]["self"]["href"]).rpartition("/threads/")[2].partition("/")[0]
    author = comment.get("author")
    return (
        HookEvent(
            _repository(pull),
            HookAction.COMMENTED,
            int(pull["pullRequestId"]),
            author=name_of(author),
            is_bot=is_bot(author),
            comment=str(comment.get("content") or ""),
            comment_id=f"{int(thread)}/{int(comment['id'])}",
        ),
    )


def _is_edited(comment: Mapping[str, Any]) -> bool:
    """Tell whether a comment was written before: what it asks was asked then, and is not to be done again."""
    made, changed = (comment.get(name) for name in ("publishedDate", "lastContentUpdatedDate"))
    if not made or not changed:
        return False
    return datetime.fromisoformat(str(changed)) - datetime.fromisoformat(str(made)) > _AT_ONCE


def _push(resource: Mapping[str, Any]) -> tuple[HookEvent, ...]:
    repository = _repository(resource)
    return tuple(
        HookEvent(
            repository,
            HookAction.PUSHED,
            head_sha=str(each["newObjectId"]) if each["newObjectId"] != _NO_COMMIT else None,
            branch=str(each["name"]).removeprefix(_HEADS),
        )
        for each in resource["refUpdates"]
        if str(each["name"]).startswith(_HEADS)
    )


def _changed(resource: Mapping[str, Any]) -> tuple[HookEvent, ...]:
    return (HookEvent(_repository(resource), HookAction.REPOSITORY_CHANGED),)


_KINDS: dict[str, Callable[[Mapping[str, Any]], tuple[HookEvent, ...]]] = {
    "git.pullrequest.created": _pull_request(HookAction.OPENED),
    "git.pullrequest.updated": _pull_request(HookAction.SYNCHRONIZED),
    "git.pullrequest.merged": _pull_request(HookAction.SYNCHRONIZED),
    "ms.vss-code.git-pullrequest-comment-event": _comment,
    "git.push": _push,
    "git.repo.renamed": _changed,
    "git.repo.deleted": _changed,
    "git.repo.statuschanged": _changed,
}

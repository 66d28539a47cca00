"""Who is told, and when it is tried again: pure functions."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import Any
from urllib.parse import urlsplit
from uuid import UUID

from catalog.errors import FieldError
from catalog.notifications.models import Channel, CreateSubscription, Severity
from catalog.notifications.topics import TOPICS, Shown

MOST_ATTEMPTS = 12
FIRST_WAIT = timedelta(seconds=10)
LONGEST_WAIT = timedelta(hours=6)
OVERLAP = timedelta(hours=24)
FLOOD_PER_HOUR = 30
FLOOD_DIGEST = timedelta(hours=1)

_ORDER = list(Severity)


@dataclass(frozen=True)
class Wanted:
    """What one subscription wants to hear of."""

    topics: Sequence[str]
    subject: str
    asset: str
    owner: str
    severity: Severity
    member_id: UUID | None


def matches(wanted: Wanted, topic: str, subject: str, data: Mapping[str, Any], shown: Shown) -> bool:
    """Tell whether a subscription wants an event.

    A person's own subscription hears of an approval only where that person is asked.
    """
    asked = addressees(topic, data)
    return (
        any(each in {"*", topic, f"{topic.partition('.')[0]}.*"} for each in wanted.topics)
        and (wanted.member_id is None or not asked or str(wanted.member_id) in asked)
        and subject.startswith(wanted.subject)
        and (not wanted.asset or wanted.asset == asset_of(data))
        and (not wanted.owner or wanted.owner == data.get("owner"))
        and _ORDER.index(shown.severity) >= _ORDER.index(wanted.severity)
    )


def asset_of(data: Mapping[str, Any]) -> str:
    """Return the asset that an event is about, ``namespace/name``, "" where it is about none."""
    if data.get("namespace") and data.get("name"):
        return f"{data['namespace']}/{data['name']}"
    return str(data.get("blueprint") or data.get("asset") or "")


def addressees(topic: str, data: Mapping[str, Any]) -> frozenset[str]:
    """Return the members who are told in any case, because something is asked of them."""
    return frozenset(map(str, data.get("approvers", ()))) if topic == "approval.requested" else frozenset()


def wait(attempts: int, chance: float, retry_after: float | None = None) -> timedelta:
    """Return how long to wait after the ``attempts``-th failure: growing fourfold, between half and all of it.

    ``chance`` is drawn from 0 to 1. What the receiver asks for by Retry-After is kept to, up to ``LONGEST_WAIT``.
    """
    longest: timedelta = min(FIRST_WAIT * 4 ** min(attempts - 1, 10), LONGEST_WAIT)
    asked = timedelta(seconds=min(max(retry_after or 0.0, 0.0), LONGEST_WAIT.total_seconds()))
    return max(longest * (0.5 + chance / 2), asked)


def check(asked: CreateSubscription) -> list[FieldError]:
    """Return what is wrong with a subscription, each field with its fix."""
    errors = []
    known = {"*", *TOPICS, *(f"{each.partition('.')[0]}.*" for each in TOPICS)}
    for index, topic in enumerate(asked.topics):
        if topic not in known:
            errors.append(FieldError(f"/topics/{index}", f"Nothing is called {topic}. Known: {', '.join(TOPICS)}."))
    if asked.channel is Channel.WEBHOOK and not _is_address(asked.target):
        errors.append(FieldError("/target", "Give an https address without user name, password or fragment."))
    if asked.channel is Channel.MAIL and not _is_mail(asked.target):
        errors.append(FieldError("/target", "Give an e-mail address."))
    if asked.channel is not Channel.MAIL and asked.digest_minutes:
        errors.append(FieldError("/digest_minutes", "Only mail is gathered into digests."))
    return errors


def _is_address(target: str) -> bool:
    try:
        parts = urlsplit(target)
        plain = parts.username is None and parts.password is None and not parts.fragment
        return parts.scheme in {"https", "http"} and bool(parts.hostname) and plain and parts.port != 0
    except ValueError:
        return False


def _is_mail(target: str) -> bool:
    name, _, domain = target.rpartition("@")
    return bool(name and domain) and target.isascii() and not set(target) & set('<>,;:"()[]\\')

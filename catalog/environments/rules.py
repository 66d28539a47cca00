"""What the state machine of environments is asked for by name, and the arithmetic of their life; pure."""

import re
from datetime import timedelta

from catalog.environments.machine import LEAVING, Event, Situation, step
from catalog.environments.models import Desired, Phase

SETTLED = frozenset({Phase.READY, Phase.SLEEPING, Phase.FAILED, Phase.DESTROYED, Phase.DESTROY_FAILED})

DESTROY_RETRIES = (timedelta(minutes=1), timedelta(minutes=5), timedelta(minutes=30), timedelta(hours=6))
OPERATOR_AFTER = timedelta(hours=24)
"""How long an environment may resist being destroyed before a person is asked for."""
RETRIES = (timedelta(seconds=30), timedelta(minutes=2), timedelta(minutes=10))
"""How long to wait before what failed for a passing reason is tried again; then no more."""


def follows(now: Situation) -> bool:
    """Tell whether a new commit of the pull request moves the environment."""
    return now.desired is Desired.PRESENT and now.phase not in LEAVING


def admit(now: Situation) -> Situation:
    """Put an accepted request into the queue."""
    return step(now, Event.ADMITTED)


def want(now: Situation) -> Situation:
    """Ask for a new generation: a new commit, other inputs, another blueprint, or the pull request reopened."""
    return step(now, Event.WANTED)


def unwant(now: Situation) -> Situation:
    """Ask for the environment to be gone: closed, expired or destroyed by hand."""
    return step(now, Event.UNWANTED)


def begin(now: Situation, generation: int) -> Situation:
    """Start to apply ``generation``; only the newest one of an environment that is wanted is ever applied."""
    return step(now, Event.BEGUN, generation)


def succeed(now: Situation, generation: int) -> Situation:
    """Report that ``generation`` was applied: ready only if it is still what is wanted."""
    return step(now, Event.SUCCEEDED, generation)


def fail(now: Situation, generation: int) -> Situation:
    """Report that ``generation`` could not be applied."""
    return step(now, Event.FAILED, generation)


def lose(now: Situation) -> Situation:
    """Record that whoever applied has vanished, so that nobody knows what is there."""
    return step(now, Event.LOST)


def recover(now: Situation) -> Situation:
    """Record that what an interrupted worker left was looked at: it goes on, or out."""
    return step(now, Event.RECOVERED)


def leave(now: Situation) -> Situation:
    """Start to destroy: the caller holds the lease, so nobody applies any more."""
    return step(now, Event.LEFT)


def verify(now: Situation) -> Situation:
    """Go from having destroyed to looking whether nothing is left."""
    return step(now, Event.REMOVED)


def gone(now: Situation) -> Situation:
    """Record that nothing is left; an environment wanted again starts its next life."""
    return step(now, Event.GONE)


def remains(now: Situation) -> Situation:
    """Record that destroying failed or something is left."""
    return step(now, Event.REMAINS)


def destroy_retry(attempt: int) -> timedelta:
    """Return how long to wait before the next try to destroy; ``attempt`` counts failures from 1."""
    return DESTROY_RETRIES[min(attempt, len(DESTROY_RETRIES)) - 1]


def retry(attempt: int) -> timedelta | None:
    """Return how long to wait before what failed ``attempt`` times is tried again; None: no more."""
    return RETRIES[attempt - 1] if 1 <= attempt <= len(RETRIES) else None


def environment_name(repository: str, pull_request: int) -> str:
    """Return a DNS label for the environment, such as ``hello-pr-42``."""
    stem = repository.rstrip("/").rpartition("/")[2].removesuffix(".git").lower()
    slug = re.sub(r"[^a-z0-9]+", "-", stem).strip("-")[:36].strip("-") or "app"
    return f"{slug}-pr-{pull_request}"

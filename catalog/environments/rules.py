"""The environment's state machine and its arithmetic: values in, values out.

The transitions follow the table of the level-triggered design: requests and closings only write what is wanted
(``desired``, ``generation``); a worker that holds the stack's lease brings about what is wanted and reports with the
generation it worked for, so that a late report can never advertise something that is no longer wanted.
"""

import re
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from catalog.environments.errors import TransitionError
from catalog.environments.models import Desired, Phase

APPLYING = frozenset({Phase.PROVISIONING, Phase.UPDATING})
LEAVING = frozenset({Phase.DESTROYING, Phase.VERIFYING_GONE, Phase.DESTROY_FAILED})
WAITING = frozenset({Phase.REQUESTED, Phase.QUEUED})
SETTLED = frozenset({Phase.READY, Phase.FAILED, Phase.DESTROYED, Phase.DESTROY_FAILED})

DESTROY_RETRIES = (timedelta(minutes=1), timedelta(minutes=5), timedelta(minutes=30), timedelta(hours=6))


@dataclass(frozen=True)
class Situation:
    """The part of an environment that its state machine is about.

    ``touched`` says that an apply was begun in this incarnation, so that something may be left in the world;
    ``wanted_again`` that the pull request was reopened while its environment was still being destroyed.
    """

    phase: Phase = Phase.REQUESTED
    desired: Desired = Desired.PRESENT
    incarnation: int = 1
    generation: int = 1
    observed_generation: int = 0
    touched: bool = False
    wanted_again: bool = False


def follows(now: Situation) -> bool:
    """Tell whether a new commit of the pull request moves the environment."""
    return now.desired is Desired.PRESENT and now.phase not in LEAVING


def admit(now: Situation) -> Situation:
    """Put an accepted request into the queue."""
    _expect(now, "admit", {Phase.REQUESTED})
    return replace(now, phase=Phase.QUEUED)


def want(now: Situation) -> Situation:
    """Ask for a new generation: a new commit, other inputs, another blueprint, or the pull request reopened."""
    if now.phase is Phase.DESTROYED:
        return Situation(incarnation=now.incarnation + 1, generation=now.generation + 1)
    if now.phase in LEAVING:
        return replace(now, wanted_again=True)
    phase = Phase.UPDATING if now.phase in {Phase.READY, Phase.FAILED} else now.phase
    return replace(now, phase=phase, desired=Desired.PRESENT, generation=now.generation + 1)


def unwant(now: Situation) -> Situation:
    """Ask for the environment to be gone: closed, expired or destroyed by hand."""
    if now.phase is Phase.DESTROYED:
        return now
    if now.phase in LEAVING:
        return replace(now, wanted_again=False)
    if now.desired is Desired.ABSENT:
        return now
    gone = replace(now, desired=Desired.ABSENT, generation=now.generation + 1)
    if now.phase in WAITING and not now.touched:
        return replace(gone, phase=Phase.DESTROYED)
    return gone if now.phase in APPLYING else replace(gone, phase=Phase.DESTROYING)


def begin(now: Situation, generation: int) -> Situation:
    """Start to apply ``generation``; only the newest one of an environment that is wanted is ever applied."""
    _expect(now, "begin", {Phase.QUEUED, Phase.UNKNOWN} | APPLYING)
    if now.desired is Desired.ABSENT or generation != now.generation:
        raise TransitionError(f"Generation {generation} is not wanted (any more).")
    phase = Phase.UPDATING if now.observed_generation else Phase.PROVISIONING
    return replace(now, phase=phase, touched=True)


def succeed(now: Situation, generation: int) -> Situation:
    """Report that ``generation`` was applied: ready only if it is still what is wanted."""
    _expect(now, "succeed", APPLYING)
    if now.desired is Desired.ABSENT:
        return replace(now, phase=Phase.DESTROYING)
    if generation < now.generation:
        return replace(now, phase=Phase.QUEUED)
    return replace(now, phase=Phase.READY, observed_generation=generation)


def fail(now: Situation, generation: int) -> Situation:
    """Report that ``generation`` could not be applied."""
    _expect(now, "fail", APPLYING)
    if now.desired is Desired.ABSENT:
        return replace(now, phase=Phase.DESTROYING)
    return replace(now, phase=Phase.QUEUED if generation < now.generation else Phase.FAILED)


def lose(now: Situation) -> Situation:
    """Record that whoever applied has vanished, so that nobody knows what is there."""
    _expect(now, "lose", APPLYING | {Phase.UNKNOWN})
    return replace(now, phase=Phase.UNKNOWN)


def leave(now: Situation) -> Situation:
    """Start to destroy: the caller holds the lease, so nobody applies any more."""
    _expect(now, "leave", APPLYING | LEAVING | WAITING | {Phase.UNKNOWN})
    if now.desired is Desired.PRESENT:
        raise TransitionError("The environment is wanted; it must not be destroyed.")
    return replace(now, phase=Phase.DESTROYING)


def verify(now: Situation) -> Situation:
    """Go from having destroyed to looking whether nothing is left."""
    _expect(now, "verify", {Phase.DESTROYING})
    return replace(now, phase=Phase.VERIFYING_GONE)


def gone(now: Situation) -> Situation:
    """Record that nothing is left; an environment wanted again starts its next life."""
    _expect(now, "gone", {Phase.VERIFYING_GONE})
    destroyed = replace(now, phase=Phase.DESTROYED, wanted_again=False, touched=False)
    return want(destroyed) if now.wanted_again else destroyed


def remains(now: Situation) -> Situation:
    """Record that destroying failed or something is left."""
    _expect(now, "remains", {Phase.DESTROYING, Phase.VERIFYING_GONE})
    return replace(now, phase=Phase.DESTROY_FAILED)


def expiry(deployed_at: datetime, ttl: timedelta, hard_limit: datetime) -> datetime:
    """Return when an environment deployed at ``deployed_at`` expires, never after its hard limit."""
    return min(deployed_at + ttl, hard_limit)


def extended(expires_at: datetime, moment: datetime, by: timedelta, hard_limit: datetime) -> datetime:
    """Return the expiry prolonged by ``by``, counted from now where it has passed, never after the hard limit."""
    return min(max(expires_at, moment) + by, hard_limit)


def destroy_retry(attempt: int) -> timedelta:
    """Return how long to wait before the next try to destroy; ``attempt`` counts failures from 1."""
    return DESTROY_RETRIES[min(attempt, len(DESTROY_RETRIES)) - 1]


def environment_name(repository: str, pull_request: int) -> str:
    """Return a DNS label for the environment, such as ``hello-pr-42``."""
    stem = repository.rstrip("/").rpartition("/")[2].removesuffix(".git").lower()
    slug = re.sub(r"[^a-z0-9]+", "-", stem).strip("-")[:36].strip("-") or "app"
    return f"{slug}-pr-{pull_request}"


def _expect(now: Situation, action: str, phases: frozenset[Phase] | set[Phase]) -> None:
    if now.phase not in phases:
        raise TransitionError(f"Cannot {action} an environment that is {now.phase}.")

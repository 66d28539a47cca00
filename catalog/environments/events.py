"""What happens to environments. Every event names the generation it is about, so that a late reader can tell."""

from datetime import datetime
from uuid import UUID

from catalog.events.registry import EventData, event


class EnvironmentEvent(EventData):
    """What every event of an environment says."""

    environment_id: UUID
    incarnation: int
    generation: int


@event("environment.automated", version=1)
class EnvironmentsAutomated(EventData):
    """Pull requests of a repository get environments by themselves from now on, or no longer (``ends``)."""

    automation_id: UUID
    repository: str
    blueprint: str
    labels: tuple[str, ...]
    ends: bool
    target: str | None = None


@event("environment.target_chosen", version=1)
class EnvironmentTargetChosen(EventData):
    """A tenant chose where its environments go (``target``), or took its choice back; ``before``: what held before."""

    target: str | None
    before: str | None


@event("environment.requested", version=1)
class EnvironmentRequested(EnvironmentEvent):
    """An environment is wanted, for the first time or again after it was destroyed."""

    operation_id: UUID
    repository: str
    pull_request: int
    head_sha: str
    blueprint: str
    blueprint_version: str


@event("environment.update_requested", version=1)
class EnvironmentUpdateRequested(EnvironmentEvent):
    """Another commit, other inputs or another blueprint is wanted of an environment."""

    operation_id: UUID
    head_sha: str
    blueprint_version: str
    reason: str


@event("environment.destroy_requested", version=1)
class EnvironmentDestroyRequested(EnvironmentEvent):
    """An environment shall be gone."""

    operation_id: UUID
    reason: str


@event("environment.extended", version=1)
class EnvironmentExtended(EnvironmentEvent):
    """An environment expires later."""

    expires_at: datetime
    reason: str = ""


@event("environment.expiring", version=1)
class EnvironmentExpiring(EnvironmentEvent):
    """An environment will be destroyed soon, unless somebody extends or pins it."""

    name: str
    expires_at: datetime
    seconds_left: int


@event("environment.waiting", version=1)
class EnvironmentWaiting(EnvironmentEvent):
    """An environment waits for room: it has come to this place of the queue, 1 being next."""

    name: str
    place: int
    length: int
    why: str


@event("environment.build_requested", version=1)
class EnvironmentBuildRequested(EnvironmentEvent):
    """A commit of a fork is to be fetched and planned without secrets, and not to be deployed."""

    head_sha: str


@event("environment.built", version=1)
class EnvironmentBuilt(EnvironmentEvent):
    """A commit of a fork was fetched and planned; ``problem`` says why not where it could not be, else it is empty."""

    head_sha: str
    problem: str


@event("environment.commit_queued", version=1)
class EnvironmentCommitQueued(EnvironmentEvent):
    """A commit waits until those before it are deployed; ``length`` of them wait."""

    head_sha: str
    length: int


@event("environment.approval_needed", version=1)
class EnvironmentApprovalNeeded(EnvironmentEvent):
    """A commit of a fork waits until somebody approves exactly it."""

    name: str
    head_sha: str


@event("environment.refused", version=1)
class EnvironmentRefused(EnvironmentEvent):
    """Policies do not let a commit be deployed; ``rules`` names what they go by. It is asked again when they change."""

    name: str
    head_sha: str
    rules: tuple[str, ...]
    message: str


@event("environment.commit_approved", version=1)
class EnvironmentCommitApproved(EnvironmentEvent):
    """Somebody approved one commit of a fork; the next one waits again."""

    head_sha: str


@event("environment.pinned", version=1)
class EnvironmentPinned(EnvironmentEvent):
    """Somebody keeps an environment as it is until some moment."""

    reason: str
    until: datetime


@event("environment.unpinned", version=1)
class EnvironmentUnpinned(EnvironmentEvent):
    """An environment is kept no longer."""


@event("environment.sleep_requested", version=1)
class EnvironmentSleepRequested(EnvironmentEvent):
    """An environment shall be stopped and keep its address."""

    operation_id: UUID
    reason: str


@event("environment.asleep", version=1)
class EnvironmentAsleep(EnvironmentEvent):
    """Nothing of an environment runs; a visit or a person wakes it."""


@event("environment.ready", version=1)
class EnvironmentReady(EnvironmentEvent):
    """What was wanted is there and answers."""

    url: str
    head_sha: str


@event("environment.superseded", version=1)
class EnvironmentSuperseded(EnvironmentEvent):
    """Work on a generation ended after another one was wanted; it was never advertised."""


@event("environment.failed", version=1)
class EnvironmentFailed(EnvironmentEvent):
    """What was wanted could not be made."""

    code: str
    message: str


@event("environment.destroyed", version=1)
class EnvironmentDestroyed(EnvironmentEvent):
    """Nothing of the environment is left; that was verified."""


@event("environment.orphan_removed", version=1)
class EnvironmentOrphanRemoved(EnvironmentEvent):
    """Something of a destroyed environment was found after all, and removed; ``left`` is what could not be."""

    found: tuple[str, ...]
    left: tuple[str, ...]


@event("environment.destroy_failed", version=1)
class EnvironmentDestroyFailed(EnvironmentEvent):
    """Destroying failed or something is left; it is tried again."""

    message: str

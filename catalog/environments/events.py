"""What happens to environments. Every event names the generation it is about, so that a late reader can tell."""

from datetime import datetime
from uuid import UUID

from catalog.events.registry import EventData, event


class EnvironmentEvent(EventData):
    """What every event of an environment says."""

    environment_id: UUID
    incarnation: int
    generation: int


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


@event("environment.destroy_failed", version=1)
class EnvironmentDestroyFailed(EnvironmentEvent):
    """Destroying failed or something is left; it is tried again."""

    message: str

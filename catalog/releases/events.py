"""What happens to releases."""

from uuid import UUID

from catalog.events.registry import EventData, event


@event("service.recorded", version=1)
class ServiceRecorded(EventData):
    """A tenant ships something new: its first release was made."""

    service_id: UUID
    name: str
    repository: str


@event("release.created", version=1)
class ReleaseCreated(EventData):
    """A version of a service was recorded with its artifacts; policies let it through."""

    release_id: UUID
    service_id: UUID
    service: str
    version: str
    commit: str
    environment_id: UUID | None
    digests: list[str]

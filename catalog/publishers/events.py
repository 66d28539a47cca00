"""What happens to trusted publishers."""

from uuid import UUID

from catalog.events.registry import EventData, event


@event("trusted_publisher.added", version=1)
class TrustedPublisherAdded(EventData):
    """A tenant lets the jobs of a repository publish one asset."""

    trusted_publisher_id: UUID
    namespace: str
    name: str
    issuer: str
    repository: str


@event("trusted_publisher.removed", version=1)
class TrustedPublisherRemoved(EventData):
    """A tenant no longer lets these jobs publish the asset."""

    trusted_publisher_id: UUID
    namespace: str
    name: str
    issuer: str
    repository: str


@event("trusted_publisher.used", version=1)
class TrustedPublisherUsed(EventData):
    """A job exchanged its identity for a token that can publish the asset."""

    trusted_publisher_id: UUID
    token_id: UUID
    namespace: str
    name: str
    repository: str
    workflow: str
    reference: str
    run: str

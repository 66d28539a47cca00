"""What happens to trusted publishers."""

from uuid import UUID

from catalog.events.registry import EventData, event


@event("publisher_proof.requested", version=1)
class PublisherProofRequested(EventData):
    """A tenant wants to be verified by a domain or repository of its own, or to be looked at again."""

    proof_id: UUID


@event("publisher_proof.verified", version=1)
class PublisherProofVerified(EventData):
    """The tenant has shown that the domain or repository is its own."""

    proof_id: UUID
    kind: str
    subject: str


@event("publisher_proof.lapsed", version=1)
class PublisherProofLapsed(EventData):
    """What showed that a domain or repository is the tenant's is gone, or was withdrawn."""

    proof_id: UUID
    kind: str
    subject: str


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

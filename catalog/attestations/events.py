"""What happens to attestations, keys and trust policies."""

from datetime import datetime
from uuid import UUID

from catalog.events.reach import Reach
from catalog.events.registry import EventData, event

IN_INDEXES = frozenset({"index-publish", "provenance"})
"""The evidence that a simple index shows (PEP 740)."""


class _AttestationEvent(EventData):
    attestation_id: UUID
    predicate_type: str
    evidence: str
    subjects: list[str]
    signer: str
    key_id: str


@event("attestation.verified", version=1)
class AttestationVerified(_AttestationEvent):
    """A statement was verified and is evidence from now on; ``subjects`` are ``algorithm:digest``, at most 20."""

    def reach(self) -> Reach:
        """Return whose index shows it: nobody's, unless it says where a wheel comes from."""
        return super().reach() if self.evidence in IN_INDEXES else Reach.NOBODY


@event("attestation.rejected", version=1)
class AttestationRejected(EventData):
    """A statement was not accepted; its bytes are kept apart and are never evidence."""

    attestation_id: UUID
    reason: str
    detail: str


@event("attestation.invalidated", version=1)
class AttestationInvalidated(_AttestationEvent):
    """A statement is no longer evidence, because its signer is no longer trusted."""

    reason: str


@event("reliance.affected", version=1)
class RelianceAffected(_AttestationEvent):
    """A publisher's statement that something of the tenant's relied on is no longer evidence.

    ``uses`` names what relied on it (``environments/<id>``, ``releases/<id>``, ``installs/<id>``), at most 100, and
    ``subjects`` the artifacts that these are made of.
    """

    reason: str
    uses: list[str]


@event("attestation.aged", version=1)
class AttestationAged(_AttestationEvent):
    """A statement has become older than a requirement of the tenant's trust policy lets it be; it is still evidence."""


class _KeyEvent(EventData):
    signing_key_id: UUID
    key_id: str
    name: str


@event("signing_key.created", version=1)
class SigningKeyCreated(_KeyEvent):
    """A key was made or imported."""

    algorithm: str
    provider: str | None


@event("signing_key.rotated", version=1)
class SigningKeyRotated(_KeyEvent):
    """Another key signs from now on; this one verifies until ``retires_at``."""

    retires_at: datetime
    successor_id: UUID


@event("signing_key.revoked", version=1)
class SigningKeyRevoked(_KeyEvent):
    """A key is no longer trusted; everything that it signed is verified again."""

    reason: str
    untrusted_since: datetime | None


@event("signing_key.history_verified", version=1)
class SigningKeyHistoryVerified(_KeyEvent):
    """Everything that a revoked key signed has been verified again; ``affected`` counts what relied on it."""

    invalidated: int
    still_verified: int
    affected: int


@event("publisher_identity.removed", version=1)
class PublisherIdentityRemoved(EventData):
    """Nothing more is taken from an identity; with ``is_revoked`` what it signed is taken back.

    What it signed before ``untrusted_since`` stays evidence; None is where nothing that it ever signed is trusted.
    """

    identity_id: UUID
    name: str
    issuer: str
    subject: str
    is_revoked: bool
    reason: str
    untrusted_since: datetime | None


@event("trust_policy.changed", version=1)
class TrustPolicyChanged(EventData):
    """Another version of the tenant's trust policy holds."""

    version: int
    note: str

"""The shapes in which attestations, keys and verdicts are asked for and answered."""

from datetime import datetime
from typing import Any
from uuid import UUID

from pydantic import BaseModel, ConfigDict, Field

from catalog.attestations.models import KeyState, Verdict
from catalog.attestations.trust import IdentityRule, Pattern, SubjectKind, Text, TrustPolicy
from catalog.providers.signers import KeyAlgorithm


class _Read(BaseModel):
    model_config = ConfigDict(from_attributes=True, frozen=True)


class _Asked(BaseModel):
    model_config = ConfigDict(extra="forbid", str_strip_whitespace=True)


class SubjectRead(_Read):
    """One digest that a statement is about."""

    name: str
    algorithm: str = Field(examples=["sha256"])
    digest: str = Field(examples=["9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08"])


class AttestationRead(_Read):
    """An attestation: what is held of it now, who signed it, and with a key in which state.

    ``verified`` is true for evidence alone. ``key_state`` is that at verification, ``signed_at`` is only there where a
    trusted clock proves it.
    """

    id: UUID
    verified: bool
    verdict: Verdict
    reason: str | None
    detail: str | None
    predicate_type: str
    evidence: str
    title: str
    facts: dict[str, Any]
    subjects: list[SubjectRead]
    signer: str
    key_id: str
    key_state: KeyState | None
    public_key: str
    issuer: str
    identity: str
    signed_at: datetime | None
    received_at: datetime
    received_by: str
    verified_at: datetime | None
    envelope_digest: str
    media_type: str
    size: int
    owned: bool


class KeyRead(_Read):
    """A key that the tenant vouches for; ``signs`` says whether Slipway signs with it now."""

    id: UUID
    key_id: str
    name: str
    algorithm: str
    public_key: str
    provider: str | None
    signs: bool
    state: KeyState
    state_reason: str | None
    created_by: str
    created_at: datetime
    retires_at: datetime | None
    revoked_at: datetime | None
    untrusted_since: datetime | None


class NewSigningKey(_Asked):
    """A key to be made; it signs from then on, and the one before verifies for ``overlap_days`` more.

    ``signer`` is where it is made and stays: ``local``, ``pkcs11``, ``aws-kms`` or another that is installed; left out,
    what the installation has by default.
    """

    name: Text = Field(min_length=1, max_length=100)
    algorithm: KeyAlgorithm = KeyAlgorithm.ECDSA_P256
    signer: str | None = Field(default=None, pattern=r"^[a-z0-9-]{1,63}$")
    overlap_days: int = Field(default=30, ge=0, le=3650)


class ImportedKey(_Asked):
    """The public key of somebody else's signer, in PEM."""

    name: Text = Field(min_length=1, max_length=100)
    public_key: str = Field(max_length=16384, examples=["-----BEGIN PUBLIC KEY-----\n..."])


class RevokeKey(_Asked):
    """Why a key is no longer trusted; ``since`` keeps what arrived before it, without it nothing is kept."""

    reason: Text = Field(min_length=1, max_length=1000)
    since: datetime | None = None


class NewIdentity(_Asked):
    """A workflow or person whose keyless signatures count as the tenant's own."""

    name: Text = Field(min_length=1, max_length=100)
    issuer: Text = Field(min_length=1, max_length=500)
    subject: Pattern

    def rule(self) -> IdentityRule:
        """Return the identity as trust policies write it."""
        return IdentityRule(issuer=self.issuer, subject=self.subject)


class RevokeIdentity(RevokeKey):
    """Why an identity is no longer trusted; ``since`` keeps what was signed before it, without it nothing is kept."""


class IdentityRead(_Read):
    """A publisher identity that the tenant vouches for."""

    id: UUID
    name: str
    issuer: str
    subject: str
    created_by: str
    created_at: datetime


class TrustPolicyRead(_Read):
    """A version of the tenant's trust policy; version 0 is what holds for everybody who has said nothing."""

    version: int
    document: TrustPolicy
    note: str
    created_by: str
    created_at: datetime | None


class SetTrustPolicy(_Asked):
    """A new trust policy; ``version`` is the one that it was written from, so that nobody's change is lost."""

    version: int = Field(ge=0)
    document: TrustPolicy
    note: Text = Field(default="", max_length=500)


class VerifySubject(_Asked):
    """What is to be judged: ``sha256:...``, ``namespace/name@version``, ``environments/ID`` or ``releases/ID``.

    ``policy`` is judged by instead of the tenant's own, to try one out; ``kind`` says what a bare digest is.
    """

    subject: Text = Field(min_length=1, max_length=300, examples=["slipway/preview-web@1.0.0"])
    kind: SubjectKind = "file"
    policy: TrustPolicy | None = None


class Checked(_Read):
    """One attestation as it was looked at: whether its signer counts under the policy, and for which requirements."""

    attestation: AttestationRead
    is_trusted_signer: bool
    counts_for: list[str]


class Missing(_Read):
    """A requirement that is not met: what is asked for, why it is not there, and what to do."""

    evidence: str
    detail: str
    fix: str


class Assessment(_Read):
    """What is proven about an artifact under a trust policy, and what is missing; ``uses`` judges what it is made of.

    ``trusted`` is true where every requirement is met, here and in everything that it uses. ``policy_version`` is
    None where another policy than the tenant's was tried, ``is_complete`` false where there are more statements than
    are looked at: then some of each signer and kind were.
    """

    subject: str
    kind: SubjectKind
    digest: str
    trusted: bool
    policy_version: int | None
    checked: list[Checked]
    met: list[str]
    missing: list[Missing]
    uses: list["Assessment"]
    is_complete: bool = True
    judged_at: datetime


class SignStatement(_Asked):
    """A statement that Slipway is to sign with the tenant's key; what Slipway says of itself cannot be asked for."""

    subjects: list[SubjectRead] = Field(min_length=1, max_length=1000)
    predicate_type: Text = Field(min_length=3, max_length=500)
    predicate: dict[str, Any] = Field(default_factory=dict)


class AffectedRead(_Read):
    """Something that relied on an attestation that is no longer evidence; ``used_as`` says in which part."""

    kind: str
    id: UUID
    label: str
    digest: str
    used_as: str


class RevocationReport(_Read):
    """What the revocation of a key means: how many statements are gone and left, and everything that relied on them."""

    key: KeyRead
    invalidated: int
    still_verified: int
    is_complete: bool
    affected: list[AffectedRead]


class IdentityRevocation(_Read):
    """What it means that an identity is no longer trusted: how many statements are gone, and what relied on them."""

    identity: IdentityRead
    invalidated: int
    affected: list[AffectedRead]


class LogEntry(_Read):
    """One entry of an asset's log; see ``docs/attestations.md`` for how the hashes are computed."""

    sequence: int
    record: dict[str, Any]
    hash: str
    signature: str


class AssetLog(_Read):
    """What the registry has said of an asset's versions, oldest first; ``is_sound`` is whether the chain holds."""

    asset: str
    entries: list[LogEntry]
    head: str
    is_sound: bool
    fault: str
    key_id: str
    public_key: str

"""What can be wrong with statements, keys and trust policies."""

from enum import StrEnum

from catalog.errors import ConflictError, FieldError, InvalidInputError, NotFoundError, UnavailableError


class Reason(StrEnum):
    """Why an attestation is not accepted; part of the API, and only ever added to."""

    MALFORMED = "malformed"
    TOO_LARGE = "too_large"
    TOO_DEEP = "too_deep"
    UNSUPPORTED = "unsupported"
    SEVERAL_SIGNATURES = "several_signatures"
    NO_SUBJECT = "no_subject"
    OTHER_SUBJECT = "other_subject"
    PREDICATE_INVALID = "predicate_invalid"
    SBOM_MISMATCH = "sbom_mismatch"
    BAD_SIGNATURE = "bad_signature"
    UNKNOWN_KEY = "unknown_key"
    KEY_RETIRED = "key_retired"
    KEY_REVOKED = "key_revoked"
    BAD_CERTIFICATE = "bad_certificate"
    UNKNOWN_IDENTITY = "unknown_identity"
    KEYLESS_OFF = "keyless_off"
    IDENTITY_REVOKED = "identity_revoked"
    BYTES_LOST = "bytes_lost"


class AttestationRejectedError(InvalidInputError):
    """An attestation that proves nothing; ``reason`` is for programs, the detail for people."""

    code = "attestation_rejected"
    title = "The attestation was not accepted"

    def __init__(self, reason: Reason, detail: str, pointer: str = "") -> None:
        super().__init__(detail, [FieldError(pointer, f"{reason}: {detail}")])
        self.reason = reason


class AttestationNotFoundError(NotFoundError):
    """There is no such attestation, or it is not the caller's to see."""


class AttestationBytesError(UnavailableError):
    """The bytes of an attestation cannot be kept or read."""

    code = "attestation_bytes_unavailable"


class AttestationBytesLostError(AttestationBytesError):
    """The bytes of an attestation are gone or damaged: no later try will find them."""


class SigningKeyError(ConflictError):
    """A key cannot be made, changed or used in the state in which it is."""

    code = "signing_key"


class SigningUnavailableError(UnavailableError):
    """The signer that holds the key does not sign at the moment."""

    code = "signing_unavailable"


class TrustPolicyConflictError(ConflictError):
    """Somebody else changed the trust policy since it was read."""

    code = "trust_policy_changed"

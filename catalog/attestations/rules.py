"""What a key's state means for what it signed, and where identities are meant; time is a parameter."""

from collections.abc import Iterable, Sequence
from datetime import datetime

from catalog.attestations.errors import Reason
from catalog.attestations.models import KeyState, PublisherIdentity, SigningKey
from catalog.attestations.trust import matches

MOST_KEYS = 200
"""How many keys a tenant may have, revoked ones included: each bare envelope may have to be tried with all."""


def objection(key: SigningKey, at: datetime) -> tuple[Reason, str] | None:
    """Return why a signature that existed at ``at`` does not count, None where it does.

    ``at`` is when Slipway saw the signature: what a signer says about its own time proves nothing.
    """
    if key.state is KeyState.REVOKED:
        if key.untrusted_since is not None and at < key.untrusted_since:
            return None
        return Reason.KEY_REVOKED, f"The key {key.name} is revoked: {key.state_reason}"
    if key.state_at(at) is KeyState.RETIRED:
        return Reason.KEY_RETIRED, f"The key {key.name} was replaced, and its overlap ended before this arrived."
    return None


def in_likely_order(keys: Sequence[SigningKey], hint: str) -> list[SigningKey]:
    """Return keys with those first that ``hint`` may name; a hint proves nothing, so that all are tried."""
    named = hint.removeprefix("sha256:").lower()
    return sorted(keys, key=lambda key: not named or (key.key_id.removeprefix("sha256:") != named and key.name != hint))


def known_identity(identities: Iterable[PublisherIdentity], issuer: str, subject: str) -> PublisherIdentity | None:
    """Return the registered identity that a certificate's issuer and subject belong to."""
    return next((each for each in identities if each.issuer == issuer and matches(each.subject, subject)), None)

"""Keys and identities: made, imported, replaced, revoked."""

from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from catalog.attestations import queries, rules
from catalog.attestations.errors import SigningKeyError, SigningUnavailableError
from catalog.attestations.events import (
    PublisherIdentityRemoved,
    SigningKeyCreated,
    SigningKeyRevoked,
    SigningKeyRotated,
)
from catalog.attestations.models import KeyState, PublisherIdentity, SigningKey
from catalog.attestations.revocations import queries as revoked
from catalog.attestations.service.base import Base
from catalog.attestations.shapes import (
    IdentityRead,
    ImportedKey,
    KeyRead,
    NewIdentity,
    NewSigningKey,
    RevokeIdentity,
    RevokeKey,
)
from catalog.attestations.signatures import PublicKey, algorithm_of, key_id, load_public_der, load_public_key, pem
from catalog.clock import now
from catalog.errors import ConflictError, FieldError, InvalidInputError, NotFoundError
from catalog.events import outbox
from catalog.events.registry import EventData
from catalog.providers.signers import KeyAlgorithm, Signer, SignerError, open_signer
from catalog.tenancy import Principal

MOST_IDENTITIES = 200


class Keys(Base):
    """A tenant's keys. Private ones stay with their signer; here are the public ones and what is held of them."""

    def keys(self, tenant_id: UUID) -> list[KeyRead]:
        """Return the tenant's keys in every state, newest first."""
        return [read_key(each) for each in queries.keys(self._session, tenant_id)]

    def get_key(self, tenant_id: UUID, signing_key_id: UUID) -> KeyRead:
        """Return one key; raise ``NotFoundError`` where the tenant has none of that id."""
        return read_key(self._key(tenant_id, signing_key_id))

    def create_key(self, principal: Principal, asked: NewSigningKey) -> KeyRead:
        """Make the key that Slipway signs with from now on; the one before verifies for its overlap.

        Raises ``SigningKeyError`` where there are too many keys or the signer cannot make that algorithm, and
        ``SigningUnavailableError`` where the signer does not answer.
        """
        principal.require("attestations:admin")
        queries.lock(self._session, principal.tenant_id, "keys")
        return read_key(self._create(principal, asked))

    def signing_key(self, tenant_id: UUID) -> SigningKey | None:
        """Return the key that Slipway signs with for the tenant, None where none was made yet."""
        return queries.signing_key(self._session, tenant_id)

    def ensure_signing_key(self, principal: Principal) -> SigningKey:
        """Return the key that Slipway signs with for the tenant, made now where there is none."""
        found = queries.signing_key(self._session, principal.tenant_id)
        if found is None:
            queries.lock(self._session, principal.tenant_id, "keys")
            found = queries.signing_key(self._session, principal.tenant_id)
        return found or self._create(principal, NewSigningKey(name=f"{principal.tenant_name or 'tenant'} signing key"))

    def import_key(self, principal: Principal, asked: ImportedKey) -> KeyRead:
        """Vouch for somebody else's public key; the same key again is refused, in whatever state it is."""
        principal.require("attestations:admin")
        queries.lock(self._session, principal.tenant_id, "keys")
        public = load_public_key(asked.public_key)
        found = queries.key_by_key_id(self._session, principal.tenant_id, key_id(public))
        if found is not None:
            raise SigningKeyError(f"This key is registered as {found.name} and is {found.state_at(now())}.")
        return read_key(self._add(principal, asked.name, public))

    def revoke_key(self, principal: Principal, signing_key_id: UUID, asked: RevokeKey) -> KeyRead:
        """Stop trusting a key: what it signed counts no longer at once; a worker then tells whoever relied on it.

        With ``since``, what arrived before that moment stays evidence. Revoking again may only take more away.
        """
        principal.require("attestations:admin")
        queries.lock(self._session, principal.tenant_id, "keys")
        key = self._key(principal.tenant_id, signing_key_id, for_update=True)
        moment = now()
        since = passed(asked.since, moment)
        if key.state is KeyState.REVOKED:
            before = key.untrusted_since
            if before is None or (since is not None and since >= before):
                raise SigningKeyError(f"The key {key.name} is revoked already, and a revocation is not taken back.")
        key.state = KeyState.REVOKED
        key.state_reason = asked.reason
        key.revoked_at = moment
        key.untrusted_since = since
        self._session.add(key)
        self._session.flush()
        if (obstacle := rules.objection(key, moment)) is not None:
            signed, arrived = revoked.of_key(key.id), revoked.arrived_since(since)
            revoked.take_back(self._session, key.tenant_id, signed, arrived, obstacle)
        self._tell_of_key(principal, key, SigningKeyRevoked(reason=asked.reason, untrusted_since=since, **_named(key)))
        return read_key(key)

    def identities(self, tenant_id: UUID) -> list[IdentityRead]:
        """Return the tenant's publisher identities."""
        return [IdentityRead.model_validate(each) for each in queries.identities(self._session, tenant_id)]

    def get_identity(self, tenant_id: UUID, identity_id: UUID) -> IdentityRead:
        """Return one identity; raise ``NotFoundError`` where the tenant has none of that id."""
        return IdentityRead.model_validate(self._identity(tenant_id, identity_id))

    def add_identity(self, principal: Principal, asked: NewIdentity) -> IdentityRead:
        """Vouch for the keyless signatures of a workflow or person."""
        principal.require("attestations:admin")
        queries.lock(self._session, principal.tenant_id, "identities")
        known = queries.identities(self._session, principal.tenant_id)
        if any((each.issuer, each.subject) == (asked.issuer, asked.subject) for each in known):
            raise ConflictError("This identity is registered already.")
        if len(known) >= MOST_IDENTITIES:
            raise ConflictError(f"A tenant may have {MOST_IDENTITIES} identities; one with * stands for many.")
        row = PublisherIdentity(
            tenant_id=principal.tenant_id,
            name=asked.name,
            issuer=asked.issuer,
            subject=asked.subject,
            created_by=principal.name,
        )
        self._session.add(row)
        self._session.flush()
        return IdentityRead.model_validate(row)

    def remove_identity(self, principal: Principal, identity_id: UUID) -> None:
        """Take nothing more from an identity; what it signed until now stays evidence."""
        principal.require("attestations:admin")
        self._drop_identity(principal, identity_id, None)

    def _drop_identity(
        self, principal: Principal, identity_id: UUID, asked: RevokeIdentity | None
    ) -> PublisherIdentity:
        queries.lock(self._session, principal.tenant_id, "identities")
        found = self._identity(principal.tenant_id, identity_id)
        self._session.delete(found)
        self._session.flush()
        data = PublisherIdentityRemoved(
            identity_id=found.id,
            name=found.name,
            issuer=found.issuer,
            subject=found.subject,
            is_revoked=asked is not None,
            reason="" if asked is None else asked.reason,
            untrusted_since=None if asked is None else asked.since,
        )
        subject = f"publisher-identities/{found.id}"
        outbox.append(self._session, data, tenant_id=principal.tenant_id, subject=subject, actor=principal.actor)
        return found

    def _identity(self, tenant_id: UUID, identity_id: UUID) -> PublisherIdentity:
        found = queries.identity(self._session, tenant_id, identity_id)
        if found is None:
            raise NotFoundError(f"There is no publisher identity {identity_id}.")
        return found

    def signature(self, key: SigningKey, message: bytes) -> bytes:
        """Return the signature of one of the tenant's own keys over ``message``."""
        if key.provider is None or key.provider_ref is None:
            raise SigningKeyError(f"The key {key.name} is somebody else's; Slipway cannot sign with it.")
        try:
            return self._signer(key.provider).sign(key.provider_ref, KeyAlgorithm(key.algorithm), message)
        except SignerError as error:
            raise SigningUnavailableError(f"The key {key.name} cannot sign: {error}.") from None

    def _create(self, principal: Principal, asked: NewSigningKey) -> SigningKey:
        provider = asked.signer or self._settings.signer
        before = queries.signing_key(self._session, principal.tenant_id)
        try:
            signer = self._signer(provider)
            if asked.algorithm not in signer.algorithms:
                known = ", ".join(sorted(signer.algorithms))
                raise SigningKeyError(f"The signer {provider} makes keys of {known}.")
            made = signer.create(f"tenants/{principal.tenant_id}", asked.algorithm)
        except SignerError as error:
            raise SigningUnavailableError(f"The key cannot be made: {error}.") from None
        moment = now()
        if before is not None:
            before.state = KeyState.RETIRING
            before.retires_at = moment + timedelta(days=asked.overlap_days)
            self._session.add(before)
            self._session.flush()
        key = self._add(principal, asked.name, load_public_der(made.public_key), (provider, made.ref))
        if before is not None and before.retires_at is not None:
            data = SigningKeyRotated(**_named(before), retires_at=before.retires_at, successor_id=key.id)
            self._tell_of_key(principal, before, data)
        return key

    def _add(
        self, principal: Principal, name: str, public: PublicKey, held: tuple[str, str] | None = None
    ) -> SigningKey:
        if len(queries.keys(self._session, principal.tenant_id)) >= rules.MOST_KEYS:
            raise SigningKeyError(f"A tenant may have {rules.MOST_KEYS} keys.")
        provider, ref = held or (None, None)
        key = SigningKey(
            tenant_id=principal.tenant_id,
            key_id=key_id(public),
            name=name,
            algorithm=algorithm_of(public),
            public_key=pem(public),
            provider=provider,
            provider_ref=ref,
            created_by=principal.name,
        )
        self._session.add(key)
        self._session.flush()
        data = SigningKeyCreated(**_named(key), algorithm=key.algorithm, provider=provider)
        self._tell_of_key(principal, key, data)
        return key

    def _key(self, tenant_id: UUID, signing_key_id: UUID, *, for_update: bool = False) -> SigningKey:
        found = queries.key(self._session, tenant_id, signing_key_id, for_update=for_update)
        if found is None:
            raise NotFoundError(f"There is no signing key {signing_key_id}.")
        return found

    def _signer(self, provider: str) -> Signer:
        return open_signer(provider, self._settings)

    def _tell_of_key(self, principal: Principal, key: SigningKey, data: EventData) -> None:
        subject = f"signing-keys/{key.id}"
        outbox.append(self._session, data, tenant_id=key.tenant_id, subject=subject, actor=principal.actor)


def passed(since: datetime | None, moment: datetime) -> datetime | None:
    """Return since when a signer is not trusted; raise ``InvalidInputError`` for what is no moment that has passed."""
    if since is not None and (since.tzinfo is None or since > moment):
        raise InvalidInputError(
            "The moment is not valid.",
            [FieldError("/since", "Give a moment that has passed, with its zone, such as 2026-11-25T10:00:00Z.")],
        )
    return since


def read_key(key: SigningKey) -> KeyRead:
    """Return a key as others read it, in the state that it has now."""
    state = key.state_at(now())
    signs = key.provider is not None and state is KeyState.ACTIVE
    return KeyRead.model_validate({**key.model_dump(), "state": state, "signs": signs})


def _named(key: SigningKey) -> dict[str, Any]:
    return {"signing_key_id": key.id, "key_id": key.key_id, "name": key.name}

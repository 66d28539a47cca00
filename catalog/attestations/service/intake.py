"""Intake: what is verified is kept as evidence, what is not is kept apart."""

import hashlib
import io
from collections.abc import Sequence
from typing import Any
from uuid import UUID

from catalog.assets.service import AssetService
from catalog.attestations import queries, rules
from catalog.attestations.dsse import LARGEST
from catalog.attestations.errors import AttestationBytesError, AttestationRejectedError, Reason
from catalog.attestations.events import AttestationRejected, AttestationVerified
from catalog.attestations.models import Attestation, AttestationSubject, Verdict
from catalog.attestations.predicates import facts, predicate
from catalog.attestations.revocations import queries as revoked
from catalog.attestations.service.keys import Keys
from catalog.attestations.service.reading import Reading
from catalog.attestations.shapes import AttestationRead
from catalog.attestations.statements import Subject
from catalog.attestations.verification import Anchors, Proof, prove
from catalog.clock import now
from catalog.events import outbox
from catalog.providers.blobs import BlobError
from catalog.tenancy import Principal

_MOST_IN_EVENT = 20


class Intake(Keys, Reading):
    """The one door for statements, whoever signed them."""

    def receive(self, principal: Principal, data: bytes, about: str | None = None) -> tuple[AttestationRead, bool]:
        """Verify an envelope or bundle and keep it as evidence; return it, and whether it is new.

        ``about`` is the SHA-256 digest (hexadecimal) that it must be about, where the sender says so. The same bytes
        again give the same attestation. Raises ``AttestationRejectedError`` with the reason; whoever catches it rolls
        this transaction back and calls ``reject`` in another, so that the bytes are kept.
        """
        principal.require("attestations:write")
        digest = hashlib.sha256(data).hexdigest()
        queries.lock(self._session, principal.tenant_id, digest)
        known = queries.by_envelope(self._session, principal.tenant_id, digest)
        proof = prove(data, self.anchors(principal.tenant_id), now())
        self._hold(principal.tenant_id, proof)
        if about is not None and not proof.statement.is_about(about):
            raise AttestationRejectedError(
                Reason.OTHER_SUBJECT, f"The statement is about other artifacts than sha256:{about}.", "/payload/subject"
            )
        if known is not None and known.verdict is Verdict.VERIFIED:
            return self._read(principal.tenant_id, [known])[0], False
        self._keep(data)
        row = known or Attestation(
            tenant_id=principal.tenant_id,
            envelope_digest=digest,
            size=len(data),
            verdict=Verdict.VERIFIED,
            received_by=principal.name,
        )
        self._fill(row, proof)
        self._session.add(row)
        self._session.flush()
        subjects = proof.statement.subjects
        self._session.add_all(
            AttestationSubject(
                tenant_id=row.tenant_id,
                attestation_id=row.id,
                algorithm=each.algorithm,
                digest=each.digest,
                name=each.name,
            )
            for each in subjects
        )
        self._session.flush()
        data_of_event = AttestationVerified(**_event_data(row, subjects))
        self._tell(principal, row.id, data_of_event)
        return self._read(principal.tenant_id, [row])[0], True

    def reject(self, principal: Principal, data: bytes, error: AttestationRejectedError) -> None:
        """Keep what was refused, with the reason; it is never listed as evidence.

        Bytes beyond what an attestation may have are not kept; that they came is.
        """
        principal.require("attestations:write")
        digest = hashlib.sha256(data).hexdigest()
        queries.lock(self._session, principal.tenant_id, digest)
        known = queries.by_envelope(self._session, principal.tenant_id, digest)
        if known is not None and known.verdict is not Verdict.REJECTED:
            return  # what is, or was, evidence is not overwritten by a claim that came with the same bytes
        if len(data) <= LARGEST:
            self._keep(data)
        row = known or Attestation(
            tenant_id=principal.tenant_id,
            envelope_digest=digest,
            size=len(data),
            verdict=Verdict.REJECTED,
            received_by=principal.name,
        )
        row.reason = error.reason
        row.detail = error.detail[:1000]
        row.received_at = now()
        self._session.add(row)
        self._session.flush()
        self._tell(
            principal, row.id, AttestationRejected(attestation_id=row.id, reason=error.reason, detail=row.detail)
        )

    def bind(self, tenant_id: UUID, version_id: UUID) -> None:
        """Let what was proved about a version before there was one travel with it from now on."""
        version = AssetService(self._session).version_by_id(tenant_id, version_id)
        digests = [version.blob_digest, *filter(None, [queries.wheel_of(self._session, tenant_id, version_id)])]
        for row in queries.unbound(self._session, tenant_id, digests):
            if predicate(row.predicate_type).travels:
                row.asset_id = version.asset_id
                self._session.add(row)

    def anchors(self, tenant_id: UUID) -> Anchors:
        """Return what the tenant verifies with."""
        return Anchors(
            keys=queries.keys(self._session, tenant_id),
            identities=queries.identities(self._session, tenant_id),
            trusted_root=self._settings.sigstore_trusted_root,
        )

    def _hold(self, tenant_id: UUID, proof: Proof) -> None:
        """Keep the signer from being revoked until this is committed, so that no revocation misses it."""
        if proof.key is not None:
            key = queries.hold_key(self._session, proof.key.tenant_id, proof.key.id)
            obstacle = rules.objection(key, now())
            if obstacle is not None:
                raise AttestationRejectedError(*obstacle)
        elif proof.issuer:
            left = revoked.hold_identities(self._session, tenant_id, proof.issuer)
            if rules.known_identity(left, proof.issuer, proof.identity) is None:
                raise AttestationRejectedError(
                    Reason.UNKNOWN_IDENTITY, f"{proof.identity} is no publisher identity of yours any more."
                )

    def _fill(self, row: Attestation, proof: Proof) -> None:
        statement = proof.statement
        known = predicate(statement.predicate_type)
        moment = now()
        row.verdict = Verdict.VERIFIED
        row.reason = row.detail = None
        row.untold = False
        row.media_type = proof.signed.media_type
        row.predicate_type = statement.predicate_type
        row.evidence = known.evidence
        row.facts = facts(statement.predicate_type, statement.predicate)
        row.signer = proof.signer
        row.issuer, row.identity = proof.issuer, proof.identity
        row.signed_at = proof.signed_at
        row.received_at = row.verified_at = moment
        if proof.key is not None:
            row.signing_key_id = proof.key.id
            row.key_id = proof.key.key_id
            row.key_state = proof.key.state_at(moment)
            row.public_key = proof.key.public_key
        if known.travels:
            digests = [each.digest for each in statement.subjects if each.algorithm == "sha256"]
            row.asset_id = queries.own_asset_of(self._session, row.tenant_id, digests)

    def _keep(self, data: bytes) -> None:
        try:
            self._blobs.write(io.BytesIO(data))
        except BlobError as error:
            raise AttestationBytesError(f"The attestation cannot be kept: {error}. Try again later.") from None

    def _tell(
        self, principal: Principal, attestation_id: UUID, data: AttestationVerified | AttestationRejected
    ) -> None:
        subject = f"attestations/{attestation_id}"
        outbox.append(self._session, data, tenant_id=principal.tenant_id, subject=subject, actor=principal.actor)


def _event_data(row: Attestation, subjects: Sequence[Subject]) -> dict[str, Any]:
    return {
        "attestation_id": row.id,
        "predicate_type": row.predicate_type,
        "evidence": row.evidence,
        "subjects": [f"{each.algorithm}:{each.digest}" for each in subjects[:_MOST_IN_EVENT]],
        "signer": row.signer,
        "key_id": row.key_id,
    }

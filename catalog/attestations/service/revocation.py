"""After a revocation: what the signer signed counts no longer, and what relied on it is named and told."""

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from uuid import UUID

from catalog.attestations import queries
from catalog.attestations.errors import (
    AttestationBytesError,
    AttestationBytesLostError,
    AttestationRejectedError,
    Reason,
)
from catalog.attestations.events import AttestationInvalidated, SigningKeyHistoryVerified
from catalog.attestations.models import Attestation, Verdict
from catalog.attestations.revocations import queries as revoked
from catalog.attestations.service.keys import passed, read_key
from catalog.attestations.service.signing import Signing
from catalog.attestations.shapes import (
    AffectedRead,
    IdentityRead,
    IdentityRevocation,
    RevocationReport,
    RevokeIdentity,
)
from catalog.attestations.verification import Anchors, prove
from catalog.clock import now
from catalog.events import outbox
from catalog.tenancy import Principal

AT_ONCE = 100
"""How many statements one transaction verifies again."""
JUDGED = ("environment", "release")
"""The kinds of things that trust policies ask something of as wholes."""


@dataclass(frozen=True)
class HistoryStep:
    """Where to go on, None once all are done; and how many statements could not be read just now."""

    after: UUID | None
    unread: int


class Revocation(Signing):
    """The long work after a signer is no longer trusted, in steps that may be repeated."""

    def verify_history(self, principal: Principal, signing_key_id: UUID, after: UUID | None) -> HistoryStep:
        """Settle the next statements of a key: tell of those taken back, and verify again what counts still.

        A statement is judged by when it arrived: what arrived while its key was trusted stays evidence, unless its
        bytes are lost. One whose bytes cannot be read now is counted and left as it is.
        """
        key = self._key(principal.tenant_id, signing_key_id)
        anchors = Anchors([key], queries.identities(self._session, principal.tenant_id), None)
        rows = revoked.to_settle(self._session, principal.tenant_id, revoked.of_key(key.id), after, AT_ONCE)
        unread = 0
        for row in rows:
            try:
                if not row.untold:
                    prove(self._bytes(row), anchors, row.received_at)
                    continue
            except AttestationRejectedError as error:
                self._invalidate(row, error.reason, error.detail)
            except AttestationBytesLostError as error:
                self._invalidate(row, Reason.BYTES_LOST, error.detail)
            except AttestationBytesError:
                unread += 1
                continue
            self._tell_of_loss(principal, row)
        self._session.flush()
        return HistoryStep(rows[-1].id if len(rows) == AT_ONCE else None, unread)

    def revoke_identity(self, principal: Principal, identity_id: UUID, asked: RevokeIdentity) -> IdentityRevocation:
        """Take nothing more from an identity, and take back at once what it signed without a key.

        With ``since``, what it signed before that moment stays evidence, as does what another identity of the tenant
        stands for. A worker then tells whoever relied on it. Raises ``NotFoundError`` and ``InvalidInputError``.
        """
        principal.require("attestations:admin")
        since = passed(asked.since, now())
        gone = self._drop_identity(principal, identity_id, asked)
        read = IdentityRead.model_validate(gone)
        left = queries.identities(self._session, principal.tenant_id)
        signed = revoked.of_identity(read.issuer, read.subject, left)
        why = (Reason.IDENTITY_REVOKED, f"The identity {read.name} is no longer trusted: {asked.reason}")
        lost = revoked.take_back(self._session, principal.tenant_id, signed, revoked.signed_since(since), why)
        own = revoked.of_identity(read.issuer, read.subject)
        digests = revoked.digests_taken_back(self._session, principal.tenant_id, own)
        return IdentityRevocation(
            identity=read, invalidated=lost, affected=self._affected(principal.tenant_id, digests)
        )

    def tell_of_identity(self, principal: Principal, issuer: str, subject: str, after: UUID | None) -> UUID | None:
        """Tell of the next statements of an identity that were taken back; return where to go on, None once done."""
        signed = revoked.of_identity(issuer, subject)
        rows = revoked.untold(self._session, principal.tenant_id, signed, after, AT_ONCE)
        for row in rows:
            self._tell_of_loss(principal, row)
        self._session.flush()
        return rows[-1].id if len(rows) == AT_ONCE else None

    def conclude_history(self, principal: Principal, signing_key_id: UUID) -> RevocationReport:
        """Tell that everything a key signed has been verified again."""
        report = self.revocation(principal.tenant_id, signing_key_id)
        data = SigningKeyHistoryVerified(
            signing_key_id=report.key.id,
            key_id=report.key.key_id,
            name=report.key.name,
            invalidated=report.invalidated,
            still_verified=report.still_verified,
            affected=len(report.affected),
        )
        key = self._key(principal.tenant_id, signing_key_id)
        self._tell_of_key(principal, key, data)
        return report

    def revocation(self, tenant_id: UUID, signing_key_id: UUID) -> RevocationReport:
        """Return what the revocation of a key has meant so far, and everything of the tenant's that relied on it."""
        key = self._key(tenant_id, signing_key_id)
        counts = queries.count_by_verdict(self._session, tenant_id, signing_key_id)
        left = counts.get(Verdict.VERIFIED, 0)
        signed = revoked.of_key(key.id)
        digests = revoked.digests_taken_back(self._session, tenant_id, signed)
        return RevocationReport(
            key=read_key(key),
            invalidated=counts.get(Verdict.INVALIDATED, 0),
            still_verified=left,
            is_complete=not revoked.has_untold(self._session, tenant_id, signed),
            affected=self._affected(tenant_id, digests),
        )

    def things(self, tenant_id: UUID, after: str, limit: int) -> list[str]:
        """Return the next releases and environments (``releases/<id>``) that rely on evidence, after a name."""
        return queries.things(self._session, tenant_id, JUDGED, after, limit)

    def things_with(self, tenant_id: UUID, digests: Collection[str]) -> list[str]:
        """Return what is, or is made of, an artifact with one of some SHA-256 digests (hexadecimal)."""
        found = queries.reliances_on(self._session, tenant_id, digests)
        return sorted({f"{each.kind}s/{each.thing_id}" for each in found if each.kind in JUDGED})

    def _affected(self, tenant_id: UUID, digests: Sequence[str]) -> list[AffectedRead]:
        versions = [
            AffectedRead(
                kind="asset",
                id=each.id,
                label=f"{each.namespace}/{each.name}@{each.version}",
                digest=f"sha256:{each.blob_digest}",
                used_as="",
            )
            for each in queries.versions_with(self._session, tenant_id, digests)
        ]
        things = [
            AffectedRead(
                kind=each.kind,
                id=each.thing_id,
                label=each.label,
                digest=f"sha256:{each.digest}",
                used_as=each.used_as,
            )
            for each in queries.reliances_on(self._session, tenant_id, digests)
        ]
        return [*versions, *things]

    def _invalidate(self, row: Attestation, reason: str, detail: str) -> None:
        row.verdict = Verdict.INVALIDATED
        row.reason = reason
        row.detail = detail[:1000]

    def _tell_of_loss(self, principal: Principal, row: Attestation) -> None:
        row.untold = False
        self._session.add(row)
        subjects = [f"{each.algorithm}:{each.digest}" for each in queries.subjects(self._session, [row.id])[:20]]
        data = AttestationInvalidated(
            attestation_id=row.id,
            predicate_type=row.predicate_type,
            evidence=row.evidence,
            subjects=subjects,
            signer=row.signer,
            key_id=row.key_id,
            reason=row.reason or "",
        )
        subject = f"attestations/{row.id}"
        outbox.append(self._session, data, tenant_id=row.tenant_id, subject=subject, actor=principal.actor)

"""After a revocation: everything that the key signed is verified again, and what relied on it is named."""

from collections.abc import Collection, Sequence
from uuid import UUID

from catalog.attestations import queries
from catalog.attestations.errors import AttestationRejectedError
from catalog.attestations.events import AttestationInvalidated, SigningKeyHistoryVerified
from catalog.attestations.models import Attestation, KeyState, SigningKey, Verdict
from catalog.attestations.service.keys import read_key
from catalog.attestations.service.signing import Signing
from catalog.attestations.shapes import AffectedRead, RevocationReport
from catalog.attestations.verification import Anchors, prove
from catalog.events import outbox
from catalog.tenancy import Principal

AT_ONCE = 100
"""How many statements one transaction verifies again."""
JUDGED = ("environment", "release")
"""The kinds of things that trust policies ask something of as wholes."""


class Revocation(Signing):
    """The long work after ``revoke_key``, in steps that may be repeated."""

    def verify_history(self, principal: Principal, signing_key_id: UUID, after: UUID | None) -> UUID | None:
        """Verify the next statements of a key again; return where to go on, None once all are done.

        A statement is judged by when it arrived: what arrived while its key was trusted stays evidence.
        """
        key = self._key(principal.tenant_id, signing_key_id)
        anchors = Anchors([key], queries.identities(self._session, principal.tenant_id), None)
        rows = queries.verified_by_key(self._session, principal.tenant_id, signing_key_id, after, AT_ONCE)
        for row in rows:
            try:
                prove(self._bytes(row), anchors, row.received_at)
            except AttestationRejectedError as error:
                self._invalidate(principal, row, error)
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
        return RevocationReport(
            key=read_key(key),
            invalidated=counts.get(Verdict.INVALIDATED, 0),
            still_verified=left,
            is_complete=not self._has_doubtful(key),
            affected=self._affected(tenant_id, queries.digests_signed_by(self._session, tenant_id, signing_key_id)),
        )

    def things(self, tenant_id: UUID, after: str, limit: int) -> list[str]:
        """Return the next releases and environments (``releases/<id>``) that rely on evidence, after a name."""
        return queries.things(self._session, tenant_id, JUDGED, after, limit)

    def things_with(self, tenant_id: UUID, digests: Collection[str]) -> list[str]:
        """Return what is, or is made of, an artifact with one of some SHA-256 digests (hexadecimal)."""
        found = queries.reliances_on(self._session, tenant_id, digests)
        return sorted({f"{each.kind}s/{each.thing_id}" for each in found if each.kind in JUDGED})

    def _has_doubtful(self, key: SigningKey) -> bool:
        """Tell whether there is a statement that still counts although it arrived when the key was not trusted."""
        return key.state is KeyState.REVOKED and queries.has_verified_since(
            self._session, key.tenant_id, key.id, key.untrusted_since
        )

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

    def _invalidate(self, principal: Principal, row: Attestation, error: AttestationRejectedError) -> None:
        row.verdict = Verdict.INVALIDATED
        row.reason = error.reason
        row.detail = error.detail[:1000]
        self._session.add(row)
        subjects = [f"{each.algorithm}:{each.digest}" for each in queries.subjects(self._session, [row.id])[:20]]
        data = AttestationInvalidated(
            attestation_id=row.id,
            predicate_type=row.predicate_type,
            evidence=row.evidence,
            subjects=subjects,
            signer=row.signer,
            key_id=row.key_id,
            reason=error.reason,
        )
        subject = f"attestations/{row.id}"
        outbox.append(self._session, data, tenant_id=row.tenant_id, subject=subject, actor=principal.actor)

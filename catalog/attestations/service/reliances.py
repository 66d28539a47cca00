"""What a publisher's lost evidence means for other tenants: each that relies on it is told in its own feed."""

from uuid import UUID

from sqlmodel import Session

from catalog.attestations import queries
from catalog.attestations.events import RelianceAffected
from catalog.attestations.models import Verdict
from catalog.attestations.revocations import queries as revoked
from catalog.attestations.service.revocation import Revocation
from catalog.events import outbox

_MOST_USES = 100
_MOST_SUBJECTS = 20
_SYSTEM = "system"


class Reliances(Revocation):
    """Telling tenants that what they built on an asset's evidence has lost it; its publisher learns of none of them."""

    def travelling_digests(self, tenant_id: UUID, attestation_id: UUID) -> list[str]:
        """Return the SHA-256 digests that the tenant's lost statement is about, where others could see it at all."""
        row = queries.attestation(self._session, attestation_id)
        if row is None or row.tenant_id != tenant_id or row.asset_id is None or row.verdict is Verdict.VERIFIED:
            return []
        subjects = queries.subjects(self._session, [row.id])
        return sorted({each.digest for each in subjects if each.algorithm == "sha256"})

    @staticmethod
    def tenants_relying(session: Session, owner: UUID, digests: list[str]) -> list[UUID]:
        """Return the other tenants that are made of artifacts; needs a session of the system role."""
        return revoked.tenants_relying(session, owner, digests)

    def tell_reliant(self, tenant_id: UUID, attestation_id: UUID, event_id: UUID) -> bool:
        """Tell the tenant that a publisher's statement it relied on is none any more, once for each event.

        Nothing is told of a statement that the tenant may not see, or that is by somebody else than the publisher of
        what it uses: it did not count there.
        """
        row = queries.attestation(self._session, attestation_id)
        if row is None or row.tenant_id == tenant_id or row.verdict is Verdict.VERIFIED:
            return False
        digests = [
            each
            for each in sorted({s.digest for s in queries.subjects(self._session, [row.id]) if s.algorithm == "sha256"})
            if queries.publisher_of(self._session, each) == row.tenant_id
        ]
        relying = queries.reliances_on(self._session, tenant_id, digests)
        uses = {f"{each.kind}s/{each.thing_id}" for each in relying}
        uses |= set(revoked.subjects_using(self._session, tenant_id, digests))
        if not uses or not revoked.note_told(self._session, tenant_id, event_id):
            return False
        data = RelianceAffected(
            attestation_id=row.id,
            predicate_type=row.predicate_type,
            evidence=row.evidence,
            subjects=[f"sha256:{each}" for each in digests[:_MOST_SUBJECTS]],
            signer=row.signer,
            key_id=row.key_id,
            reason=row.reason or "",
            uses=sorted(uses)[:_MOST_USES],
        )
        outbox.append(self._session, data, tenant_id=tenant_id, subject=f"attestations/{row.id}", actor=_SYSTEM)
        return True

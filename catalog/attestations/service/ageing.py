"""Evidence that grows too old: nothing happens to it, so what relied on it has to be told when the time is up."""

from collections.abc import Sequence
from datetime import datetime, timedelta
from uuid import UUID

from sqlmodel import Session

from catalog.attestations import queries
from catalog.attestations.events import AttestationAged
from catalog.attestations.models import Attestation, EvidenceWatch
from catalog.attestations.service.judging import Judging
from catalog.attestations.shapes import SetTrustPolicy, TrustPolicyRead
from catalog.attestations.trust import TrustPolicy
from catalog.clock import now
from catalog.events import outbox
from catalog.tenancy import Principal

SWEEP_EVERY = timedelta(hours=1)
MOST_AT_ONCE = 500
_MOST_SUBJECTS = 20


class Ageing(Judging):
    """Watches the evidence of tenants whose trust policy gives it an age."""

    def set_trust_policy(self, principal: Principal, asked: SetTrustPolicy) -> TrustPolicyRead:
        """Let another policy hold, as `Judging` does, and watch the ages that it sets."""
        made = super().set_trust_policy(principal, asked)
        watch = queries.evidence_watch(self._session, principal.tenant_id)
        ages = ages_in(asked.document)
        if ages:
            # What the new ages make too old at once is judged because the policy changed.
            watch = watch or EvidenceWatch(tenant_id=principal.tenant_id)
            watch.swept_at = now()
            self._session.add(watch)
        elif watch is not None:
            self._session.delete(watch)
        self._session.flush()
        return made

    def sweep_ages(self, tenant_id: UUID, actor: str = "system") -> int:
        """Tell of each attestation that has become too old for a requirement since the last sweep; return how many.

        At most ``MOST_AT_ONCE`` for each age; the next sweep goes on from there. Telling twice does no harm.
        """
        watch = queries.evidence_watch(self._session, tenant_id)
        if watch is None:
            return 0
        moment = until = now()
        told: dict[UUID, Attestation] = {}
        for evidence, days in ages_in(self.trust_policy(tenant_id).document):
            age = timedelta(days=days)
            found = queries.signed_between(
                self._session, _kinds(evidence), watch.swept_at - age, moment - age, MOST_AT_ONCE
            )
            if len(found) == MOST_AT_ONCE:
                until = min(until, (found[-1].signed_at or found[-1].received_at) + age)
            told |= {each.id: each for each in found}
        for each in told.values():
            self._tell_of_age(tenant_id, each, actor)
        watch.swept_at = until
        self._session.add(watch)
        return len(told)

    @staticmethod
    def due_for_sweep(session: Session, moment: datetime, limit: int) -> Sequence[UUID]:
        """Return tenants whose evidence was not looked through for an hour; needs a session of the system role."""
        return queries.watches_before(session, moment - SWEEP_EVERY, limit)

    def _tell_of_age(self, tenant_id: UUID, row: Attestation, actor: str) -> None:
        subjects = queries.subjects(self._session, [row.id])[:_MOST_SUBJECTS]
        data = AttestationAged(
            attestation_id=row.id,
            predicate_type=row.predicate_type,
            evidence=row.evidence,
            subjects=[f"{each.algorithm}:{each.digest}" for each in subjects],
            signer=row.signer,
            key_id=row.key_id,
        )
        outbox.append(self._session, data, tenant_id=tenant_id, subject=f"attestations/{row.id}", actor=actor)


def ages_in(policy: TrustPolicy) -> list[tuple[str, int]]:
    """Return each piece of evidence that a policy gives an age, with the age in days."""
    found = {(each.evidence, each.max_age_days) for each in policy.requirements if each.max_age_days is not None}
    return sorted(found)


def _kinds(evidence: str) -> tuple[str, ...]:
    """Return what may stand for a piece of evidence: a verification summary does for provenance."""
    return (evidence, "vsa") if evidence == "provenance" else (evidence,)

"""Proofs that a domain or repository is a publisher's own: claimed by the tenant, looked for by a worker."""

import secrets
from collections.abc import Sequence
from datetime import datetime
from uuid import UUID

from sqlmodel import Session

from catalog.assets.service import AssetService
from catalog.clock import now
from catalog.errors import FieldError, InvalidInputError, NotFoundError, SlipwayError, UnavailableError
from catalog.events import outbox
from catalog.events.registry import EventData
from catalog.providers.scm import normalised, open_repository
from catalog.providers.websites import WebsiteError, read_text
from catalog.publishers import queries, rules
from catalog.publishers.errors import ProofNotFoundError
from catalog.publishers.events import PublisherProofLapsed, PublisherProofRequested, PublisherProofVerified
from catalog.publishers.models import ClaimProof, ProofKind, ProofState, PublisherProof, PublisherProofRead
from catalog.settings import Settings
from catalog.tenancy import Principal
from catalog.tenants.service import TenantService

MOST_PROOFS = 20
_LARGEST_FILE = 64 * 1024


class PublisherProofService:
    """One unit of work on a tenant's proofs; everything happens in the session's transaction."""

    def __init__(self, session: Session) -> None:
        self._session = session

    def claim(self, principal: Principal, request: ClaimProof, settings: Settings) -> PublisherProofRead:
        """Say that a domain or repository is the tenant's, and have it looked at; again: have it looked at again.

        Several tenants may claim the same one: only where a challenge stands is it theirs. Raises
        ``InvalidInputError`` for what is neither, and the errors of the SCM provider for an unknown repository.
        """
        principal.require("tenants:admin")
        subject = _subject(request, settings)
        known = queries.proofs(self._session, principal.tenant_id)
        found = next((each for each in known if (each.kind, each.subject) == (request.kind, subject)), None)
        if found is None:
            if len(known) >= MOST_PROOFS:
                detail = f"There are {MOST_PROOFS} proofs already. Withdraw one that is not needed."
                raise InvalidInputError(detail, [FieldError("/subject", detail)])
            challenge = f"slipway-publisher={secrets.token_urlsafe(24)}"
            found = PublisherProof(
                tenant_id=principal.tenant_id, kind=request.kind, subject=subject, challenge=challenge
            )
        elif found.state is ProofState.LAPSED:
            found.state, found.created_at, found.verified_at = ProofState.PENDING, now(), None
        found.look_at = now()
        self._session.add(found)
        self._session.flush()
        self._tell(principal.actor, found, PublisherProofRequested(proof_id=found.id), "publisher_proof.claim")
        return _read(found)

    def withdraw(self, principal: Principal, proof_id: UUID) -> None:
        """Claim a domain or repository no longer."""
        principal.require("tenants:admin")
        found = queries.proof(self._session, principal.tenant_id, proof_id, lock=True)
        if found is None:
            raise NotFoundError(f"There is no proof {proof_id}.")
        lapsed = PublisherProofLapsed(proof_id=found.id, kind=found.kind, subject=found.subject)
        self._tell(principal.actor, found, lapsed, "publisher_proof.withdraw")
        self._session.delete(found)
        self._session.flush()
        self.mark(principal.tenant_id)

    def all(self, tenant_id: UUID) -> Sequence[PublisherProofRead]:
        """Return the tenant's proofs, oldest first."""
        return [_read(each) for each in queries.proofs(self._session, tenant_id)]

    def get(self, tenant_id: UUID, proof_id: UUID) -> PublisherProof | None:
        """Return one proof, None where it was withdrawn."""
        return queries.proof(self._session, tenant_id, proof_id)

    def record(self, tenant_id: UUID, proof_id: UUID, problem: str | None) -> None:
        """Record what a look found: ``problem`` is None where the challenge stands there."""
        found = queries.proof(self._session, tenant_id, proof_id, lock=True)
        if found is None:
            return
        moment, before = now(), found.state
        found.looked_at, found.problem = moment, problem
        if problem is None:
            found.state, found.verified_at = ProofState.VERIFIED, moment
        elif rules.is_over(found, moment):
            found.state = ProofState.LAPSED
        found.look_at = None if found.state is ProofState.LAPSED else rules.next_look(found, moment)
        self._session.add(found)
        self._session.flush()
        told = {"proof_id": found.id, "kind": found.kind, "subject": found.subject}
        if found.state is ProofState.VERIFIED and before is not ProofState.VERIFIED:
            self._tell("system", found, PublisherProofVerified.model_validate(told), "publisher_proof.verify")
        elif found.state is ProofState.LAPSED and before is ProofState.VERIFIED:
            self._tell("system", found, PublisherProofLapsed.model_validate(told), "publisher_proof.lapse")
        self.mark(tenant_id)

    def mark(self, tenant_id: UUID) -> None:
        """Let the tenant's assets say as whom their publisher is verified now."""
        verified = rules.verified_name(queries.proofs(self._session, tenant_id))
        AssetService(self._session).mark_publisher(tenant_id, verified)

    @staticmethod
    def due(session: Session, moment: datetime, limit: int) -> Sequence[tuple[UUID, UUID]]:
        """Return tenant and id of the proofs to look at; needs a session of the system role."""
        return queries.due_proofs(session, moment, limit)

    def _tell(self, actor: str, row: PublisherProof, data: EventData, action: str) -> None:
        subject = f"publishers/{row.tenant_id}"
        outbox.append(self._session, data, tenant_id=row.tenant_id, subject=subject, actor=actor)
        detail = {"kind": row.kind, "subject": row.subject}
        TenantService(self._session).audit(row.tenant_id, actor, action, subject, detail)


def look(proof: PublisherProof, settings: Settings) -> str | None:
    """Look for a proof's challenge where it has to stand; return what is wrong, None where it stands there."""
    try:
        if proof.kind is ProofKind.DOMAIN:
            text = read_text(f"https://{proof.subject}{rules.WELL_KNOWN}", settings)
        else:
            text = open_repository(proof.subject, settings).read_file(rules.IN_REPOSITORY, _LARGEST_FILE)
        if not rules.stands_in(text, proof.challenge):
            raise ProofNotFoundError("There is something at this place, but none of its lines is the challenge.")
    except (WebsiteError, SlipwayError) as error:
        return str(error)[:500]
    return None


def _subject(request: ClaimProof, settings: Settings) -> str:
    if request.kind is ProofKind.REPOSITORY:
        try:
            return normalised(request.subject, settings)
        except UnavailableError:
            raise
        except SlipwayError as error:
            raise InvalidInputError(error.detail, [FieldError("/subject", error.detail)]) from None
    domain = request.subject.lower().rstrip(".")
    if not (rules.is_domain(domain) or domain in settings.internal_domains):
        detail = f"{request.subject[:100]!r} is not a domain. Write its name alone, such as example.com."
        raise InvalidInputError(detail, [FieldError("/subject", detail)])
    return domain


def _read(row: PublisherProof) -> PublisherProofRead:
    return PublisherProofRead.model_validate({**row.model_dump(), "place": rules.place(row)})

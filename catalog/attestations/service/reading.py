"""Reading attestations: lists, one of them, its exact bytes, and the statement inside."""

from collections.abc import Collection, Sequence
from datetime import datetime
from uuid import UUID

from catalog.attestations import pep740, queries
from catalog.attestations.dsse import read_signed
from catalog.attestations.errors import AttestationBytesError, AttestationBytesLostError, AttestationNotFoundError
from catalog.attestations.models import Attestation, AttestationSubject, Verdict
from catalog.attestations.predicates import predicate
from catalog.attestations.service.base import Base
from catalog.attestations.shapes import AttestationRead, SubjectRead
from catalog.attestations.statements import Statement, read_statement
from catalog.providers.blobs import BlobDamagedError, BlobError, BlobMissingError

EVIDENCE = (Verdict.VERIFIED,)


class Reading(Base):
    """A tenant reads its own attestations, and those that travel with assets that it may see."""

    def get(self, tenant_id: UUID, attestation_id: UUID) -> AttestationRead:
        """Return an attestation; raise ``AttestationNotFoundError`` where the tenant may see none of that id."""
        return self._read(tenant_id, [self._attestation(attestation_id)])[0]

    def page(
        self,
        tenant_id: UUID,
        *,
        verdicts: Collection[Verdict] = EVIDENCE,
        digest: tuple[str, str] | None = None,
        evidence: str | None = None,
        before: tuple[datetime, UUID] | None = None,
        limit: int = 50,
    ) -> list[AttestationRead]:
        """Return attestations newest first: the tenant's own, and about a ``digest`` the publisher's of the artifact.

        ``digest`` is (algorithm, hexadecimal), ``evidence`` a short name or the URI of a predicate type. Rejected
        ones are only in it where they are asked for.
        """
        whose = {tenant_id}
        if digest is not None and digest[0] == "sha256":
            # Others may say what they like about an artifact that is not theirs; it is the publisher who is heard.
            whose |= {queries.publisher_of(self._session, digest[1]) or tenant_id}
        rows = queries.page(self._session, whose, verdicts, digest, evidence, before, limit)
        return self._read(tenant_id, rows)

    def counts(self, tenant_id: UUID) -> dict[Verdict, int]:
        """Return how many attestations of each verdict the tenant has."""
        return queries.count_by_verdict(self._session, tenant_id)

    def envelope(self, attestation_id: UUID) -> tuple[bytes, str]:
        """Return the exact bytes that were sent, and their media type; their digest was compared while reading."""
        found = self._attestation(attestation_id)
        return self._bytes(found), found.media_type or "application/octet-stream"

    def statement(self, attestation_id: UUID) -> Statement:
        """Return the statement of a verified attestation, with its whole predicate."""
        found = self._attestation(attestation_id)
        if found.verdict is not Verdict.VERIFIED:
            raise AttestationNotFoundError(f"The attestation {attestation_id} is not evidence.")
        return read_statement(read_signed(self._bytes(found)).envelope)

    def attested_wheels(self, owner: UUID, project: str) -> Collection[str]:
        """Return the digests of a publisher's wheels of a project about which `provenance` has something to say."""
        return set(queries.attested_wheels(self._session, owner, project, pep740.SERVED))

    def provenance(self, owner: UUID, digest: str) -> bytes:
        """Return the provenance object (PEP 740) of a publisher's wheel, byte for byte what its signers signed.

        Raises ``AttestationNotFoundError`` where there is none that the transaction's tenant may see.
        """
        rows = queries.keyless_about(self._session, owner, digest, pep740.SERVED)
        known = [(pep740.publisher(row.issuer, row.identity), row) for row in rows]
        found = pep740.provenance((who, self._bytes(row)) for who, row in known if who is not None)
        if found is None:
            raise AttestationNotFoundError("There is no provenance of this file.")
        return found

    def _attestation(self, attestation_id: UUID) -> Attestation:
        found = queries.attestation(self._session, attestation_id)
        if found is None:
            raise AttestationNotFoundError(f"There is no attestation {attestation_id}.")
        return found

    def _bytes(self, attestation: Attestation) -> bytes:
        try:
            return self._blobs.read(attestation.envelope_digest)
        except (BlobMissingError, BlobDamagedError) as error:
            raise AttestationBytesLostError(f"The bytes of the attestation cannot be read: {error}.") from None
        except BlobError as error:
            raise AttestationBytesError(f"The bytes of the attestation cannot be read: {error}.") from None

    def _read(self, tenant_id: UUID, rows: Sequence[Attestation]) -> list[AttestationRead]:
        subjects: dict[UUID, list[AttestationSubject]] = {}
        for each in queries.subjects(self._session, [row.id for row in rows]):
            subjects.setdefault(each.attestation_id, []).append(each)
        return [_read(row, subjects.get(row.id, []), tenant_id) for row in rows]


def _read(row: Attestation, subjects: Sequence[AttestationSubject], tenant_id: UUID) -> AttestationRead:
    owned = row.tenant_id == tenant_id
    return AttestationRead(
        **row.model_dump(exclude={"tenant_id", "signing_key_id", "asset_id", "received_by", "detail", "untold"}),
        verified=row.verdict is Verdict.VERIFIED,
        title=predicate(row.predicate_type).title if row.predicate_type else "Not accepted",
        subjects=[SubjectRead.model_validate(each) for each in subjects],
        # Who of another tenant sent it, and in which words its key was revoked, stays with that tenant.
        received_by=row.received_by if owned else "its publisher",
        detail=row.detail if owned else None,
        owned=owned,
    )

"""What generators made, signed and attached: through the same door as anybody's statements."""

import io
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any
from uuid import UUID

from catalog.assets.service import AssetService
from catalog.attestations import queries
from catalog.attestations.dsse import STATEMENT_TYPE, Envelope, pae, read_signed, write_bundle
from catalog.attestations.errors import AttestationBytesError, AttestationRejectedError
from catalog.attestations.models import Verdict
from catalog.attestations.sbom_events import SbomMade, SbomNotMade, SbomRequested
from catalog.attestations.sboms import models
from catalog.attestations.sboms import queries as sbom_queries
from catalog.attestations.sboms.documents import check_document, document_in, wrap
from catalog.attestations.sboms.models import PREDICATE_TYPES, MakingState, SbomFormat
from catalog.attestations.sboms.shapes import MakingRead, SbomRead
from catalog.attestations.service.judging import Judging
from catalog.attestations.service.sboms import Sboms
from catalog.attestations.shapes import AttestationRead
from catalog.attestations.signatures import hint_of, load_public_key
from catalog.attestations.statements import Subject
from catalog.clock import now
from catalog.errors import FieldError, InvalidInputError
from catalog.events import outbox
from catalog.events.registry import EventData
from catalog.providers.blobs import BlobError
from catalog.tenancy import Principal

THINGS = ("releases", "environments")
"""What is named by its id; versions of assets are named as people name them."""


@dataclass(frozen=True)
class Wanted:
    """One artifact whose bills of materials are wanted; see ``sboms.models.SbomMaking`` for what the fields mean."""

    thing: str
    label: str
    digest: str
    subjects: tuple[Subject, ...]
    asset_id: UUID | None = None


@dataclass(frozen=True)
class Result:
    """How it came out: documents byte for byte, or a state and what to do about it."""

    state: MakingState
    detail: str = ""
    generator: str = ""
    documents: Mapping[SbomFormat, bytes] = field(default_factory=dict)


class Makings(Sboms, Judging):
    """Bills of materials that Slipway itself makes."""

    def request_sboms(self, principal: Principal, subject: str) -> None:
        """Ask for the bills of materials of a version, release or environment of the tenant's own to be made.

        Raises ``NotFoundError`` where the tenant sees none of that name, ``InvalidInputError`` for what is none.
        """
        principal.require("attestations:write")
        thing, owned = self._named_thing(principal.tenant_id, subject)
        if not owned:
            detail = "Its publisher describes it. Name a version, a release or an environment of your own."
            raise InvalidInputError("This is not yours to describe.", [FieldError("/subject", detail)])
        self._tell_of_making(principal, thing, SbomRequested(thing=thing))

    def sboms_of(self, tenant_id: UUID, subject: str) -> list[SbomRead]:
        """Return the bills of materials about a subject and about what it is made of, newest first.

        ``subject`` reads as in ``VerifySubject``; the errors are those of ``verify``.
        """
        thing = self._thing(tenant_id, subject, "file")
        return self.sboms_about(tenant_id, [thing.digest, *(each.digest for each in thing.parts)])

    def makings_of(self, tenant_id: UUID, subject: str) -> list[MakingRead]:
        """Return what came of the wishes for bills of materials of a subject; the errors are those of ``verify``."""
        return self.makings(self._named_thing(tenant_id, subject)[0])

    def itself(self, tenant_id: UUID, thing: str) -> Subject | None:
        """Return what ``releases/ID`` or ``environments/ID`` is by digest, None where that is not attested yet."""
        area, _, identifier = thing.partition("/")
        parts = queries.reliances_of(self._session, tenant_id, area.removesuffix("s"), UUID(identifier))
        own = next((each for each in parts if each.is_itself), None)
        return None if own is None else Subject(thing, "sha256", own.digest)

    def thing_attested(self, tenant_id: UUID, subjects: Sequence[str]) -> str | None:
        """Return the release or environment of the tenant's that subjects (``sha256:...``) of a statement name."""
        digests = [each.removeprefix("sha256:") for each in subjects if each.startswith("sha256:")]
        for each in queries.reliances_on(self._session, tenant_id, digests):
            if each.is_itself and f"{each.kind}s" in THINGS:
                return f"{each.kind}s/{each.thing_id}"
        return None

    def has_made(self, tenant_id: UUID, wanted: Wanted) -> bool:
        """Tell whether the documents were made already."""
        found = sbom_queries.making(self._session, tenant_id, wanted.thing, wanted.digest)
        return found is not None and found.state is MakingState.MADE

    def keep_making(self, principal: Principal, wanted: Wanted, result: Result) -> models.SbomMaking:
        """Keep what a generator made, or why there is nothing, and tell it; the last result of a thing counts."""
        queries.lock(self._session, principal.tenant_id, f"making/{wanted.thing}/{wanted.digest}")
        row = sbom_queries.making(self._session, principal.tenant_id, wanted.thing, wanted.digest)
        row = row or models.SbomMaking(
            tenant_id=principal.tenant_id,
            thing=wanted.thing,
            label=wanted.label[:300],
            digest=wanted.digest,
            state=result.state,
        )
        row.asset_id, row.state, row.detail = wanted.asset_id, result.state, result.detail[:1000]
        row.generator, row.made_at = result.generator[:200], now()
        row.subjects = [asdict(each) for each in wanted.subjects]
        row.documents = {str(format_): self._keep_document(data) for format_, data in result.documents.items()}
        self._session.add(row)
        self._session.flush()
        about: dict[str, Any] = {"making_id": row.id, "thing": row.thing, "label": row.label, "digest": row.digest}
        event: EventData = (
            SbomMade(**about, generator=row.generator, documents=row.documents)
            if row.state is MakingState.MADE
            else SbomNotMade(**about, state=row.state, detail=row.detail)
        )
        self._tell_of_making(principal, row.thing, event)
        return row

    def attach_sboms(
        self, principal: Principal, making_id: UUID, documents: Mapping[str, str]
    ) -> list[AttestationRead]:
        """Sign documents (digests by format) that were made, and attach them; those that are attached already stay."""
        row = sbom_queries.making_by_id(self._session, principal.tenant_id, making_id)
        if row is None:
            return []
        subjects = [Subject(each["name"], each["algorithm"], each["digest"]) for each in row.subjects]
        return [self.attach_sbom(principal, subjects, self._document(digest)) for digest in documents.values()]

    def attach_sbom(self, principal: Principal, subjects: Sequence[Subject], document: bytes) -> AttestationRead:
        """Sign a bill of materials about some artifacts with the tenant's key, byte for byte, and keep it as evidence.

        The same document about the same first subject again gives the same attestation. Raises
        ``AttestationRejectedError`` where it is too large, too deep, no bill of materials, or about something else.
        """
        predicate_type = PREDICATE_TYPES[check_document(document)]
        known = self._attached(principal.tenant_id, subjects[0], predicate_type, document)
        if known is not None:
            return known
        key = self.ensure_signing_key(principal)
        payload = wrap(subjects, predicate_type, document)
        envelope = Envelope(payload, STATEMENT_TYPE, self.signature(key, pae(STATEMENT_TYPE, payload)))
        return self.receive(principal, write_bundle(envelope, hint_of(load_public_key(key.public_key))))[0]

    def forget_sboms(self, tenant_id: UUID, thing: str, keep: str = "") -> None:
        """Take what was made for a thing that is gone out of the index, except what is about the digest ``keep``.

        The signed statements stay: what was true of the thing can be proven for as long as anybody asks.
        """
        for row in sbom_queries.makings(self._session, thing):
            if row.tenant_id != tenant_id or row.digest == keep:
                continue
            if row.state is MakingState.MADE:
                for sbom, _ in sbom_queries.about(self._session, {tenant_id}, [row.digest], 100):
                    self._remove(sbom)
            self._session.delete(row)
        self._session.flush()

    def forget_documents(self, documents: Mapping[str, str]) -> None:
        """Remove the blobs of documents that are attached by now: their bytes are in the signed statements."""
        for digest in documents.values():
            self._blobs.delete(digest)

    def makings(self, thing: str) -> list[MakingRead]:
        """Return what came of the wishes for bills of materials of a thing that the session's tenant may see."""
        return [MakingRead.model_validate(each) for each in sbom_queries.makings(self._session, thing)]

    def _named_thing(self, tenant_id: UUID, subject: str) -> tuple[str, bool]:
        """Return how rows name a subject, and whether it is the tenant's own."""
        area, _, _ = subject.partition("/")
        if area in THINGS:
            return self._thing(tenant_id, subject, "file").label, True
        reference, _, version = subject.partition("@")
        namespace, slash, name = reference.partition("/")
        if not slash:
            detail = "Name NAMESPACE/NAME@VERSION, releases/ID or environments/ID."
            raise InvalidInputError("The subject is not valid.", [FieldError("/subject", detail)])
        found = AssetService(self._session).get_version(tenant_id, namespace, name, version or "latest")
        return f"asset-versions/{found.id}", found.owned

    def _attached(
        self, tenant_id: UUID, subject: Subject, predicate_type: str, document: bytes
    ) -> AttestationRead | None:
        about = (subject.algorithm, subject.digest)
        rows = queries.page(self._session, {tenant_id}, (Verdict.VERIFIED,), about, predicate_type, None, 20)
        for row in rows:
            try:
                if document_in(read_signed(self._bytes(row)).envelope.payload) == document:
                    return self._read(tenant_id, [row])[0]
            except (AttestationBytesError, AttestationRejectedError):
                continue
        return None

    def _keep_document(self, data: bytes) -> str:
        try:
            return self._blobs.write(io.BytesIO(data)).digest
        except BlobError as error:
            raise AttestationBytesError(f"The bill of materials cannot be kept: {error}. Try again later.") from None

    def _document(self, digest: str) -> bytes:
        try:
            return self._blobs.read(digest)
        except BlobError as error:
            raise AttestationBytesError(f"The bill of materials cannot be read: {error}.") from None

    def _tell_of_making(self, principal: Principal, thing: str, data: EventData) -> None:
        outbox.append(self._session, data, tenant_id=principal.tenant_id, subject=thing, actor=principal.actor)

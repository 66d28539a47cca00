"""Bills of materials: indexed when they become evidence, taken out when they are none any more, and searched."""

import hashlib
from collections.abc import Callable, Collection, Sequence
from datetime import datetime
from itertools import islice
from typing import Literal
from uuid import UUID

from sqlalchemy import insert

from catalog.attestations import queries
from catalog.attestations.dsse import read_signed
from catalog.attestations.errors import AttestationNotFoundError
from catalog.attestations.models import Attestation, Verdict
from catalog.attestations.sbom_events import SbomIndexed, SbomRemoved
from catalog.attestations.sboms import queries as sbom_queries
from catalog.attestations.sboms.documents import MOST_PACKAGES, Head, document_in, read_head, read_packages
from catalog.attestations.sboms.models import Sbom, SbomFormat, SbomPackage
from catalog.attestations.sboms.purls import Range, asked_purl
from catalog.attestations.sboms.shapes import PackageRead, Place, SbomRead, VersionCount, Whereabouts
from catalog.attestations.service.reading import Reading
from catalog.errors import FieldError, InvalidInputError
from catalog.events import outbox

BATCH = 1000
"""How many packages are written at once; no more than these are in memory beside the document's bytes."""
MOST_PLACES = 1000
_SYSTEM = "system"
_KINDS: tuple[Literal["environment", "release"], ...] = ("environment", "release")


class Sboms(Reading):
    """The index of packages: what a tenant's environments, releases and assets are made of."""

    def index_sbom(
        self, tenant_id: UUID, attestation_id: UUID, should_stop: Callable[[], bool] = lambda: False
    ) -> Sbom | None:
        """Read the packages of a bill of materials that is evidence into the index; once, however often it is asked.

        Returns None for what is no longer evidence or cannot be read (SPDX 3). The document is read entry by entry.
        Raises ``InterruptedError`` where ``should_stop`` says so: nothing has happened then.
        """
        queries.lock(self._session, tenant_id, f"sbom/{attestation_id}")
        attestation = queries.attestation(self._session, attestation_id)
        known = sbom_queries.by_attestation(self._session, tenant_id, attestation_id)
        if attestation is None or attestation.verdict is not Verdict.VERIFIED or attestation.evidence != "sbom":
            return None
        if known is not None:
            return known
        data = document_in(read_signed(self._bytes(attestation)).envelope.payload)
        text = data.decode()
        head = read_head(text)
        if head is None:
            return None
        row = _row(attestation, head, data)
        self._session.add(row)
        self._session.flush()
        self._write_packages(row, text, head, should_stop)
        self._session.add(row)
        self._session.flush()
        event = SbomIndexed(
            sbom_id=row.id,
            attestation_id=row.attestation_id,
            format=row.format,
            packages=row.packages,
            components=row.components,
            subjects=self._subjects([attestation.id]).get(attestation.id, [])[:20],
        )
        outbox.append(self._session, event, tenant_id=tenant_id, subject=f"sboms/{row.id}", actor=_SYSTEM)
        return row

    def not_indexed(self, tenant_id: UUID, after: UUID | None = None, limit: int = 100) -> Sequence[UUID]:
        """Return attestations that are bills of materials and in no index, such as those from before there was one."""
        return sbom_queries.not_indexed(self._session, tenant_id, after, limit)

    def drop_sbom(self, tenant_id: UUID, attestation_id: UUID) -> bool:
        """Take a bill of materials that is no longer evidence out of the index; tell whether it was in it."""
        queries.lock(self._session, tenant_id, f"sbom/{attestation_id}")
        attestation = queries.attestation(self._session, attestation_id)
        row = sbom_queries.by_attestation(self._session, tenant_id, attestation_id)
        if row is None or (attestation is not None and attestation.verdict is Verdict.VERIFIED):
            return False
        self._remove(row)
        return True

    def _remove(self, row: Sbom) -> None:
        event = SbomRemoved(sbom_id=row.id, attestation_id=row.attestation_id, format=row.format, packages=row.packages)
        outbox.append(self._session, event, tenant_id=row.tenant_id, subject=f"sboms/{row.id}", actor=_SYSTEM)
        self._session.delete(row)  # and its packages with it
        self._session.flush()

    def sbom(self, tenant_id: UUID, sbom_id: UUID) -> SbomRead:
        """Return a bill of materials; raise ``AttestationNotFoundError`` where the tenant may see none of that id."""
        return self._read_sboms(tenant_id, [self._sbom(sbom_id)])[0]

    def sboms(
        self,
        tenant_id: UUID,
        format_: SbomFormat | None = None,
        after: tuple[datetime, UUID] | None = None,
        limit: int = 50,
    ) -> list[SbomRead]:
        """Return the tenant's own bills of materials, newest first."""
        return self._read_sboms(tenant_id, sbom_queries.newest(self._session, tenant_id, format_, after, limit))

    def sboms_about(self, tenant_id: UUID, digests: Collection[str], limit: int = 100) -> list[SbomRead]:
        """Return the bills of materials about artifacts by digest (hexadecimal), newest first.

        The tenant's own are in it, and those of whoever published the artifact.
        """
        publishers = {queries.publisher_of(self._session, each) for each in digests}
        whose = {tenant_id, *(each for each in publishers if each is not None)}
        return self._read_sboms(tenant_id, sbom_queries.about(self._session, whose, digests, limit))

    def packages_about(
        self, tenant_id: UUID, digests: Collection[str], most: int
    ) -> tuple[list[SbomRead], list[PackageRead], bool]:
        """Return the documents about artifacts, each package in them once in order of its URL, and whether that is all.

        Licences of a package that several documents give are joined.
        """
        room = max(100, 4 * len(digests))
        heard = self.sboms_about(tenant_id, digests, room + 1)
        documents = heard[:room]
        rows = sbom_queries.packages_in(self._session, [each.id for each in documents], most * 2 + 1)
        found: dict[str, PackageRead] = {}
        for row in rows:
            known = found.get(row.purl)
            licenses = list(dict.fromkeys([*(known.licenses if known else ()), *row.licenses]))
            found[row.purl] = PackageRead(package=row.package, version=row.version, purl=row.purl, licenses=licenses)
        is_all = len(heard) <= room and len(rows) <= most * 2 and len(found) <= most
        is_all = is_all and all(each.is_complete for each in documents)
        return documents, list(found.values())[:most], is_all

    def sbom_document(self, sbom_id: UUID) -> tuple[bytes, str]:
        """Return a document byte for byte as its maker wrote it, and a name for its file."""
        row, attestation = self._sbom(sbom_id)
        data = document_in(read_signed(self._bytes(attestation)).envelope.payload)
        ending = {SbomFormat.CYCLONEDX: "cdx.json", SbomFormat.SPDX: "spdx.json"}[row.format]
        return data, f"sbom-{row.document_digest[:12]}.{ending}"

    def sbom_packages(self, sbom_id: UUID, after: int = 0, limit: int = 100) -> list[tuple[int, PackageRead]]:
        """Return packages of a bill of materials in the order of the document, each with its place for a cursor."""
        row, _ = self._sbom(sbom_id)
        found = sbom_queries.packages(self._session, row.id, after, limit)
        return [(each.id or 0, PackageRead.model_validate(each)) for each in found]

    def where(self, tenant_id: UUID, purl: str, versions: str = "", limit: int = 200) -> Whereabouts:
        """Return where a package runs: in environments, releases and asset versions, at most ``limit`` of each.

        ``purl`` may name a version; ``versions`` is a range such as ``>=2,<2.32`` instead. What names no version, or
        one that cannot be compared, is listed as uncertain: a search for a hole must not miss it. Raises
        ``InvalidInputError`` for what is no package URL or no range.
        """
        asked = asked_purl(purl)
        if asked.version and versions:
            detail = "Give a version in the package URL, or a range, not both."
            raise InvalidInputError("The question has two answers.", [FieldError("/versions", detail)])
        bounds = Range(asked.type, versions) if versions else None
        known = sorted(sbom_queries.versions_of(self._session, asked.package))
        counts = [
            VersionCount(version=version, sboms=count, holds=_holds(version, asked.version, bounds))
            for version, count in known
        ]
        is_any = bounds is None and not asked.version
        wanted = None if is_any and counts else [each.version for each in counts if each.holds is not False]
        certain = {each.version for each in counts if each.holds}
        limit = min(limit, MOST_PLACES)
        found = self._places(tenant_id, asked.package, wanted, certain, limit + 1)
        return Whereabouts(
            package=asked.package,
            asked=asked.version or versions,
            versions=counts,
            environments=found["environment"][:limit],
            releases=found["release"][:limit],
            assets=found["asset"][:limit],
            is_cut=any(len(each) > limit for each in found.values()),
        )

    def _places(
        self, tenant_id: UUID, package: str, versions: Sequence[str] | None, certain: Collection[str], limit: int
    ) -> dict[str, list[Place]]:
        if versions is not None and not versions:
            return {kind: [] for kind in (*_KINDS, "asset")}
        found: dict[str, list[Place]] = {kind: [] for kind in (*_KINDS, "asset")}
        for each in sbom_queries.carriers(self._session, tenant_id, _KINDS, package, versions, limit):
            values = {**vars(each), "certain": each.version in certain, "digest": f"sha256:{each.digest}"}
            # What comes from rows needs no second look, and there may be thousands.
            found[each.kind].append(Place.model_construct(None, **values))
        return found

    def _write_packages(self, row: Sbom, text: str, head: Head, should_stop: Callable[[], bool]) -> None:
        listed = read_packages(text, head)
        while batch := list(islice(listed, min(BATCH, MOST_PACKAGES - row.packages))):
            if should_stop():
                raise InterruptedError
            values = [
                {
                    "tenant_id": row.tenant_id,
                    "sbom_id": row.id,
                    "asset_id": row.asset_id,
                    "package": each.purl.package,
                    "version": each.purl.version,
                    "purl": each.text,
                    "licenses": list(each.licenses),
                }
                for each in batch
            ]
            self._session.execute(insert(SbomPackage), values)
            row.packages += len(batch)
        row.is_complete = next(listed, None) is None

    def _sbom(self, sbom_id: UUID) -> tuple[Sbom, Attestation]:
        found = sbom_queries.by_id(self._session, sbom_id)
        if found is None:
            raise AttestationNotFoundError(f"There is no bill of materials {sbom_id}.")
        return found

    def _subjects(self, attestation_ids: Collection[UUID]) -> dict[UUID, list[str]]:
        found: dict[UUID, list[str]] = {}
        for each in queries.subjects(self._session, attestation_ids):
            found.setdefault(each.attestation_id, []).append(f"{each.algorithm}:{each.digest}")
        return found

    def _read_sboms(self, tenant_id: UUID, pairs: Sequence[tuple[Sbom, Attestation]]) -> list[SbomRead]:
        subjects = self._subjects([attestation.id for _, attestation in pairs])
        return [
            SbomRead(
                **row.model_dump(exclude={"tenant_id", "asset_id"}),
                signer=attestation.signer,
                subjects=subjects.get(attestation.id, []),
                owned=row.tenant_id == tenant_id,
            )
            for row, attestation in pairs
        ]


def _row(attestation: Attestation, head: Head, data: bytes) -> Sbom:
    return Sbom(
        tenant_id=attestation.tenant_id,
        attestation_id=attestation.id,
        asset_id=attestation.asset_id,
        document_digest=hashlib.sha256(data).hexdigest(),
        size=len(data),
        format=head.format,
        spec_version=head.spec_version,
        serial=head.serial,
        about=head.about,
        made_by=head.made_by,
        components=head.components,
    )


def _holds(version: str, exact: str, bounds: Range | None) -> bool | None:
    if bounds is not None:
        return bounds.holds(version)
    if exact:
        return version == exact if version else None
    return True

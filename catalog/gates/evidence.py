"""Evidence for the input document: what attestations say of the artifacts in question."""

from collections.abc import Iterable, Iterator
from typing import Any
from uuid import UUID

from sqlmodel import Session

from catalog.attestations.errors import AttestationBytesError
from catalog.attestations.sboms.purls import read_purl
from catalog.attestations.service import SupplyChainAttestationService
from catalog.attestations.shapes import Checked
from catalog.settings import Settings

MOST_ATTESTATIONS = 2000
"""How many statements a document has room for, shared between its artifacts."""
LEAST_EACH = 20
"""How many statements about each artifact there is room for in any case: a release may have 200 artifacts."""
MOST_PACKAGES = 2000
LARGEST_PREDICATE = 256 * 1024
"""Larger statements, such as whole bills of materials, are named without their predicate, in bytes."""
LARGEST_PREDICATES = 16 * 1024 * 1024
"""What the predicates of a document may have together, in bytes; statements beyond are named without theirs."""


def attestations_about(session: Session, settings: Settings, tenant_id: UUID, digests: Iterable[str]) -> dict[str, Any]:
    """Return what is attested of artifacts by their digests (``sha256:...``), as policies see it: two parts.

    In ``attestations``, ``verified`` says that the signature holds and that the tenant trusts the signer; statements
    without a valid signature are no evidence and are left out. So an attestation that is taken away can only be missed.
    ``complete`` in ``evidence`` is false where something had no room: of each signer and kind there is something then.
    """
    service = SupplyChainAttestationService(session, settings)
    wanted = [each.removeprefix("sha256:") for each in dict.fromkeys(digests) if each.startswith("sha256:")]
    most = max(LEAST_EACH, MOST_ATTESTATIONS // max(1, len(wanted)))
    found: dict[UUID, dict[str, Any]] = {}
    room, is_all = LARGEST_PREDICATES, True
    for digest in wanted:
        judged = service.assess_digest(tenant_id, digest, "release", most=most)
        is_all = is_all and judged.is_complete
        for checked in judged.checked:
            if checked.attestation.id in found:
                continue
            size = checked.attestation.size if checked.attestation.size <= LARGEST_PREDICATE else 0
            is_all = is_all and size <= room
            found[checked.attestation.id] = dict(_said(service, checked, is_whole=0 < size <= room))
            room -= size if size <= room else 0
    return {"attestations": list(found.values()), "evidence": {"complete": is_all}}


def sbom_about(
    session: Session, settings: Settings, tenant_id: UUID, digests: Iterable[str], thing: str = ""
) -> dict[str, Any]:
    """Return what signed bills of materials list of artifacts (``sha256:...``), as the part ``sbom``.

    ``thing`` (``releases/ID``) adds what was read out of its sources. Without a document there is no such part.
    ``complete`` is false where there are more packages, or more documents, than a policy is given.
    """
    service = SupplyChainAttestationService(session, settings)
    own = service.itself(tenant_id, thing) if thing else None
    wanted = [each.removeprefix("sha256:") for each in digests if each.startswith("sha256:")]
    documents, packages, is_all = service.packages_about(
        tenant_id, [*wanted, *([] if own is None else [own.digest])], MOST_PACKAGES
    )
    if not documents:
        return {}
    listed = [
        {
            "name": _name(each.package),
            "purl": each.purl,
            **({"version": each.version} if each.version else {}),
            "licenses": each.licenses,
        }
        for each in packages
    ]
    named = [
        {
            "format": each.format,
            "spec_version": each.spec_version,
            "about": each.about,
            "digest": f"sha256:{each.document_digest}",
            "signer": each.signer,
            "subjects": each.subjects,
        }
        for each in documents
    ]
    return {"sbom": {"packages": listed, "documents": named, "complete": is_all}}


def _name(package: str) -> str:
    """Return the name in a package URL, as people write it."""
    read = read_purl(package)
    return package if read is None else read.name


def _said(service: SupplyChainAttestationService, checked: Checked, *, is_whole: bool) -> Iterator[tuple[str, Any]]:
    attestation = checked.attestation
    yield "predicate_type", attestation.predicate_type
    yield "verified", attestation.verified and checked.is_trusted_signer
    yield "signer", attestation.signer
    yield "envelope", f"sha256:{attestation.envelope_digest}"
    yield (
        "subjects",
        [{"name": each.name, "digest": f"{each.algorithm}:{each.digest}"} for each in attestation.subjects],
    )
    if is_whole:
        try:
            yield "predicate", service.statement(attestation.id).predicate
        except AttestationBytesError:
            return

"""Every read of bills of materials and of the packages in them; row-level security stands behind it."""

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import ARRAY, ColumnElement, String, any_, func, literal, or_, tuple_, union_all
from sqlalchemy import Select as Columns
from sqlalchemy import select as choose
from sqlalchemy.orm import aliased
from sqlmodel import Session, col, select
from sqlmodel.sql.expression import Select

from catalog.assets.models import AssetVersion
from catalog.attestations.models import Attestation, AttestationSubject, Reliance, Verdict
from catalog.attestations.sboms.models import ArtifactRegistry, Sbom, SbomFormat, SbomMaking, SbomPackage

MOST_HEARD = 200


@dataclass(frozen=True)
class Carrier:
    """One thing that carries a package in one version, as the documents ``sboms`` say."""

    kind: str
    id: UUID
    label: str
    version: str
    through: str
    digest: str
    sboms: Sequence[UUID]


def by_attestation(session: Session, tenant_id: UUID, attestation_id: UUID) -> Sbom | None:
    """Return what was read out of an attestation of the tenant's."""
    statement = select(Sbom).where(Sbom.tenant_id == tenant_id, Sbom.attestation_id == attestation_id)
    return session.exec(statement).first()


def by_id(session: Session, sbom_id: UUID) -> tuple[Sbom, Attestation] | None:
    """Return a bill of materials that is evidence and that the transaction's tenant may see, with its attestation."""
    return session.exec(_evident().where(Sbom.id == sbom_id)).first()


def about(
    session: Session, tenant_ids: Collection[UUID], digests: Collection[str], limit: int
) -> Sequence[tuple[Sbom, Attestation]]:
    """Return the bills of materials by some tenants about artifacts, newest first."""
    subjects = select(AttestationSubject.attestation_id).where(col(AttestationSubject.digest).in_(digests))
    statement = _evident().where(
        col(Sbom.tenant_id).in_(tenant_ids), col(Sbom.attestation_id).in_(subjects.scalar_subquery())
    )
    return session.exec(statement.order_by(col(Sbom.indexed_at).desc(), col(Sbom.id)).limit(limit)).all()


def newest(
    session: Session, tenant_id: UUID, format_: SbomFormat | None, after: tuple[datetime, UUID] | None, limit: int
) -> Sequence[tuple[Sbom, Attestation]]:
    """Return the tenant's own bills of materials, newest first, after the cursor."""
    statement = _evident().where(Sbom.tenant_id == tenant_id)
    if format_ is not None:
        statement = statement.where(Sbom.format == format_)
    if after is not None:
        statement = statement.where(tuple_(col(Sbom.indexed_at), col(Sbom.id)) < after)
    return session.exec(statement.order_by(col(Sbom.indexed_at).desc(), col(Sbom.id).desc()).limit(limit)).all()


def packages(session: Session, sbom_id: UUID, after: int, limit: int) -> Sequence[SbomPackage]:
    """Return packages of a bill of materials in the order of the document."""
    statement = select(SbomPackage).where(SbomPackage.sbom_id == sbom_id, col(SbomPackage.id) > after)
    return session.exec(statement.order_by(col(SbomPackage.id)).limit(limit)).all()


def packages_in(session: Session, sbom_ids: Collection[UUID], limit: int) -> Sequence[SbomPackage]:
    """Return the packages of some bills of materials in the order of their URLs."""
    if not sbom_ids:
        return []
    statement = select(SbomPackage).where(col(SbomPackage.sbom_id).in_(sbom_ids))
    return session.exec(statement.order_by(col(SbomPackage.purl), col(SbomPackage.id)).limit(limit)).all()


def versions_of(session: Session, package: str) -> Sequence[tuple[str, int]]:
    """Return each version of a package that some document names, and how many do."""
    statement = (
        select(SbomPackage.version, func.count(func.distinct(col(SbomPackage.sbom_id))))
        .where(SbomPackage.package == package)
        .group_by(col(SbomPackage.version))
    )
    return session.exec(statement).all()


def carriers(
    session: Session,
    tenant_id: UUID,
    kinds: Collection[str],
    package: str,
    versions: Collection[str] | None,
    limit: int,
) -> list[Carrier]:
    """Return what carries a package in some versions, or in any: at most ``limit`` of each kind, by name.

    ``kinds`` are those of the tenant's things (``environment``, ``release``); asset versions, of the kind ``asset``,
    come with them. The documents are gone through once for all of these.
    """
    columns = [col(SbomPackage.version), col(AttestationSubject.digest), col(Sbom.id).label("sbom_id")]
    evidence = _carried(columns, tenant_id, package, versions).cte("evidence")
    said = (evidence.c.version, evidence.c.digest)
    sboms = func.array_agg(func.distinct(evidence.c.sbom_id)).label("sboms")
    own = (col(Reliance.kind), col(Reliance.thing_id), col(Reliance.label), col(Reliance.used_as))
    things = (
        choose(*own, *said, sboms)
        .select_from(evidence.join(Reliance, col(Reliance.digest) == evidence.c.digest))
        .where(col(Reliance.tenant_id) == tenant_id, col(Reliance.kind).in_(kinds))
        .group_by(*own, *said)
    )
    label = func.concat(AssetVersion.namespace, "/", AssetVersion.name, "@", AssetVersion.version)
    assets = (
        choose(literal("asset"), col(AssetVersion.id), label, literal(""), *said, sboms)
        .select_from(evidence.join(AssetVersion, col(AssetVersion.blob_digest) == evidence.c.digest))
        .group_by(col(AssetVersion.id), label, *said)
    )
    found = union_all(things, assets).subquery()
    order = (found.c.label, found.c.version)
    place = func.row_number().over(partition_by=found.c.kind, order_by=order).label("place")
    numbered = choose(found, place).subquery()
    rows = session.execute(choose(numbered).where(numbered.c.place <= limit).order_by(numbered.c.place))
    return [
        Carrier(each.kind, each.thing_id, each.label, each.version, each.used_as, each.digest, each.sboms)
        for each in rows
    ]


def subjects_of(session: Session, attestation_ids: Collection[UUID]) -> Sequence[AttestationSubject]:
    """Return the subjects of some attestations."""
    statement = select(AttestationSubject).where(col(AttestationSubject.attestation_id).in_(attestation_ids))
    return session.exec(statement.order_by(col(AttestationSubject.name), col(AttestationSubject.digest))).all()


def makings(session: Session, thing: str) -> Sequence[SbomMaking]:
    """Return what came of the wishes for bills of materials of a thing that the transaction's tenant may see."""
    statement = select(SbomMaking).where(SbomMaking.thing == thing)
    return session.exec(statement.order_by(col(SbomMaking.made_at), col(SbomMaking.id))).all()


def making(session: Session, tenant_id: UUID, thing: str, digest: str) -> SbomMaking | None:
    """Return what came of one wish."""
    statement = select(SbomMaking).where(
        SbomMaking.tenant_id == tenant_id, SbomMaking.thing == thing, SbomMaking.digest == digest
    )
    return session.exec(statement).first()


def making_by_id(session: Session, tenant_id: UUID, making_id: UUID) -> SbomMaking | None:
    """Return what came of one wish, by id."""
    statement = select(SbomMaking).where(SbomMaking.tenant_id == tenant_id, SbomMaking.id == making_id)
    return session.exec(statement).first()


def _evident() -> Select[Sbom, Attestation]:
    return (
        select(Sbom, Attestation)
        .join(Attestation, col(Attestation.id) == col(Sbom.attestation_id))
        .where(Attestation.verdict == Verdict.VERIFIED)
    )


def _carried(columns: Sequence[Any], tenant_id: UUID, package: str, versions: Collection[str] | None) -> Columns[Any]:
    """Choose columns of the documents that name a package, as far as the tenant listens to who signed them.

    Others may say what they like about an artifact that is not theirs; the tenant hears itself and the publisher.
    """
    statement = (
        choose(*columns)
        .select_from(SbomPackage)
        .join(Sbom, col(Sbom.id) == col(SbomPackage.sbom_id))
        .join(Attestation, col(Attestation.id) == col(Sbom.attestation_id))
        .join(AttestationSubject, col(AttestationSubject.attestation_id) == col(Attestation.id))
        .where(
            col(SbomPackage.package) == package,
            col(Attestation.verdict) == Verdict.VERIFIED,
            col(AttestationSubject.algorithm) == "sha256",
            _is_heard(tenant_id),
        )
    )
    if versions is None:
        return statement
    # One array instead of a list of parameters, so that the statement is the same, and is planned once.
    return statement.where(col(SbomPackage.version) == any_(literal(list(versions), ARRAY(String))))


def exploitability(session: Session, tenant_id: UUID, digests: Collection[str]) -> Sequence[tuple[str, Attestation]]:
    """Return the verified OpenVEX about SHA-256 digests that the tenant listens to, with the digest, oldest first.

    Of what one signer's tenant says about a digest the newest count, so that nobody's flood silences anybody else.
    """
    about = (col(AttestationSubject.digest), col(Attestation.tenant_id))
    newest = (col(Attestation.received_at).desc(), col(Attestation.id).desc())
    place = func.row_number().over(partition_by=about, order_by=newest).label("place")
    heard = (
        choose(col(AttestationSubject.digest), col(Attestation.id).label("attestation_id"), place)
        .join(Attestation, col(Attestation.id) == col(AttestationSubject.attestation_id))
        .where(
            col(AttestationSubject.algorithm) == "sha256",
            col(AttestationSubject.digest).in_(digests),
            col(Attestation.verdict) == Verdict.VERIFIED,
            col(Attestation.predicate_type).startswith("https://openvex.dev/ns"),
            _is_heard(tenant_id),
        )
        .subquery()
    )
    statement = (
        choose(heard.c.digest, Attestation)
        .join(Attestation, col(Attestation.id) == heard.c.attestation_id)
        .where(heard.c.place <= MOST_HEARD)
        .order_by(col(Attestation.received_at), col(Attestation.id))
    )
    return [(digest, attestation) for digest, attestation in session.execute(statement)]


def _is_heard(tenant_id: UUID) -> ColumnElement[bool]:
    """Compare whoever signed what is said about a subject with the tenant and the subject's first publisher."""
    publisher = aliased(AssetVersion)
    first = (
        choose(col(publisher.tenant_id))
        .where(col(publisher.blob_digest) == col(AttestationSubject.digest))
        .order_by(col(publisher.published_at))
        .limit(1)
        .scalar_subquery()
    )
    return or_(col(Attestation.tenant_id) == tenant_id, col(Attestation.tenant_id) == first)


def registries(session: Session, tenant_id: UUID) -> Sequence[ArtifactRegistry]:
    """Return the registries elsewhere that a tenant has named, by host."""
    statement = select(ArtifactRegistry).where(ArtifactRegistry.tenant_id == tenant_id)
    return session.exec(statement.order_by(col(ArtifactRegistry.host), col(ArtifactRegistry.kind))).all()


def not_indexed(session: Session, tenant_id: UUID, after: UUID | None, limit: int) -> Sequence[UUID]:
    """Return bills of materials of the tenant's that are evidence and in no index, by id after ``after``.

    What an environment was made of is left out: it leaves the index with the environment.
    """
    indexed = select(Sbom.id).where(Sbom.tenant_id == tenant_id, Sbom.attestation_id == Attestation.id)
    passing = select(AttestationSubject.attestation_id).where(
        AttestationSubject.attestation_id == Attestation.id, col(AttestationSubject.name).startswith("environments/")
    )
    statement = select(Attestation.id).where(
        Attestation.tenant_id == tenant_id,
        Attestation.verdict == Verdict.VERIFIED,
        Attestation.evidence == "sbom",
        ~indexed.exists(),
        ~passing.exists(),
    )
    if after is not None:
        statement = statement.where(Attestation.id > after)
    return session.exec(statement.order_by(col(Attestation.id)).limit(limit)).all()

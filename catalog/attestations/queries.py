"""Every read of attestations, keys and trust; the caller's tenant comes first, row-level security stands behind it."""

from collections.abc import Collection, Sequence
from datetime import datetime
from functools import cache
from typing import Any
from uuid import UUID

from sqlalchemy import ColumnElement, Select, String, Uuid, bindparam, cast, func, or_, text, tuple_
from sqlalchemy import select as choose
from sqlmodel import Session, col, select

from catalog.assets.models import Asset, AssetVersion
from catalog.attestations.models import (
    Attestation,
    AttestationSubject,
    EvidenceWatch,
    KeyState,
    PublisherIdentity,
    RegistryRecord,
    Reliance,
    SigningKey,
    TrustPolicyVersion,
    Verdict,
)
from catalog.distributions.models import Distribution


def lock(session: Session, tenant_id: UUID, name: str) -> None:
    """Let only one transaction at a time do what ``name`` says for a tenant."""
    session.execute(
        text("SELECT pg_advisory_xact_lock(hashtextextended(:name, 0))"), {"name": f"attestations/{tenant_id}/{name}"}
    )


def attestation(session: Session, attestation_id: UUID) -> Attestation | None:
    """Return an attestation that the transaction's tenant may see, rejected ones included where they are its own."""
    return session.exec(select(Attestation).where(Attestation.id == attestation_id)).first()


def by_envelope(session: Session, tenant_id: UUID, digest: str) -> Attestation | None:
    """Return the tenant's own record of just these bytes."""
    statement = select(Attestation).where(Attestation.tenant_id == tenant_id, Attestation.envelope_digest == digest)
    return session.exec(statement).first()


def page(  # each is a filter of its own
    session: Session,
    tenant_ids: Collection[UUID],
    verdicts: Collection[Verdict],
    digest: tuple[str, str] | None,
    evidence: str | None,
    before: tuple[datetime, UUID] | None,
    limit: int,
) -> Sequence[Attestation]:
    """Return attestations of some tenants that the transaction's tenant may see, newest first."""
    statement = select(Attestation).where(
        col(Attestation.tenant_id).in_(tenant_ids), col(Attestation.verdict).in_(verdicts)
    )
    if digest is not None:
        statement = statement.where(col(Attestation.id).in_(_about(digest)))
    if evidence is not None:
        statement = statement.where(
            or_(col(Attestation.evidence) == evidence, col(Attestation.predicate_type) == evidence)
        )
    if before is not None:
        statement = statement.where(tuple_(col(Attestation.received_at), col(Attestation.id)) < before)
    order = (col(Attestation.received_at).desc(), col(Attestation.id).desc())
    return session.exec(statement.order_by(*order).limit(limit)).all()


def heard(session: Session, tenant_ids: Collection[UUID], digest: str, limit: int) -> Sequence[Attestation]:
    """Return the evidence by some tenants about a SHA-256 digest, chosen so that nobody's much hides another's little.

    Of each signer and type of statement the newest comes first, then the next of each, and tenants take turns.
    """
    names = ("tenant_id", "key_id", "issuer", "identity", "predicate_type")
    kind = [col(getattr(Attestation, each)) for each in names]
    newest = (col(Attestation.received_at).desc(), col(Attestation.id).desc())
    turn = func.row_number().over(partition_by=kind, order_by=newest).label("turn")
    columns = (col(Attestation.id), col(Attestation.tenant_id), col(Attestation.received_at), turn)
    found = (
        choose(*columns)
        .where(
            col(Attestation.tenant_id).in_(tenant_ids),
            col(Attestation.verdict) == Verdict.VERIFIED,
            col(Attestation.id).in_(_about(("sha256", digest))),
        )
        .subquery()
    )
    own = (found.c.turn, found.c.received_at.desc(), found.c.id.desc())
    place = func.row_number().over(partition_by=found.c.tenant_id, order_by=own).label("place")
    placed = choose(found.c.id, place).subquery()
    statement = select(Attestation).join(placed, placed.c.id == col(Attestation.id))
    return session.exec(statement.order_by(placed.c.place, *newest).limit(limit)).all()


def _about(digest: tuple[str, str]) -> ColumnElement[UUID]:
    statement = select(AttestationSubject.attestation_id).where(
        AttestationSubject.algorithm == digest[0], AttestationSubject.digest == digest[1]
    )
    return statement.scalar_subquery()


def subjects(session: Session, attestation_ids: Collection[UUID]) -> Sequence[AttestationSubject]:
    """Return the subjects of some attestations, in the order of their names."""
    if not attestation_ids:
        return []
    statement = select(AttestationSubject).where(col(AttestationSubject.attestation_id).in_(attestation_ids))
    return session.exec(
        statement.order_by(
            col(AttestationSubject.name), col(AttestationSubject.algorithm), col(AttestationSubject.digest)
        )
    ).all()


def signed_by(
    session: Session, tenant_id: UUID, digest: str, predicate_type: str, signing_key_id: UUID
) -> Attestation | None:
    """Return the tenant's valid statement of a type about a SHA-256 digest by one of its keys."""
    statement = select(Attestation).where(
        Attestation.tenant_id == tenant_id,
        Attestation.verdict == Verdict.VERIFIED,
        Attestation.predicate_type == predicate_type,
        Attestation.signing_key_id == signing_key_id,
        col(Attestation.id).in_(_about(("sha256", digest))),
    )
    return session.exec(statement).first()


def said_of_evaluation(
    session: Session, tenant_id: UUID, evaluation_id: UUID, digests: Collection[str]
) -> Sequence[Attestation]:
    """Return the valid statements by the tenant's own keys about these SHA-256 digests that name an evaluation."""
    about = select(AttestationSubject.attestation_id).where(
        AttestationSubject.algorithm == "sha256", col(AttestationSubject.digest).in_(digests)
    )
    own = select(SigningKey.id).where(SigningKey.tenant_id == tenant_id, col(SigningKey.provider).is_not(None))
    statement = select(Attestation).where(
        Attestation.tenant_id == tenant_id,
        Attestation.verdict == Verdict.VERIFIED,
        col(Attestation.id).in_(about),
        col(Attestation.signing_key_id).in_(own),
        col(Attestation.facts)["evaluation"].as_string() == str(evaluation_id),
    )
    return session.exec(statement.order_by(col(Attestation.received_at), col(Attestation.id))).all()


def count_by_verdict(session: Session, tenant_id: UUID, signing_key_id: UUID | None = None) -> dict[Verdict, int]:
    """Count the tenant's attestations by verdict, those of one key where asked."""
    statement = select(Attestation.verdict, func.count()).where(Attestation.tenant_id == tenant_id)
    if signing_key_id is not None:
        statement = statement.where(Attestation.signing_key_id == signing_key_id)
    rows = session.exec(statement.group_by(col(Attestation.verdict))).all()
    return {Verdict(verdict): count for verdict, count in rows}


def key(session: Session, tenant_id: UUID, signing_key_id: UUID, *, for_update: bool = False) -> SigningKey | None:
    """Return a key of the tenant, locked for the rest of the transaction where asked."""
    statement = select(SigningKey).where(SigningKey.tenant_id == tenant_id, SigningKey.id == signing_key_id)
    return session.exec(statement.with_for_update() if for_update else statement).first()


def hold_key(session: Session, tenant_id: UUID, signing_key_id: UUID) -> SigningKey:
    """Return a key as it is now, which nobody changes for the rest of the transaction."""
    statement = select(SigningKey).where(SigningKey.tenant_id == tenant_id, SigningKey.id == signing_key_id)
    held = statement.with_for_update(read=True).execution_options(populate_existing=True)
    return session.exec(held).one()


def key_by_key_id(session: Session, tenant_id: UUID, key_id: str) -> SigningKey | None:
    """Return the tenant's key of a key id."""
    statement = select(SigningKey).where(SigningKey.tenant_id == tenant_id, SigningKey.key_id == key_id)
    return session.exec(statement).first()


def keys(session: Session, tenant_id: UUID) -> Sequence[SigningKey]:
    """Return the tenant's keys in every state, newest first."""
    statement = select(SigningKey).where(SigningKey.tenant_id == tenant_id)
    return session.exec(statement.order_by(col(SigningKey.created_at).desc(), col(SigningKey.id))).all()


def signing_key(session: Session, tenant_id: UUID) -> SigningKey | None:
    """Return the key that Slipway signs with for a tenant."""
    statement = select(SigningKey).where(
        SigningKey.tenant_id == tenant_id,
        SigningKey.state == KeyState.ACTIVE,
        col(SigningKey.provider).is_not(None),
    )
    return session.exec(statement).first()


def identities(session: Session, tenant_id: UUID) -> Sequence[PublisherIdentity]:
    """Return the tenant's publisher identities by name."""
    statement = select(PublisherIdentity).where(PublisherIdentity.tenant_id == tenant_id)
    return session.exec(statement.order_by(col(PublisherIdentity.name), col(PublisherIdentity.id))).all()


def identity(session: Session, tenant_id: UUID, identity_id: UUID) -> PublisherIdentity | None:
    """Return one of the tenant's publisher identities."""
    statement = select(PublisherIdentity).where(
        PublisherIdentity.tenant_id == tenant_id, PublisherIdentity.id == identity_id
    )
    return session.exec(statement).first()


def trust_policies(session: Session, tenant_id: UUID, limit: int) -> Sequence[TrustPolicyVersion]:
    """Return the versions of the tenant's trust policy, newest first."""
    statement = select(TrustPolicyVersion).where(TrustPolicyVersion.tenant_id == tenant_id)
    return session.exec(statement.order_by(col(TrustPolicyVersion.version).desc()).limit(limit)).all()


def own_asset_of(session: Session, tenant_id: UUID, digests: Collection[str]) -> UUID | None:
    """Return the tenant's own asset that has a version, or the wheel of one, with one of some SHA-256 digests."""
    statement = (
        select(AssetVersion.asset_id)
        .outerjoin(Distribution, col(Distribution.version_id) == AssetVersion.id)
        .where(
            AssetVersion.tenant_id == tenant_id,
            or_(col(AssetVersion.blob_digest).in_(digests), col(Distribution.blob_digest).in_(digests)),
        )
    )
    return session.exec(statement.limit(1)).first()


def wheel_of(session: Session, tenant_id: UUID, version_id: UUID) -> str | None:
    """Return the SHA-256 digest of the wheel of one of the tenant's own versions, None where it has none."""
    statement = select(Distribution.blob_digest).where(
        Distribution.tenant_id == tenant_id, Distribution.version_id == version_id
    )
    return session.exec(statement).first()


def unbound(session: Session, tenant_id: UUID, digests: Collection[str]) -> Sequence[Attestation]:
    """Return the tenant's evidence about some SHA-256 digests that travels with no asset yet, locked."""
    about = select(AttestationSubject.attestation_id).where(
        AttestationSubject.tenant_id == tenant_id,
        AttestationSubject.algorithm == "sha256",
        col(AttestationSubject.digest).in_(digests),
    )
    statement = select(Attestation).where(
        Attestation.tenant_id == tenant_id,
        Attestation.verdict == Verdict.VERIFIED,
        col(Attestation.asset_id).is_(None),
        col(Attestation.id).in_(about),
    )
    return session.exec(statement.order_by(col(Attestation.id)).with_for_update()).all()


def attested_wheels(session: Session, owner: UUID, project: str, types: Collection[str]) -> Sequence[str]:
    """Return the digests of a publisher's wheels of a project about which there is keyless evidence of some types."""
    statement = _attested_wheels(frozenset(types))
    return session.connection().execute(statement, {"owner": owner, "project": project}).scalars().all()


@cache
def _attested_wheels(types: frozenset[str]) -> Select[Any]:
    """Return the statement, which every page of the index needs and which takes longer to build than to carry out."""
    owner, project = bindparam("owner", type_=Uuid()), bindparam("project", type_=String())
    return (
        choose(col(Distribution.blob_digest))
        .join(AttestationSubject, col(AttestationSubject.digest) == Distribution.blob_digest)
        .join(Attestation, col(Attestation.id) == AttestationSubject.attestation_id)
        .where(
            col(Distribution.tenant_id) == owner,
            col(Distribution.project) == project,
            col(AttestationSubject.tenant_id) == owner,
            col(AttestationSubject.algorithm) == "sha256",
            col(Attestation.verdict) == Verdict.VERIFIED,
            col(Attestation.issuer) != "",
            or_(*(col(Attestation.predicate_type) == each for each in sorted(types))),
        )
        .distinct()
    )


def keyless_about(session: Session, owner: UUID, digest: str, types: Collection[str]) -> Sequence[Attestation]:
    """Return a publisher's keyless evidence of some types about a SHA-256 digest, oldest first."""
    statement = select(Attestation).where(
        Attestation.tenant_id == owner, col(Attestation.id).in_(_about(("sha256", digest))), *_keyless(types)
    )
    return session.exec(statement.order_by(col(Attestation.received_at), col(Attestation.id)).limit(20)).all()


def _keyless(types: Collection[str]) -> tuple[ColumnElement[bool], ...]:
    return (
        col(Attestation.verdict) == Verdict.VERIFIED,
        col(Attestation.issuer) != "",
        col(Attestation.predicate_type).in_(types),
    )


def publisher_of(session: Session, digest: str) -> UUID | None:
    """Return the tenant that published an archive of that SHA-256 digest, where the transaction's tenant may see it."""
    statement = select(AssetVersion.tenant_id).where(AssetVersion.blob_digest == digest)
    return session.exec(statement.order_by(col(AssetVersion.published_at)).limit(1)).first()


def versions_with(session: Session, tenant_id: UUID, digests: Collection[str]) -> Sequence[AssetVersion]:
    """Return the tenant's own versions whose archives have one of some digests."""
    statement = select(AssetVersion).where(
        AssetVersion.tenant_id == tenant_id, col(AssetVersion.blob_digest).in_(digests)
    )
    return session.exec(
        statement.order_by(col(AssetVersion.namespace), col(AssetVersion.name), col(AssetVersion.version))
    ).all()


def reliances_on(session: Session, tenant_id: UUID, digests: Collection[str]) -> Sequence[Reliance]:
    """Return what of the tenant's is, or is made of, artifacts with one of some digests."""
    statement = select(Reliance).where(Reliance.tenant_id == tenant_id, col(Reliance.digest).in_(digests))
    return session.exec(statement.order_by(col(Reliance.kind), col(Reliance.label), col(Reliance.id))).all()


def reliances_of(session: Session, tenant_id: UUID, kind: str, thing_id: UUID) -> Sequence[Reliance]:
    """Return what a thing of the tenant's is, and what it is made of."""
    statement = select(Reliance).where(
        Reliance.tenant_id == tenant_id, Reliance.kind == kind, Reliance.thing_id == thing_id
    )
    return session.exec(statement.order_by(col(Reliance.used_as), col(Reliance.id))).all()


def things(session: Session, tenant_id: UUID, kinds: Collection[str], after: str, limit: int) -> list[str]:
    """Return the names (``releases/<id>``) of things that rely on evidence, in ascending order, after a name."""
    name = func.concat(Reliance.kind, "s/", cast(col(Reliance.thing_id), String)).collate("C")
    statement = select(name).where(Reliance.tenant_id == tenant_id, col(Reliance.kind).in_(kinds), name > after)
    return list(session.exec(statement.distinct().order_by(name).limit(limit)).all())


def records(session: Session, asset_id: UUID) -> Sequence[RegistryRecord]:
    """Return the log of an asset that the transaction's tenant may see, oldest first."""
    statement = select(RegistryRecord).where(RegistryRecord.asset_id == asset_id)
    return session.exec(statement.order_by(col(RegistryRecord.sequence))).all()


def last_record(session: Session, tenant_id: UUID, asset_id: UUID) -> RegistryRecord | None:
    """Return the newest entry of an asset's log."""
    statement = select(RegistryRecord).where(RegistryRecord.tenant_id == tenant_id, RegistryRecord.asset_id == asset_id)
    return session.exec(statement.order_by(col(RegistryRecord.sequence).desc()).limit(1)).first()


def has_record(session: Session, tenant_id: UUID, event_id: UUID) -> bool:
    """Tell whether an event is in the log already."""
    statement = select(RegistryRecord.id).where(
        RegistryRecord.tenant_id == tenant_id, RegistryRecord.event_id == event_id
    )
    return session.exec(statement).first() is not None


def asset_named(session: Session, namespace: str, name: str) -> Asset | None:
    """Return an asset that the transaction's tenant may see."""
    return session.exec(select(Asset).where(Asset.namespace == namespace, Asset.name == name)).first()


def evidence_watch(session: Session, tenant_id: UUID) -> EvidenceWatch | None:
    """Return up to when the tenant's evidence was looked through for its age, locked; None where no age matters."""
    statement = select(EvidenceWatch).where(EvidenceWatch.tenant_id == tenant_id)
    return session.exec(statement.with_for_update()).first()


def watches_before(session: Session, moment: datetime, limit: int) -> Sequence[UUID]:
    """Return tenants of all whose evidence was last looked through before ``moment``, those first who wait longest."""
    statement = select(EvidenceWatch.tenant_id).where(col(EvidenceWatch.swept_at) <= moment)
    return session.exec(statement.order_by(col(EvidenceWatch.swept_at)).limit(limit)).all()


def signed_between(
    session: Session, kinds: Collection[str], after: datetime, until: datetime, limit: int
) -> Sequence[Attestation]:
    """Return visible evidence of some kinds that was signed in a span of time, or arrived where that is not proven."""
    at = func.coalesce(Attestation.signed_at, Attestation.received_at)
    of_kind = or_(col(Attestation.evidence).in_(kinds), col(Attestation.predicate_type).in_(kinds))
    statement = select(Attestation).where(Attestation.verdict == Verdict.VERIFIED, of_kind, at > after, at <= until)
    return session.exec(statement.order_by(at).limit(limit)).all()

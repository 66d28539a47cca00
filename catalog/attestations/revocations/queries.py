"""Evidence of signers that are no longer trusted: taken back at once, told later, found in other tenants."""

from collections.abc import Collection, Sequence
from datetime import datetime
from uuid import UUID, uuid4

from sqlalchemy import ColumnElement, func, not_, or_
from sqlalchemy.dialects.postgresql import insert
from sqlmodel import Session, col, select, update

from catalog.assets.models import AssetVersion
from catalog.assets.usage.models import AssetUse
from catalog.attestations.models import (
    Attestation,
    AttestationSubject,
    PublisherIdentity,
    Reliance,
    RelianceNotice,
    Verdict,
)
from catalog.clock import now


def take_back(
    session: Session,
    tenant_id: UUID,
    signed: ColumnElement[bool],
    since: ColumnElement[bool] | None,
    why: tuple[str, str],
) -> int:
    """Let what a signer signed count no longer from this transaction on; return how many statements that were.

    ``why`` is the reason and its detail. Whoever relied on them has yet to be told.
    """
    statement = update(Attestation).where(
        col(Attestation.tenant_id) == tenant_id, col(Attestation.verdict) == Verdict.VERIFIED, signed
    )
    if since is not None:
        statement = statement.where(since)
    values = {"verdict": Verdict.INVALIDATED, "reason": why[0], "detail": why[1][:1000], "untold": True}
    done = session.execute(statement.values(**values).execution_options(synchronize_session=False))
    session.expire_all()
    return int(getattr(done, "rowcount", 0))


def of_key(signing_key_id: UUID) -> ColumnElement[bool]:
    """Return the condition that a key signed a statement."""
    return col(Attestation.signing_key_id) == signing_key_id


def arrived_since(moment: datetime | None) -> ColumnElement[bool] | None:
    """Return the condition that a statement arrived at a moment or later, None where any did."""
    return None if moment is None else col(Attestation.received_at) >= moment


def of_identity(issuer: str, subject: str, others: Collection[PublisherIdentity] = ()) -> ColumnElement[bool]:
    """Return the condition that an identity signed a statement, and that none of the ``others`` stands for it."""
    own = (col(Attestation.issuer) == issuer) & _like(subject)
    rest = [_like(each.subject) for each in others if each.issuer == issuer]
    return own & not_(or_(*rest)) if rest else own


def signed_since(moment: datetime | None) -> ColumnElement[bool] | None:
    """Return the condition that a statement was signed, as far as that is proven, at a moment or later."""
    if moment is None:
        return None
    return func.coalesce(Attestation.signed_at, Attestation.received_at) >= moment


def _like(subject: str) -> ColumnElement[bool]:
    literal = subject.replace("\\", "\\\\").replace("%", "\\%").replace("_", "\\_")
    return col(Attestation.identity).like(literal.replace("*", "%"), escape="\\")


def to_settle(
    session: Session, tenant_id: UUID, signed: ColumnElement[bool], after: UUID | None, limit: int
) -> Sequence[Attestation]:
    """Return what a signer signed and is evidence still, or is none without anybody having been told; by id, locked."""
    held = or_(col(Attestation.verdict) == Verdict.VERIFIED, col(Attestation.untold))
    return _rows(session, tenant_id, signed & held, after, limit)


def untold(
    session: Session, tenant_id: UUID, signed: ColumnElement[bool], after: UUID | None, limit: int
) -> Sequence[Attestation]:
    """Return what is no longer evidence without anybody having been told; by id, locked."""
    return _rows(session, tenant_id, signed & col(Attestation.untold), after, limit)


def _rows(
    session: Session, tenant_id: UUID, condition: ColumnElement[bool], after: UUID | None, limit: int
) -> Sequence[Attestation]:
    statement = select(Attestation).where(Attestation.tenant_id == tenant_id, condition)
    if after is not None:
        statement = statement.where(col(Attestation.id) > after)
    return session.exec(statement.order_by(col(Attestation.id)).limit(limit).with_for_update()).all()


def has_untold(session: Session, tenant_id: UUID, signed: ColumnElement[bool]) -> bool:
    """Tell whether something is no longer evidence without anybody having been told yet."""
    statement = select(Attestation.id).where(Attestation.tenant_id == tenant_id, col(Attestation.untold), signed)
    return session.exec(statement.limit(1)).first() is not None


def digests_taken_back(session: Session, tenant_id: UUID, signed: ColumnElement[bool]) -> Sequence[str]:
    """Return the SHA-256 digests that no longer valid statements of a signer were about."""
    statement = (
        select(AttestationSubject.digest)
        .join(Attestation, col(Attestation.id) == col(AttestationSubject.attestation_id))
        .where(
            Attestation.tenant_id == tenant_id,
            signed,
            Attestation.verdict == Verdict.INVALIDATED,
            AttestationSubject.algorithm == "sha256",
        )
    )
    return session.exec(statement.distinct()).all()


def hold_identities(session: Session, tenant_id: UUID, issuer: str) -> Sequence[PublisherIdentity]:
    """Return the tenant's identities of an issuer, which nobody removes for the rest of the transaction."""
    statement = select(PublisherIdentity).where(
        PublisherIdentity.tenant_id == tenant_id, PublisherIdentity.issuer == issuer
    )
    held = statement.order_by(col(PublisherIdentity.id)).with_for_update(read=True)
    return session.exec(held.execution_options(populate_existing=True)).all()


def tenants_relying(session: Session, owner: UUID, digests: Collection[str]) -> list[UUID]:
    """Return the tenants, but for ``owner``, that are made of artifacts with some digests (system role)."""
    made = select(Reliance.tenant_id).where(col(Reliance.digest).in_(digests), Reliance.tenant_id != owner)
    used = (
        select(AssetUse.tenant_id)
        .join(AssetVersion, col(AssetVersion.id) == AssetUse.version_id)
        .where(col(AssetVersion.blob_digest).in_(digests), AssetUse.tenant_id != owner, col(AssetUse.until).is_(None))
    )
    return sorted({*session.exec(made.distinct()).all(), *session.exec(used.distinct()).all()})


def subjects_using(session: Session, tenant_id: UUID, digests: Collection[str]) -> Sequence[str]:
    """Return what of the tenant's (``installs/<id>``) uses visible versions with some digests."""
    statement = (
        select(AssetUse.subject)
        .join(AssetVersion, col(AssetVersion.id) == AssetUse.version_id)
        .where(AssetUse.tenant_id == tenant_id, col(AssetVersion.blob_digest).in_(digests))
        .where(col(AssetUse.until).is_(None))
    )
    return session.exec(statement.distinct()).all()


def note_told(session: Session, tenant_id: UUID, event_id: UUID) -> bool:
    """Remember that the tenant is told of what an event of another tenant means for it; tell whether that is new."""
    statement = insert(RelianceNotice).values(id=uuid4(), tenant_id=tenant_id, event_id=event_id, told_at=now())
    made = session.execute(
        statement.on_conflict_do_nothing(index_elements=["tenant_id", "event_id"]).returning(col(RelianceNotice.id))
    )
    return made.first() is not None

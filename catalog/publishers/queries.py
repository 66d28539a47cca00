"""Reads of trusted publishers, and the look-ups that happen before the tenant is known."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from sqlalchemy import text
from sqlmodel import Session, col, select

from catalog.publishers.models import PublisherProof, TrustedPublisher


@dataclass(frozen=True)
class Candidate:
    """A trusted publisher of some tenant, found by the ids that a job's token names."""

    publisher: TrustedPublisher
    tenant_name: str
    owns_namespace: bool


def all_of(session: Session, tenant_id: UUID) -> Sequence[TrustedPublisher]:
    """Return the tenant's trusted publishers, by asset and age."""
    statement = select(TrustedPublisher).where(TrustedPublisher.tenant_id == tenant_id)
    order = (TrustedPublisher.namespace, TrustedPublisher.name, TrustedPublisher.created_at)
    return session.exec(statement.order_by(*(col(each) for each in order))).all()


def by_id(session: Session, tenant_id: UUID, publisher_id: UUID) -> TrustedPublisher | None:
    """Return one trusted publisher of the tenant."""
    statement = select(TrustedPublisher).where(
        TrustedPublisher.tenant_id == tenant_id, TrustedPublisher.id == publisher_id
    )
    return session.exec(statement).first()


def same(session: Session, wanted: TrustedPublisher) -> TrustedPublisher | None:
    """Return the row that already lets just these jobs."""
    keys = ("tenant_id", "namespace", "name", "issuer", "owner_id", "repository_id", "workflow", "environment")
    statement = select(TrustedPublisher).where(
        *(getattr(TrustedPublisher, key) == getattr(wanted, key) for key in keys)
    )
    return session.exec(statement).first()


def proofs(session: Session, tenant_id: UUID) -> Sequence[PublisherProof]:
    """Return the tenant's proofs, oldest first."""
    statement = select(PublisherProof).where(PublisherProof.tenant_id == tenant_id)
    return session.exec(statement.order_by(col(PublisherProof.created_at))).all()


def proof(session: Session, tenant_id: UUID, proof_id: UUID, *, lock: bool = False) -> PublisherProof | None:
    """Return one proof of the tenant, locked for the rest of the transaction where asked."""
    statement = select(PublisherProof).where(PublisherProof.tenant_id == tenant_id, PublisherProof.id == proof_id)
    return session.exec(statement.with_for_update() if lock else statement).first()


def due_proofs(session: Session, moment: datetime, limit: int) -> Sequence[tuple[UUID, UUID]]:
    """Return tenant and id of proofs to look at, longest due first; needs a session of the system role."""
    statement = select(PublisherProof.tenant_id, PublisherProof.id).where(col(PublisherProof.look_at) <= moment)
    return session.exec(statement.order_by(col(PublisherProof.look_at)).limit(limit)).all()


def candidates(session: Session, issuer: str, owner_id: str, repository_id: str) -> Sequence[Candidate]:
    """Return whom the ids of a verified token may stand for, in every tenant (SECURITY DEFINER function).

    A publisher for a namespace that another tenant has meanwhile taken is not among them.
    """
    statement = text("SELECT * FROM trusted_publishers_of_job(:issuer, :owner, :repository)")
    values = {"issuer": issuer, "owner": owner_id, "repository": repository_id}
    found = []
    for row in session.connection().execute(statement, values).mappings():
        fields = {name: row[name] for name in TrustedPublisher.model_fields}
        found.append(Candidate(TrustedPublisher(**fields), row["tenant_name"], row["owns_namespace"]))
    return found


def use_up(session: Session, issuer: str, token_id: str, expires_at: datetime) -> bool:
    """Use a verified token up; False where it was used before (SECURITY DEFINER function)."""
    statement = text("SELECT use_identity_token(:issuer, :token, :expires)")
    values = {"issuer": issuer, "token": token_id, "expires": expires_at}
    return bool(session.connection().execute(statement, values).scalar_one())

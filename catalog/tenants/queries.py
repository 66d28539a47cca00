"""Reads of tenants and credentials, and the look-ups that happen before the tenant is known."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from sqlalchemy import text, tuple_
from sqlmodel import Session, col, select

from catalog.tenancy import Role
from catalog.tenants.models import ApiToken, AuditEntry, Member, Tenant, TenantSecret


@dataclass(frozen=True)
class TokenHolder:
    """What the database tells of a live token."""

    token_id: UUID
    tenant_id: UUID
    tenant_name: str
    name: str
    scopes: frozenset[str]
    member_id: UUID | None
    publishes: str | None
    origin: dict[str, str]


@dataclass(frozen=True)
class SessionHolder:
    """What the database tells of a live browser session."""

    session_id: UUID
    tenant_id: UUID
    tenant_name: str
    member_id: UUID
    name: str
    role: Role


def token_holder(session: Session, token_hash: str) -> TokenHolder | None:
    """Look a live token up by its hash, before any tenant is set (SECURITY DEFINER function)."""
    statement = text("SELECT * FROM authenticate_token(:hash)")
    row = session.connection().execute(statement, {"hash": token_hash}).first()
    if row is None:
        return None
    return TokenHolder(
        *(row.token_id, row.tenant_id, row.tenant_name, row.name, frozenset(row.scopes), row.member_id),
        publishes=row.publishes,
        origin=row.origin or {},
    )


def session_holder(session: Session, token_hash: str) -> SessionHolder | None:
    """Look a live browser session up by its hash, before any tenant is set (SECURITY DEFINER function)."""
    statement = text(
        "SELECT session_id, tenant_id, tenant_name, member_id, name, role FROM authenticate_session(:hash)"
    )
    row = session.connection().execute(statement, {"hash": token_hash}).first()
    if row is None:
        return None
    return SessionHolder(row.session_id, row.tenant_id, row.tenant_name, row.member_id, row.name, Role(row.role))


def redeem_link(session: Session, token_hash: str) -> tuple[UUID, UUID] | None:
    """Use a sign-in link up and return its tenant and member; None where it is unknown, used or too old."""
    statement = text("SELECT tenant_id, member_id FROM redeem_sign_in_link(:hash)")
    row = session.connection().execute(statement, {"hash": token_hash}).first()
    return None if row is None else (row.tenant_id, row.member_id)


def tenant(session: Session, tenant_id: UUID) -> Tenant | None:
    """Return a tenant, where the session may see it."""
    return session.exec(select(Tenant).where(Tenant.id == tenant_id)).first()


def tenant_by_name(session: Session, name: str) -> Tenant | None:
    """Return the tenant of that name, as far as the session's role may see it."""
    return session.exec(select(Tenant).where(Tenant.name == name)).first()


def member_by_email(session: Session, tenant_id: UUID, email: str) -> Member | None:
    """Return the member with that address who has not been removed."""
    statement = select(Member).where(
        Member.tenant_id == tenant_id, Member.email == email, col(Member.removed_at).is_(None)
    )
    return session.exec(statement).first()


def members(session: Session, tenant_id: UUID) -> Sequence[Member]:
    """Return the members who have not been removed, by name."""
    statement = select(Member).where(Member.tenant_id == tenant_id, col(Member.removed_at).is_(None))
    return session.exec(statement.order_by(col(Member.name), col(Member.id))).all()


def tokens(
    session: Session, tenant_id: UUID, before: tuple[datetime, UUID] | None, limit: int | None
) -> Sequence[ApiToken]:
    """Return the tenant's tokens, newest first, after the cursor ``before``."""
    statement = select(ApiToken).where(ApiToken.tenant_id == tenant_id)
    if before is not None:
        statement = statement.where(tuple_(col(ApiToken.created_at), col(ApiToken.id)) < before)
    ordered = statement.order_by(col(ApiToken.created_at).desc(), col(ApiToken.id).desc())
    return session.exec(ordered.limit(limit)).all()


def token_by_id(session: Session, tenant_id: UUID, token_id: UUID) -> ApiToken | None:
    """Return one token of the tenant."""
    return session.exec(select(ApiToken).where(ApiToken.tenant_id == tenant_id, ApiToken.id == token_id)).first()


def audit_log(session: Session, tenant_id: UUID, limit: int) -> Sequence[AuditEntry]:
    """Return the latest entries of the tenant's audit log, newest first."""
    statement = select(AuditEntry).where(AuditEntry.tenant_id == tenant_id)
    return session.exec(statement.order_by(col(AuditEntry.id).desc()).limit(limit)).all()


def tenant_ids(session: Session) -> Sequence[UUID]:
    """Return the ids of all tenants; needs a session of the system role."""
    return session.exec(select(Tenant.id).order_by(col(Tenant.id))).all()


def secrets(session: Session, tenant_id: UUID) -> Sequence[TenantSecret]:
    """Return a tenant's secrets by name, sealed."""
    statement = select(TenantSecret).where(col(TenantSecret.tenant_id) == tenant_id).order_by(col(TenantSecret.name))
    return session.exec(statement).all()


def secret(session: Session, tenant_id: UUID, name: str) -> TenantSecret | None:
    """Return one secret, locked until the transaction ends, or None."""
    wanted = (col(TenantSecret.tenant_id) == tenant_id, col(TenantSecret.name) == name)
    return session.exec(select(TenantSecret).where(*wanted).with_for_update()).one_or_none()

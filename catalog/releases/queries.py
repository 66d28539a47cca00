"""Reads of services and releases; the tenant comes first."""

from collections.abc import Sequence
from datetime import datetime
from uuid import UUID

from sqlalchemy import func, tuple_
from sqlmodel import Session, col, select

from catalog.releases.models import Release, Service


def service_by_name(session: Session, tenant_id: UUID, name: str) -> Service | None:
    """Return a service by name; until the transaction ends nobody else can make or change one of that name."""
    key = f"{tenant_id}/services/{name}"
    session.exec(select(func.pg_advisory_xact_lock(func.hashtextextended(key, 0))))
    return session.exec(select(Service).where(Service.tenant_id == tenant_id, Service.name == name)).first()


def service_by_id(session: Session, tenant_id: UUID, service_id: UUID) -> Service | None:
    """Return one of the tenant's services."""
    return session.exec(select(Service).where(Service.tenant_id == tenant_id, Service.id == service_id)).first()


def services(session: Session, tenant_id: UUID) -> Sequence[Service]:
    """Return what the tenant ships, by name."""
    return session.exec(select(Service).where(Service.tenant_id == tenant_id).order_by(col(Service.name))).all()


def by_id(session: Session, tenant_id: UUID, release_id: UUID) -> Release | None:
    """Return one of the tenant's releases."""
    return session.exec(select(Release).where(Release.tenant_id == tenant_id, Release.id == release_id)).first()


def by_version(session: Session, tenant_id: UUID, service_id: UUID, version: str) -> Release | None:
    """Return the release of a version of a service."""
    statement = select(Release).where(Release.tenant_id == tenant_id, Release.service_id == service_id)
    return session.exec(statement.where(Release.version == version)).first()


def with_artifact(session: Session, tenant_id: UUID, digest: str) -> Sequence[Release]:
    """Return the releases that have an artifact of that digest, newest first."""
    statement = select(Release).where(
        Release.tenant_id == tenant_id, col(Release.artifacts).contains([{"digest": digest}])
    )
    return session.exec(statement.order_by(col(Release.created_at).desc())).all()


def page(
    session: Session,
    tenant_id: UUID,
    service: str | None,
    before: tuple[datetime, UUID] | None,
    limit: int,
) -> Sequence[Release]:
    """Return releases, newest first, of one service where asked, after the cursor ``before``."""
    statement = select(Release).where(Release.tenant_id == tenant_id)
    if service:
        statement = statement.where(Release.service == service)
    if before is not None:
        statement = statement.where(tuple_(col(Release.created_at), col(Release.id)) < before)
    ordered = statement.order_by(col(Release.created_at).desc(), col(Release.id).desc())
    return session.exec(ordered.limit(limit)).all()

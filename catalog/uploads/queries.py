"""Reads of uploads; the tenant comes first."""

from collections.abc import Sequence
from uuid import UUID

from sqlmodel import Session, col, select

from catalog.uploads.models import Upload


def recent(session: Session, tenant_id: UUID, limit: int) -> Sequence[Upload]:
    """Return the tenant's latest uploads, newest first."""
    statement = select(Upload).where(Upload.tenant_id == tenant_id)
    return session.exec(statement.order_by(col(Upload.created_at).desc()).limit(limit)).all()


def by_id(session: Session, tenant_id: UUID, upload_id: UUID) -> Upload | None:
    """Return one upload of the tenant."""
    return session.exec(select(Upload).where(Upload.tenant_id == tenant_id, Upload.id == upload_id)).first()

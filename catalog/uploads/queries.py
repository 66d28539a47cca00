"""Reads of uploads; the tenant comes first."""

from collections.abc import Sequence
from typing import Any
from uuid import UUID

from sqlmodel import Session, col, select

from catalog.assets.models import AssetVersion, VersionState
from catalog.uploads.models import PublishingSession, Upload, UploadState

_UNFINISHED = (UploadState.RECEIVED, UploadState.CHECKED)


def recent(session: Session, tenant_id: UUID, limit: int) -> Sequence[Upload]:
    """Return the tenant's latest uploads, newest first."""
    statement = select(Upload).where(Upload.tenant_id == tenant_id)
    return session.exec(statement.order_by(col(Upload.created_at).desc()).limit(limit)).all()


def by_id(session: Session, tenant_id: UUID, upload_id: UUID, *, lock: bool = False) -> Upload | None:
    """Return one upload of the tenant, locked for the rest of the transaction where asked."""
    statement = select(Upload).where(Upload.tenant_id == tenant_id, Upload.id == upload_id)
    return session.exec(statement.with_for_update() if lock else statement).first()


def unfinished(session: Session, tenant_id: UUID, namespace: str, name: str, version: str) -> Upload | None:
    """Return the tenant's upload of a version that is neither published nor rejected yet."""
    statement = select(Upload).where(
        Upload.tenant_id == tenant_id,
        Upload.namespace == namespace,
        Upload.name == name,
        Upload.version == version,
        col(Upload.state).in_(_UNFINISHED),
    )
    return session.exec(statement).first()


def publishing_session(
    session: Session, tenant_id: UUID, session_id: UUID, *, lock: bool = False
) -> PublishingSession | None:
    """Return one publishing session of the tenant, locked for the rest of the transaction where asked."""
    statement = select(PublishingSession).where(
        PublishingSession.tenant_id == tenant_id, PublishingSession.id == session_id
    )
    return session.exec(statement.with_for_update() if lock else statement).first()


def publishing_sessions(session: Session, tenant_id: UUID, limit: int) -> Sequence[PublishingSession]:
    """Return the tenant's publishing sessions, newest first."""
    statement = select(PublishingSession).where(PublishingSession.tenant_id == tenant_id)
    return session.exec(statement.order_by(col(PublishingSession.created_at).desc()).limit(limit)).all()


def session_members(
    session: Session, tenant_id: UUID, session_id: UUID
) -> Sequence[tuple[Upload, VersionState | None]]:
    """Return the last upload of each version in a publishing session, oldest first, with the state of its version."""
    number = (col(Upload.namespace), col(Upload.name), col(Upload.version))
    last = (
        select(Upload.id)
        .where(Upload.tenant_id == tenant_id, Upload.session_id == session_id)
        .distinct(*number)
        .order_by(*number, col(Upload.created_at).desc(), col(Upload.id).desc())
    )
    statement = (
        select(Upload, AssetVersion.state)
        .join(AssetVersion, col(AssetVersion.id) == Upload.version_id, isouter=True)
        .where(col(Upload.id).in_(last))
        .order_by(col(Upload.created_at), col(Upload.id))
    )
    rows: Sequence[Any] = session.exec(statement).all()
    return [(upload, state) for upload, state in rows]


def needs_blob(session: Session, digest: str) -> bool:
    """Tell whether an unfinished upload of any tenant needs a blob; for the system's session."""
    statement = select(Upload.blob_digest).where(Upload.blob_digest == digest, col(Upload.state).in_(_UNFINISHED))
    return session.exec(statement.limit(1)).first() is not None

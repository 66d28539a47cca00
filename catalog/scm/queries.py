"""Reads of connections, and the look-up of a hook's connection before its tenant is known."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from sqlalchemy import delete, text
from sqlalchemy.dialects.postgresql import insert
from sqlmodel import Session, col, select

from catalog.scm.models import ScmCommand, ScmConnection, ScmDelivery, ScmRepository


@dataclass(frozen=True)
class DueRepository:
    """A repository that is to be listed, as the system role may see it."""

    tenant_id: UUID
    repository_id: UUID


def connections(session: Session, tenant_id: UUID) -> Sequence[ScmConnection]:
    """Return the tenant's connections by name."""
    statement = select(ScmConnection).where(ScmConnection.tenant_id == tenant_id)
    return session.exec(statement.order_by(col(ScmConnection.name))).all()


def connection(session: Session, tenant_id: UUID, connection_id: UUID, *, lock: bool = False) -> ScmConnection | None:
    """Return one connection of the tenant, locked where asked; others may still write rows that refer to it."""
    statement = select(ScmConnection).where(ScmConnection.tenant_id == tenant_id, ScmConnection.id == connection_id)
    return session.exec(statement.with_for_update(key_share=True) if lock else statement).first()


def named(session: Session, tenant_id: UUID, name: str) -> ScmConnection | None:
    """Return the tenant's connection of that name."""
    statement = select(ScmConnection).where(ScmConnection.tenant_id == tenant_id, ScmConnection.name == name)
    return session.exec(statement).first()


def connection_of_hook(session: Session, hook_key: str) -> tuple[UUID, UUID] | None:
    """Return tenant and connection that a hook's address names, before any tenant is set (SECURITY DEFINER)."""
    statement = text("SELECT tenant_id, connection_id FROM scm_connection_of_hook(:key)")
    row = session.connection().execute(statement, {"key": hook_key}).first()
    return None if row is None else (row.tenant_id, row.connection_id)


def repositories(session: Session, tenant_id: UUID, connection_id: UUID) -> Sequence[ScmRepository]:
    """Return the repositories followed through a connection, by address."""
    statement = select(ScmRepository).where(
        ScmRepository.tenant_id == tenant_id, ScmRepository.connection_id == connection_id
    )
    return session.exec(statement.order_by(col(ScmRepository.address))).all()


def repository(session: Session, tenant_id: UUID, repository_id: UUID, *, lock: bool = False) -> ScmRepository | None:
    """Return one repository that the tenant follows, locked where asked."""
    statement = select(ScmRepository).where(ScmRepository.tenant_id == tenant_id, ScmRepository.id == repository_id)
    statement = statement.execution_options(populate_existing=True)
    return session.exec(statement.with_for_update() if lock else statement).first()


def note_repository(session: Session, row: ScmRepository) -> None:
    """Follow a repository unless somebody else does so meanwhile."""
    session.connection().execute(insert(ScmRepository).values(**row.model_dump()).on_conflict_do_nothing())


def polled_at(session: Session, tenant_id: UUID, repository_id: UUID) -> datetime | None:
    """Return when the newest listing of a repository that was taken down was asked for, as is committed now."""
    statement = select(ScmRepository.polled_at).where(
        ScmRepository.tenant_id == tenant_id, ScmRepository.id == repository_id
    )
    return session.exec(statement).first()


def at(session: Session, tenant_id: UUID, address: str) -> ScmRepository | None:
    """Return the repository that the tenant follows at an address."""
    statement = select(ScmRepository).where(ScmRepository.tenant_id == tenant_id, ScmRepository.address == address)
    return session.exec(statement).first()


def due(session: Session, moment: datetime, limit: int) -> list[DueRepository]:
    """Return the repositories of all tenants that are to be listed (system role)."""
    statement = (
        select(ScmRepository.tenant_id, ScmRepository.id)
        .where(ScmRepository.poll_at <= moment)
        .order_by(col(ScmRepository.poll_at))
        .limit(limit)
    )
    return [DueRepository(tenant_id, repository_id) for tenant_id, repository_id in session.exec(statement).all()]


def note_delivery(session: Session, row: ScmDelivery) -> bool:
    """Write a delivery down; False where it was taken before."""
    statement = (
        insert(ScmDelivery).values(**row.model_dump()).on_conflict_do_nothing().returning(col(ScmDelivery.delivery))
    )
    return session.connection().execute(statement).first() is not None


def note_command(session: Session, row: ScmCommand) -> bool:
    """Write down that a comment's command is obeyed now; False where it was before, once whoever does so is done."""
    statement = (
        insert(ScmCommand).values(**row.model_dump()).on_conflict_do_nothing().returning(col(ScmCommand.comment_id))
    )
    return session.connection().execute(statement).first() is not None


def command(
    session: Session, tenant_id: UUID, repository: str, pull_request: int, comment_id: str
) -> ScmCommand | None:
    """Return the command of a comment that was obeyed; None where it was not yet."""
    statement = select(ScmCommand).where(
        ScmCommand.tenant_id == tenant_id,
        ScmCommand.repository == repository,
        ScmCommand.pull_request == pull_request,
        ScmCommand.comment_id == comment_id,
    )
    return session.exec(statement.execution_options(populate_existing=True)).first()


def forget_commands(session: Session, tenant_id: UUID, before: datetime) -> None:
    """Forget commands that nobody tells of any more."""
    session.connection().execute(
        delete(ScmCommand).where(col(ScmCommand.tenant_id) == tenant_id, col(ScmCommand.obeyed_at) < before)
    )


def forget_deliveries(session: Session, tenant_id: UUID, connection_id: UUID, before: datetime) -> None:
    """Forget deliveries that are too old to be sent again."""
    session.connection().execute(
        delete(ScmDelivery).where(
            col(ScmDelivery.tenant_id) == tenant_id,
            col(ScmDelivery.connection_id) == connection_id,
            col(ScmDelivery.received_at) < before,
        )
    )

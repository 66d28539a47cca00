"""Reads of environments."""

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from sqlalchemy import func, text, tuple_
from sqlmodel import Session, col, select

from catalog.environments.models import Environment, Phase


@dataclass(frozen=True)
class Due:
    """An environment that something is due for, as the system role may see it."""

    tenant_id: UUID
    environment_id: UUID


@dataclass(frozen=True)
class Placed(Due):
    """An environment and the target at which it runs."""

    target: str


def by_id(session: Session, tenant_id: UUID, environment_id: UUID, *, lock: bool = False) -> Environment | None:
    """Return the tenant's environment, locked for the rest of the transaction where asked."""
    statement = select(Environment).where(Environment.tenant_id == tenant_id, Environment.id == environment_id)
    statement = statement.execution_options(populate_existing=True)
    return session.exec(statement.with_for_update() if lock else statement).first()


def by_pull_request(session: Session, tenant_id: UUID, repository: str, pull_request: int) -> Environment | None:
    """Return the environment of a pull request; until the transaction ends nobody else can make or change it."""
    key = f"{tenant_id}/{pull_request}/{repository}"
    session.exec(select(func.pg_advisory_xact_lock(func.hashtextextended(key, 0))))
    statement = select(Environment).where(
        Environment.tenant_id == tenant_id,
        Environment.repository == repository,
        Environment.pull_request == pull_request,
    )
    return session.exec(statement.with_for_update()).first()


def at_pull_request(session: Session, tenant_id: UUID, repository: str, pull_request: int) -> Environment | None:
    """Return the environment of a pull request, to be looked at and not to be changed."""
    statement = select(Environment).where(
        Environment.tenant_id == tenant_id,
        Environment.repository == repository,
        Environment.pull_request == pull_request,
    )
    return session.exec(statement).first()


def of_repository(session: Session, tenant_id: UUID, repository: str) -> Sequence[Environment]:
    """Return the living environments of a repository."""
    statement = select(Environment).where(
        Environment.tenant_id == tenant_id,
        Environment.repository == repository,
        Environment.phase != Phase.DESTROYED,
    )
    return session.exec(statement).all()


def at(session: Session, host: str) -> tuple[UUID, UUID] | None:
    """Return tenant and environment of a host name, before any tenant is set (SECURITY DEFINER)."""
    row = session.connection().execute(text("SELECT * FROM environment_at(:host)"), {"host": host}).first()
    return None if row is None else (row.tenant_id, row.environment_id)


def page(
    session: Session,
    tenant_id: UUID,
    phases: Sequence[Phase],
    before: tuple[datetime, UUID] | None,
    limit: int,
) -> Sequence[Environment]:
    """Return environments, newest first, of the given phases (all where none is named), after the cursor ``before``."""
    statement = select(Environment).where(Environment.tenant_id == tenant_id)
    if phases:
        statement = statement.where(col(Environment.phase).in_(phases))
    if before is not None:
        statement = statement.where(tuple_(col(Environment.created_at), col(Environment.id)) < before)
    ordered = statement.order_by(col(Environment.created_at).desc(), col(Environment.id).desc())
    return session.exec(ordered.limit(limit)).all()


def with_condition(session: Session, tenant_id: UUID, kind: str) -> list[UUID]:
    """Return the living environments of a tenant that have a condition of some kind."""
    statement = select(Environment.id).where(
        Environment.tenant_id == tenant_id,
        Environment.phase != Phase.DESTROYED,
        col(Environment.conditions).contains([{"type": kind}]),
    )
    return list(session.exec(statement.order_by(col(Environment.created_at))).all())


def count_awake(session: Session, tenant_id: UUID) -> int:
    """Return how many environments of the tenant use up its quota: all that are there and do not sleep."""
    resting = (Phase.DESTROYED, Phase.SLEEPING)
    statement = (
        select(func.count())
        .select_from(Environment)
        .where(Environment.tenant_id == tenant_id, col(Environment.phase).not_in(resting))
    )
    return session.exec(statement).one()


def unused_since(session: Session, tenant_id: UUID, moment: datetime) -> Sequence[Environment]:
    """Return the tenant's ready environments that nobody has used since ``moment``, unused longest first, locked."""
    # The later of those that are known: PostgreSQL leaves NULL out.
    used = func.greatest(col(Environment.last_activity_at), col(Environment.last_deploy_at))
    statement = (
        select(Environment)
        .where(Environment.tenant_id == tenant_id, Environment.phase == Phase.READY, used <= moment)
        .order_by(used, col(Environment.id))
        .limit(20)
    )
    return session.exec(statement.with_for_update(skip_locked=True)).all()


def count_by_phase(session: Session, tenant_id: UUID) -> dict[Phase, int]:
    """Return how many environments of the tenant are in each phase; phases without any are left out."""
    statement = (
        select(Environment.phase, func.count())
        .where(Environment.tenant_id == tenant_id)
        .group_by(col(Environment.phase))
    )
    return {Phase(phase): count for phase, count in session.exec(statement).all()}


def all_by_phase(session: Session) -> dict[Phase, int]:
    """Return how many environments of all tenants are in each phase (system role)."""
    statement = select(Environment.phase, func.count()).group_by(col(Environment.phase))
    return {Phase(phase): count for phase, count in session.exec(statement).all()}


def due(session: Session, moment: datetime, limit: int) -> list[Due]:
    """Return environments of all tenants that the clock has to look at, longest due first (system role)."""
    statement = (
        select(Environment.tenant_id, Environment.id)
        .where(col(Environment.due_at) <= moment)
        .order_by(col(Environment.due_at))
        .limit(limit)
    )
    return [Due(tenant_id, environment_id) for tenant_id, environment_id in session.exec(statement).all()]


def standing(session: Session, ids: Collection[UUID]) -> dict[UUID, tuple[UUID, Phase]]:
    """Return tenant and phase of environments by id; unknown ids are left out (system role)."""
    statement = select(Environment.id, Environment.tenant_id, Environment.phase).where(col(Environment.id).in_(ids))
    return {found: (tenant_id, Phase(phase)) for found, tenant_id, phase in session.exec(statement).all()}


def ready(session: Session) -> list[Placed]:
    """Return the environments of all tenants that should be there (system role)."""
    statement = select(Environment.tenant_id, Environment.id, Environment.target).where(
        Environment.phase == Phase.READY
    )
    return [Placed(tenant, found, target) for tenant, found, target in session.exec(statement).all()]


def living(session: Session) -> list[Due]:
    """Return the environments of all tenants whose pull requests are to be watched (system role)."""
    statement = select(Environment.tenant_id, Environment.id).where(Environment.phase != Phase.DESTROYED)
    return [Due(tenant_id, environment_id) for tenant_id, environment_id in session.exec(statement).all()]

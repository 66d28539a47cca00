"""Reads of environments."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import ColumnExpressionArgument, Text, Uuid, and_, cast, column, delete, func, or_, text, tuple_, values
from sqlalchemy import select as sql_select
from sqlalchemy.dialects.postgresql import insert
from sqlmodel import Session, col, select

from catalog.environments.automations import Automation, TargetChoice
from catalog.environments.models import Environment, Phase
from catalog.environments.strangers import EnvironmentStranger


@dataclass(frozen=True)
class Due:
    """An environment that something is due for, as the system role may see it."""

    tenant_id: UUID
    environment_id: UUID


@dataclass(frozen=True)
class Placed(Due):
    """An environment and the target at which it runs."""

    target: str


@dataclass(frozen=True)
class Seen:
    """What was decided about last of an environment's pull request.

    ``has_conditions``: more than its commit counts, or it could not be looked at the last time.
    """

    environment_id: UUID
    pull_request: int
    seen_sha: str
    seen_base: str | None
    absences: int
    has_conditions: bool


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


def of_repository(session: Session, tenant_id: UUID, *repositories: str) -> Sequence[Environment]:
    """Return the living environments of one or more repositories, in the order in which they are locked."""
    statement = select(Environment).where(
        Environment.tenant_id == tenant_id,
        col(Environment.repository).in_(repositories),
        Environment.phase != Phase.DESTROYED,
    )
    return session.exec(statement.order_by(col(Environment.id))).all()


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


def taking_secrets(session: Session, tenant_id: UUID) -> list[tuple[UUID, str, Mapping[str, Any]]]:
    """Return id, name and spec of the tenant's living environments whose specs name secrets, by name."""
    statement = select(Environment.id, Environment.name, Environment.spec).where(
        Environment.tenant_id == tenant_id,
        Environment.phase != Phase.DESTROYED,
        cast(Environment.spec, Text).contains("${secrets.", autoescape=True),
    )
    rows = session.exec(statement.order_by(col(Environment.name), col(Environment.id))).all()
    return [(found, name, spec) for found, name, spec in rows]


def sizes_awake(session: Session, tenant_id: UUID, but: UUID) -> dict[UUID, dict[str, int]]:
    """Return what each of the tenant's environments but one takes of its room, by id.

    Those that sleep, wait for room or an approval, or were refused take none; one that cannot be removed, or is still
    awake because it could not be stopped, takes its own.
    """
    without = (Phase.DESTROYED, Phase.SLEEPING, Phase.REJECTED, Phase.PENDING_APPROVAL)
    awake = and_(col(Environment.phase).not_in(without), col(Environment.waits_since).is_(None))
    stop_failed = col(Environment.conditions).contains([{"type": "StillAwake"}])
    still_awake = and_(col(Environment.phase) == Phase.SLEEPING, stop_failed)
    statement = select(Environment.id, Environment.size).where(
        Environment.tenant_id == tenant_id, Environment.id != but, or_(awake, still_awake)
    )
    return {found: dict(size) for found, size in session.exec(statement).all()}


def hold_room(session: Session, tenant_id: UUID) -> None:
    """Let nobody else give away the tenant's room until the transaction ends."""
    session.exec(select(func.pg_advisory_xact_lock(func.hashtextextended(f"{tenant_id}/environments/room", 0))))


def waiting(session: Session, tenant_id: UUID) -> Sequence[tuple[UUID, datetime]]:
    """Return those of a tenant's environments that wait for room, and since when, in the order of their turns."""
    statement = (
        select(Environment.id, Environment.waits_since)
        .where(Environment.tenant_id == tenant_id, col(Environment.waits_since).is_not(None))
        .order_by(col(Environment.waits_since), col(Environment.id))
    )
    return [(found, since) for found, since in session.exec(statement).all() if since is not None]


def waiting_tenants(session: Session) -> Sequence[UUID]:
    """Return the tenants of which environments wait for room (system role)."""
    statement = select(Environment.tenant_id).where(col(Environment.waits_since).is_not(None)).distinct()
    return session.exec(statement.order_by(col(Environment.tenant_id))).all()


def if_free(session: Session, tenant_id: UUID, environment_id: UUID) -> Environment | None:
    """Return the tenant's environment, locked; None where somebody else holds it at the moment."""
    statement = select(Environment).where(Environment.tenant_id == tenant_id, Environment.id == environment_id)
    statement = statement.execution_options(populate_existing=True)
    return session.exec(statement.with_for_update(skip_locked=True)).first()


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
    return _due_by(session, col(Environment.due_at), moment, limit)


def signs_due(session: Session, moment: datetime, limit: int) -> list[Due]:
    """Return environments of all tenants, gone ones too, whose signs are late, longest first (system role)."""
    return _due_by(session, col(Environment.signs_due_at), moment, limit)


def _due_by(session: Session, clock: Any, moment: datetime, limit: int) -> list[Due]:
    statement = select(Environment.tenant_id, Environment.id).where(clock <= moment).order_by(clock).limit(limit)
    return [Due(tenant_id, environment_id) for tenant_id, environment_id in session.exec(statement).all()]


def targets_since(session: Session, moment: datetime) -> Sequence[str]:
    """Return the targets of environments that live, or were destroyed after ``moment`` (system role)."""
    lately = or_(col(Environment.phase) != Phase.DESTROYED, col(Environment.destroyed_at) > moment)
    return session.exec(select(Environment.target).where(lately).distinct().order_by(Environment.target)).all()


def standing(session: Session, ids: Collection[UUID]) -> dict[UUID, tuple[UUID, Phase]]:
    """Return tenant and phase of environments by id; unknown ids are left out (system role)."""
    statement = select(Environment.id, Environment.tenant_id, Environment.phase).where(col(Environment.id).in_(ids))
    return {found: (tenant_id, Phase(phase)) for found, tenant_id, phase in session.exec(statement).all()}


def strangers(session: Session) -> dict[str, list[str]]:
    """Return what the last sweeps found of no environment known here, by where it was found (system role)."""
    rows = session.exec(
        select(EnvironmentStranger.place, EnvironmentStranger.name).order_by(
            EnvironmentStranger.place, EnvironmentStranger.name
        )
    ).all()
    found: dict[str, list[str]] = {}
    for place, name in rows:
        found.setdefault(place, []).append(name)
    return found


def forget_strangers(session: Session, place: str, names: Collection[str]) -> None:
    """Forget what was found at a place and is there no longer (system role)."""
    there = (col(EnvironmentStranger.place) == place, col(EnvironmentStranger.name).in_(names))
    session.connection().execute(delete(EnvironmentStranger).where(*there))


def automation_of(session: Session, tenant_id: UUID, repository: str, *, lock: bool = False) -> Automation | None:
    """Return what a tenant wants of a repository's pull requests, locked where asked."""
    statement = select(Automation).where(Automation.tenant_id == tenant_id, Automation.repository == repository)
    statement = statement.execution_options(populate_existing=True)
    return session.exec(statement.with_for_update() if lock else statement).first()


def automation(session: Session, tenant_id: UUID, automation_id: UUID) -> Automation | None:
    """Return one automation of a tenant."""
    statement = select(Automation).where(Automation.tenant_id == tenant_id, Automation.id == automation_id)
    return session.exec(statement).first()


def automations(session: Session, tenant_id: UUID) -> Sequence[Automation]:
    """Return a tenant's automations by repository."""
    statement = select(Automation).where(Automation.tenant_id == tenant_id)
    return session.exec(statement.order_by(col(Automation.repository))).all()


def all_automations(session: Session) -> Sequence[tuple[UUID, UUID]]:
    """Return tenant and id of all automations (system role)."""
    statement = select(Automation.tenant_id, Automation.id).order_by(col(Automation.id))
    return session.exec(statement).all()


def target_choice(session: Session, tenant_id: UUID) -> TargetChoice | None:
    """Return where a tenant chose that its environments go; None where it never did."""
    return session.exec(select(TargetChoice).where(TargetChoice.tenant_id == tenant_id)).first()


def target_choice_to_change(session: Session, empty: TargetChoice) -> TargetChoice:
    """Return the row of a tenant's choice, locked; ``empty`` is written where there is none yet."""
    session.execute(insert(TargetChoice).values(**empty.model_dump()).on_conflict_do_nothing())
    statement = select(TargetChoice).where(TargetChoice.tenant_id == empty.tenant_id).with_for_update()
    return session.exec(statement.execution_options(populate_existing=True)).one()


def misplaced(
    session: Session, tenant_id: UUID, offered: Collection[str], condition: str, limit: int
) -> Sequence[UUID]:
    """Return living environments of which a condition does not say yet whether their target is (not) offered."""
    told = col(Environment.conditions).contains([{"type": condition}])
    is_offered = col(Environment.target).in_(offered)
    statement = select(Environment.id).where(
        Environment.tenant_id == tenant_id, Environment.phase != Phase.DESTROYED, told == is_offered
    )
    return session.exec(statement.order_by(col(Environment.id)).limit(limit)).all()


def begin_with(session: Session, parts: Collection[str]) -> Sequence[tuple[UUID, UUID]]:
    """Return id and tenant of the environments whose ids begin with one of these twelve digits (system role)."""
    if not parts:
        return []
    ranges = values(column("low", Uuid), column("high", Uuid), name="part").data(
        [(UUID(f"{each}{'0' * 20}"), UUID(f"{each}{'f' * 20}")) for each in sorted(parts)]
    )
    within = col(Environment.id).between(ranges.c.low, ranges.c.high)
    statement = select(Environment.id, Environment.tenant_id).join(ranges, within)
    return [(found, tenant_id) for found, tenant_id in session.exec(statement).all()]


def ready(session: Session) -> list[Placed]:
    """Return the environments of all tenants that should be there, in an order that stays (system role)."""
    statement = select(Environment.tenant_id, Environment.id, Environment.target).where(
        Environment.phase == Phase.READY
    )
    statement = statement.order_by(col(Environment.id))
    return [Placed(tenant, found, target) for tenant, found, target in session.exec(statement).all()]


def living_tenants(session: Session) -> Sequence[UUID]:
    """Return the tenants whose environments' pull requests are to be watched (system role)."""
    statement = select(Environment.tenant_id).where(Environment.phase != Phase.DESTROYED).distinct()
    return session.exec(statement.order_by(col(Environment.tenant_id))).all()


def coming_back_tenants(session: Session, since: datetime) -> Sequence[UUID]:
    """Return the tenants of which environments may come back, of those that ended after ``since`` (system role)."""
    statement = select(Environment.tenant_id).where(*_comes_back(since)).distinct()
    return session.exec(statement.order_by(col(Environment.tenant_id))).all()


def coming_back_repositories(session: Session, tenant_id: UUID, since: datetime) -> Sequence[str]:
    """Return the repositories of a tenant's environments that may come back."""
    statement = select(Environment.repository).where(Environment.tenant_id == tenant_id, *_comes_back(since))
    return session.exec(statement.distinct().order_by(col(Environment.repository))).all()


def coming_back(
    session: Session, tenant_id: UUID, repository: str, pull_requests: Collection[int], since: datetime
) -> Sequence[Environment]:
    """Return those of some pull requests' environments that may come back, in the order of the pull requests."""
    statement = select(Environment).where(
        Environment.tenant_id == tenant_id,
        Environment.repository == repository,
        col(Environment.pull_request).in_(pull_requests),
        *_comes_back(since),
    )
    return session.exec(statement.order_by(col(Environment.pull_request))).all()


def _comes_back(since: datetime) -> tuple[ColumnExpressionArgument[bool], ...]:
    """Return the conditions on what ended with its pull request: it is gone, or on its way."""
    ended = col(Environment.destroyed_at)
    phases = (Phase.DESTROYED, Phase.DESTROYING, Phase.VERIFYING_GONE, Phase.DESTROY_FAILED)
    recently = or_(ended.is_(None), ended >= since)
    return (col(Environment.comes_back), col(Environment.phase).in_(phases), recently)


def repositories(session: Session, tenant_id: UUID) -> Sequence[str]:
    """Return the repositories of a tenant's living environments."""
    statement = select(Environment.repository).where(
        Environment.tenant_id == tenant_id, Environment.phase != Phase.DESTROYED
    )
    return session.exec(statement.distinct().order_by(col(Environment.repository))).all()


def seen(session: Session, tenant_id: UUID, repository: str) -> list[Seen]:
    """Return what was decided about last of the living environments of a repository."""
    columns = (
        col(Environment.id),
        col(Environment.pull_request),
        col(Environment.seen_sha),
        col(Environment.seen_base),
        col(Environment.absences),
        col(Environment.spec)["follow"],
        col(Environment.conditions).contains([{"type": "Watched"}]),
    )
    statement = sql_select(*columns).where(
        col(Environment.tenant_id) == tenant_id,
        col(Environment.repository) == repository,
        col(Environment.phase) != Phase.DESTROYED,
    )
    rows = session.execute(statement.order_by(columns[1])).all()
    return [
        Seen(found, number, sha, base, absences, _has_conditions(follow) or unwatched)
        for found, number, sha, base, absences, follow, unwatched in rows
    ]


def _has_conditions(follow: object) -> bool:
    """Tell whether more than the commit decides whether a pull request has an environment."""
    said = follow if isinstance(follow, dict) else {}
    more = said.get("labels") or said.get("bases") or said.get("tracksBase")
    return bool(more or said.get("stacked", "follow") != "follow")

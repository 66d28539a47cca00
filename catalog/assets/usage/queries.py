"""Reads of uses and dependencies; the caller's tenant comes first, and row-level security stands behind it."""

from collections.abc import Sequence
from datetime import date, datetime
from uuid import UUID

from sqlalchemy import and_, func, or_, text
from sqlalchemy.dialects.postgresql import insert
from sqlmodel import Session, col, select, update

from catalog.assets.life import UNSEEN
from catalog.assets.models import AssetVersion, VersionState
from catalog.assets.usage.models import AssetDependency, AssetTotal, AssetUse, Notice, Totals, VersionMove

MOST = 500
"""How many dependents or uses are named at once."""


def dependents(
    session: Session, tenant_id: UUID, namespace: str, name: str
) -> Sequence[tuple[AssetDependency, AssetVersion]]:
    """Return what builds on an asset and may be chosen, newest first, as far as the tenant may see it."""
    del tenant_id  # whose they are is decided by the policies of both tables
    statement = (
        select(AssetDependency, AssetVersion)
        .join(AssetVersion, col(AssetVersion.id) == AssetDependency.version_id)
        .where(AssetDependency.needs_namespace == namespace, AssetDependency.needs_name == name)
        .where(col(AssetVersion.state).in_([VersionState.PUBLISHED, VersionState.DEPRECATED]))
        .order_by(
            col(AssetVersion.namespace),
            col(AssetVersion.name),
            *(col(getattr(AssetVersion, part)).desc() for part in ("major", "minor", "patch", "stage", "stage_number")),
        )
        .limit(MOST)
    )
    return session.exec(statement).all()


def uses(session: Session, tenant_id: UUID, asset_id: UUID, version_id: UUID | None) -> Sequence[tuple[AssetUse, str]]:
    """Return what of the tenant's own uses an asset (in one version, or any), with the version, latest first."""
    statement = (
        select(AssetUse, AssetVersion.version)
        .join(AssetVersion, col(AssetVersion.id) == AssetUse.version_id)
        .where(AssetUse.tenant_id == tenant_id, AssetUse.asset_id == asset_id, col(AssetUse.until).is_(None))
    )
    if version_id is not None:
        statement = statement.where(AssetUse.version_id == version_id)
    return session.exec(statement.order_by(col(AssetUse.since).desc()).limit(MOST)).all()


def count_by_area(session: Session, tenant_id: UUID, asset_id: UUID, version_id: UUID | None) -> dict[str, int]:
    """Return how many things of the tenant's own use an asset (in one version, or any), by what they are."""
    area = func.split_part(col(AssetUse.subject), "/", 1)
    statement = select(area, func.count(func.distinct(col(AssetUse.subject)))).where(
        AssetUse.tenant_id == tenant_id, AssetUse.asset_id == asset_id, col(AssetUse.until).is_(None)
    )
    if version_id is not None:
        statement = statement.where(AssetUse.version_id == version_id)
    return dict(session.exec(statement.group_by(area)).all())


_NOTICES = text("""
    SELECT namespace, name, version, state, state_reason AS reason, replacement, end_of_life, state_link AS link
    FROM versions_in_use(:subject) ORDER BY namespace, name
""")


def notices(session: Session, tenant_id: UUID, subject: str) -> list[Notice]:
    """Return the states of the versions that one thing of the tenant's runs, seen or not (SECURITY DEFINER)."""
    del tenant_id  # the function takes that of the transaction
    rows = session.connection().execute(_NOTICES, {"subject": subject}).mappings()
    return [Notice.model_validate(dict(row)) for row in rows]


def active(session: Session, tenant_id: UUID, subject: str) -> Sequence[AssetUse]:
    """Return the uses of one thing of the tenant's."""
    statement = select(AssetUse).where(
        AssetUse.tenant_id == tenant_id, AssetUse.subject == subject, col(AssetUse.until).is_(None)
    )
    return session.exec(statement).all()


def begin_use(session: Session, use: AssetUse) -> None:
    """Record that something uses a version, or does so again."""
    values = use.model_dump(exclude={"told"})
    again = {"until": None, "since": use.since, "label": use.label, "told": None}
    statement = insert(AssetUse).values(**values)
    session.execute(
        statement.on_conflict_do_update(
            index_elements=["tenant_id", "subject", "version_id"],
            set_=again,
            where=col(AssetUse.until).is_not(None),
        )
    )


def end_uses(session: Session, tenant_id: UUID, subject: str, moment: datetime, keep: Sequence[UUID] = ()) -> None:
    """Record that one thing of the tenant's no longer uses any version but those of ``keep``."""
    session.execute(
        update(AssetUse)
        .where(
            col(AssetUse.tenant_id) == tenant_id,
            col(AssetUse.subject) == subject,
            col(AssetUse.until).is_(None),
            col(AssetUse.version_id).not_in(keep),
        )
        .values(until=moment)
    )


def untold(session: Session, tenant_id: UUID, version_id: UUID, move_id: UUID) -> Sequence[AssetUse]:
    """Return the tenant's uses of a version that were not told of a move yet, locked for the transaction."""
    statement = select(AssetUse).where(
        AssetUse.tenant_id == tenant_id,
        AssetUse.version_id == version_id,
        col(AssetUse.until).is_(None),
        col(AssetUse.told).is_distinct_from(move_id),
    )
    return session.exec(statement.order_by(col(AssetUse.id)).with_for_update()).all()


def other_tenants(session: Session, version_id: UUID) -> int:
    """Return how many other tenants use a version of the transaction's tenant, in fives (SECURITY DEFINER)."""
    statement = text("SELECT other_tenants_using(:version)")
    return int(session.connection().execute(statement, {"version": version_id}).scalar_one() or 0)


def using_tenants(session: Session, version_id: UUID) -> list[UUID]:
    """Return the tenants that use a version (system role)."""
    statement = (
        select(AssetUse.tenant_id)
        .where(AssetUse.version_id == version_id, col(AssetUse.until).is_(None))
        .distinct()
        .order_by(col(AssetUse.tenant_id))
    )
    return list(session.exec(statement).all())


def ended(session: Session, today: date, limit: int) -> list[tuple[UUID, UUID]]:
    """Return tenant and id of deprecated versions whose end of life is reached (system role)."""
    statement = (
        select(AssetVersion.tenant_id, AssetVersion.id)
        .where(AssetVersion.state == VersionState.DEPRECATED, col(AssetVersion.end_of_life) <= today)
        .order_by(col(AssetVersion.end_of_life), col(AssetVersion.id))
        .limit(limit)
    )
    return list(session.exec(statement).all())


def moves(session: Session, tenant_id: UUID, version_id: UUID, limit: int = 50) -> Sequence[VersionMove]:
    """Return the latest steps in the life of a version that the tenant may see, newest first."""
    was_out = and_(col(VersionMove.before).not_in(UNSEEN), col(VersionMove.after).not_in(UNSEEN))
    statement = select(VersionMove).where(
        VersionMove.version_id == version_id, or_(col(VersionMove.tenant_id) == tenant_id, was_out)
    )
    return session.exec(statement.order_by(col(VersionMove.at).desc(), col(VersionMove.id)).limit(limit)).all()


_MEASURED = text("""
    SELECT count(*) AS attempts, count(*) FILTER (WHERE succeeded) AS successes,
        percentile_cont(0.5) WITHIN GROUP (ORDER BY seconds) FILTER (WHERE succeeded) AS median_seconds
    FROM (SELECT succeeded, seconds FROM asset_outcomes WHERE tenant_id = :tenant AND asset_id = :asset
        ORDER BY at DESC LIMIT 500) AS latest
""")


def measured(session: Session, tenant_id: UUID, asset_id: UUID) -> tuple[int, int, float | None]:
    """Return attempts, successes and the median seconds of successes, of the tenant's own latest 500 attempts."""
    row = session.connection().execute(_MEASURED, {"tenant": tenant_id, "asset": asset_id}).one()
    return row.attempts, row.successes, row.median_seconds


def count_uses(session: Session, tenant_id: UUID, asset_id: UUID) -> dict[UUID, int]:
    """Return how many things of the tenant's run each version of an asset."""
    statement = (
        select(AssetUse.version_id, func.count())
        .where(AssetUse.tenant_id == tenant_id, AssetUse.asset_id == asset_id, col(AssetUse.until).is_(None))
        .group_by(col(AssetUse.version_id))
    )
    return dict(session.exec(statement).all())


def totals(session: Session, asset_ids: Sequence[UUID]) -> dict[UUID, Totals]:
    """Return what is measured across tenants of those assets that enough of them run."""
    statement = select(AssetTotal).where(col(AssetTotal.asset_id).in_(asset_ids))
    return {row.asset_id: Totals.model_validate(row) for row in session.exec(statement).all()}


def into_quarantine(session: Session, tenant_id: UUID, version_id: UUID) -> VersionMove | None:
    """Return the step by which a version of the tenant's own came into quarantine, None where none is kept."""
    statement = select(VersionMove).where(
        VersionMove.tenant_id == tenant_id,
        VersionMove.version_id == version_id,
        VersionMove.after == VersionState.QUARANTINED,
        VersionMove.before != VersionState.QUARANTINED,
    )
    return session.exec(statement.order_by(col(VersionMove.at).desc(), col(VersionMove.id)).limit(1)).first()


def measure(session: Session, moment: datetime) -> int:
    """Write what is measured across tenants anew (SECURITY DEFINER, system role); return of how many assets."""
    return int(session.connection().execute(text("SELECT measure_assets(:moment)"), {"moment": moment}).scalar_one())

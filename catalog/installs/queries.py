"""Every SELECT on installs; the tenant comes first, and row-level security stands behind it."""

from collections.abc import Sequence
from datetime import datetime
from uuid import UUID

from sqlalchemy import func, text
from sqlmodel import Session, col, select, tuple_

from catalog.installs.models import (
    Install,
    InstallApprovalRule,
    InstallOutcome,
    InstallPlan,
    InstallRevision,
    InstallSecret,
    InstallState,
    PlanState,
)
from catalog.installs.shapes import InstallFilter


def install(session: Session, tenant_id: UUID, install_id: UUID, *, lock: bool = False) -> Install | None:
    """Return an install, locked for the transaction where that is asked for."""
    statement = select(Install).where(Install.tenant_id == tenant_id, Install.id == install_id)
    return session.exec(statement.with_for_update() if lock else statement).first()


def plan(session: Session, tenant_id: UUID, plan_id: UUID, *, lock: bool = False) -> InstallPlan | None:
    """Return a plan, locked for the transaction where that is asked for."""
    statement = select(InstallPlan).where(InstallPlan.tenant_id == tenant_id, InstallPlan.id == plan_id)
    return session.exec(statement.with_for_update() if lock else statement).first()


def plans(session: Session, tenant_id: UUID, install_id: UUID, limit: int = 20) -> Sequence[InstallPlan]:
    """Return the latest plans of an install, newest first."""
    statement = select(InstallPlan).where(InstallPlan.tenant_id == tenant_id, InstallPlan.install_id == install_id)
    return session.exec(statement.order_by(col(InstallPlan.created_at).desc()).limit(limit)).all()


def at_place(session: Session, tenant_id: UUID, asset: str, place: str) -> Install | None:
    """Return the install of an asset that lives at a place."""
    statement = select(Install).where(
        Install.tenant_id == tenant_id,
        Install.asset == asset,
        Install.place == place,
        Install.state != InstallState.REMOVED,
    )
    return session.exec(statement).first()


def named(session: Session, tenant_id: UUID, name: str) -> Install | None:
    """Return the living install of a name."""
    statement = select(Install).where(
        Install.tenant_id == tenant_id, Install.name == name, Install.state != InstallState.REMOVED
    )
    return session.exec(statement).first()


def names(session: Session, tenant_id: UUID, beginning: str) -> list[str]:
    """Return the names of living installs that begin so."""
    statement = select(Install.name).where(
        Install.tenant_id == tenant_id,
        col(Install.name).startswith(beginning, autoescape=True),
        Install.state != InstallState.REMOVED,
    )
    return list(session.exec(statement).all())


def of(session: Session, tenant_id: UUID, becomes: str) -> Sequence[Install]:
    """Return the living installs of one sort, oldest first."""
    statement = select(Install).where(
        Install.tenant_id == tenant_id, Install.becomes == becomes, Install.state != InstallState.REMOVED
    )
    return session.exec(statement.order_by(col(Install.created_at))).all()


def page(
    session: Session,
    tenant_id: UUID,
    chosen: InstallFilter,
    before: tuple[datetime, UUID] | None,
    limit: int,
) -> Sequence[Install]:
    """Return installs, newest first; ``before`` is the creation time and id of the last one already seen."""
    statement = select(Install).where(Install.tenant_id == tenant_id)
    equal = {
        Install.asset: chosen.asset,
        Install.kind: chosen.kind,
        Install.owner: chosen.owner,
        Install.state: chosen.state,
    }
    for column, value in equal.items():
        if value is not None:
            statement = statement.where(col(column) == value)
    if chosen.labels:
        statement = statement.where(col(Install.labels).contains(chosen.labels))
    if chosen.service is not None:
        statement = statement.where(col(Install.target)["service"].as_string() == chosen.service)
    if not chosen.removed and chosen.state is None:
        statement = statement.where(Install.state != InstallState.REMOVED)
    if before is not None:
        statement = statement.where(tuple_(col(Install.created_at), col(Install.id)) < before)
    return session.exec(statement.order_by(col(Install.created_at).desc(), col(Install.id).desc()).limit(limit)).all()


def by_ids(session: Session, tenant_id: UUID, ids: Sequence[UUID]) -> Sequence[Install]:
    """Return several installs."""
    return session.exec(select(Install).where(Install.tenant_id == tenant_id, col(Install.id).in_(ids))).all()


def revisions(session: Session, tenant_id: UUID, install_id: UUID) -> Sequence[InstallRevision]:
    """Return the revisions of an install, oldest first."""
    statement = select(InstallRevision).where(
        InstallRevision.tenant_id == tenant_id, InstallRevision.install_id == install_id
    )
    return session.exec(statement.order_by(col(InstallRevision.number))).all()


def revision(session: Session, tenant_id: UUID, install_id: UUID, number: int) -> InstallRevision | None:
    """Return one revision of an install."""
    statement = select(InstallRevision).where(
        InstallRevision.tenant_id == tenant_id,
        InstallRevision.install_id == install_id,
        InstallRevision.number == number,
    )
    return session.exec(statement).first()


def revision_of_plan(session: Session, tenant_id: UUID, plan_id: UUID) -> InstallRevision | None:
    """Return the revision that a plan became."""
    statement = select(InstallRevision).where(
        InstallRevision.tenant_id == tenant_id, InstallRevision.plan_id == plan_id
    )
    return session.exec(statement).first()


def current_revisions(session: Session, tenant_id: UUID, installs: Sequence[Install]) -> dict[UUID, InstallRevision]:
    """Return, by install, the revision that is there, or else the one that is wanted."""
    wanted = {
        (each.id, number) for each in installs if (number := each.applied_revision or each.desired_revision) is not None
    }
    statement = select(InstallRevision).where(
        InstallRevision.tenant_id == tenant_id,
        tuple_(col(InstallRevision.install_id), col(InstallRevision.number)).in_(wanted),
    )
    return {each.install_id: each for each in session.exec(statement).all()} if wanted else {}


def outcomes(session: Session, tenant_id: UUID, revision_ids: Sequence[UUID]) -> dict[UUID, list[InstallOutcome]]:
    """Return what became of revisions, by revision, oldest first."""
    statement = select(InstallOutcome).where(
        InstallOutcome.tenant_id == tenant_id, col(InstallOutcome.revision_id).in_(revision_ids)
    )
    found: dict[UUID, list[InstallOutcome]] = {}
    for each in session.exec(statement.order_by(col(InstallOutcome.at), col(InstallOutcome.id))).all():
        found.setdefault(each.revision_id, []).append(each)
    return found


def secrets(session: Session, tenant_id: UUID, ids: Sequence[UUID]) -> Sequence[InstallSecret]:
    """Return sealed secrets."""
    statement = select(InstallSecret).where(InstallSecret.tenant_id == tenant_id, col(InstallSecret.id).in_(ids))
    return session.exec(statement).all()


def waiting(session: Session, limit: int) -> list[tuple[UUID, UUID]]:
    """Return tenant and id of installs that wait for somebody outside, in any order, so that all have their turn."""
    statement = (
        select(Install.tenant_id, Install.id)
        .where(Install.state == InstallState.WAITING)
        .order_by(func.random())
        .limit(limit)
    )
    return list(session.exec(statement).all())


def last_number(session: Session, tenant_id: UUID, install_id: UUID) -> int:
    """Return the number of the newest revision, 0 where there is none."""
    statement = select(func.max(InstallRevision.number)).where(
        InstallRevision.tenant_id == tenant_id, InstallRevision.install_id == install_id
    )
    return session.exec(statement).one() or 0


def hold(session: Session, tenant_id: UUID, what: str) -> None:
    """Let only one transaction of the tenant at a time take names and places of new installs."""
    statement = text("SELECT pg_advisory_xact_lock(hashtextextended(:key, 0))")
    session.connection().execute(statement, {"key": f"installs:{tenant_id}:{what}"})


def approval_rules(session: Session, tenant_id: UUID) -> Sequence[InstallApprovalRule]:
    """Return which plans take an approval, by name."""
    statement = select(InstallApprovalRule).where(InstallApprovalRule.tenant_id == tenant_id)
    return session.exec(statement.order_by(col(InstallApprovalRule.name))).all()


def approval_rule(session: Session, tenant_id: UUID, name: str) -> InstallApprovalRule | None:
    """Return one rule by its name."""
    statement = select(InstallApprovalRule).where(
        InstallApprovalRule.tenant_id == tenant_id, InstallApprovalRule.name == name
    )
    return session.exec(statement).first()


def wanted_plan(session: Session, tenant_id: UUID, digest: str) -> InstallPlan | None:
    """Return the newest plan of a digest that is ready, and shall be applied once it is approved; locked."""
    statement = select(InstallPlan).where(
        InstallPlan.tenant_id == tenant_id,
        InstallPlan.digest == digest,
        InstallPlan.state == PlanState.READY,
        # What nobody wants is the null of JSON, which SQL takes for a value.
        func.jsonb_typeof(col(InstallPlan.wanted)) == "object",
    )
    return session.exec(statement.order_by(col(InstallPlan.created_at).desc()).with_for_update()).first()

"""Every SELECT on campaigns, and on the installs that they follow; the tenant comes first."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from sqlmodel import Session, col, func, select, tuple_

from catalog.campaigns.models import Campaign, CampaignMember, CampaignState, CampaignWave, MemberState
from catalog.installs.models import Install, InstallOutcome, InstallPlan, InstallRevision, InstallState, OutcomeState

LIVING = (
    *(CampaignState.PLANNING, CampaignState.RUNNING, CampaignState.SOAKING, CampaignState.PAUSED),
    *(CampaignState.STOPPED, CampaignState.ROLLING_BACK),
)
UNDER_WAY = (MemberState.RUNNING, MemberState.HELD, MemberState.WAITING, MemberState.ROLLING_BACK)
CLAIMING = (MemberState.PLANNING, MemberState.PLANNED, *UNDER_WAY)


@dataclass(frozen=True)
class Facts:
    """What is known of a plan: itself, its install, and the revision that it became with the last line of its story."""

    plan: InstallPlan
    install: Install | None
    revision: InstallRevision | None
    outcome: InstallOutcome | None


def campaign(session: Session, tenant_id: UUID, campaign_id: UUID, *, lock: bool = False) -> Campaign | None:
    """Return a campaign, locked for the transaction where that is asked for."""
    statement = select(Campaign).where(Campaign.tenant_id == tenant_id, Campaign.id == campaign_id)
    if lock:
        statement = statement.with_for_update().execution_options(populate_existing=True)
    return session.exec(statement).first()


def page(session: Session, tenant_id: UUID, before: tuple[datetime, UUID] | None, limit: int) -> Sequence[Campaign]:
    """Return campaigns, newest first; ``before`` is the creation time and id of the last one already seen."""
    statement = select(Campaign).where(Campaign.tenant_id == tenant_id)
    if before is not None:
        statement = statement.where(tuple_(col(Campaign.created_at), col(Campaign.id)) < before)
    return session.exec(statement.order_by(col(Campaign.created_at).desc(), col(Campaign.id).desc()).limit(limit)).all()


def waves(session: Session, tenant_id: UUID, campaign_id: UUID) -> Sequence[CampaignWave]:
    """Return the waves of a campaign, in order."""
    statement = select(CampaignWave).where(CampaignWave.tenant_id == tenant_id, CampaignWave.campaign_id == campaign_id)
    return session.exec(statement.order_by(col(CampaignWave.number))).all()


def members(session: Session, tenant_id: UUID, campaign_id: UUID, wave: int | None = None) -> Sequence[CampaignMember]:
    """Return the installs of a campaign, or of one of its waves, by name."""
    statement = select(CampaignMember).where(
        CampaignMember.tenant_id == tenant_id, CampaignMember.campaign_id == campaign_id
    )
    if wave is not None:
        statement = statement.where(CampaignMember.wave == wave)
    return session.exec(statement.order_by(col(CampaignMember.name), col(CampaignMember.id))).all()


def candidates(session: Session, tenant_id: UUID, asset: str, limit: int) -> Sequence[Install]:
    """Return the living installs of an asset, by name."""
    statement = select(Install).where(
        Install.tenant_id == tenant_id, Install.asset == asset, Install.state != InstallState.REMOVED
    )
    return session.exec(statement.order_by(col(Install.name)).limit(limit)).all()


def revisions_of(session: Session, tenant_id: UUID, numbers: Sequence[tuple[UUID, int]]) -> dict[UUID, InstallRevision]:
    """Return some revisions by their install."""
    statement = select(InstallRevision).where(
        InstallRevision.tenant_id == tenant_id,
        tuple_(col(InstallRevision.install_id), col(InstallRevision.number)).in_(numbers),
    )
    return {each.install_id: each for each in session.exec(statement).all()} if numbers else {}


def claimed(session: Session, tenant_id: UUID, install_ids: Sequence[UUID]) -> dict[UUID, str]:
    """Return the names of living campaigns that installs are in and not through with, by install."""
    statement = (
        select(CampaignMember.install_id, Campaign.name)
        .join(Campaign, col(Campaign.id) == col(CampaignMember.campaign_id))
        .where(
            CampaignMember.tenant_id == tenant_id,
            col(CampaignMember.install_id).in_(install_ids),
            col(CampaignMember.state).in_(CLAIMING),
            col(Campaign.state).not_in((CampaignState.DONE, CampaignState.ABORTED)),
        )
    )
    return dict(session.exec(statement).all()) if install_ids else {}


def locked_install(session: Session, tenant_id: UUID, install_id: UUID) -> Install | None:
    """Return an install as it is now, locked: one campaign at a time decides about it."""
    statement = select(Install).where(Install.tenant_id == tenant_id, Install.id == install_id)
    return session.exec(statement.with_for_update().execution_options(populate_existing=True)).first()


def facts(session: Session, tenant_id: UUID, plan_ids: Sequence[UUID]) -> dict[UUID, Facts]:
    """Return what is known of some plans, by plan."""
    statement = (
        select(InstallPlan, Install, InstallRevision)
        .outerjoin(Install, col(Install.id) == col(InstallPlan.install_id))
        .outerjoin(InstallRevision, col(InstallRevision.plan_id) == col(InstallPlan.id))
        .where(InstallPlan.tenant_id == tenant_id, col(InstallPlan.id).in_(plan_ids))
    )
    rows = session.exec(statement).all() if plan_ids else []
    ids = [revision.id for _, _, revision in rows if revision is not None]
    lines = select(InstallOutcome).where(
        InstallOutcome.tenant_id == tenant_id, col(InstallOutcome.revision_id).in_(ids)
    )
    ordered = session.exec(lines.order_by(col(InstallOutcome.at), col(InstallOutcome.id))).all() if ids else []
    last = {each.revision_id: each for each in ordered}
    return {
        plan.id: Facts(plan, install, revision, None if revision is None else last.get(revision.id))
        for plan, install, revision in rows
    }


def followers(session: Session, tenant_id: UUID, plan_ids: Sequence[UUID]) -> dict[UUID, UUID]:
    """Return the newest plan that was made in place of each of some plans."""
    statement = select(InstallPlan).where(InstallPlan.tenant_id == tenant_id, col(InstallPlan.follows).in_(plan_ids))
    rows = session.exec(statement.order_by(col(InstallPlan.created_at))).all() if plan_ids else []
    return {each.follows: each.id for each in rows if each.follows is not None}


def due(session: Session, at: datetime, limit: int) -> list[tuple[UUID, UUID]]:
    """Return tenant and id of campaigns that are to be looked at: each tenant's longest overdue, then each's next.

    So a tenant of two hundred campaigns keeps nobody waiting for more than one of them.
    """
    turn = func.row_number().over(
        partition_by=col(Campaign.tenant_id), order_by=(col(Campaign.next_at), col(Campaign.id))
    )
    waiting = (
        select(Campaign.tenant_id, Campaign.id, Campaign.next_at, turn.label("turn"))
        .where(col(Campaign.state).in_(LIVING), Campaign.next_at <= at)
        .subquery()
    )
    statement = select(waiting.c.tenant_id, waiting.c.id).order_by(waiting.c.turn, waiting.c.next_at, waiting.c.id)
    return [(tenant_id, campaign_id) for tenant_id, campaign_id in session.exec(statement.limit(limit)).all()]


def followed(session: Session, tenant_id: UUID, install_id: UUID | None, digest: str | None) -> Sequence[Campaign]:
    """Return the living campaigns that an install, or the plan of a digest, is in; locked, by id."""
    members = select(CampaignMember.campaign_id).where(CampaignMember.tenant_id == tenant_id)
    if install_id is not None:
        members = members.where(CampaignMember.install_id == install_id)
    else:
        plans = select(InstallPlan.id).where(InstallPlan.tenant_id == tenant_id, InstallPlan.digest == digest)
        members = members.where(col(CampaignMember.plan_id).in_(plans))
    statement = select(Campaign).where(
        Campaign.tenant_id == tenant_id, col(Campaign.state).in_(LIVING), col(Campaign.id).in_(members)
    )
    return session.exec(statement.order_by(col(Campaign.id)).with_for_update()).all()


def under_way(session: Session, tenant_id: UUID, install_id: UUID, but: UUID) -> list[str]:
    """Return the names of other campaigns in which an install is under way: one at most."""
    statement = (
        select(Campaign.name)
        .join(CampaignMember, col(CampaignMember.campaign_id) == col(Campaign.id))
        .where(
            CampaignMember.tenant_id == tenant_id,
            CampaignMember.install_id == install_id,
            CampaignMember.campaign_id != but,
            col(CampaignMember.state).in_(UNDER_WAY),
        )
    )
    return list(session.exec(statement).all())


def wave(session: Session, tenant_id: UUID, wave_id: UUID) -> CampaignWave | None:
    """Return one wave by its id."""
    return session.exec(
        select(CampaignWave).where(CampaignWave.tenant_id == tenant_id, CampaignWave.id == wave_id)
    ).first()


def as_left(session: Session, tenant_id: UUID, install_ids: Sequence[UUID]) -> dict[UUID, int | None]:
    """Return the applied revision of each of some installs that is at rest and well."""
    statement = select(Install.id, Install.applied_revision).where(
        Install.tenant_id == tenant_id,
        col(Install.id).in_(install_ids),
        col(Install.state).not_in((InstallState.FAILED, InstallState.REMOVED)),
    )
    return dict(session.exec(statement).all()) if install_ids else {}


def seconds_of(session: Session, tenant_id: UUID, numbers: Sequence[tuple[UUID, int]]) -> tuple[float, ...]:
    """Return how long some revisions took from being written down to being there, in no order."""
    statement = (
        select(InstallRevision.created_at, InstallOutcome.at)
        .join(InstallOutcome, col(InstallOutcome.revision_id) == col(InstallRevision.id))
        .where(
            InstallRevision.tenant_id == tenant_id,
            tuple_(col(InstallRevision.install_id), col(InstallRevision.number)).in_(numbers),
            InstallOutcome.state == OutcomeState.APPLIED,
        )
    )
    return tuple((end - begin).total_seconds() for begin, end in session.exec(statement).all()) if numbers else ()

"""Carries campaigns on: a look at each by the clock, and at once where one of its installs has moved."""

from datetime import timedelta
from uuid import UUID

from catalog.approvals.events import ApprovalDenied, ApprovalExpired, ApprovalGranted, ApprovalVoided
from catalog.campaigns.events import (
    CampaignCreated,
    CampaignEvent,
    CampaignResumed,
    CampaignRollingBack,
    CampaignWaveStarted,
)
from catalog.campaigns.service import CampaignService
from catalog.clock import now
from catalog.installs.events import (
    InstallDeclined,
    InstallFailed,
    InstallPlanFailed,
    InstallPlanMoved,
    InstallPlanned,
    InstallReady,
    InstallRemoved,
    InstallWaiting,
)
from workers.runtime.worker import JobContext, Worker

WORKER = Worker("campaigns", queue="campaigns", concurrency=2)

DUE_AT_ONCE = 10
"""How many are looked at before it is asked again who is due: by then it may be somebody else's turn."""
LOOKS_FOR = timedelta(seconds=60)


@WORKER.every(timedelta(seconds=2))
@WORKER.job("campaigns.tick_due", time_limit=timedelta(minutes=5))
def tick_due(context: JobContext) -> None:
    """Look at the campaigns that are due, tenants in turn; one that cannot be looked at now keeps nobody waiting."""
    end = now() + LOOKS_FOR
    while due := _due(context):
        for tenant_id, campaign_id in due:
            if context.should_stop() or now() >= end:
                return
            # First put off: where a look breaks off, the next run begins with everybody else's.
            with context.session(tenant_id) as session:
                CampaignService(session, context.settings).postpone(tenant_id, campaign_id)
            with context.session(tenant_id) as session:
                CampaignService(session, context.settings).tick(tenant_id, campaign_id)


def _due(context: JobContext) -> list[tuple[UUID, UUID]]:
    with context.system_session() as session:
        return CampaignService.due(session, now(), DUE_AT_ONCE)


@WORKER.on(CampaignCreated, CampaignWaveStarted, CampaignResumed, CampaignRollingBack)
@WORKER.job("campaigns.begin", time_limit=timedelta(minutes=2))
def begin(context: JobContext) -> None:
    """Look at a campaign that begins with something."""
    event = context.envelope.event() if context.envelope is not None else None
    if isinstance(event, CampaignEvent) and context.tenant_id is not None:
        with context.session() as session:
            CampaignService(session, context.settings).tick(context.tenant_id, event.campaign_id)


@WORKER.on(InstallPlanned, InstallPlanFailed, InstallPlanMoved, InstallReady, InstallWaiting, InstallFailed)
@WORKER.on(InstallDeclined, InstallRemoved, ApprovalGranted, ApprovalDenied, ApprovalExpired, ApprovalVoided)
@WORKER.job("campaigns.hasten", time_limit=timedelta(minutes=2))
def hasten(context: JobContext) -> None:
    """Have the campaigns looked at soon in which an install has moved, or people have decided about one.

    It does not look itself: of two hundred installs that move at once, one look sees them all.
    """
    if context.envelope is None or context.tenant_id is None:
        return
    event = context.envelope.event()
    install_id = getattr(event, "install_id", None)
    digest = getattr(event, "plan_digest", None)
    if install_id is not None or digest is not None:
        with context.session() as session:
            service = CampaignService(session, context.settings)
            service.hasten(context.tenant_id, install_id=install_id, digest=f"sha256:{digest}")

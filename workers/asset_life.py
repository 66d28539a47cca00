"""What the life of versions needs: telling whoever runs one of its new state, and ends of life as they come."""

from datetime import timedelta
from typing import Any

from catalog.assets.events import (
    AssetVersionArchived,
    AssetVersionDeprecated,
    AssetVersionQuarantined,
    AssetVersionRestored,
    AssetVersionRevoked,
    AssetVersionYanked,
)
from catalog.assets.service import AssetService
from catalog.clock import now
from catalog.events.registry import EventData
from workers.runtime.worker import Interrupted, JobContext, Worker

WORKER = Worker("asset_life", queue="clock")

DUE_AT_ONCE = 200
STATES: dict[type[EventData], str] = {
    AssetVersionDeprecated: "deprecated",
    AssetVersionYanked: "yanked",
    AssetVersionArchived: "archived",
    AssetVersionRevoked: "revoked",
    AssetVersionQuarantined: "quarantined",
    AssetVersionRestored: "published",
}


@WORKER.on(*STATES)
@WORKER.job("assets.tell_affected", time_limit=timedelta(seconds=120))
def tell_affected(context: JobContext) -> None:
    """Tell each tenant that runs a version of its new state, in that tenant's own feed, once for each change."""
    envelope = context.envelope
    if envelope is None:
        return
    happened: Any = envelope.event()
    state = STATES[type(happened)]
    with context.system_session() as session:
        tenants = AssetService.tenants_using(session, happened.version_id)
    changed = {
        "namespace": happened.namespace,
        "name": happened.name,
        "version": happened.version,
        "state": state,
        "reason": happened.reason,
        "replacement": getattr(happened, "replacement", None),
        "end_of_life": getattr(happened, "end_of_life", None),
    }
    for tenant_id in tenants:
        if context.should_stop():
            raise Interrupted
        with context.session(tenant_id) as session:
            AssetService(session).tell(tenant_id, happened.version_id, happened.move_id or envelope.id, changed)


@WORKER.every(timedelta(hours=6))
@WORKER.job("assets.measure", time_limit=timedelta(seconds=300))
def measure(context: JobContext) -> None:
    """Measure every asset across tenants, so that a figure changes at no moment that tells who has changed it."""
    with context.system_session() as session:
        AssetService(session).measure(now())


@WORKER.every(timedelta(minutes=10))
@WORKER.job("assets.end_of_life", time_limit=timedelta(seconds=120))
def end_of_life(context: JobContext) -> None:
    """Archive the deprecated versions whose end of life is reached; whoever runs one is told as of any other change."""
    with context.system_session() as session:
        due = AssetService.due_for_end_of_life(session, now().date(), DUE_AT_ONCE)
    for tenant_id, version_id in due:
        if context.should_stop():
            raise Interrupted
        with context.session(tenant_id) as session:
            AssetService(session).reach_end_of_life(tenant_id, version_id)

"""What overlays need: a look at every new version, and word of each that one does not fit."""

from datetime import timedelta
from typing import Any

from catalog.assets.events import AssetShared, AssetVersionPublished, AssetVersionRestored
from catalog.overlays.service import OverlayService
from workers.runtime.worker import Interrupted, JobContext, Worker

WORKER = Worker("overlays", queue="clock")


@WORKER.on(AssetVersionPublished, AssetVersionRestored, AssetShared)
@WORKER.job("overlays.recheck", time_limit=timedelta(seconds=120), patient=True)
def recheck(context: JobContext) -> None:
    """Look at what has come of an asset with the eyes of each tenant that narrows it; tell each of a misfit once."""
    envelope = context.envelope
    if envelope is None:
        return
    happened: Any = envelope.event()
    with context.system_session() as session:
        tenants = OverlayService.tenants_with(session, happened.asset_id)
    for tenant_id in tenants:
        if context.should_stop():
            raise Interrupted
        with context.session(tenant_id) as session:
            OverlayService(session).recheck(tenant_id, happened.namespace, happened.name)

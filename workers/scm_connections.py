"""What environments need when connections come and go: their pull requests are watched again, or not."""

import logging
from datetime import timedelta
from uuid import UUID

from catalog.environments.service import EnvironmentWatches, EphemeralEnvironmentService
from catalog.scm.events import ScmConnectionCreated, ScmConnectionRemoved
from workers.item_by_item import kept_apart
from workers.runtime.worker import JobContext, Worker

WORKER = Worker("scm_connections", queue="scm")

log = logging.getLogger(__name__)


@WORKER.on(ScmConnectionCreated, ScmConnectionRemoved)
@WORKER.job("environments.connections_changed", time_limit=timedelta(minutes=2))
def connections_changed(context: JobContext) -> None:
    """Follow again what can be reached again, and say on environments that nobody watches their pull requests."""
    if context.tenant_id is not None:
        with context.session(context.tenant_id) as session:
            EnvironmentWatches(session, context.settings).connections_changed(context.tenant_id)


@WORKER.every(timedelta(minutes=5))
@WORKER.job("environments.leave_unwatched", time_limit=timedelta(minutes=2))
def leave_unwatched(context: JobContext) -> None:
    """Dismiss environments whose repositories have been connected no longer for a day."""
    with context.system_session() as session:
        tenants = EphemeralEnvironmentService.watched(session)
    for tenant_id in tenants:
        if context.should_stop():
            return
        unwatched: list[UUID] = []
        what = f"what is not watched of tenant {tenant_id} was not looked at"
        with kept_apart(log, what), context.session(tenant_id) as session:
            unwatched = EnvironmentWatches(session, context.settings).unwatched(tenant_id)
        for environment_id in unwatched:
            with kept_apart(log, f"environment {environment_id} was not left"), context.session(tenant_id) as session:
                EnvironmentWatches(session, context.settings).leave_unwatched(tenant_id, environment_id)

"""Room for environments that wait for it: they are let in as soon as some becomes free, and by the clock."""

import logging
from datetime import timedelta
from uuid import UUID

from catalog.environments.events import (
    EnvironmentAsleep,
    EnvironmentDestroyed,
    EnvironmentDestroyRequested,
    EnvironmentSleepRequested,
)
from catalog.environments.service import EphemeralEnvironmentService
from workers.item_by_item import kept_apart
from workers.runtime.worker import JobContext, Worker

WORKER = Worker("environment_room", queue="clock")

log = logging.getLogger(__name__)


@WORKER.on(EnvironmentDestroyed, EnvironmentAsleep, EnvironmentSleepRequested, EnvironmentDestroyRequested)
@WORKER.job("environments.let_in", time_limit=timedelta(seconds=60), max_attempts=3)
def let_in(context: JobContext) -> None:
    """Let in those that wait, because one of their tenant's environments gave up its room."""
    if context.tenant_id is not None:
        _admit(context, context.tenant_id)


@WORKER.every(timedelta(seconds=5))
@WORKER.job("environments.admit_waiting", time_limit=timedelta(seconds=60))
def admit_waiting(context: JobContext) -> None:
    """Let in those that wait, tenant by tenant, whatever made room for them."""
    with context.system_session() as session:
        tenants = EphemeralEnvironmentService.waiting_tenants(session)
    for tenant_id in tenants:
        if context.should_stop():
            return
        with kept_apart(log, f"nobody was let in of tenant {tenant_id}"):
            _admit(context, tenant_id)


def _admit(context: JobContext, tenant_id: UUID) -> None:
    with context.session(tenant_id) as session:
        EphemeralEnvironmentService(session, context.settings).admit_waiting(tenant_id)

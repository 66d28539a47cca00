"""What was refused at a gate is asked again when what counts has changed: an environment whose new commit waits."""

from datetime import timedelta

from catalog.environments.service import EphemeralEnvironmentService
from catalog.policies.events import (
    PolicyBound,
    PolicyOverridden,
    PolicyUnbound,
    PolicyWaived,
    PolicyWaiverEnded,
)
from catalog.proposals.events import BlockLifted
from workers.runtime.worker import Interrupted, JobContext, Worker

WORKER = Worker("environment_gates", queue="clock")


@WORKER.on(PolicyBound, PolicyUnbound, PolicyWaived, PolicyWaiverEnded, PolicyOverridden, BlockLifted)
@WORKER.job("environments.ask_again", time_limit=timedelta(minutes=5), max_attempts=5)
def ask_again(context: JobContext) -> None:
    """Ask policies again about every environment of the tenant that they keep at an earlier commit."""
    if context.tenant_id is None:
        return
    with context.session() as session:
        refused = EphemeralEnvironmentService(session, context.settings).refused(context.tenant_id)
    for environment_id in refused:
        if context.should_stop():
            raise Interrupted
        with context.session() as session:
            service = EphemeralEnvironmentService(session, context.settings)
            service.ask_again(context.tenant_id, environment_id)

"""What was refused at a gate is asked again when what counts has changed: an environment whose new commit waits."""

import logging
from datetime import timedelta

from catalog.environments.service import EphemeralEnvironmentService
from catalog.errors import SlipwayError
from catalog.policies.events import (
    PolicyBound,
    PolicyOverridden,
    PolicyUnbound,
    PolicyWaived,
    PolicyWaiverEnded,
)
from catalog.proposals.events import BlockLifted
from workers.item_by_item import kept_apart
from workers.runtime.worker import Interrupted, JobContext, Worker

WORKER = Worker("environment_gates", queue="clock")

log = logging.getLogger(__name__)


@WORKER.on(PolicyBound, PolicyUnbound, PolicyWaived, PolicyWaiverEnded, PolicyOverridden, BlockLifted)
@WORKER.job("environments.ask_again", time_limit=timedelta(minutes=5), max_attempts=5)
def ask_again(context: JobContext) -> None:
    """Ask policies again about every environment of the tenant that they keep at an earlier commit.

    What goes wrong with one keeps no other waiting; what nobody foresaw is tried again once all were asked about.
    """
    if context.tenant_id is None:
        return
    with context.session() as session:
        refused = EphemeralEnvironmentService(session, context.settings).refused(context.tenant_id)
    unforeseen: Exception | None = None
    for environment_id in refused:
        if context.should_stop():
            raise Interrupted
        what = f"environment {environment_id} was not asked about again"
        with kept_apart(log, what) as outcome, context.session() as session:
            service = EphemeralEnvironmentService(session, context.settings)
            service.ask_again(context.tenant_id, environment_id)
        if outcome.problem is not None and not isinstance(outcome.problem, SlipwayError):
            unforeseen = outcome.problem
    if unforeseen is not None:
        raise unforeseen

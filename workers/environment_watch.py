"""What environments need by the clock: their expiry, and a look at their pull requests."""

import logging
from datetime import timedelta

from catalog.clock import now
from catalog.environments.service import EphemeralEnvironmentService
from catalog.errors import SlipwayError
from workers.runtime.worker import JobContext, Worker

WORKER = Worker("environment_watch", queue="clock")

DUE_AT_ONCE = 200
log = logging.getLogger(__name__)


@WORKER.every(timedelta(seconds=5))
@WORKER.job("environments.expire_due", time_limit=timedelta(seconds=60))
def expire_due(context: JobContext) -> None:
    """Do what is due to environments by the clock: warn, put to sleep, try again, dismiss."""
    with context.system_session() as session:
        due = EphemeralEnvironmentService.due(session, now(), DUE_AT_ONCE)
    for each in due:
        if context.should_stop():
            return
        # One that cannot be looked at never keeps the clock from all others.
        try:
            with context.session(each.tenant_id) as session:
                service = EphemeralEnvironmentService(session, context.settings)
                service.keep_time(each.tenant_id, each.environment_id)
        except SlipwayError as error:
            log.warning("what is due to environment %s was not done: %s", each.environment_id, error.detail)


@WORKER.every(lambda settings: timedelta(seconds=settings.pull_request_poll_seconds))
@WORKER.job("environments.watch_pull_requests", time_limit=timedelta(seconds=120))
def watch_pull_requests(context: JobContext) -> None:
    """Look at the pull request of every living environment; hooks only make this happen earlier."""
    with context.system_session() as session:
        living = EphemeralEnvironmentService.watched(session)
    for each in living:
        if context.should_stop():
            return
        try:
            with context.session(each.tenant_id) as session:
                EphemeralEnvironmentService(session, context.settings).watch(each.tenant_id, each.environment_id)
        except SlipwayError as error:
            log.warning("the pull request of environment %s was not looked at: %s", each.environment_id, error.detail)

"""What environments need by the clock: their expiry, and a look at their pull requests."""

import logging
from datetime import timedelta

from sqlalchemy.exc import SQLAlchemyError

from catalog.clock import now
from catalog.environments.events import EnvironmentEvent, EnvironmentFailed, EnvironmentReady
from catalog.environments.service import EnvironmentAutomation, EphemeralEnvironmentService
from catalog.errors import SlipwayError
from workers.pull_request_listings import begin_listed, told
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
                service.next_commit(each.tenant_id, each.environment_id)
        except (SlipwayError, SQLAlchemyError) as error:
            log.warning("what is due to environment %s was not done: %s", each.environment_id, told(error))


@WORKER.on(EnvironmentReady, EnvironmentFailed)
@WORKER.job("environments.next_commit", time_limit=timedelta(seconds=60), max_attempts=5)
def next_commit(context: JobContext) -> None:
    """Go on to the commit that waits for its turn, where the blueprint deploys one after the other."""
    event = context.envelope.event() if context.envelope is not None else None
    if isinstance(event, EnvironmentEvent) and context.tenant_id is not None:
        with context.session(context.tenant_id) as session:
            service = EphemeralEnvironmentService(session, context.settings)
            service.next_commit(context.tenant_id, event.environment_id)


@WORKER.every(lambda settings: timedelta(seconds=settings.pull_request_poll_seconds))
@WORKER.job("environments.watch_pull_requests", time_limit=timedelta(seconds=120))
def watch_pull_requests(context: JobContext) -> None:
    """Look at the pull requests of all living environments; hooks only make this happen earlier."""
    with context.system_session() as session:
        tenants = EphemeralEnvironmentService.watched(session)
    _begin(context)
    for tenant_id in tenants:
        with context.session(tenant_id) as session:
            changed = EphemeralEnvironmentService(session, context.settings).changed(tenant_id)
        for environment_id, listed in changed:
            if context.should_stop():
                return
            try:
                with context.session(tenant_id) as session:
                    EphemeralEnvironmentService(session, context.settings).watch(tenant_id, environment_id, listed)
            except (SlipwayError, SQLAlchemyError) as error:
                log.warning("the pull request of environment %s was not looked at: %s", environment_id, told(error))


def _begin(context: JobContext) -> None:
    """Let environments begin that begin by themselves."""
    with context.system_session() as session:
        automations = EnvironmentAutomation.local(session)
    for tenant_id, automation_id in automations:
        try:
            with context.session(tenant_id) as session:
                repository = EnvironmentAutomation(session, context.settings).repository(tenant_id, automation_id)
            if repository is not None:
                begin_listed(context, tenant_id, repository.address, repository.pull_requests())
        except (SlipwayError, SQLAlchemyError) as error:
            log.warning("nothing began by automation %s: %s", automation_id, told(error))

"""What environments need by the clock: their expiry, and a look at their pull requests."""

import logging
from datetime import timedelta
from uuid import UUID

from catalog.clock import now
from catalog.environments.events import EnvironmentEvent, EnvironmentFailed, EnvironmentReady
from catalog.environments.service import EnvironmentAutomation, EnvironmentReturns, EphemeralEnvironmentService
from catalog.errors import SlipwayError
from catalog.scm.service import ScmService
from workers.item_by_item import kept_apart
from workers.pull_request_listings import begin_listed, bring_back_listed
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
        # One that cannot be looked at never keeps the clock from all others, and comes back later than they do.
        with kept_apart(log, f"what is due to environment {each.environment_id} was not done") as outcome:
            with context.session(each.tenant_id) as session:
                EphemeralEnvironmentService(session, context.settings).keep_time(each.tenant_id, each.environment_id)
            # For itself, so that a commit that cannot have its turn takes no removal back.
            with context.session(each.tenant_id) as session:
                EphemeralEnvironmentService(session, context.settings).next_commit(each.tenant_id, each.environment_id)
        if outcome.problem is not None:
            with kept_apart(log, f"environment {each.environment_id} is still due"):
                _put_off(context, each.tenant_id, each.environment_id)


def _put_off(context: JobContext, tenant_id: UUID, environment_id: UUID) -> None:
    with context.session(tenant_id) as session:
        EphemeralEnvironmentService(session, context.settings).put_off(tenant_id, environment_id)


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
        with kept_apart(log, f"the pull requests of tenant {tenant_id} were not looked at"):
            _watch(context, tenant_id)
    _bring_back(context)


def _watch(context: JobContext, tenant_id: UUID) -> None:
    with context.session(tenant_id) as session:
        changed = EphemeralEnvironmentService(session, context.settings).changed(tenant_id)
    for environment_id, listed in changed:
        if context.should_stop():
            return
        what = f"the pull request of environment {environment_id} was not looked at"
        with kept_apart(log, what), context.session(tenant_id) as session:
            EphemeralEnvironmentService(session, context.settings).watch(tenant_id, environment_id, listed)


def _begin(context: JobContext) -> None:
    """Let environments begin that begin by themselves."""
    with context.system_session() as session:
        automations = EnvironmentAutomation.local(session)
    for tenant_id, automation_id in automations:
        with kept_apart(log, f"nothing began by automation {automation_id}"):
            with context.session(tenant_id) as session:
                repository = EnvironmentAutomation(session, context.settings).repository(tenant_id, automation_id)
            if repository is not None:
                begin_listed(context, tenant_id, repository.address, repository.pull_requests())


def _bring_back(context: JobContext) -> None:
    """Bring back environments that ended with their pull requests, where those are to have one again."""
    with context.system_session() as session:
        tenants = EnvironmentReturns.tenants(session)
    for tenant_id in tenants:
        with context.session(tenant_id) as session:
            addresses = EnvironmentReturns(session, context.settings).local(tenant_id)
        for address in addresses:
            with kept_apart(log, f"nothing came back in {address}"):
                try:
                    with context.session(tenant_id) as session:
                        repository = ScmService(session, context.settings).open(tenant_id, address)
                    opened = repository.pull_requests()
                except SlipwayError:
                    continue  # what cannot be read brings nothing back; where anything of it lives, that says so
                bring_back_listed(context, tenant_id, address, opened)

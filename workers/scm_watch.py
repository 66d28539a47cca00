"""Pull requests of connected repositories: listed by the clock, sooner where a hook says so."""

from contextlib import suppress
from datetime import timedelta
from uuid import UUID

from catalog.clock import now
from catalog.environments.service import EnvironmentAutomation, EphemeralEnvironmentService
from catalog.errors import SlipwayError
from catalog.providers.scm import PullRequest, PullRequestNotFoundError, PullRequestState, RateLimitedError, Repository
from catalog.scm.events import ScmHookReceived, ScmRepositoryFollowed
from catalog.scm.models import ScmCondition
from catalog.scm.service import ScmService, conditions_of
from workers.runtime.worker import JobContext, Worker

WORKER = Worker("scm_watch", queue="scm", concurrency=2)

DUE_AT_ONCE = 50
PROBLEM_AGAIN = timedelta(minutes=1)


@WORKER.every(timedelta(seconds=5))
@WORKER.job("scm.poll_due", time_limit=timedelta(minutes=5))
def poll_due(context: JobContext) -> None:
    """List the repositories whose time has come."""
    with context.system_session() as session:
        due = ScmService.due(session, DUE_AT_ONCE)
    for each in due:
        if context.should_stop():
            return
        look(context, each.tenant_id, each.repository_id)


@WORKER.on(ScmHookReceived, ScmRepositoryFollowed)
@WORKER.job("scm.look_now", time_limit=timedelta(minutes=2))
def look_now(context: JobContext) -> None:
    """List a repository because somebody said that something happened there."""
    event = context.envelope.event() if context.envelope is not None else None
    if isinstance(event, ScmHookReceived | ScmRepositoryFollowed) and context.tenant_id is not None:
        look(context, context.tenant_id, event.repository_id)


def look(context: JobContext, tenant_id: UUID, repository_id: UUID) -> None:
    """List a repository's pull requests, take down what is different, and let its environments follow.

    A listing is complete or it is none: where the provider does not answer, nothing counts as closed.
    """
    with context.session(tenant_id) as session:
        repository = ScmService(session, context.settings).repository(tenant_id, repository_id)
    if repository is None:
        return
    asked_at = now()
    try:
        listed = repository.pull_requests()
        pulls = [*listed, *_others(context, tenant_id, repository, {each.number for each in listed})]
    except SlipwayError as error:
        wait = timedelta(seconds=error.retry_after) if isinstance(error, RateLimitedError) else PROBLEM_AGAIN
        with context.session(tenant_id) as session:
            ScmService(session, context.settings).not_listed(tenant_id, repository_id, error.detail, wait)
        return
    conditions = _conditions(repository)
    with context.session(tenant_id) as session:
        opened = [each for each in pulls if each.state is PullRequestState.OPEN]
        scm = ScmService(session, context.settings)
        if scm.listed(tenant_id, repository_id, opened, conditions, asked_at):
            service = EphemeralEnvironmentService(session, context.settings)
            service.follow_listed(tenant_id, repository.address, pulls)
            EnvironmentAutomation(session, context.settings).begin(tenant_id, repository.address, opened)


def _others(context: JobContext, tenant_id: UUID, repository: Repository, listed: set[int]) -> list[PullRequest]:
    """Return the pull requests with environments that are not listed, each by itself: a closed one says so there."""
    with context.session(tenant_id) as session:
        numbers = EphemeralEnvironmentService(session, context.settings).pull_requests_of(tenant_id, repository.address)
    found = []
    for number in sorted(numbers - listed):
        with suppress(PullRequestNotFoundError):
            found.append(repository.pull_request(number))
    return found


def _conditions(repository: Repository) -> list[ScmCondition]:
    try:
        return conditions_of(repository)
    except SlipwayError as error:
        return [
            ScmCondition(type="Listed", status=True),
            ScmCondition(type="Known", status=False, message=error.detail[:500]),
        ]

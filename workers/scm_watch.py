"""Pull requests of connected repositories: listed by the clock, sooner where a hook says so."""

import logging
from contextlib import suppress
from datetime import timedelta
from uuid import UUID

from sqlmodel import Session

from catalog.clock import now
from catalog.environments.service import EnvironmentWatches, EphemeralEnvironmentService
from catalog.errors import SlipwayError
from catalog.providers.scm import PullRequest, PullRequestNotFoundError, PullRequestState, RateLimitedError, Repository
from catalog.scm.events import ScmHookReceived, ScmRepositoryFollowed
from catalog.scm.models import ScmCondition
from catalog.scm.service import ScmService, conditions_of
from workers.item_by_item import kept_apart
from workers.pull_request_listings import begin_listed, bring_back_listed, follow_listed
from workers.runtime.worker import JobContext, Worker

WORKER = Worker("scm_watch", queue="scm", concurrency=2)

DUE_AT_ONCE = 50
PROBLEM_AGAIN = timedelta(minutes=1)
log = logging.getLogger(__name__)


@WORKER.every(timedelta(seconds=5))
@WORKER.job("scm.poll_due", time_limit=timedelta(minutes=5))
def poll_due(context: JobContext) -> None:
    """List the repositories whose time has come."""
    with context.system_session() as session:
        due = ScmService.due(session, DUE_AT_ONCE)
    for each in due:
        if context.should_stop():
            return
        # One that cannot be looked at never keeps the clock from all others, and comes back later than they do.
        with kept_apart(log, f"repository {each.repository_id} was not looked at") as outcome:
            look(context, each.tenant_id, each.repository_id)
        if outcome.problem is not None:
            with kept_apart(log, f"repository {each.repository_id} is still due"):
                _put_off(context, each.tenant_id, each.repository_id, outcome.problem)


@WORKER.on(ScmHookReceived, ScmRepositoryFollowed)
@WORKER.job("scm.look_now", time_limit=timedelta(minutes=2))
def look_now(context: JobContext) -> None:
    """List a repository because somebody said that something happened there."""
    event = context.envelope.event() if context.envelope is not None else None
    if isinstance(event, ScmHookReceived | ScmRepositoryFollowed) and context.tenant_id is not None:
        look(context, context.tenant_id, event.repository_id)


def look(context: JobContext, tenant_id: UUID, repository_id: UUID) -> None:
    """List a repository's pull requests, take down what is different, and let its environments follow.

    A listing is complete or it is none: where the provider does not answer, nothing counts as closed. What follows from
    it happens environment by environment, after it was taken down.
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
            is_long = ScmService(session, context.settings).not_listed(tenant_id, repository_id, error.detail, wait)
        if is_long:
            _say_unwatched(context, tenant_id, repository.address, error)
        return
    conditions = _conditions(repository)
    opened = [each for each in pulls if each.state is PullRequestState.OPEN]
    with context.session(tenant_id) as session:
        scm = ScmService(session, context.settings)
        if not scm.listed(tenant_id, repository_id, opened, conditions, asked_at):
            return

    def is_newest(session: Session) -> bool:
        return ScmService(session, context.settings).listed_at(tenant_id, repository_id) == asked_at

    follow_listed(context, tenant_id, repository.address, pulls, is_newest)
    begin_listed(context, tenant_id, repository.address, opened)
    bring_back_listed(context, tenant_id, repository.address, opened, is_newest)


def _say_unwatched(context: JobContext, tenant_id: UUID, address: str, error: SlipwayError) -> None:
    """Say on the environments of a repository that nobody could look at their pull requests for long."""
    with context.session(tenant_id) as session:
        living = EphemeralEnvironmentService(session, context.settings).living(tenant_id, address)
    for environment_id in living:
        what = f"environment {environment_id} was not told that it is not watched"
        with kept_apart(log, what), context.session(tenant_id) as session:
            EnvironmentWatches(session, context.settings).cannot_watch(tenant_id, environment_id, error)


def _put_off(context: JobContext, tenant_id: UUID, repository_id: UUID, error: Exception) -> None:
    problem = error.detail if isinstance(error, SlipwayError) else "Slipway could not look at it. It is tried again."
    with context.session(tenant_id) as session:
        ScmService(session, context.settings).not_listed(tenant_id, repository_id, problem, PROBLEM_AGAIN)


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

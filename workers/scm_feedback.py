"""Outward signs: one comment, one deployment and one environment name per pull request, kept as its environment is."""

from collections.abc import Callable
from datetime import timedelta
from functools import partial
from uuid import UUID

from catalog.environments.events import (
    EnvironmentApprovalNeeded,
    EnvironmentAsleep,
    EnvironmentCommitQueued,
    EnvironmentDestroyed,
    EnvironmentDestroyFailed,
    EnvironmentDestroyRequested,
    EnvironmentEvent,
    EnvironmentExpiring,
    EnvironmentExtended,
    EnvironmentFailed,
    EnvironmentPinned,
    EnvironmentReady,
    EnvironmentRefused,
    EnvironmentRequested,
    EnvironmentUnpinned,
    EnvironmentUpdateRequested,
    EnvironmentWaiting,
)
from catalog.environments.service import EphemeralEnvironmentService, obey, signs_of
from catalog.errors import SlipwayError
from catalog.providers.scm import (
    CommitNotFoundError,
    MissingRightsError,
    PullRequestNotFoundError,
    RateLimitedError,
    Repository,
)
from catalog.scm.commands import parse_command
from catalog.scm.events import PullRequestCommented
from catalog.scm.service import ScmService
from workers.runtime.worker import JobContext, Retry, Worker

# One at a time, so that no two of them make the same comment.
WORKER = Worker("scm_feedback", queue="scm-signs", concurrency=1)

MARKER = "environment"
REPLY = "preview-command"


@WORKER.on(
    EnvironmentRequested,
    EnvironmentUpdateRequested,
    EnvironmentReady,
    EnvironmentFailed,
    EnvironmentExtended,
    EnvironmentExpiring,
    EnvironmentPinned,
    EnvironmentUnpinned,
    EnvironmentApprovalNeeded,
    EnvironmentRefused,
    EnvironmentWaiting,
    EnvironmentCommitQueued,
    EnvironmentAsleep,
    EnvironmentDestroyRequested,
    EnvironmentDestroyFailed,
    EnvironmentDestroyed,
)
@WORKER.job("environments.show_signs", time_limit=timedelta(minutes=2), max_attempts=10)
def show_signs(context: JobContext) -> None:
    """Bring the signs up to date with the environment as it is now, whichever event said that something changed."""
    event = context.envelope.event() if context.envelope is not None else None
    if isinstance(event, EnvironmentEvent) and context.tenant_id is not None:
        _show(context, context.tenant_id, event.environment_id)


def _show(context: JobContext, tenant_id: UUID, environment_id: UUID) -> None:
    with context.session(tenant_id) as session:
        environments = EphemeralEnvironmentService(session, context.settings)
        environment = environments.get(tenant_id, environment_id)
        service = ScmService(session, context.settings)
        if not service.is_connected(tenant_id, environment.repository):
            return
        repository = service.open(tenant_id, environment.repository)
        signs = signs_of(environment, context.settings, environments.place(environment))
        number = environment.pull_request
    problems = [
        problem
        for problem in (
            _done(partial(repository.set_comment, number, MARKER, signs.comment)),
            _done(
                partial(repository.set_deployment, signs.deployment)
                if signs.deployment
                else partial(repository.remove_deployment, signs.name, number)
            ),
        )
        if problem
    ]
    with context.session(tenant_id) as session:
        service_of = EphemeralEnvironmentService(session, context.settings)
        service_of.note_signs(tenant_id, environment_id, problems)


def _done(write: Callable[[], object]) -> str:
    """Write one sign; return which right is missing, "" where none is."""
    try:
        write()
    except RateLimitedError as error:
        raise Retry(timedelta(seconds=error.retry_after), error.detail) from None
    except MissingRightsError as error:
        return error.detail
    except (PullRequestNotFoundError, CommitNotFoundError):
        return ""  # the pull request or its commit is gone, and its signs with it
    return ""


@WORKER.on(PullRequestCommented)
@WORKER.job("environments.obey_comment", time_limit=timedelta(minutes=2))
def obey_comment(context: JobContext) -> None:
    """Do what a comment asks, where the provider itself says that its author may; answer in one comment."""
    asked = context.event(PullRequestCommented)
    command = parse_command(f"/preview {asked.command}")
    if context.tenant_id is None or command is None:
        return
    with context.session(context.tenant_id) as session:
        repository = ScmService(session, context.settings).repository(context.tenant_id, asked.repository_id)
    if repository is None:
        return
    association = repository.comment_association(asked.pull_request, asked.comment_id)
    pull = repository.pull_request(asked.pull_request)
    with context.session(context.tenant_id) as session:
        try:
            answer = obey(
                session,
                context.settings,
                context.tenant_id,
                repository.address,
                pull,
                command,
                author=asked.author,
                association=association,
            )
        except SlipwayError as error:
            session.rollback()
            answer = error.detail
    _reply(repository, asked.pull_request, f"@{asked.author}: {answer}")


def _reply(repository: Repository, number: int, text: str) -> None:
    try:
        repository.set_comment(number, REPLY, text)
    except RateLimitedError as error:
        raise Retry(timedelta(seconds=error.retry_after), error.detail) from None
    except MissingRightsError:
        return  # what was asked is done; the missing right is a condition of the repository

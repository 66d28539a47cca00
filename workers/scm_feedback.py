"""Outward signs: one comment, one deployment and one environment name per pull request, kept as its environment is."""

import logging
from collections.abc import Callable
from datetime import timedelta
from functools import partial
from uuid import UUID

from catalog.clock import now
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
from catalog.environments.service import EnvironmentShowing, obey
from catalog.errors import SlipwayError
from catalog.gating import PolicyRefusedError
from catalog.providers.scm import (
    CommitNotFoundError,
    CredentialsRefusedError,
    MissingRightsError,
    PullRequestNotFoundError,
    RateLimitedError,
    Repository,
)
from catalog.scm.answers import ScmCommands
from catalog.scm.commands import parse_command
from catalog.scm.events import PullRequestCommented
from catalog.scm.service import ScmService
from workers.item_by_item import kept_apart
from workers.runtime.worker import JobContext, Retry, Worker

# One at a time, so that no two of them make the same comment.
WORKER = Worker("scm_feedback", queue="scm-signs", concurrency=1)

LATE_AT_ONCE = 100
SIGNS_AGAIN = timedelta(minutes=5)
log = logging.getLogger(__name__)

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


@WORKER.every(timedelta(minutes=5))
@WORKER.job("environments.show_late_signs", time_limit=timedelta(minutes=4))
def show_late_signs(context: JobContext) -> None:
    """Show again what is still not as its environment is: the provider was away for long, or a right was missing."""
    with context.system_session() as session:
        due = EnvironmentShowing.due(session, now(), LATE_AT_ONCE)
    for each in due:
        if context.should_stop():
            return
        tenant_id, environment_id = each.tenant_id, each.environment_id
        with kept_apart(log, f"the signs of environment {environment_id} were not shown") as outcome:
            _show(context, tenant_id, environment_id)
        if outcome.problem is None:
            continue
        after = outcome.problem.after if isinstance(outcome.problem, Retry) else SIGNS_AGAIN
        what = f"the signs of environment {environment_id} are still due"
        with kept_apart(log, what), context.session(tenant_id) as session:
            showing = EnvironmentShowing(session, context.settings)
            showing.not_shown(tenant_id, environment_id, "NoAnswer", [_why(outcome.problem)], after)


def _why(problem: Exception) -> str:
    detail = problem.detail if isinstance(problem, SlipwayError) else "The provider did not answer as it should."
    return problem.reason if isinstance(problem, Retry) else detail


def _show(context: JobContext, tenant_id: UUID, environment_id: UUID) -> None:
    with context.session(tenant_id) as session:
        sight = EnvironmentShowing(session, context.settings).sight(tenant_id, environment_id)
        if sight is None:
            EnvironmentShowing(session, context.settings).nowhere_to_show(tenant_id, environment_id)
            return
    repository, signs, number = sight.repository, sight.signs, sight.pull_request
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
        if problem is not None
    ]
    with context.session(tenant_id) as session:
        showing = EnvironmentShowing(session, context.settings)
        if problems:
            refused = any(isinstance(each, CredentialsRefusedError) for each in problems)
            reason = "CredentialsRefused" if refused else "MissingRights"
            showing.not_shown(tenant_id, environment_id, reason, list(dict.fromkeys(each.detail for each in problems)))
        else:
            showing.shown(tenant_id, environment_id, sight.as_of)


def _done(write: Callable[[], object]) -> MissingRightsError | CredentialsRefusedError | None:
    """Write one sign; return what people have to set right first, None where nothing."""
    try:
        write()
    except RateLimitedError as error:
        raise Retry(timedelta(seconds=error.retry_after), error.detail) from None
    except (MissingRightsError, CredentialsRefusedError) as error:
        return error
    except (PullRequestNotFoundError, CommitNotFoundError):
        return None  # the pull request or its commit is gone, and its signs with it
    return None


@WORKER.on(PullRequestCommented)
@WORKER.job("environments.obey_comment", time_limit=timedelta(minutes=2), max_attempts=10)
def obey_comment(context: JobContext) -> None:
    """Do what a comment asks, where the provider itself says that its author may; answer in one comment.

    It is done once, however often the comment is told of; the answer is a step of its own, which is tried again.
    """
    asked = context.event(PullRequestCommented)
    if context.tenant_id is None:
        return
    with context.session(context.tenant_id) as session:
        known = ScmCommands(session, context.tenant_id).find(asked)
        repository = ScmService(session, context.settings).repository(context.tenant_id, asked.repository_id)
    if repository is None or (known is not None and known.is_replied):
        return
    answer = _obeyed(context, context.tenant_id, repository, asked) if known is None else known.answer
    if not answer:
        return
    _reply(repository, asked.pull_request, answer)
    with context.session(context.tenant_id) as session:
        ScmCommands(session, context.tenant_id).answer(asked, answer, is_replied=True)


def _obeyed(context: JobContext, tenant_id: UUID, repository: Repository, asked: PullRequestCommented) -> str:
    """Obey a comment and keep the answer, in one transaction; "" where another worker has just done so."""
    command = parse_command(f"/preview {asked.command}")
    if command is None:
        return ""
    association = repository.comment_association(asked.pull_request, asked.comment_id)
    pull = repository.pull_request(asked.pull_request)
    with context.session(tenant_id) as session:
        commands = ScmCommands(session, tenant_id)
        if not commands.take(asked):
            return ""
        try:
            with session.begin_nested():
                said = obey(
                    session,
                    context.settings,
                    tenant_id,
                    repository.address,
                    pull,
                    command,
                    author=asked.author,
                    association=association,
                )
        except SlipwayError as error:
            if isinstance(error, PolicyRefusedError):
                error.keep(session)
            said = error.detail
        answer = f"@{asked.author}: {said}"
        commands.answer(asked, answer)
    return answer


def _reply(repository: Repository, number: int, text: str) -> None:
    try:
        repository.set_comment(number, REPLY, text)
    except RateLimitedError as error:
        raise Retry(timedelta(seconds=error.retry_after), error.detail) from None
    except MissingRightsError:
        return  # what was asked is done; the missing right is a condition of the repository
    except PullRequestNotFoundError:
        return  # nobody is there any more to be answered

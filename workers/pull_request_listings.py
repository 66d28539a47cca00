"""What follows from a listing of pull requests: one transaction for each environment and each pull request."""

import logging
from collections.abc import Callable, Sequence
from functools import partial
from uuid import UUID

from sqlmodel import Session

from catalog.environments.service import EnvironmentAutomation, EnvironmentReturns, EphemeralEnvironmentService
from catalog.providers.scm import PullRequest
from workers.item_by_item import kept_apart
from workers.runtime.worker import JobContext

BEGUN_AT_ONCE = 10
"""How many pull requests of a listing are taken up at most; the others are at the next one."""
log = logging.getLogger(__name__)


def follow_listed(
    context: JobContext,
    tenant_id: UUID,
    repository: str,
    listed: Sequence[PullRequest],
    is_newest: Callable[[Session], bool],
) -> None:
    """Let each environment of a repository follow a complete listing, as long as there is no newer one."""
    with context.session(tenant_id) as session:
        living = EphemeralEnvironmentService(session, context.settings).living(tenant_id, repository)
    for environment_id in living:
        if context.should_stop():
            return
        what = f"environment {environment_id} did not follow its pull request"
        with kept_apart(log, what), context.session(tenant_id) as session:
            service = EphemeralEnvironmentService(session, context.settings)
            service.follow_listed(tenant_id, environment_id, listed, partial(is_newest, session))


def begin_listed(context: JobContext, tenant_id: UUID, repository: str, opened: Sequence[PullRequest]) -> None:
    """Let environments begin that pull requests of a complete listing are to have; none keeps another from it."""
    with context.session(tenant_id) as session:
        due = EnvironmentAutomation(session, context.settings).due(tenant_id, repository, opened)
    for pull in due[:BEGUN_AT_ONCE]:
        if context.should_stop():
            return
        may_ask = True
        what = f"nothing began for pull request {pull.number} of {repository}"
        with kept_apart(log, what), context.session(tenant_id) as session:
            may_ask = EnvironmentAutomation(session, context.settings).begin(tenant_id, repository, pull, opened)
        if not may_ask:
            return


def bring_back_listed(
    context: JobContext,
    tenant_id: UUID,
    repository: str,
    opened: Sequence[PullRequest],
    is_newest: Callable[[Session], bool] = lambda _: True,
) -> None:
    """Bring back environments that ended with pull requests of a complete listing; none keeps another from it."""
    with context.session(tenant_id) as session:
        due = EnvironmentReturns(session, context.settings).due(tenant_id, repository, opened)
    for pull in due[:BEGUN_AT_ONCE]:
        if context.should_stop():
            return
        may_ask = True
        what = f"nothing came back for pull request {pull.number} of {repository}"
        with kept_apart(log, what) as outcome, context.session(tenant_id) as session:
            returns = EnvironmentReturns(session, context.settings)
            may_ask = is_newest(session) and returns.bring_back(tenant_id, repository, pull, opened)
        if outcome.problem is not None:
            what = f"the environment of pull request {pull.number} of {repository} is still due to come back"
            with kept_apart(log, what), context.session(tenant_id) as session:
                EnvironmentReturns(session, context.settings).put_off(tenant_id, repository, pull.number)
        if not may_ask:
            return

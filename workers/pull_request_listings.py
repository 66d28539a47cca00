"""What follows from a listing of pull requests: one transaction for each environment and each pull request."""

import logging
from collections.abc import Callable, Sequence
from functools import partial
from uuid import UUID

from sqlalchemy.exc import SQLAlchemyError
from sqlmodel import Session

from catalog.environments.service import EnvironmentAutomation, EphemeralEnvironmentService
from catalog.errors import SlipwayError
from catalog.providers.scm import PullRequest
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
        try:
            with context.session(tenant_id) as session:
                service = EphemeralEnvironmentService(session, context.settings)
                service.follow_listed(tenant_id, environment_id, listed, partial(is_newest, session))
        except (SlipwayError, SQLAlchemyError) as error:
            log.warning("environment %s did not follow its pull request: %s", environment_id, told(error))


def begin_listed(context: JobContext, tenant_id: UUID, repository: str, opened: Sequence[PullRequest]) -> None:
    """Let environments begin that pull requests of a complete listing are to have; none keeps another from it."""
    with context.session(tenant_id) as session:
        due = EnvironmentAutomation(session, context.settings).due(tenant_id, repository, opened)
    for pull in due[:BEGUN_AT_ONCE]:
        if context.should_stop():
            return
        try:
            with context.session(tenant_id) as session:
                may_ask = EnvironmentAutomation(session, context.settings).begin(tenant_id, repository, pull, opened)
        except (SlipwayError, SQLAlchemyError) as error:
            log.warning("nothing began for pull request %d of %s: %s", pull.number, repository, told(error))
        else:
            if not may_ask:
                return


def told(error: Exception) -> str:
    """Return what to write of an error: statements and their parameters stay out of logs."""
    return error.detail if isinstance(error, SlipwayError) else type(error).__name__

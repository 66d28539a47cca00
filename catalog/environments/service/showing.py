"""Whether what stands at pull requests is as their environments are, and what keeps it from being so."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from uuid import UUID

from sqlmodel import Session

from catalog.clock import now
from catalog.environments import queries
from catalog.environments.models import Environment
from catalog.environments.service.requests import EphemeralEnvironmentService
from catalog.environments.service.rows import SIGNS_LATE, clear_condition, find, set_condition
from catalog.environments.service.signs import Signs, signs_of
from catalog.providers.scm import Repository
from catalog.scm.service import ScmService
from catalog.settings import Settings

SIGNS = "OutwardSigns"
"""The condition that is false while Slipway cannot show the environment at its pull request."""
GIVEN_UP = timedelta(days=7)
"""How long after its end it is tried to take away what stands of an environment at its pull request."""


@dataclass(frozen=True)
class Sight:
    """What is to stand at a pull request, where, and ``as_of`` which event."""

    repository: Repository
    pull_request: int
    signs: Signs
    as_of: datetime | None


class EnvironmentShowing:
    """One unit of work on outward signs; everything happens in the session's transaction."""

    def __init__(self, session: Session, settings: Settings) -> None:
        self._session = session
        self._settings = settings

    def sight(self, tenant_id: UUID, environment_id: UUID) -> Sight | None:
        """Return what is to be shown; None where the tenant has no credentials to show it with."""
        environment = find(self._session, tenant_id, environment_id)
        scm = ScmService(self._session, self._settings)
        if not scm.is_connected(tenant_id, environment.repository):
            return None
        place = EphemeralEnvironmentService(self._session, self._settings).place(environment)
        return Sight(
            scm.open(tenant_id, environment.repository),
            environment.pull_request,
            signs_of(environment, self._settings, place),
            environment.signs_due_at,
        )

    def shown(self, tenant_id: UUID, environment_id: UUID, as_of: datetime | None) -> None:
        """Report that all signs are as the environment was; what happened since has an event of its own."""
        environment = find(self._session, tenant_id, environment_id, lock=True)
        clear_condition(environment, SIGNS)
        if environment.signs_due_at == as_of:
            environment.signs_due_at = None
        self._session.add(environment)

    def not_shown(
        self,
        tenant_id: UUID,
        environment_id: UUID,
        reason: str,
        problems: Sequence[str],
        again_after: timedelta = SIGNS_LATE,
    ) -> None:
        """Say on the environment which signs could not be brought up to date, and why; they are shown again."""
        environment = find(self._session, tenant_id, environment_id, lock=True)
        set_condition(environment, SIGNS, reason, " ".join(problems)[:1000], status=False)
        environment.signs_due_at = None if _is_long_gone(environment) else now() + again_after
        self._session.add(environment)

    def nowhere_to_show(self, tenant_id: UUID, environment_id: UUID) -> None:
        """Report that there is no connection any more; one that is made shows everything that lives then."""
        environment = find(self._session, tenant_id, environment_id, lock=True)
        if environment.signs_due_at is not None:
            environment.signs_due_at = None
            self._session.add(environment)

    @staticmethod
    def due(session: Session, moment: datetime, limit: int) -> list[queries.Due]:
        """Return the environments of all tenants whose signs are late; needs a session of the system role."""
        return queries.signs_due(session, moment, limit)


def _is_long_gone(environment: Environment) -> bool:
    return environment.destroyed_at is not None and now() - environment.destroyed_at > GIVEN_UP

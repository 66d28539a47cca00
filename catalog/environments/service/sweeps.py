"""The comparison of what is there with what should be, both ways: leftovers of the destroyed, and the missing."""

from collections.abc import Collection
from datetime import timedelta
from typing import Any
from uuid import UUID

from sqlmodel import Session

from catalog.clock import now
from catalog.environments import queries
from catalog.environments.events import EnvironmentOrphanRemoved
from catalog.environments.models import Environment, Phase
from catalog.environments.service.generations import demand
from catalog.environments.service.rows import clear_condition, find, set_condition, stamp, tell
from catalog.providers.targets import target
from catalog.settings import Settings
from catalog.stacks.service import MultiCloudProvisioningService

ORPHANED = "Orphaned"
"""The condition of a destroyed environment of which something is found that does not go away."""
MISSING = "Missing"
"""The condition of an environment that is not found where it should run."""
SETTLING = timedelta(minutes=5)
"""How long after a deployment nothing is concluded from what is not found."""


class EnvironmentSweeps:
    """One unit of work of a sweep; everything happens in the session's transaction."""

    def __init__(self, session: Session, settings: Settings) -> None:
        self._session = session
        self._settings = settings

    @staticmethod
    def standing(session: Session, ids: Collection[UUID]) -> dict[UUID, tuple[UUID, Phase]]:
        """Return tenant and phase of the environments that are known; needs a session of the system role."""
        return queries.standing(session, ids)

    @staticmethod
    def expected(session: Session) -> list[queries.Placed]:
        """Return the environments of all tenants that should be there; needs a session of the system role."""
        return queries.ready(session)

    @staticmethod
    def is_gone(session: Session, tenant_id: UUID, environment_id: UUID) -> bool:
        """Tell whether the environment is destroyed; it stays so for the rest of the transaction."""
        return find(session, tenant_id, environment_id, lock=True).phase is Phase.DESTROYED

    def clear_orphan(self, tenant_id: UUID, environment_id: UUID) -> list[str]:
        """Remove what is there of a destroyed environment and return what that was; of any other touch nothing.

        The row stays locked meanwhile, so that no new life of the environment begins in between. Raises
        ``TargetUnavailableError``.
        """
        environment = find(self._session, tenant_id, environment_id, lock=True)
        if environment.phase is not Phase.DESTROYED:
            return []
        place = target(environment.target, self._settings)
        found = list(place.inventory(environment.id, environment.hostname))
        if not found:
            return []
        place.clear(environment.id, environment.hostname)
        left = place.inventory(environment.id, environment.hostname)
        before = _orphaned(environment)
        if left:
            told = f"It was destroyed, and this is there all the same: {', '.join(left)}."
            set_condition(environment, ORPHANED, "StillThere", told, status=True)
        else:
            place.forget(environment.id)
            clear_condition(environment, ORPHANED)
        self._session.add(environment)
        # What does not go away is found by every sweep, and told of once.
        if not left or _orphaned(environment) != before:
            data = EnvironmentOrphanRemoved(**stamp(environment), found=tuple(found), left=left)
            tell(self._session, environment, data, "system")
        return found

    def make_missing(self, tenant_id: UUID, environment_id: UUID) -> bool:
        """Make an environment again of which nothing is found although it should run; tell whether that was so."""
        environment = find(self._session, tenant_id, environment_id, lock=True)
        settled = environment.last_deploy_at is not None and now() - environment.last_deploy_at > SETTLING
        if environment.phase is not Phase.READY or not settled or environment.stack_id is None:
            return False
        if target(environment.target, self._settings).inventory(environment.id, environment.hostname):
            return False
        MultiCloudProvisioningService(self._session).doubt(tenant_id, environment.stack_id)
        told = "Nothing of it was found where it should run. It is made again."
        set_condition(environment, MISSING, "NothingFound", told, status=True)
        demand(self._session, environment, "system", "missing")
        return True


def _orphaned(environment: Environment) -> dict[str, Any] | None:
    return next((each for each in environment.conditions if each["type"] == ORPHANED), None)

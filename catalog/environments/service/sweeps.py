"""The comparison of what is there with what should be, both ways: leftovers of the destroyed, and the missing."""

import re
from collections.abc import Collection
from datetime import timedelta
from typing import Any
from uuid import UUID

from sqlmodel import Session

from catalog.clock import now
from catalog.environments import queries
from catalog.environments.events import EnvironmentOrphanRemoved
from catalog.environments.models import Environment, Phase
from catalog.environments.service.remaking import is_kept_from_it, remake
from catalog.environments.service.rows import OFFERED, clear_condition, find, set_condition, stamp, tell
from catalog.environments.strangers import EnvironmentStranger
from catalog.providers.targets import offered, target
from catalog.settings import Settings
from catalog.stacks.models import Stack
from catalog.stacks.service import MultiCloudProvisioningService
from catalog.tenants.service import TenantService

PROJECT = "slipway-environments"
_STACK = re.compile(r"-([0-9a-f]{12})-[0-9]+$")
ORPHANED = "Orphaned"
"""The condition of a destroyed environment of which something is found that does not go away."""
MISSING = "Missing"
"""The condition of an environment that is not found where it should run."""
SETTLING = timedelta(minutes=5)
"""How long after a deployment nothing is concluded from what is not found."""
LATELY = timedelta(days=7)
"""How long after the last environment of a target that is offered no longer is gone leftovers are looked for there."""
MOST_NOTED = 100
"""Of how many environments of one tenant it is said in one pass whether their target is offered."""


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
    def places(session: Session, settings: Settings) -> list[str]:
        """Return the targets to look at: those that are offered, and those where environments are, or were lately.

        What the operator takes out of the settings keeps what runs there. Needs a session of the system role.
        """
        return list(dict.fromkeys([*offered(settings), *queries.targets_since(session, now() - LATELY)]))

    @staticmethod
    def keep_strangers(session: Session, place: str, found: Collection[str], *, is_all: bool) -> list[str]:
        """Write down what is of no environment known here and return what is new; needs a session of the system role.

        Where what was found ``is_all`` that there is at the place, the others are forgotten.
        """
        names = {each[:300] for each in found}
        known = set(queries.strangers(session).get(place, ()))
        for name in sorted(names - known):
            session.add(EnvironmentStranger(place=place, name=name))
        if is_all:
            queries.forget_strangers(session, place, known - names)
        return sorted(names - known)

    @staticmethod
    def strangers(session: Session) -> dict[str, list[str]]:
        """Return what is of no environment known here, by where it was found; needs a session of the system role."""
        return queries.strangers(session)

    @staticmethod
    def is_gone(session: Session, tenant_id: UUID, environment_id: UUID) -> bool:
        """Tell whether the environment is destroyed; it stays so for the rest of the transaction."""
        return find(session, tenant_id, environment_id, lock=True).phase is Phase.DESTROYED

    def clear_orphan(self, tenant_id: UUID, environment_id: UUID) -> list[str]:
        """Remove what is there of a destroyed environment and return what that was; of any other touch nothing.

        What does not go away is returned the first time alone, so that nobody hears of it every minute.

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
        if left and _orphaned(environment) == before:
            return []
        data = EnvironmentOrphanRemoved(**stamp(environment), found=tuple(found), left=left)
        tell(self._session, environment, data, "system")
        return found

    @staticmethod
    def owners(session: Session, stacks: Collection[str]) -> dict[str, tuple[UUID, UUID]]:
        """Return tenant and id of the environments by the names of their stacks; needs a session of the system role."""
        parts = {name: found[1] for name in stacks if (found := _STACK.search(name))}
        known = {each.hex[:12]: (tenant, each) for each, tenant in queries.begin_with(session, set(parts.values()))}
        return {name: known[part] for name, part in parts.items() if part in known}

    def leftover(self, tenant_id: UUID, environment_id: UUID, stack_name: str) -> Stack | None:
        """Return the stack of that name if its environment is destroyed and the engine should know it no longer."""
        environment = find(self._session, tenant_id, environment_id)
        if environment.phase is not Phase.DESTROYED:
            return None
        return MultiCloudProvisioningService(self._session).named(tenant_id, PROJECT, stack_name)

    def stack_removed(self, tenant_id: UUID, environment_id: UUID, stack_name: str, problem: str = "") -> bool:
        """Report that a destroyed environment's stack was found and removed, or why not; tell whether that is new."""
        environment = find(self._session, tenant_id, environment_id, lock=True)
        before = _orphaned(environment)
        what = f"the stack {stack_name}"
        if problem:
            told = f"It was destroyed, and {what} is there all the same. {problem}"
            set_condition(environment, ORPHANED, "StackLeft", told[:1000], status=True)
        else:
            clear_condition(environment, ORPHANED)
        self._session.add(environment)
        if problem and before is not None:
            return False
        left = (what,) if problem else ()
        data = EnvironmentOrphanRemoved(**stamp(environment), found=(what,), left=left)
        tell(self._session, environment, data, "system")
        return True

    def make_lost(self, tenant_id: UUID, environment_id: UUID, known: Collection[str]) -> bool:
        """Make an environment again of whose stack the engine knows nothing; tell whether that was so.

        ``known`` are the names of all stacks that the engine knows.
        """
        environment = find(self._session, tenant_id, environment_id, lock=True)
        if not _is_settled(environment) or environment.stack_id is None:
            return False
        stack = MultiCloudProvisioningService(self._session).get(tenant_id, environment.stack_id)
        if stack.name in known:
            return False
        return self._remake(environment, "StateLost", f"The engine knows nothing of its stack {stack.name}.")

    def note_offers(self, tenant_id: UUID) -> None:
        """Say on the tenant's environments whose target is no longer offered that this is so; they stay as they are.

        A hundred of them at the most each time; it is taken back once the target is offered again.
        """
        here = offered(self._settings, TenantService(self._session).get(tenant_id).name)
        for each in queries.misplaced(self._session, tenant_id, here.keys(), OFFERED, MOST_NOTED):
            environment = find(self._session, tenant_id, each, lock=True)
            if environment.target in here:
                clear_condition(environment, OFFERED)
            else:
                told = f"The target {environment.target} is not offered to your tenant any more. This environment stays"
                told += " there as long as it lives; its next life goes elsewhere."
                set_condition(environment, OFFERED, "NotOffered", told, status=False)
            self._session.add(environment)

    def make_missing(self, tenant_id: UUID, environment_id: UUID) -> bool:
        """Make an environment again of which nothing is found although it should run; tell whether that was so."""
        environment = find(self._session, tenant_id, environment_id, lock=True)
        if not _is_settled(environment) or environment.stack_id is None:
            return False
        if target(environment.target, self._settings).inventory(environment.id, environment.hostname):
            return False
        MultiCloudProvisioningService(self._session).doubt(tenant_id, environment.stack_id)
        return self._remake(environment, "NothingFound", "Nothing of it was found where it should run.")

    def _remake(self, environment: Environment, reason: str, told: str) -> bool:
        """Make it again unless policies are against it; tell whether that is so, and on its page what was found."""
        is_made = remake(self._session, environment, "missing")
        message = f"{told} It is made again." if is_made else told
        set_condition(environment, MISSING, reason, message, status=True)
        self._session.add(environment)
        return is_made


def _is_settled(environment: Environment) -> bool:
    settled = environment.last_deploy_at is not None and now() - environment.last_deploy_at > SETTLING
    return settled and environment.phase is Phase.READY and not is_kept_from_it(environment)


def _orphaned(environment: Environment) -> dict[str, Any] | None:
    return next((each for each in environment.conditions if each["type"] == ORPHANED), None)

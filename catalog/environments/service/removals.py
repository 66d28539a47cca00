"""What workers report of removals: begun, over, proven by looking, or in vain; bound to a lease as all reports are."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from sqlmodel import Session

from catalog.assets.life import SELECTABLE
from catalog.assets.service import AssetService
from catalog.clock import now
from catalog.environments import rules
from catalog.environments.events import EnvironmentDestroyed, EnvironmentDestroyFailed
from catalog.environments.machine import Situation
from catalog.environments.models import Desired, Environment, Phase, Removal
from catalog.environments.service.generations import start_generation
from catalog.environments.service.hiding import hidden_texts
from catalog.environments.service.rows import (
    find,
    is_listed,
    schedule,
    set_condition,
    set_expiry,
    settle,
    situation,
    stamp,
    tell,
)
from catalog.operations.models import OperationState, Problem
from catalog.operations.rules import FINAL
from catalog.operations.service import OperationService
from catalog.settings import Settings
from catalog.stacks.models import Lease
from catalog.stacks.service import MultiCloudProvisioningService


@dataclass(frozen=True)
class DestroyPlan:
    """What a worker is to remove."""

    tenant_id: UUID
    environment_id: UUID
    operation_id: UUID
    hostname: str
    attempt: int
    hidden: frozenset[str] = field(default=frozenset(), repr=False)
    """The texts that must not stand in anything that is told of it."""


class RemovalReports:
    """The part of ``EnvironmentReports`` that removals are about; everything happens in the session's transaction."""

    def __init__(self, session: Session, settings: Settings) -> None:
        self._session = session
        self._settings = settings
        self._stacks = MultiCloudProvisioningService(session)
        self._operations = OperationService(session)
        self._assets = AssetService(session)

    def start_destroy(self, lease: Lease, environment_id: UUID, operation_id: UUID) -> DestroyPlan | None:
        """Start to remove an environment that is not wanted; None where it is gone or wanted again.

        Then the operation ends too: what wants it again may wait for an approval, and opens none that would end it.
        """
        environment = find(self._session, lease.tenant_id, environment_id, lock=True)
        if environment.phase is Phase.DESTROYED or environment.desired is Desired.PRESENT:
            self._finish(lease.tenant_id, operation_id, OperationState.CANCELLED)
            return None
        self._stacks.mark_changing(lease)
        self._settle(environment, rules.leave(situation(environment)))
        self._operations.run(lease.tenant_id, operation_id)
        hidden = hidden_texts(self._session, self._settings, environment)
        told = (environment.hostname, environment.attempt, hidden)
        return DestroyPlan(lease.tenant_id, environment.id, operation_id, *told)

    def hidden(self, tenant_id: UUID, environment_id: UUID) -> frozenset[str]:
        """Return the texts that must not stand in anything that is told of an environment."""
        return hidden_texts(self._session, self._settings, find(self._session, tenant_id, environment_id))

    def forget_untouched(self, tenant_id: UUID, environment_id: UUID, operation_id: UUID) -> bool:
        """Close the books of an environment that was dismissed before anything was made; tell whether that was so."""
        environment = find(self._session, tenant_id, environment_id, lock=True)
        if environment.phase is not Phase.DESTROYED:
            return False
        if environment.destroyed_at is None:
            environment.destroyed_at = now()
            self._session.add(environment)
            self._assets.release(tenant_id, f"environments/{environment.id}")
            tell(self._session, environment, EnvironmentDestroyed(**stamp(environment)), "system")
        self._operations.run(tenant_id, operation_id)
        self._finish(tenant_id, operation_id, OperationState.SUCCEEDED)
        return True

    def verifying(self, lease: Lease, plan: DestroyPlan) -> None:
        """Report that everything was removed, as far as the engine knows."""
        environment = find(self._session, plan.tenant_id, plan.environment_id, lock=True)
        self._stacks.confirm(lease)
        self._settle(environment, rules.verify(situation(environment)))

    def destroyed(self, lease: Lease, plan: DestroyPlan, looked_for: Sequence[str]) -> None:
        """Report that nothing is left of all that was ``looked_for``.

        An environment that was wanted again meanwhile starts its next life. Where nothing may be started any more from
        what it would be made of, it comes back with its pull request instead, which says why it does not.
        """
        environment = find(self._session, plan.tenant_id, plan.environment_id, lock=True)
        self._stacks.mark_destroyed(lease)
        if environment.wanted_again and self._is_forbidden(environment):
            self._settle(environment, rules.unwant(situation(environment)))
            environment.comes_back = is_listed(environment)
        again = environment.wanted_again
        told = stamp(environment)
        self._settle(environment, rules.gone(situation(environment)))
        environment.stack_id = None
        environment.url = None
        environment.outputs = {}
        environment.deployed_sha = None
        environment.failure = None
        environment.conditions = []
        environment.removal = _removal(looked_for, (), environment.attempt + 1, None)
        environment.destroyed_at = now()
        environment.attempt, environment.retry_at = 0, None
        self._finish(plan.tenant_id, plan.operation_id, OperationState.SUCCEEDED)
        tell(self._session, environment, EnvironmentDestroyed(**told), "system")
        if again:
            # Its life was asked for while the one before ended, and begins now.
            waited = now() - environment.lived_since
            environment.lived_since += waited
            environment.hard_expires_at += waited
            set_expiry(environment, environment.expires_at + waited)
            self._settle(environment, rules.admit(situation(environment)))
            start_generation(self._session, environment, "system", "wanted again", first=True)
        else:
            self._assets.release(environment.tenant_id, f"environments/{environment.id}")

    def _is_forbidden(self, environment: Environment) -> bool:
        """Tell whether nothing may be started (any more) from a version that the environment would be made of."""
        notices = self._assets.notices(environment.tenant_id, f"environments/{environment.id}")
        return any(each.state not in SELECTABLE for each in notices)

    def destroy_failed(
        self, lease: Lease, plan: DestroyPlan, message: str, looked_for: Sequence[str] = (), left: Sequence[str] = ()
    ) -> timedelta:
        """Report that something is left; returns how long to wait before the next try."""
        environment = find(self._session, plan.tenant_id, plan.environment_id, lock=True)
        self._stacks.confirm(lease)
        self._settle(environment, rules.remains(situation(environment)))
        environment.attempt += 1
        problem = Problem(
            code="destroy_failed", message=message, hint="It is tried again by itself, at growing intervals."
        )
        environment.failure = problem.model_dump()
        set_condition(environment, "Leaked", "DestroyFailed", message, status=True)
        since = next(datetime.fromisoformat(each["at"]) for each in environment.conditions if each["type"] == "Leaked")
        if now() - since >= rules.OPERATOR_AFTER:
            told = "It could not be removed for a day. Somebody who runs Slipway has to look at it."
            set_condition(environment, "NeedsOperator", "StillThere", told, status=True)
        wait = rules.destroy_retry(environment.attempt)
        environment.removal = _removal(looked_for, left, environment.attempt, now() + wait)
        schedule(environment)
        tell(self._session, environment, EnvironmentDestroyFailed(**stamp(environment), message=message), "system")
        return wait

    def _settle(self, environment: Environment, after: Situation) -> None:
        settle(environment, after)
        schedule(environment)
        self._session.add(environment)

    def _finish(
        self, tenant_id: UUID, operation_id: UUID, state: OperationState, problem: Problem | None = None
    ) -> None:
        if self._operations.get(tenant_id, operation_id).state not in FINAL:
            self._operations.finish(tenant_id, operation_id, state, problem)


def _removal(
    looked_for: Sequence[str], left: Sequence[str], tries: int, next_try_at: datetime | None
) -> dict[str, Any]:
    proof = Removal(
        checked_at=now(), looked_for=list(looked_for), left=list(left), tries=tries, next_try_at=next_try_at
    )
    return proof.model_dump(mode="json")

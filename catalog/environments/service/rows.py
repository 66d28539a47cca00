"""Environments as rows: their situation in and out, their conditions, and how others read them."""

from collections.abc import Sequence
from typing import Any
from uuid import UUID

from sqlmodel import Session

from catalog.clock import now
from catalog.environments import queries
from catalog.environments.machine import Situation
from catalog.environments.models import Condition, Desired, Environment, EnvironmentRead
from catalog.errors import NotFoundError
from catalog.events import outbox
from catalog.events.registry import EventData
from catalog.gating import VerdictSummary
from catalog.operations.models import Problem, Step
from catalog.stacks.models import StackResource

REFUSED = "Allowed"
"""The condition that is false while policies do not let an environment follow its pull request."""
PLAN_REFUSED = "PlanRefused"
"""Its reason where policies refused what the engine would have done."""
DEPLOY_STEPS = (
    Step(name="source", title="Fetch the commit"),
    Step(name="prepare", title="Prepare the stack"),
    Step(name="apply", title="Start the application and wait until it is healthy"),
    Step(name="publish", title="Publish the address"),
)
DESTROY_STEPS = (
    Step(name="prepare", title="Wait for work in progress"),
    Step(name="destroy", title="Stop the application and remove its files and route"),
    Step(name="verify", title="Verify that nothing is left"),
)


def find(session: Session, tenant_id: UUID, environment_id: UUID, *, lock: bool = False) -> Environment:
    """Return the environment; raise ``NotFoundError`` where the tenant has none of that id."""
    found = queries.by_id(session, tenant_id, environment_id, lock=lock)
    if found is None:
        raise NotFoundError(f"There is no environment {environment_id}.")
    return found


def situation(environment: Environment) -> Situation:
    """Return the part of the row that the state machine is about."""
    return Situation(
        phase=environment.phase,
        desired=environment.desired,
        incarnation=environment.incarnation,
        generation=environment.generation,
        observed_generation=environment.observed_generation,
        touched=environment.touched,
        wanted_again=environment.wanted_again,
    )


def settle(environment: Environment, after: Situation) -> None:
    """Write a situation back into the row."""
    environment.phase = after.phase
    environment.desired = after.desired
    environment.incarnation = after.incarnation
    environment.generation = after.generation
    environment.observed_generation = after.observed_generation
    environment.touched = after.touched
    environment.wanted_again = after.wanted_again


def tell(session: Session, environment: Environment, data: EventData, actor: str) -> None:
    """Append an event about the environment."""
    subject = f"environments/{environment.id}"
    outbox.append(session, data, tenant_id=environment.tenant_id, subject=subject, actor=actor)


def stamp(environment: Environment) -> dict[str, Any]:
    """Return what every event of the environment says."""
    return {
        "environment_id": environment.id,
        "incarnation": environment.incarnation,
        "generation": environment.generation,
    }


def set_condition(environment: Environment, kind: str, reason: str, message: str, *, status: bool) -> None:
    """Set one condition; it keeps its time while its status and reason stay the same."""
    others = [each for each in environment.conditions if each["type"] != kind]
    before = next((each for each in environment.conditions if each["type"] == kind), None)
    same = before is not None and before["status"] == status and before["reason"] == reason
    at = before["at"] if before is not None and same else now().isoformat()
    condition = {"type": kind, "status": status, "reason": reason, "message": message, "at": at}
    environment.conditions = [*others, condition]


def clear_condition(environment: Environment, kind: str) -> None:
    """Take one condition away."""
    environment.conditions = [each for each in environment.conditions if each["type"] != kind]


def read(environment: Environment, resources: Sequence[StackResource] = ()) -> EnvironmentRead:
    """Return the environment as others read it; ``resources`` are those of its stack."""
    values = {name: getattr(environment, name) for name in EnvironmentRead.model_fields if name not in _DERIVED}
    return EnvironmentRead(
        **values,
        conditions=[Condition.model_validate(each) for each in environment.conditions],
        resources=list(resources),
        failure=Problem.model_validate(environment.failure) if environment.failure else None,
        verdict=VerdictSummary.model_validate(environment.verdict),
    )


def is_wanted(environment: Environment) -> bool:
    """Tell whether the environment shall be there."""
    return environment.desired is Desired.PRESENT or environment.wanted_again


_DERIVED = {"conditions", "resources", "failure", "verdict"}

"""Generations: each newer wish opens an operation of its own and closes the one before."""

from uuid import UUID

from sqlmodel import Session

from catalog.clock import now
from catalog.environments import rules
from catalog.environments.events import (
    EnvironmentDestroyRequested,
    EnvironmentRequested,
    EnvironmentSleepRequested,
    EnvironmentUpdateRequested,
)
from catalog.environments.machine import LEAVING, Event, Situation, step
from catalog.environments.models import Environment, Phase, Rest
from catalog.environments.service.rows import (
    DEPLOY_STEPS,
    DESTROY_STEPS,
    EXPIRING,
    NOT_REMADE,
    REST_STEPS,
    ROOM,
    SLEEP_STEPS,
    clear_condition,
    is_listed,
    schedule,
    settle,
    situation,
    stamp,
    tell,
)
from catalog.operations.models import OperationState, Step
from catalog.operations.rules import FINAL
from catalog.operations.service import OperationService
from catalog.providers.targets import provider


def demand(session: Session, environment: Environment, actor: str, reason: str, *, attempt: int = 0) -> None:
    """Write a new generation and, unless it has to wait for the end of a destruction, ask workers for it.

    ``attempt`` is how often the same was tried in vain before.
    """
    before = situation(environment)
    after = rules.want(before)
    settle(environment, _accepted(after))
    session.add(environment)
    session.flush()
    if before.phase in LEAVING:
        return
    first = before.phase in {Phase.REQUESTED, Phase.DESTROYED, Phase.REJECTED, Phase.PENDING_APPROVAL}
    start_generation(session, environment, actor, reason, first=first, attempt=attempt)


def _accepted(now_is: Situation) -> Situation:
    """Put into the queue what policies, or somebody who approved the commit, have let through."""
    if now_is.phase is Phase.PENDING_APPROVAL:
        return step(now_is, Event.APPROVED)
    return rules.admit(now_is) if now_is.phase is Phase.REQUESTED else now_is


def line_up(session: Session, environment: Environment, actor: str) -> None:
    """Write a new generation of which workers hear once there is room; one that sleeps goes on sleeping till then.

    One that waits already keeps its place.
    """
    if environment.phase is not Phase.SLEEPING:
        settle(environment, _accepted(rules.want(situation(environment))))
    if environment.waits_since is None:
        environment.waits_since = now()
        environment.destroyed_at = None
        # What still puts it to sleep goes on.
        is_new = environment.phase is not Phase.SLEEPING
        _begin(session, environment, "environment.deploy", DEPLOY_STEPS, actor, ends_another=is_new)
    schedule(environment)
    session.add(environment)


def let_in(session: Session, environment: Environment) -> None:
    """Ask workers for what has waited for room until now."""
    leave_queue(environment)
    first = environment.phase is not Phase.SLEEPING
    if not first:
        settle(environment, step(situation(environment), Event.WOKEN))
        environment.last_activity_at = now()
    _announce(session, environment, "system", "there is room", first=first)


def leave_queue(environment: Environment) -> None:
    """Wait for room no longer."""
    environment.waits_since = None
    clear_condition(environment, ROOM)


def give_up_waiting(session: Session, environment: Environment) -> None:
    """Go on sleeping, and wait for room no longer."""
    leave_queue(environment)
    operations = OperationService(session)
    if environment.operation_id is not None:
        current = operations.get(environment.tenant_id, environment.operation_id)
        if current.state is OperationState.PENDING:
            operations.finish(environment.tenant_id, current.id, OperationState.CANCELLED)
    schedule(environment)
    session.add(environment)


def wake(session: Session, environment: Environment, actor: str) -> None:
    """Ask workers to bring a sleeping environment back as it was."""
    settle(environment, step(situation(environment), Event.WOKEN))
    start_generation(session, environment, actor, "woken", first=False)


def dismiss(session: Session, environment: Environment, actor: str, reason: str, *, comes_back: bool = False) -> None:
    """Write that the environment shall be gone; a worker brings it about.

    ``comes_back`` says that it ends with its pull request, and comes back with it.
    """
    before = situation(environment)
    after = rules.unwant(before)
    if after == before:
        return
    settle(environment, after)
    environment.comes_back = comes_back and is_listed(environment)
    schedule(environment)
    session.add(environment)
    leave_queue(environment)
    environment.backlog, environment.waiting_sha = [], None
    if before.phase in LEAVING:
        return
    for kind in ("Serving", EXPIRING):
        clear_condition(environment, kind)
    environment.attempt = 0
    environment.retry_at = None
    operation_id = _begin(session, environment, "environment.destroy", DESTROY_STEPS, actor)
    data = EnvironmentDestroyRequested(**stamp(environment), operation_id=operation_id, reason=reason)
    tell(session, environment, data, actor)


def remove_again(session: Session, environment: Environment, actor: str = "system") -> None:
    """Ask once more, now, for a removal that failed, or that nobody seems to work on any more."""
    operation_id = environment.operation_id
    if operation_id is None or OperationService(session).get(environment.tenant_id, operation_id).state in FINAL:
        operation_id = _begin(session, environment, "environment.destroy", DESTROY_STEPS, actor)
    schedule(environment)
    session.add(environment)
    data = EnvironmentDestroyRequested(**stamp(environment), operation_id=operation_id, reason="not removed yet")
    tell(session, environment, data, actor)


def fall_asleep(session: Session, environment: Environment, actor: str, reason: str, rest: Rest) -> None:
    """Write that the environment sleeps, and why; a worker stops what runs."""
    settle(environment, step(situation(environment), Event.IDLE))
    environment.slept_for = rest
    schedule(environment)
    clear_condition(environment, "Serving")
    steps = SLEEP_STEPS if provider(environment.target).wakes else REST_STEPS
    operation_id = _begin(session, environment, "environment.sleep", steps, actor)
    session.add(environment)
    data = EnvironmentSleepRequested(**stamp(environment), operation_id=operation_id, reason=reason)
    tell(session, environment, data, actor)


def start_generation(
    session: Session, environment: Environment, actor: str, reason: str, *, first: bool, attempt: int = 0
) -> None:
    """Open an operation for the environment's newest generation and append the event that workers act on."""
    _begin(session, environment, "environment.deploy", DEPLOY_STEPS, actor)
    _announce(session, environment, actor, reason, first=first, attempt=attempt)


def _announce(
    session: Session, environment: Environment, actor: str, reason: str, *, first: bool, attempt: int = 0
) -> None:
    """Append the event that workers act on, for the operation that the environment shows."""
    environment.slept_for = None
    environment.failure = None
    clear_condition(environment, NOT_REMADE)
    environment.attempt = attempt
    environment.retry_at = None
    schedule(environment)
    common = {
        **stamp(environment),
        "operation_id": environment.operation_id,
        "head_sha": environment.head_sha,
        "blueprint_version": environment.blueprint_version,
    }
    if first:
        environment.destroyed_at = None
        request = EnvironmentRequested(
            **common,
            repository=environment.repository,
            pull_request=environment.pull_request,
            blueprint=environment.blueprint,
        )
        tell(session, environment, request, actor)
    else:
        tell(session, environment, EnvironmentUpdateRequested(**common, reason=reason), actor)
    session.add(environment)


def _begin(
    session: Session,
    environment: Environment,
    kind: str,
    steps: tuple[Step, ...],
    actor: str,
    *,
    ends_another: bool = True,
) -> UUID:
    """Open the operation that the environment shows from now on; the one before ends, where nobody works on it."""
    operations = OperationService(session)
    if environment.operation_id is not None and ends_another:
        current = operations.get(environment.tenant_id, environment.operation_id)
        if current.state is OperationState.PENDING:
            operations.finish(environment.tenant_id, current.id, OperationState.CANCELLED)
    operation = operations.start(environment.tenant_id, kind, f"environments/{environment.id}", steps, actor)
    environment.operation_id = operation.id
    return operation.id

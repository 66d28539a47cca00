"""Generations: each newer wish opens an operation of its own and closes the one before."""

from sqlmodel import Session

from catalog.environments.events import EnvironmentRequested, EnvironmentUpdateRequested
from catalog.environments.models import Environment
from catalog.environments.service.rows import DEPLOY_STEPS, stamp, tell
from catalog.operations.models import OperationState
from catalog.operations.service import OperationService


def start_generation(session: Session, environment: Environment, actor: str, reason: str, *, first: bool) -> None:
    """Open an operation for the environment's newest generation and append the event that workers act on."""
    close_operation(session, environment)
    operation = OperationService(session).start(
        environment.tenant_id, "environment.deploy", f"environments/{environment.id}", DEPLOY_STEPS, actor
    )
    environment.operation_id = operation.id
    environment.failure = None
    environment.attempt = 0
    common = {
        **stamp(environment),
        "operation_id": operation.id,
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


def close_operation(session: Session, environment: Environment) -> None:
    """End the operation before, where it has not ended, because something newer is wanted."""
    if environment.operation_id is None:
        return
    operations = OperationService(session)
    current = operations.get(environment.tenant_id, environment.operation_id)
    if current.state is OperationState.PENDING:
        operations.finish(environment.tenant_id, current.id, OperationState.CANCELLED)

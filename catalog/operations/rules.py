"""How operations move: pure functions over states and steps."""

from collections.abc import Sequence
from datetime import datetime

from catalog.operations.models import OperationState, Step, StepState

FINAL = frozenset({OperationState.SUCCEEDED, OperationState.FAILED, OperationState.CANCELLED})

TRANSITIONS: dict[OperationState, frozenset[OperationState]] = {
    OperationState.PENDING: frozenset({OperationState.RUNNING, OperationState.FAILED, OperationState.CANCELLED}),
    OperationState.RUNNING: frozenset({OperationState.SUCCEEDED, OperationState.FAILED, OperationState.CANCELLED}),
    OperationState.SUCCEEDED: frozenset(),
    OperationState.FAILED: frozenset(),
    OperationState.CANCELLED: frozenset(),
}


def may_move(current: OperationState, target: OperationState) -> bool:
    """Tell whether an operation may go from ``current`` to ``target``; staying where it is is always allowed."""
    return current == target or target in TRANSITIONS[current]


def progress(steps: Sequence[Step], state: OperationState) -> int:
    """Return the percentage done: a running step counts half, and only a succeeded operation reads 100."""
    if state is OperationState.SUCCEEDED:
        return 100
    if not steps:
        return 0
    weight = {StepState.SUCCEEDED: 1.0, StepState.SKIPPED: 1.0, StepState.RUNNING: 0.5}
    return min(99, int(100 * sum(weight.get(step.state, 0.0) for step in steps) / len(steps)))


def move_step(steps: Sequence[Step], name: str, state: StepState, message: str | None, at: datetime) -> list[Step]:
    """Return ``steps`` with the one called ``name`` moved to ``state``; steps before it that still ran are finished.

    Raises ``KeyError`` when there is no such step.
    """
    if all(step.name != name for step in steps):
        raise KeyError(name)
    moved: list[Step] = []
    reached = False
    for step in steps:
        if step.name == name:
            reached = True
            started = step.started_at or (at if state is not StepState.PENDING else None)
            finished = at if state in {StepState.SUCCEEDED, StepState.FAILED, StepState.SKIPPED} else None
            changes = {"state": state, "message": message, "started_at": started, "finished_at": finished}
            moved.append(step.model_copy(update=changes))
        elif not reached and step.state is StepState.RUNNING:
            moved.append(step.model_copy(update={"state": StepState.SUCCEEDED, "finished_at": at}))
        else:
            moved.append(step)
    return moved


def close_steps(steps: Sequence[Step], state: OperationState, message: str | None, at: datetime) -> list[Step]:
    """Return ``steps`` as they stand when the operation ends: the running one shares its end, the rest are skipped."""
    running = StepState.SUCCEEDED if state is OperationState.SUCCEEDED else StepState.FAILED
    closed: list[Step] = []
    for step in steps:
        if step.state is StepState.RUNNING:
            closed.append(step.model_copy(update={"state": running, "message": message, "finished_at": at}))
        elif step.state is StepState.PENDING:
            closed.append(step.model_copy(update={"state": StepState.SKIPPED}))
        else:
            closed.append(step)
    return closed

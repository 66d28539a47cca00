"""OperationService: opens, moves and closes operations, and feeds their streams."""

from collections.abc import Sequence
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy.orm import SessionTransaction
from sqlmodel import Session

from catalog.clock import now
from catalog.errors import ConflictError, NotFoundError
from catalog.operations import queries, rules
from catalog.operations.models import (
    Operation,
    OperationEvent,
    OperationEventRead,
    OperationRead,
    OperationState,
    Problem,
    Step,
    StepState,
)
from catalog.waking import wake

CHANNEL = "slipway_operations"
"""Where each line of an operation is told of: its id, and ``end`` behind it where that is over."""
FINAL = rules.FINAL
"""The states that an operation does not leave."""


class OperationService:
    """One unit of work on operations; everything happens in the session's transaction."""

    def __init__(self, session: Session) -> None:
        self._session = session
        # What this transaction has locked already is as it is: it need not be asked for again at each step.
        self._locked: tuple[SessionTransaction | None, dict[UUID, Operation]] = (None, {})

    def start(self, tenant_id: UUID, kind: str, subject: str, steps: Sequence[Step], requested_by: str) -> Operation:
        """Open an operation in state ``pending`` with its steps announced."""
        operation = Operation(
            tenant_id=tenant_id,
            kind=kind,
            subject=subject,
            steps=[step.model_dump(mode="json") for step in steps],
            requested_by=requested_by,
        )
        self._session.add(operation)
        self._session.flush()
        self._emit(operation, "state", {"state": operation.state, "progress": 0})
        return operation

    def get(self, tenant_id: UUID, operation_id: UUID) -> Operation:
        """Return the operation; raise ``NotFoundError`` where the tenant has none of that id."""
        return self._find(tenant_id, operation_id, lock=False)

    def recent(
        self,
        tenant_id: UUID,
        subject: str | None = None,
        limit: int = 20,
        before: tuple[datetime, UUID] | None = None,
    ) -> Sequence[Operation]:
        """Return the latest operations, newest first; ``before`` is time and id of the last one already seen."""
        return queries.recent(self._session, tenant_id, subject, limit, before)

    def run(self, tenant_id: UUID, operation_id: UUID) -> Operation:
        """Mark the operation as running; doing so again changes nothing, so that a repeated job may call it."""
        operation = self._find(tenant_id, operation_id, lock=True)
        if operation.state is OperationState.PENDING:
            operation.state = OperationState.RUNNING
            operation.started_at = now()
            self._emit(operation, "state", {"state": operation.state, "progress": _progress(operation)})
        return operation

    def step(
        self, tenant_id: UUID, operation_id: UUID, name: str, state: StepState, message: str | None = None
    ) -> Operation:
        """Move one step; a final operation is left as it is."""
        operation = self._find(tenant_id, operation_id, lock=True)
        if operation.state in rules.FINAL:
            return operation
        self._move_steps(operation, rules.move_step(_steps(operation), name, state, message, now()), name)
        return operation

    def finish(
        self, tenant_id: UUID, operation_id: UUID, state: OperationState, problem: Problem | None = None
    ) -> Operation:
        """End the operation; ending it again the same way changes nothing, another way is a conflict."""
        operation = self._find(tenant_id, operation_id, lock=True)
        if operation.state == state:
            return operation
        if not rules.may_move(operation.state, state):
            raise ConflictError(f"The operation is {operation.state} already and cannot become {state}.")
        # A step says in one line what the error says in full.
        message = problem.message.partition("\n")[0] if problem else None
        self._move_steps(operation, rules.close_steps(_steps(operation), state, message, now()))
        operation.state = state
        operation.error = problem.model_dump(mode="json") if problem else None
        operation.finished_at = now()
        data = {"state": state, "progress": _progress(operation), "error": operation.error}
        self._emit(operation, "state", data)
        return operation

    def log(self, tenant_id: UUID, operation_id: UUID, lines: Sequence[str]) -> None:
        """Append lines to the stream."""
        # Locked, so that lines get their ids in the order in which they become visible: readers resume by id.
        operation = self._find(tenant_id, operation_id, lock=True)
        for line in lines:
            self._emit(operation, "log", {"line": line})

    def stream(self, tenant_id: UUID, operation_id: UUID, after: int, limit: int = 200) -> list[OperationEventRead]:
        """Return what the stream holds after the line with id ``after``, oldest first."""
        self._find(tenant_id, operation_id, lock=False)
        found = queries.events_after(self._session, tenant_id, operation_id, after, limit)
        return [OperationEventRead(id=each.id or 0, at=each.at, type=each.type, data=each.data) for each in found]

    def _find(self, tenant_id: UUID, operation_id: UUID, *, lock: bool) -> Operation:
        if self._locked[0] is not self._transaction() or self._locked[0] is None:
            self._locked = (None, {})
        operation = self._locked[1].get(operation_id)
        if operation is not None and operation.tenant_id == tenant_id:
            return operation
        operation = queries.by_id(self._session, tenant_id, operation_id, lock=lock)
        if operation is None:
            raise NotFoundError(f"There is no operation {operation_id}.")
        if lock:
            self._locked = (self._transaction(), {**self._locked[1], operation_id: operation})
        return operation

    def _transaction(self) -> SessionTransaction | None:
        """Return the innermost one: what was locked behind a savepoint is free again when that is taken back."""
        return self._session.get_nested_transaction() or self._session.get_transaction()

    def _move_steps(self, operation: Operation, steps: Sequence[Step], named: str = "") -> None:
        """Write down how the steps stand and tell of each that moved, and of the one called ``named`` in any case."""
        before = _steps(operation)
        operation.steps = [step.model_dump(mode="json") for step in steps]
        for step in (each for each in steps if each not in before or each.name == named):
            self._emit(operation, "step", {"step": step.model_dump(mode="json"), "progress": _progress(operation)})

    def _emit(self, operation: Operation, kind: str, data: dict[str, Any]) -> None:
        line = OperationEvent(tenant_id=operation.tenant_id, operation_id=operation.id, type=kind, data=data)
        self._session.add(operation)
        self._session.add(line)
        # Who waits for the end alone is not woken by every line.
        end = " end" if operation.state in FINAL else ""
        wake(self._session, CHANNEL, f"{operation.id}{end}")


def read(operation: Operation) -> OperationRead:
    """Return the operation as others read it."""
    return OperationRead(
        id=operation.id,
        kind=operation.kind,
        subject=operation.subject,
        state=operation.state,
        steps=_steps(operation),
        progress=_progress(operation),
        error=Problem.model_validate(operation.error) if operation.error else None,
        created_at=operation.created_at,
        started_at=operation.started_at,
        finished_at=operation.finished_at,
    )


def _steps(operation: Operation) -> list[Step]:
    return [Step.model_validate(step) for step in operation.steps]


def _progress(operation: Operation) -> int:
    return rules.progress(_steps(operation), operation.state)

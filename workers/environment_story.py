"""What is told of an operation on an environment while it goes on, without anything that is secret."""

from collections.abc import Collection
from uuid import UUID

from catalog.operations.models import StepState
from catalog.operations.service import OperationService
from workers.engine import ProgressEvent, ProgressKind
from workers.installers.previewing import concealed
from workers.runtime.worker import JobContext
from workers.targets import ProgramTarget


class Story:
    """Tells an operation's readers how far it is: its steps, and the lines worth reading."""

    def __init__(
        self, context: JobContext, tenant_id: UUID, operation_id: UUID, *, deploys: ProgramTarget | None = None
    ) -> None:
        self._context = context
        self._deploys = deploys
        self._tenant_id = tenant_id
        self._operation_id = operation_id
        self.hidden: Collection[str] = ()
        """The texts that nobody is told."""

    def step(self, name: str, message: str | None = None) -> None:
        """Go on to a step; the one before is done."""
        with self._context.session() as session:
            OperationService(session).step(self._tenant_id, self._operation_id, name, StepState.RUNNING, message)

    def hear(self, event: ProgressEvent) -> None:
        """Write down what the engine tells."""
        kind = event.type.rpartition(":")[2]
        # Sleeping and removing change routes as well, and have other steps.
        if self._deploys is not None and event.kind is ProgressKind.RESOURCE_STARTED:
            if event.type in self._deploys.applications and event.operation in {"create", "update"}:
                self.step("apply")
            elif event.type in self._deploys.routes and event.operation != "delete":
                self.step("publish")
        line = event.message or f"{event.operation} {kind} {event.name}: {event.kind.removeprefix('resource_')}"
        with self._context.session() as session:
            OperationService(session).log(self._tenant_id, self._operation_id, [concealed(line, self.hidden)])

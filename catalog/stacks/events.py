"""What happens to stacks."""

from uuid import UUID

from catalog.events.registry import EventData, event


@event("stack.applied", version=1)
class StackApplied(EventData):
    """A stack was brought to what its program says."""

    stack_id: UUID
    resources: int


@event("stack.destroyed", version=1)
class StackDestroyed(EventData):
    """Nothing of a stack is left."""

    stack_id: UUID

"""How work on stacks fails."""

from catalog.errors import ConflictError


class StackBusyError(ConflictError):
    """Someone else holds the stack's lease; try again when it is released or has run out."""

    code = "stack_busy"
    title = "The stack is being changed"


class LeaseLostError(ConflictError):
    """The lease was taken over by someone else: whatever this holder still wanted to write is void."""

    code = "lease_lost"
    title = "The lease on the stack was lost"

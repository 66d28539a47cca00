"""How work on environments fails."""

from catalog.errors import ConflictError, InvalidInputError, QuotaExceededError


class TransitionError(ConflictError):
    """The environment's phase does not allow this, or what was worked for is no longer wanted."""

    code = "environment_phase"
    title = "The environment is in another phase"


class UnreadableSpecError(ConflictError):
    """What an environment is made of, as it is stored, cannot be read; destroying it and asking anew work."""

    code = "environment_spec_unreadable"
    title = "What the environment is made of cannot be read"


class TargetNotOfferedError(InvalidInputError):
    """The target that an automation names is not offered (any more); asking again later may work."""


class QueueFullError(QuotaExceededError):
    """There will be room, but too many wait for it already; asking again later may work."""

"""How work on environments fails."""

from catalog.errors import ConflictError, InvalidInputError, QuotaExceededError


class TransitionError(ConflictError):
    """The environment's phase does not allow this, or what was worked for is no longer wanted."""

    code = "environment_phase"
    title = "The environment is in another phase"


class TargetNotOfferedError(InvalidInputError):
    """The target that an automation names is not offered (any more); asking again later may work."""


class QueueFullError(QuotaExceededError):
    """There will be room, but too many wait for it already; asking again later may work."""

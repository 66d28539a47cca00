"""How work on environments fails."""

from catalog.errors import ConflictError, QuotaExceededError


class TransitionError(ConflictError):
    """The environment's phase does not allow this, or what was worked for is no longer wanted."""

    code = "environment_phase"
    title = "The environment is in another phase"


class QueueFullError(QuotaExceededError):
    """There will be room, but too many wait for it already; asking again later may work."""

"""Why something cannot be subscribed to or sent again."""

from catalog.errors import ConflictError


class NotReplayableError(ConflictError):
    """Only what was given up can be sent again."""

    code = "not_replayable"
    title = "This is not waiting to be sent again"

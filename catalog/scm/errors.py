"""What can go wrong with connections and hooks."""

from catalog.errors import ConflictError, ForbiddenError


class ConnectionExistsError(ConflictError):
    """The tenant has a connection of that name, or follows that repository, already."""

    code = "scm_connection_exists"


class HookNotGenuineError(ForbiddenError):
    """A delivery whose signature is none of the connection's; nothing of it was read."""

    code = "hook_not_genuine"
    title = "The hook's signature does not fit"

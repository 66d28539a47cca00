"""How work on releases fails."""

from catalog.errors import ConflictError


class ReleaseExistsError(ConflictError):
    """The service has a release of that version with other content; a release never changes."""

    code = "release_exists"
    title = "This version was released before"


class ServiceElsewhereError(ConflictError):
    """The service is built from another repository than the one that was named."""

    code = "service_elsewhere"
    title = "The service is built from another repository"

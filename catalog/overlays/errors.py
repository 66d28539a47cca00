"""What can be wrong with an overlay, and with what it is laid over."""

from catalog.errors import ConflictError, InvalidInputError, NotFoundError


class OverlayNotFoundError(NotFoundError):
    """The tenant has no overlay on that asset."""

    code = "overlay_not_found"


class OverlayRefusedError(InvalidInputError):
    """Rules that are not shown to allow less than the asset; ``errors`` points into ``/rules``."""

    code = "overlay_refused"
    title = "The overlay does not narrow these inputs"


class OverlayConflictError(ConflictError):
    """A version that an overlay does not fit; nothing is made of it until somebody decides."""

    code = "overlay_conflict"
    title = "Your tenant's overlay does not fit this version"

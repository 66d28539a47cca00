"""AssetService: searching and reading assets, publishing versions, and the life of a version."""

from catalog.assets.service.lifecycle import Lifecycle
from catalog.assets.service.reading import LATEST

__all__ = ["LATEST", "AssetService"]


class AssetService(Lifecycle):
    """One unit of work on assets; everything happens in the session's transaction."""

"""AssetService: searching, reading and resolving assets, publishing versions, and the life of a version."""

from catalog.assets.service.comparing import Comparing
from catalog.assets.service.composing import Composing
from catalog.assets.service.drafting import Drafting
from catalog.assets.service.feeds import Feeds
from catalog.assets.service.reading import LATEST
from catalog.assets.service.searches import Searches

__all__ = ["LATEST", "AssetService"]


class AssetService(Drafting, Composing, Comparing, Feeds, Searches):
    """One unit of work on assets; everything happens in the session's transaction."""

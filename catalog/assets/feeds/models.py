"""What a feed says, whichever form it is written in."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from catalog.assets.models import VersionState

MOST_ENTRIES = 50


@dataclass(frozen=True)
class FeedEntry:
    """One thing that happened to a version: it was published, or its state has changed.

    ``id`` is that of the version, or of the step in its life, so it stays the same for ever. ``state`` is the one after
    it; ``details`` are pairs of a word and a text, such as what the publisher says has changed.
    """

    id: UUID
    at: datetime
    namespace: str
    name: str
    version: str
    state: VersionState
    is_new: bool
    summary: str
    details: Sequence[tuple[str, str]] = ()


@dataclass(frozen=True)
class Feed:
    """The latest entries first; ``path`` is that of the page that shows the same, ``since`` counts where none is."""

    id: UUID
    title: str
    path: str
    since: datetime
    entries: Sequence[FeedEntry]

    @property
    def updated(self) -> datetime:
        """Return when something happened last."""
        return max((each.at for each in self.entries), default=self.since)

"""What happens to assets."""

from datetime import date
from uuid import UUID

from catalog.events.registry import EventData, event


class _VersionEvent(EventData):
    asset_id: UUID
    version_id: UUID
    namespace: str
    name: str
    version: str
    kind: str
    blob_digest: str


@event("asset_version.published", version=1)
class AssetVersionPublished(_VersionEvent):
    """A version can be installed from now on."""


@event("asset_version.drafted", version=1)
class AssetVersionDrafted(_VersionEvent):
    """A version is kept as a draft that only its publisher sees."""


@event("asset_version.submitted", version=1)
class AssetVersionSubmitted(_VersionEvent):
    """A version waits for a second person to publish it."""

    author: str
    comment: str


@event("asset_version.returned", version=1)
class AssetVersionReturned(_VersionEvent):
    """A version that waited for review is a draft again."""

    comment: str


@event("asset_version.discarded", version=1)
class AssetVersionDiscarded(_VersionEvent):
    """A draft was thrown away; its number is free again."""


@event("asset_version.deprecated", version=1)
class AssetVersionDeprecated(_VersionEvent):
    """A version should no longer be chosen."""

    reason: str
    replacement: str | None
    move_id: UUID | None = None
    end_of_life: date | None = None
    link: str | None = None


@event("asset_version.yanked", version=1)
class AssetVersionYanked(_VersionEvent):
    """A version can be chosen by exact pin only."""

    reason: str
    replacement: str | None
    move_id: UUID | None = None


@event("asset_version.revoked", version=1)
class AssetVersionRevoked(_VersionEvent):
    """A version can never be chosen again."""

    reason: str
    replacement: str | None
    move_id: UUID | None = None


@event("asset_version.quarantined", version=1)
class AssetVersionQuarantined(_VersionEvent):
    """A version is neither chosen nor handed out until it is restored."""

    reason: str
    replacement: str | None
    move_id: UUID | None = None


@event("asset_version.restored", version=1)
class AssetVersionRestored(_VersionEvent):
    """A version is published again."""

    reason: str
    move_id: UUID | None = None


@event("asset_version.archived", version=1)
class AssetVersionArchived(_VersionEvent):
    """A version is no longer maintained, for example because its end of life was reached."""

    reason: str
    replacement: str | None
    move_id: UUID | None = None


@event("asset_use.affected", version=1)
class AssetUseAffected(EventData):
    """A version that the tenant runs has changed its state; ``uses`` names what runs it (``environments/<id>``)."""

    version_id: UUID
    namespace: str
    name: str
    version: str
    state: str
    reason: str
    replacement: str | None
    end_of_life: date | None
    uses: list[str]


@event("asset.shared", version=1)
class AssetShared(EventData):
    """Who may see an asset was changed; ``tenants`` are the names it is shared with."""

    asset_id: UUID
    namespace: str
    name: str
    visibility: str
    tenants: list[str]


@event("catalog.changed", version=1)
class CatalogChanged(EventData):
    """A tenant decided what its members may choose; ``asset`` is "" where it is about the catalog as a whole."""

    asset: str
    decision: str


@event("saved_search.changed", version=1)
class SavedSearchChanged(EventData):
    """A search was saved, renamed or deleted, as ``change`` says; what it looks for is its owner's alone."""

    search_id: UUID
    change: str

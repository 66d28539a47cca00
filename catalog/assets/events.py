"""What happens to assets."""

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


@event("asset_version.deprecated", version=1)
class AssetVersionDeprecated(_VersionEvent):
    """A version should no longer be chosen."""

    reason: str
    replacement: str | None


@event("asset_version.yanked", version=1)
class AssetVersionYanked(_VersionEvent):
    """A version can be chosen by exact pin only."""

    reason: str
    replacement: str | None


@event("asset_version.revoked", version=1)
class AssetVersionRevoked(_VersionEvent):
    """A version can never be chosen again."""

    reason: str
    replacement: str | None


@event("asset_version.quarantined", version=1)
class AssetVersionQuarantined(_VersionEvent):
    """A version is neither chosen nor handed out until it is restored."""

    reason: str
    replacement: str | None


@event("asset_version.restored", version=1)
class AssetVersionRestored(_VersionEvent):
    """A version is published again."""

    reason: str

"""Which version a page is about where its address names none."""

from uuid import UUID

from catalog.assets.errors import AssetNotFoundError
from catalog.assets.models import AssetVersionRead
from catalog.assets.service import LATEST, AssetService


def shown_version(service: AssetService, tenant_id: UUID, namespace: str, name: str) -> AssetVersionRead:
    """Return the version that stands for an asset, else the newest there is, which the tenant may not choose then.

    Raises ``AssetNotFoundError`` where the tenant sees no version.
    """
    try:
        return service.get_version(tenant_id, namespace, name, LATEST)
    except AssetNotFoundError:
        newest = service.versions(tenant_id, namespace, name, limit=1)
        if not newest:
            raise
        return service.get_version(tenant_id, namespace, name, newest[0].version)

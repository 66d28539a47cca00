"""The reference of a component package: what its components take and give, read from what was derived at publish."""

import json

from catalog.assets.component_schemas import ARTIFACT, Reference, reference
from catalog.assets.models import AssetVersionRead
from catalog.assets.service import AssetService
from catalog.errors import SlipwayError
from catalog.providers.blobs import open_blobs
from catalog.settings import Settings
from catalog.tenancy import Principal

KIND = "component-package"


def component_reference(
    settings: Settings, service: AssetService, principal: Principal, version: AssetVersionRead
) -> Reference | None:
    """Return the reference of a version, None where its types are not known or its files are not handed out."""
    if version.kind != KIND:
        return None
    wanted = (version.namespace, version.name, version.version)
    try:
        _, data = service.artifact(principal.tenant_id, wanted, ARTIFACT, open_blobs(settings))
        return reference(json.loads(data))
    except (SlipwayError, ValueError):
        return None

"""The presets that forms offer: the examples of a version, where it takes inputs."""

from collections.abc import Sequence
from uuid import UUID

from catalog.assets.examples import Example
from catalog.assets.models import AssetVersionRead
from catalog.assets.service import AssetService
from catalog.errors import SlipwayError
from catalog.providers.blobs import BlobStore


def presets(assets: AssetService, tenant_id: UUID, version: AssetVersionRead, blobs: BlobStore) -> Sequence[Example]:
    """Return the examples from which a form may start; a form does without them where they cannot be read."""
    if not version.input_schema:
        return ()
    try:
        found = assets.examples(tenant_id, version.namespace, version.name, version.version, blobs)
    except SlipwayError:
        return ()
    # One that says nothing is the form as it is.
    return [each for each in found if each.inputs]

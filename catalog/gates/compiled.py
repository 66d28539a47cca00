"""Compiled bundles out of the marketplace: of versions that the tenant may see, each read once by a process."""

from uuid import UUID

from sqlmodel import Session

from catalog.assets.references import AssetReference
from catalog.assets.service import AssetService
from catalog.policies.bundles import LoadedBundle
from catalog.policies.compiled import read_loaded
from catalog.policies.engine.artifacts import FACTS, WASM
from catalog.policies.errors import BundleNotCompiledError
from catalog.providers.blobs import BlobError, open_blobs
from catalog.settings import Settings

_MOST_READ = 128
_READ: dict[tuple[str, str, str, str], LoadedBundle] = {}


class CatalogBundles:
    """Bundles that were compiled when they were published."""

    def __init__(self, settings: Settings) -> None:
        self._blobs = open_blobs(settings)

    def newest(self, session: Session, tenant_id: UUID, reference: AssetReference) -> LoadedBundle:
        """Return the version that a reference gets now; see ``Bundles``."""
        version = AssetService(session).resolve(tenant_id, reference)
        return self._load(session, tenant_id, version.namespace, version.name, version.version)

    def exactly(self, session: Session, tenant_id: UUID, asset: str, version: str) -> LoadedBundle:
        """Return one version whatever its state is now; see ``Bundles``."""
        namespace, _, name = asset.partition("/")
        return self._load(session, tenant_id, namespace, name, version)

    def _load(self, session: Session, tenant_id: UUID, namespace: str, name: str, version: str) -> LoadedBundle:
        asset = f"{namespace}/{name}"
        derived = AssetService(session).artifacts(tenant_id, namespace, name, version)
        digests = {each.name: each.blob_digest for each in derived}
        if WASM not in digests or FACTS not in digests:
            raise BundleNotCompiledError(f"{asset} {version} has no compiled policy: it is no policy bundle of ours.")
        # By digest, so that what was read once is what any later reader would get.
        key = (asset, version, digests[WASM], digests[FACTS])
        found = _READ.get(key)
        if found is None:
            try:
                found = read_loaded(asset, version, self._blobs.read(digests[WASM]), self._blobs.read(digests[FACTS]))
            except BlobError as error:
                # As where it is gone: whatever was to be asked is denied, with the reason.
                raise BundleNotCompiledError(
                    f"The compiled policy of {asset} {version} is not there: {error}."
                ) from None
            if len(_READ) >= _MOST_READ:
                _READ.clear()
            _READ[key] = found
        return found

"""What changed between two versions of an asset."""

from litestar import get
from litestar.params import FromPath

from catalog.assets.compatibility.diff import VersionDiff
from catalog.assets.service import AssetService
from portal.api.documentation import CONDITIONAL, problems
from portal.auth.guards import requires
from portal.boundary import Caller, OpenSession


@get(
    "/assets/{namespace:str}/{name:str}/versions/{version:str}/diff/{other:str}",
    operation_id="compare_asset_versions",
    summary="Compare two versions",
    tags=["assets"],
    guards=[requires("assets:read")],
    responses={**CONDITIONAL, **problems(401, 403, 404)},
    sync_to_thread=True,
)
def compare_asset_versions(  # each is a part of the path
    namespace: FromPath[str],
    name: FromPath[str],
    version: FromPath[str],
    other: FromPath[str],
    session: OpenSession,
    principal: Caller,
) -> VersionDiff:
    """Return what changed from `version` to `other`: inputs, outputs, files, manifest, and the honest bump.

    Each change says where it is, what it is, and, where it breaks, why. `bump.refused` says whether publishing the
    second after the first is refused.
    """
    return AssetService(session).diff(principal.tenant_id, namespace, name, version, other)

"""Labels of installs: what they are found and chosen by."""

from uuid import UUID

from litestar import put
from litestar.params import FromPath, JSONBody

from catalog.installs.service import InstallService
from catalog.installs.shapes import InstallRead, SetLabels
from portal.api.documentation import problems
from portal.auth.guards import requires
from portal.boundary import AppSettings, Caller, OpenSession


@put(
    "/installs/{install_id:uuid}/labels",
    operation_id="set_install_labels",
    summary="Set the labels of an install",
    tags=["installs"],
    guards=[requires("installs:write")],
    responses=problems(401, 403, 404, 413, 415, 422),
    sync_to_thread=True,
)
def set_labels(
    install_id: FromPath[UUID],
    data: JSONBody[SetLabels],
    session: OpenSession,
    settings: AppSettings,
    principal: Caller,
) -> InstallRead:
    """Give an install these labels and no others. They are no part of a revision: nothing is planned or applied."""
    service = InstallService(session, settings)
    return service.read(service.set_labels(principal, install_id, data))


ROUTES = (set_labels,)

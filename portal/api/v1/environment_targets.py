"""Where a tenant's environments go: what it may choose from, and its choice."""

from typing import Annotated

from litestar import get, put
from litestar.openapi.spec import Example
from litestar.params import Body

from catalog.environments.places import ChooseTarget, TargetsRead
from catalog.environments.service import EnvironmentTargets
from portal.api.documentation import CONDITIONAL, problems
from portal.auth.guards import requires
from portal.boundary import AppSettings, Caller, OpenSession

TAGS = ["environments"]
_ASKED = (
    Example(summary="New environments go to a cluster", value={"target": "kubernetes"}),
    Example(summary="As the operator says", value={"target": None}),
)


@get(
    "/environments/target",
    operation_id="get_environment_target",
    summary="Say where environments go",
    tags=TAGS,
    guards=[requires("environments:read")],
    responses={**CONDITIONAL, **problems(401, 403)},
    sync_to_thread=True,
)
def get_target(session: OpenSession, settings: AppSettings, principal: Caller) -> TargetsRead:
    """Return the targets that the tenant may use, the one that it chose, and who has the last word."""
    return EnvironmentTargets(session, settings).read(principal.tenant_id)


@put(
    "/environments/target",
    operation_id="choose_environment_target",
    summary="Choose where environments go",
    tags=TAGS,
    guards=[requires("environments:admin")],
    responses=problems(401, 403, 413, 415, 422),
    sync_to_thread=True,
)
def choose_target(
    data: Annotated[ChooseTarget, Body(media_type="application/json", examples=list(_ASKED))],
    session: OpenSession,
    settings: AppSettings,
    principal: Caller,
) -> TargetsRead:
    """Let new environments go to a target unless somebody says otherwise; what is there stays where it runs."""
    return EnvironmentTargets(session, settings).choose(principal, data)


ROUTES = (get_target, choose_target)

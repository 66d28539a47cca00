"""Which plans of installs take an approval, and whose."""

from litestar import delete, get, post
from litestar.params import FromPath, JSONBody
from pydantic import BaseModel

from catalog.installs.service import InstallService
from catalog.installs.shapes import ApprovalRuleRead, RequireApproval
from portal.api.documentation import CONDITIONAL, problems
from portal.auth.guards import requires
from portal.boundary import AppSettings, Caller, OpenSession
from portal.idempotency import Answer

TAGS = ["installs"]
READ = [requires("installs:read")]
ADMIN = [requires("installs:admin")]


class ApprovalRuleList(BaseModel):
    """The tenant's rules, by name."""

    items: list[ApprovalRuleRead]
    next_cursor: str | None = None


@get(
    "/installs/approval-rules",
    operation_id="list_install_approval_rules",
    summary="List which plans take an approval",
    tags=TAGS,
    guards=READ,
    responses={**CONDITIONAL, **problems(401, 403)},
    sync_to_thread=True,
)
def list_rules(session: OpenSession, settings: AppSettings, principal: Caller) -> ApprovalRuleList:
    """Return the tenant's rules: which plans people have to approve before they are applied."""
    return ApprovalRuleList(items=InstallService(session, settings).approval_rules(principal.tenant_id))


@post(
    "/installs/approval-rules",
    operation_id="require_install_approval",
    summary="Let plans take an approval",
    tags=TAGS,
    guards=ADMIN,
    status_code=201,
    responses=problems(401, 403, 409, 413, 415, 422),
    sync_to_thread=True,
)
def require_approval(
    data: JSONBody[RequireApproval], session: OpenSession, settings: AppSettings, principal: Caller
) -> Answer[ApprovalRuleRead]:
    """Make a rule: from now on no plan that it means is applied before people have approved just that plan.

    It holds for plans that were made before as well. Whoever planned it, or wants it applied, never counts.
    """
    return Answer(InstallService(session, settings).require_approval(principal, data), status_code=201)


@delete(
    "/installs/approval-rules/{name:str}",
    operation_id="end_install_approval_rule",
    summary="End a rule",
    tags=TAGS,
    guards=ADMIN,
    status_code=204,
    responses=problems(401, 403, 404),
    sync_to_thread=True,
)
def end_rule(name: FromPath[str], session: OpenSession, settings: AppSettings, principal: Caller) -> None:
    """Ask nobody because of a rule any more; what waits for its approval alone can be applied at once."""
    InstallService(session, settings).end_approval_rule(principal, name)


ROUTES = (list_rules, require_approval, end_rule)

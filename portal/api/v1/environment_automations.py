"""Environments that begin by themselves: which pull requests of which repositories get one."""

from uuid import UUID

from litestar import delete, get, post
from litestar.params import FromPath, JSONBody
from pydantic import BaseModel

from catalog.environments.automations import AutomateEnvironments, AutomationRead
from catalog.environments.service import EnvironmentAutomation, read_automation
from portal.api.documentation import REPLAYED, problems
from portal.auth.guards import requires
from portal.boundary import AppSettings, Caller, OpenSession

TAGS = ["environments"]


class AutomationList(BaseModel):
    """The tenant's automations, by repository."""

    items: list[AutomationRead]


@get(
    "/environments/automations",
    operation_id="list_environment_automations",
    summary="List what begins by itself",
    tags=TAGS,
    guards=[requires("environments:read")],
    responses=problems(401, 403),
    sync_to_thread=True,
)
def list_automations(session: OpenSession, settings: AppSettings, principal: Caller) -> AutomationList:
    """Return the repositories whose pull requests get environments by themselves, and what became of each."""
    return AutomationList(items=EnvironmentAutomation(session, settings).all(principal.tenant_id))


@post(
    "/environments/automations",
    operation_id="automate_environments",
    summary="Let environments begin by themselves",
    tags=TAGS,
    guards=[requires("environments:write")],
    status_code=200,
    responses=problems(401, 403, 413, 415, 422),
    response_headers=REPLAYED,
    sync_to_thread=True,
)
def automate(
    data: JSONBody[AutomateEnvironments], session: OpenSession, settings: AppSettings, principal: Caller
) -> AutomationRead:
    """Let pull requests of a repository get environments without a request; the same repository again replaces it."""
    return read_automation(EnvironmentAutomation(session, settings).automate(principal, data))


@delete(
    "/environments/automations/{automation_id:uuid}",
    operation_id="end_environment_automation",
    summary="Let nothing begin by itself",
    tags=TAGS,
    guards=[requires("environments:write")],
    status_code=204,
    responses=problems(401, 403, 404),
    response_headers=REPLAYED,
    sync_to_thread=True,
)
def end_automation(
    automation_id: FromPath[UUID], session: OpenSession, settings: AppSettings, principal: Caller
) -> None:
    """Begin nothing more in a repository; environments that are there stay as they are."""
    EnvironmentAutomation(session, settings).end(principal, automation_id)


ROUTES = (list_automations, automate, end_automation)

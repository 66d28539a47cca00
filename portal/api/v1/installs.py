"""Installs: planned, applied, upgraded, rolled back and taken away; the ledger of what was there when."""

import base64
from collections.abc import Callable, Sequence
from typing import Annotated, Any
from uuid import UUID

from litestar import get, post
from litestar.openapi.spec import Example
from litestar.params import Body, FromPath, JSONBody, QueryParameter
from pydantic import BaseModel, Field

from catalog.errors import FieldError, InvalidInputError
from catalog.installs.models import InstallPlan, InstallState, PlanState
from catalog.installs.service import InstallService, Wanted
from catalog.installs.shapes import (
    ApplyInstall,
    ApplyPlan,
    AskInstall,
    AskRollback,
    AskUninstall,
    AskUpgrade,
    InstallFilter,
    InstallRead,
    PlanRead,
    RevisionRead,
)
from catalog.providers.blobs import open_blobs
from portal.api.documentation import ACCEPTED, CONDITIONAL, problems
from portal.api.listing import Cursor, Limit, moment_and_id, page, write_cursor
from portal.api.v1.install_shapes import KeptFile, KeptFiles
from portal.auth.guards import requires
from portal.boundary import AppSettings, AppThreads, Caller, OpenSession, WebRequest
from portal.idempotency import API_BASE, Answer
from portal.planning import PlanDesk

TAGS = ["installs"]
READ = [requires("installs:read")]
WRITE = [requires("installs:write")]
Text = Annotated[str | None, QueryParameter(max_length=200)]
Flag = Annotated[bool | None, QueryParameter(required=False)]

_ASKED = Example(
    summary="A pipeline template for a repository",
    value={
        "asset": "slipway/python-service>=1",
        "target": {"repository": "/home/ann/hello"},
        "inputs": {"python_version": "3.12"},
    },
)


class InstallList(BaseModel):
    """One page of installs, newest first."""

    items: list[InstallRead]
    next_cursor: str | None


class RevisionList(BaseModel):
    """The revisions of an install, newest first."""

    items: list[RevisionRead]
    next_cursor: str | None = None


class PlanList(BaseModel):
    """The latest plans of an install, newest first."""

    items: list[PlanRead]
    next_cursor: str | None = None


class InstallAccepted(BaseModel):
    """What was asked for: the plan, the install it is about, and the operation that carries it out.

    Where people have to approve the plan first there is no operation yet: ``approvals`` are what was asked of them.
    """

    install: InstallRead | None
    plan: UUID | None = Field(description="The plan that is made or applied.")
    operation: UUID | None
    approvals: list[UUID] = Field(default_factory=list, description="The approvals that are waited for first.")


def _plan_answer(plan: PlanRead) -> Answer[PlanRead]:
    made = plan.state is not PlanState.PLANNING
    headers = {"Location": f"{API_BASE}/operations/{plan.operation_id}"}
    return Answer(plan, status_code=200 if made else 202, headers=headers)


@post(
    "/installs/plan",
    operation_id="plan_install",
    summary="Plan an install",
    tags=TAGS,
    guards=WRITE,
    status_code=200,
    responses=problems(401, 403, 404, 409, 413, 415, 422),
    response_headers=ACCEPTED,
)
async def plan_install(
    request: WebRequest,
    data: Annotated[AskInstall, Body(media_type="application/json", examples=[_ASKED])],
    session: OpenSession,
    settings: AppSettings,
    threads: AppThreads,
    principal: Caller,
) -> Answer[PlanRead]:
    """Work out what an install would do: lock, files, permissions, verdicts. Nothing is changed.

    A worker makes the plan; the answer waits up to 30 seconds for it, and is 202 with the operation where that is not
    enough. Apply it with its ``digest``.
    """
    desk = PlanDesk(session, settings, threads, request.app.state.streams)
    return _plan_answer(await desk.settle(lambda: desk.service.plan_install(principal, data)))


@get(
    "/installs/plans/{plan_id:uuid}",
    operation_id="get_install_plan",
    summary="Get one plan",
    tags=TAGS,
    guards=READ,
    responses={**CONDITIONAL, **problems(401, 403, 404)},
    sync_to_thread=True,
)
def get_plan(plan_id: FromPath[UUID], session: OpenSession, settings: AppSettings, principal: Caller) -> PlanRead:
    """Return a plan: what it would change, what the gates say, and the digest that applying is bound to."""
    return InstallService(session, settings).plan(principal.tenant_id, plan_id)


@post(
    "/installs",
    operation_id="apply_install",
    summary="Apply a plan, or install at once",
    tags=TAGS,
    guards=WRITE,
    status_code=202,
    responses=problems(401, 403, 404, 409, 413, 415, 422),
    response_headers=ACCEPTED,
    sync_to_thread=True,
)
def apply_install(
    data: JSONBody[ApplyInstall], session: OpenSession, settings: AppSettings, principal: Caller
) -> Answer[InstallAccepted]:
    """Apply a plan by its id and digest, or name an asset to plan and apply in one go.

    The plan is made again first. Where anything has moved, nothing is changed, and the operation names the new plan.
    Without a plan, it is applied by itself only where every gate lets it through and no file needs a decision.

    Where a rule asks for approvals, people are asked, and the plan is applied as soon as they have approved it; the
    answer then names the approvals and no operation. 409 ``no_approvers`` where nobody could approve.
    """
    service = InstallService(session, settings)
    wanted = data.wanted()
    if isinstance(wanted, ApplyPlan):
        return _accepted(service, principal, service.want(principal, wanted), wanted.plan)
    return _planned(service, service.plan_install(principal, wanted, auto=True))


@get(
    "/installs",
    operation_id="list_installs",
    summary="List installs",
    tags=TAGS,
    guards=READ,
    responses={**CONDITIONAL, **problems(401, 403, 422)},
    sync_to_thread=True,
)
def list_installs(  # noqa: PLR0913, PLR0917  # each is a query parameter of its own
    request: WebRequest,
    session: OpenSession,
    settings: AppSettings,
    principal: Caller,
    asset: Text = None,
    kind: Text = None,
    owner: Text = None,
    service: Text = None,
    in_state: Annotated[InstallState | None, QueryParameter(name="state", required=False)] = None,
    labels: Annotated[
        list[str] | None,
        QueryParameter(name="label", required=False, description="NAME=VALUE; every one has to be there."),
    ] = None,
    outdated: Flag = None,
    deprecated: Flag = None,
    vulnerable: Flag = None,
    package: Annotated[str, QueryParameter(required=False, description="A package URL in a bill of materials.")] = "",
    versions: Annotated[str, QueryParameter(required=False, description="A range of the package's versions.")] = "",
    limit: Limit = 50,
    cursor: Cursor = None,
) -> Answer[InstallList]:
    """Return the tenant's installs, newest first.

    ``vulnerable`` are those with a version that was withdrawn or that signed OpenVEX calls affected. One request looks
    at a bounded number of installs for it, for ``outdated``, ``deprecated`` and ``package``: a page may then hold fewer
    than ``limit``, even none, and the list goes on at ``next_cursor`` as long as there is one.
    """
    chosen = InstallFilter(
        asset=asset,
        kind=kind,
        owner=owner,
        service=service,
        state=in_state,
        labels=_labels(labels or ()),
        outdated=outdated,
        deprecated=deprecated,
        vulnerable=vulnerable,
        package=package,
        versions=versions,
    )
    found = InstallService(session, settings).page(principal.tenant_id, chosen, moment_and_id(cursor), limit)
    following = write_cursor(found.following) if found.following else None
    return page(request, InstallList(items=found.items, next_cursor=following), following)


def _labels(given: Sequence[str]) -> dict[str, str]:
    """Return labels written as ``NAME=VALUE``; raise ``InvalidInputError`` naming one that is not."""
    pairs = [each.partition("=") for each in given]
    if not all(name and equals for name, equals, _ in pairs):
        detail = "A label reads NAME=VALUE, such as tier=critical."
        raise InvalidInputError(detail, [FieldError("/label", detail)])
    return {name: value for name, _, value in pairs}


@get(
    "/installs/{install_id:uuid}",
    operation_id="get_install",
    summary="Get one install",
    tags=TAGS,
    guards=READ,
    responses={**CONDITIONAL, **problems(401, 403, 404)},
    sync_to_thread=True,
)
def get_install(
    install_id: FromPath[UUID], session: OpenSession, settings: AppSettings, principal: Caller
) -> InstallRead:
    """Return an install: where it is, which revision is wanted, which is there, and how its version stands."""
    return InstallService(session, settings).get(principal.tenant_id, install_id)


@get(
    "/installs/{install_id:uuid}/revisions",
    operation_id="list_install_revisions",
    summary="List the revisions of an install",
    tags=TAGS,
    guards=READ,
    responses={**CONDITIONAL, **problems(401, 403, 404)},
    sync_to_thread=True,
)
def list_revisions(
    install_id: FromPath[UUID], session: OpenSession, settings: AppSettings, principal: Caller
) -> RevisionList:
    """Return the chain of revisions, newest first, each with its verdicts and what became of it."""
    return RevisionList(items=InstallService(session, settings).revisions(principal.tenant_id, install_id))


@get(
    "/installs/{install_id:uuid}/plans",
    operation_id="list_install_plans",
    summary="List the plans of an install",
    tags=TAGS,
    guards=READ,
    responses={**CONDITIONAL, **problems(401, 403, 404)},
    sync_to_thread=True,
)
def list_plans(install_id: FromPath[UUID], session: OpenSession, settings: AppSettings, principal: Caller) -> PlanList:
    """Return the latest plans, newest first."""
    service = InstallService(session, settings)
    service.get(principal.tenant_id, install_id)
    return PlanList(items=service.plans(principal.tenant_id, install_id))


@get(
    "/installs/{install_id:uuid}/revisions/{number:int}/files",
    operation_id="get_install_revision_files",
    summary="Make a revision's files again",
    tags=TAGS,
    guards=READ,
    responses={**CONDITIONAL, **problems(401, 403, 404, 409)},
    sync_to_thread=True,
)
def get_revision_files(
    install_id: FromPath[UUID], number: FromPath[int], session: OpenSession, settings: AppSettings, principal: Caller
) -> KeptFiles:
    """Return what the revision rendered to, byte for byte; 409 where what is stored is not what was recorded."""
    service = InstallService(session, settings)
    revision = service.revision(principal.tenant_id, install_id, number)
    found = service.files_of(principal.tenant_id, install_id, number, open_blobs(settings))
    files = [
        KeptFile(path=path, executable=flag, data=base64.b64encode(data).decode())
        for path, (data, flag) in sorted(found.items())
    ]
    return KeptFiles(content_digest=revision.content_digest, files=files)


def _change(verb: str, summary: str) -> dict[str, Any]:
    return {
        "operation_id": f"{verb}_install",
        "summary": summary,
        "tags": TAGS,
        "guards": WRITE,
        "status_code": 202,
        "responses": problems(401, 403, 404, 409, 413, 415, 422),
        "response_headers": ACCEPTED,
        "sync_to_thread": True,
    }


@post("/installs/{install_id:uuid}/upgrade", **_change("upgrade", "Upgrade an install, or change its inputs"))
def upgrade_install(
    install_id: FromPath[UUID],
    data: JSONBody[AskUpgrade],
    session: OpenSession,
    settings: AppSettings,
    principal: Caller,
) -> Answer[InstallAccepted]:
    """Plan another version or other inputs and, unless ``plan_only`` is given, apply that by itself.

    It stops before anything changes where a gate refuses it or a file that both sides changed needs a decision.
    """
    return _changed(
        session, settings, lambda service: service.plan_upgrade(principal, install_id, data, auto=not data.plan_only)
    )


@post("/installs/{install_id:uuid}/rollback", **_change("rollback", "Go back to a revision"))
def rollback_install(
    install_id: FromPath[UUID],
    data: JSONBody[AskRollback],
    session: OpenSession,
    settings: AppSettings,
    principal: Caller,
) -> Answer[InstallAccepted]:
    """Plan to have the content of an earlier revision again; it becomes a revision like any other."""
    return _changed(
        session, settings, lambda service: service.plan_rollback(principal, install_id, data, auto=not data.plan_only)
    )


@post("/installs/{install_id:uuid}/uninstall", **_change("uninstall", "Take an install away"))
def uninstall(
    install_id: FromPath[UUID],
    data: JSONBody[AskUninstall],
    session: OpenSession,
    settings: AppSettings,
    principal: Caller,
) -> Answer[InstallAccepted]:
    """Plan to take away what the install put there; what you changed needs a decision first."""
    return _changed(
        session, settings, lambda service: service.plan_removal(principal, install_id, data, auto=not data.plan_only)
    )


def _changed(
    session: OpenSession, settings: AppSettings, ask: Callable[[InstallService], InstallPlan]
) -> Answer[InstallAccepted]:
    service = InstallService(session, settings)
    return _planned(service, ask(service))


def _planned(service: InstallService, plan: InstallPlan) -> Answer[InstallAccepted]:
    install = None if plan.install_id is None else service.get(plan.tenant_id, plan.install_id)
    content = InstallAccepted(install=install, plan=plan.id, operation=plan.operation_id)
    headers = {"Location": f"{API_BASE}/operations/{plan.operation_id}"}
    return Answer(content, status_code=202, headers=headers)


def _accepted(service: InstallService, principal: Caller, wanted: Wanted, plan_id: UUID) -> Answer[InstallAccepted]:
    install = wanted.install
    if install is None:
        known = service.plan(principal.tenant_id, plan_id).install_id
        there = None if known is None else service.get(principal.tenant_id, known)
        waiting = InstallAccepted(
            install=there, plan=plan_id, operation=None, approvals=[each.id for each in wanted.approvals]
        )
        return Answer(waiting, status_code=202, headers={"Location": f"{API_BASE}/installs/plans/{plan_id}"})
    content = InstallAccepted(install=service.read(install), plan=plan_id, operation=install.operation_id)
    headers = {"Location": f"{API_BASE}/operations/{install.operation_id}"}
    return Answer(content, status_code=202, headers=headers)


ROUTES = (
    plan_install,
    get_plan,
    apply_install,
    list_installs,
    get_install,
    list_revisions,
    list_plans,
    get_revision_files,
    upgrade_install,
    rollback_install,
    uninstall,
)

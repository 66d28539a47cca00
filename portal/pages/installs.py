"""The pages of installs: what a tenant uses, each plan before it is applied, and the chain of revisions."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, ClassVar
from urllib.parse import urlencode
from uuid import UUID

from litestar import Response, get, post
from litestar.params import FromPath
from litestar.response import Redirect, Stream
from sqlmodel import Session

from catalog.assets.service import AssetService
from catalog.errors import ConflictError, InvalidInputError
from catalog.gating import PolicyRefusedError, Verdict, keep_refusal
from catalog.installs.models import Action, InstallState, PlanState
from catalog.installs.service import InstallService, PageOfInstalls
from catalog.installs.shapes import (
    ApplyPlan,
    AskRollback,
    AskUninstall,
    InstallFilter,
    InstallRead,
    PlanRead,
    Resolve,
    RevisionRead,
)
from catalog.operations.models import OperationRead
from catalog.operations.service import OperationService, read
from portal.api.listing import moment_and_id, write_cursor
from portal.auth.guards import requires
from portal.boundary import AppSettings, Caller, OpenSession, WebRequest
from portal.pages.forms import SentForm, Text, last_values, renderer_of, sent_fields
from portal.pages.live import EVENT_STREAM, Moment, follow_page
from portal.pages.render import Page, redirect
from portal.pages.reviewed_inputs import NO_REVIEW, InputReview, ReviewedInput

READ = [requires("installs:read")]
WRITE = [requires("installs:write")]
PAGE_SIZE = 50
FILTERS = ("outdated", "deprecated", "vulnerable")
CHOICES: tuple[tuple[Resolve, str], ...] = (
    ("mine", "Keep yours"),
    ("theirs", "Take the new version's"),
    ("markers", "Both, between git's marks"),
)


@dataclass(frozen=True)
class InstallListPage(Page):
    """The tenant's installs, newest first, those that need care where that was chosen."""

    template: ClassVar[str] = "installs/index.html"
    fragments: ClassVar[Mapping[str, str]] = {"install-list": "installs/_list.html"}

    installs: Sequence[InstallRead]
    chosen: str
    owner: str = ""
    can_install: bool = False
    previous_href: str = ""
    next_href: str = ""
    package: str = ""
    versions: str = ""
    problem: str = ""

    @property
    def tabs(self) -> list[tuple[str, str, str, int | None]]:
        """Return key, name, address and no count of each choice."""
        named = [("", "All"), ("waiting", "Waiting"), ("outdated", "Outdated")]
        named += [("deprecated", "Advised against"), ("vulnerable", "Vulnerable")]
        return [(key, name, "/installs" + (f"?show={key}" if key else ""), None) for key, name in named]


@dataclass(frozen=True)
class PlanPage(Page):
    """One plan: what it would change, what stands against it, and the one button that applies just this."""

    template: ClassVar[str] = "installs/plan.html"
    fragments: ClassVar[Mapping[str, str]] = {"install-plan": "installs/_plan.html"}

    plan: PlanRead
    operation: OperationRead
    can_apply: bool
    problem: str = ""
    verdict: Verdict | None = None
    newer: UUID | None = None
    review: InputReview = NO_REVIEW

    choices: ClassVar[Sequence[tuple[str, str]]] = CHOICES

    @property
    def is_moving(self) -> bool:
        """Tell whether the plan is still being made."""
        return self.plan.state is PlanState.PLANNING

    @property
    def is_ready(self) -> bool:
        """Tell whether it can be applied as it stands."""
        ready = self.plan.state is PlanState.READY and self.plan.is_allowed and not self.plan.open_conflicts
        return ready and self.can_apply and not self.waits_for_people

    @property
    def waits_for_people(self) -> bool:
        """Tell whether people were asked, and it is applied as soon as they have approved it."""
        return self.plan.wanted and self.plan.state is PlanState.READY

    @property
    def files(self) -> Sequence[Mapping[str, Any]]:
        """Return what happens to each file."""
        found: Sequence[Mapping[str, Any]] = self.plan.document.get("changes", {}).get("files", ())
        return found

    @property
    def inputs(self) -> Sequence[ReviewedInput]:
        """Return the inputs that it would be made with, as they are looked at."""
        if self.plan.action is Action.UNINSTALL:
            return ()
        return self.review.of_all(self.plan.document.get("inputs", {}))

    @property
    def input_changes(self) -> Sequence[Mapping[str, Any]]:
        """Return what changes about the inputs of before, as it is looked at."""
        return self.review.of_changes(self.plan.document.get("input_changes", ()))

    @property
    def others(self) -> list[tuple[str, Any]]:
        """Return what changes besides files, by name."""
        changes: Mapping[str, Any] = self.plan.document.get("changes", {})
        return [(name, value) for name, value in changes.items() if name not in {"files", "branch"} and value]

    @property
    def title(self) -> str:
        """Return what the plan does, in words."""
        document = self.plan.document
        verb = str(self.plan.action).capitalize()
        return f"{verb} {document['asset']} {document['version']}" if document else f"{verb}: planning"


@dataclass(frozen=True)
class InstallPage(Page):
    """One install: how it stands, what it waits for, and its revisions."""

    template: ClassVar[str] = "installs/show.html"
    fragments: ClassVar[Mapping[str, str]] = {
        "install-status": "installs/_status.html",
        "install-revisions": "installs/_revisions.html",
    }

    install: InstallRead
    revisions: Sequence[RevisionRead]
    plans: Sequence[PlanRead]
    operation: OperationRead | None
    can_change: bool
    review: InputReview = NO_REVIEW

    @property
    def inputs(self) -> Sequence[ReviewedInput]:
        """Return the inputs of the newest revision, as they are looked at."""
        return self.review.of_all(self.revisions[0].content["inputs"]) if self.revisions else ()

    @property
    def is_moving(self) -> bool:
        """Tell whether something is under way."""
        return self.install.state in {InstallState.PENDING, InstallState.APPLYING, InstallState.WAITING}

    @property
    def open_plan(self) -> PlanRead | None:
        """Return the newest plan where it waits to be looked at."""
        newest = self.plans[0] if self.plans else None
        return newest if newest is not None and newest.state is PlanState.READY else None

    @property
    def may_roll_back(self) -> Sequence[int]:
        """Return the revisions that can be gone back to."""
        there = self.install.applied_revision
        return [each.number for each in self.revisions if there is not None and each.number < there]


@get("/installs", guards=READ, sync_to_thread=True)
def list_installs(  # noqa: PLR0913, PLR0917  # each is a query parameter of its own
    request: WebRequest,
    session: OpenSession,
    settings: AppSettings,
    principal: Caller,
    show: Text = None,
    owner: Text = None,
    package: Text = None,
    versions: Text = None,
    cursor: Text = None,
) -> Response[str]:
    """Show the tenant's installs, newest first; what is no package URL is said where it was written."""
    chosen: dict[str, Any] = {show: True} if show in FILTERS else {}
    if show == "waiting":
        chosen["state"] = InstallState.WAITING
    asked = {"package": (package or "").strip()[:1000], "versions": (versions or "").strip()[:200]}
    wanted = InstallFilter(owner=owner or None, package=asked["package"], versions=asked["versions"], **chosen)
    service, problem, found = InstallService(session, settings), "", PageOfInstalls([], None)
    try:
        found = service.page(principal.tenant_id, wanted, moment_and_id(cursor or None), PAGE_SIZE)
    except InvalidInputError as error:
        problem = " ".join(each.detail for each in error.errors) or error.detail
    following = write_cursor(found.following) if found.following else ""
    query = {name: value for name, value in {"show": show, "owner": owner, **asked}.items() if value}
    page = InstallListPage(
        found.items,
        show or "",
        owner or "",
        can_install=principal.may("installs:write"),
        previous_href="/installs?" + urlencode(query) if cursor else "",
        next_href="/installs?" + urlencode({**query, "cursor": following}) if following else "",
        problem=problem,
        **asked,
    )
    return renderer_of(request).respond(request, page, status_code=422 if problem else 200)


@get("/installs/{install_id:uuid}", guards=READ, sync_to_thread=True)
def show_install(
    request: WebRequest, install_id: FromPath[UUID], session: OpenSession, settings: AppSettings, principal: Caller
) -> Response[str]:
    """Show one install."""
    page = _install_page(session, settings, principal, install_id)
    return renderer_of(request).respond(request, page)


@get("/installs/{install_id:uuid}/stream", guards=READ, media_type=EVENT_STREAM)
async def follow_install(
    request: WebRequest, install_id: FromPath[UUID], settings: AppSettings, principal: Caller
) -> Stream:
    """Stream the page's fragments as they change."""

    def look(session: Session) -> Moment:
        page = _install_page(session, settings, principal, install_id)
        return Moment(page, page.install.operation_id, page.is_moving, is_over=not page.is_moving)

    return await follow_page(request, principal, look)


@get("/installs/plans/{plan_id:uuid}", guards=READ, sync_to_thread=True)
def show_plan(
    request: WebRequest, plan_id: FromPath[UUID], session: OpenSession, settings: AppSettings, principal: Caller
) -> Response[str]:
    """Show one plan."""
    return renderer_of(request).respond(request, _plan_page(session, settings, principal, plan_id))


@get("/installs/plans/{plan_id:uuid}/stream", guards=READ, media_type=EVENT_STREAM)
async def follow_plan(request: WebRequest, plan_id: FromPath[UUID], settings: AppSettings, principal: Caller) -> Stream:
    """Stream the plan until it is made."""

    def look(session: Session) -> Moment:
        page = _plan_page(session, settings, principal, plan_id)
        return Moment(page, page.plan.operation_id, page.is_moving, is_over=not page.is_moving)

    return await follow_page(request, principal, look)


@post("/installs/plans/{plan_id:uuid}/apply", guards=WRITE, sync_to_thread=True)
def apply_plan(  # each is what the handler needs
    request: WebRequest,
    plan_id: FromPath[UUID],
    data: SentForm,
    session: OpenSession,
    settings: AppSettings,
    principal: Caller,
) -> Response[str] | Redirect:
    """Apply the plan that was looked at, and go to the install; whatever stands against it is shown on the plan."""
    digest = last_values(sent_fields(data)).get("digest", "")
    verdict = None
    try:
        asked = ApplyPlan.model_construct(plan=plan_id, digest=digest)
        install = InstallService(session, settings).want(principal, asked).install
    except PolicyRefusedError as refusal:
        keep_refusal(session, refusal)
        problem, status, verdict = "", refusal.status, refusal.verdict
    except (ConflictError, InvalidInputError) as error:
        session.rollback()
        problem, status = error.detail, error.status
    else:
        if install is None:
            return redirect(f"/installs/plans/{plan_id}", "install-approval-asked")
        return redirect(f"/installs/{install.id}", "install-applying")
    page = replace(_plan_page(session, settings, principal, plan_id), problem=problem, verdict=verdict)
    return renderer_of(request).respond(request, page, status_code=status)


@post("/installs/plans/{plan_id:uuid}/decide", guards=WRITE, sync_to_thread=True)
def decide(
    plan_id: FromPath[UUID], data: SentForm, session: OpenSession, settings: AppSettings, principal: Caller
) -> Redirect:
    """Plan again with what was decided about files that both sides changed."""
    allowed = {choice for choice, _ in CHOICES}
    sent = last_values(sent_fields(data))
    decisions: dict[str, Any] = {
        name.removeprefix("conflict:"): value
        for name, value in sent.items()
        if name.startswith("conflict:") and value in allowed
    }
    plan = InstallService(session, settings).plan_decided(principal, plan_id, decisions)
    return redirect(f"/installs/plans/{plan.id}")


@post("/installs/{install_id:uuid}/rollback", guards=WRITE, sync_to_thread=True)
def roll_back(
    install_id: FromPath[UUID], data: SentForm, session: OpenSession, settings: AppSettings, principal: Caller
) -> Redirect:
    """Plan to go back to a revision, and show the plan."""
    text = last_values(sent_fields(data)).get("revision", "")
    asked = AskRollback(revision=int(text) if text.isdigit() and int(text) else None)
    plan = InstallService(session, settings).plan_rollback(principal, install_id, asked)
    return redirect(f"/installs/plans/{plan.id}")


@post("/installs/{install_id:uuid}/uninstall", guards=WRITE, sync_to_thread=True)
def uninstall(install_id: FromPath[UUID], session: OpenSession, settings: AppSettings, principal: Caller) -> Redirect:
    """Plan to take an install away, and show the plan."""
    plan = InstallService(session, settings).plan_removal(principal, install_id, AskUninstall())
    return redirect(f"/installs/plans/{plan.id}")


def _install_page(session: Session, settings: AppSettings, principal: Caller, install_id: UUID) -> InstallPage:
    service = InstallService(session, settings)
    install = service.get(principal.tenant_id, install_id)
    operation = None
    if install.operation_id is not None:
        operation = read(OperationService(session).get(principal.tenant_id, install.operation_id))
    revisions, review = service.revisions(principal.tenant_id, install_id), NO_REVIEW
    if revisions:
        version = str(revisions[0].content["version"])
        review = InputReview.of(AssetService(session), principal.tenant_id, install.asset, version)
    return InstallPage(
        install,
        revisions,
        service.plans(principal.tenant_id, install_id),
        operation,
        can_change=principal.may("installs:write"),
        review=review,
    )


def _plan_page(session: Session, settings: AppSettings, principal: Caller, plan_id: UUID) -> PlanPage:
    service = InstallService(session, settings)
    plan = service.plan(principal.tenant_id, plan_id)
    operation = read(OperationService(session).get(principal.tenant_id, plan.operation_id))
    newer = None
    if plan.install_id is not None:
        later = service.plans(principal.tenant_id, plan.install_id)
        newer = next((each.id for each in later if each.follows == plan.id), None)
    review = NO_REVIEW
    if document := plan.document:
        review = InputReview.of(AssetService(session), principal.tenant_id, document["asset"], document["version"])
    return PlanPage(plan, operation, can_apply=principal.may("installs:write"), newer=newer, review=review)


ROUTES = (
    list_installs,
    show_install,
    follow_install,
    show_plan,
    follow_plan,
    apply_plan,
    decide,
    roll_back,
    uninstall,
)

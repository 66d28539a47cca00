"""The pages of versions that are not out yet: drafts, reviews, and sessions whose versions come out together."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, ClassVar
from uuid import UUID

from litestar import Response, get, post
from litestar.params import FromPath
from litestar.response import Redirect
from sqlmodel import Session

from catalog.assets.models import AssetVersion, VersionState
from catalog.assets.service import AssetService
from catalog.errors import FieldError, NotFoundError, SlipwayError
from catalog.providers.blobs import open_blobs
from catalog.settings import Settings
from catalog.tenancy import Principal
from catalog.uploads.models import OpenPublishingSession, PublishingSessionRead, SessionState
from catalog.uploads.service import UploadService
from portal.auth.guards import requires
from portal.boundary import AppSettings, Caller, OpenSession, WebRequest
from portal.pages.forms import SentForm, last_values, renderer_of, sent_fields
from portal.pages.render import Page, redirect

READ = [requires("assets:read")]
WRITE = [requires("assets:write")]
VERBS = ("submit", "withdraw", "publish", "discard")


@dataclass(frozen=True)
class HeldVersion:
    """One version that is not out yet, and what the reader may do with it."""

    reference: str
    version: str
    kind: str
    state: VersionState
    author: str
    comment: str | None
    changed_at: Any
    verbs: Sequence[tuple[str, str]]
    note: str = ""

    @property
    def href(self) -> str:
        """Return the address of its page."""
        return f"/assets/{self.reference}?version={self.version}"

    def action(self, verb: str) -> str:
        """Return the address that takes a step."""
        return f"/uploads/drafts/{self.reference}/{self.version}/{verb}"


@dataclass(frozen=True)
class DraftsPage(Page):
    """The tenant's drafts, what waits for review, its open sessions, and which namespaces ask for a review."""

    template: ClassVar[str] = "uploads/drafts.html"

    versions: Sequence[HeldVersion]
    sessions: Sequence[PublishingSessionRead]
    namespaces: Mapping[str, bool]
    may_publish: bool
    may_administer: bool
    problem: str = ""
    values: Mapping[str, str] = field(default_factory=dict)

    @property
    def waiting(self) -> list[HeldVersion]:
        """Return what waits for a second person."""
        return [each for each in self.versions if each.state is VersionState.IN_REVIEW]

    @property
    def drafts(self) -> list[HeldVersion]:
        """Return what its publisher still works on."""
        return [each for each in self.versions if each.state is VersionState.DRAFT]


@dataclass(frozen=True)
class PublishingSessionPage(Page):
    """One session: what is in it, what keeps it from being published, and the steps that the reader may take."""

    template: ClassVar[str] = "uploads/session.html"

    session: PublishingSessionRead
    may_publish: bool
    problem: str = ""
    errors: Sequence[FieldError] = ()

    @property
    def is_live(self) -> bool:
        """Tell whether something can still be done with it."""
        return self.session.state in {SessionState.OPEN, SessionState.IN_REVIEW}


def _held(row: AssetVersion, principal: Principal, reviewed: Mapping[str, bool]) -> HeldVersion:
    own = principal.member_id is not None and principal.member_id in {row.author_member_id, row.submitter_member_id}
    asks = reviewed.get(row.namespace, False)
    note = ""
    if row.state is VersionState.IN_REVIEW:
        verbs = [("withdraw", "Return to draft")] if own else [("publish", "Approve"), ("withdraw", "Return to draft")]
        note = "Somebody else has to approve it." if own else ""
    else:
        verbs = [("submit", "Submit for review")] if asks else [("publish", "Publish"), ("submit", "Submit for review")]
        verbs.append(("discard", "Throw away"))
    return HeldVersion(
        reference=f"{row.namespace}/{row.name}",
        version=row.version,
        kind=row.kind,
        state=row.state,
        author=row.published_by,
        comment=row.state_reason,
        changed_at=row.state_changed_at,
        verbs=verbs if principal.may("assets:write") else [],
        note=note,
    )


def _page(
    session: Session,
    principal: Principal,
    settings: Settings,
    problem: str = "",
    values: Mapping[str, str] | None = None,
) -> DraftsPage:
    assets = AssetService(session)
    reviewed = {
        name: assets.review_required(principal.tenant_id, name) for name in assets.namespaces(principal.tenant_id)
    }
    sessions = UploadService(session, open_blobs(settings)).sessions(principal.tenant_id)
    return DraftsPage(
        [_held(each, principal, reviewed) for each in assets.held(principal.tenant_id)],
        [each for each in sessions if each.state in {SessionState.OPEN, SessionState.IN_REVIEW}],
        reviewed,
        principal.may("assets:write"),
        principal.may("assets:admin"),
        problem,
        values or {},
    )


@get("/uploads/drafts", guards=READ, sync_to_thread=True)
def show_drafts(request: WebRequest, session: OpenSession, settings: AppSettings, principal: Caller) -> Response[str]:
    """Show what is not out yet."""
    return renderer_of(request).respond(request, _page(session, principal, settings))


@post("/uploads/drafts/{namespace:str}/{name:str}/{version:str}/{verb:str}", guards=WRITE, sync_to_thread=True)
def take_step(  # noqa: PLR0913, PLR0917  # four of them are the path
    request: WebRequest,
    namespace: FromPath[str],
    name: FromPath[str],
    version: FromPath[str],
    verb: FromPath[str],
    data: SentForm,
    session: OpenSession,
    settings: AppSettings,
    principal: Caller,
) -> Response[str] | Redirect:
    """Submit, return, publish or throw away one version."""
    if verb not in VERBS:
        raise NotFoundError(f"There is no step {verb}.")
    comment = last_values(sent_fields(data)).get("comment", "")[:1000]
    service = AssetService(session)
    try:
        if verb == "discard":
            service.discard(principal, namespace, name, version)
        else:
            step = {"submit": service.submit, "withdraw": service.withdraw, "publish": service.put_out}[verb]
            step(principal, namespace, name, version, comment)
    except SlipwayError as error:
        session.rollback()
        page = _page(session, principal, settings, error.detail)
        return renderer_of(request).respond(request, page, status_code=error.status)
    if verb == "publish":
        return redirect(f"/assets/{namespace}/{name}?version={version}", "version-published")
    return redirect("/uploads/drafts", f"version-{verb}")


@post("/uploads/reviews/{namespace:str}", guards=[requires("assets:admin")], sync_to_thread=True)
def set_review(namespace: FromPath[str], data: SentForm, session: OpenSession, principal: Caller) -> Redirect:
    """Ask for reviews in a namespace, or no longer."""
    required = last_values(sent_fields(data)).get("required") == "yes"
    AssetService(session).require_review(principal, namespace, required=required)
    return redirect("/uploads/drafts", "review-rule-changed")


@post("/uploads/sessions", guards=WRITE, sync_to_thread=True)
def open_session(
    request: WebRequest, data: SentForm, session: OpenSession, settings: AppSettings, principal: Caller
) -> Response[str] | Redirect:
    """Open a session."""
    values = last_values(sent_fields(data))
    title = values.get("title", "").strip()
    if not 0 < len(title) <= 200:
        page = _page(session, principal, settings, "Give the session a title of 1 to 200 characters.", values)
        return renderer_of(request).respond(request, page, status_code=422)
    opened = UploadService(session, open_blobs(settings)).open_session(principal, OpenPublishingSession(title=title))
    return redirect(f"/uploads/sessions/{opened.id}", "session-opened")


@get("/uploads/sessions/{session_id:uuid}", guards=READ, sync_to_thread=True)
def show_session(
    request: WebRequest, session_id: FromPath[UUID], session: OpenSession, settings: AppSettings, principal: Caller
) -> Response[str]:
    """Show one session."""
    found = UploadService(session, open_blobs(settings)).publishing_session(principal.tenant_id, session_id)
    return renderer_of(request).respond(request, PublishingSessionPage(found, principal.may("assets:write")))


@post("/uploads/sessions/{session_id:uuid}/{verb:str}", guards=WRITE, sync_to_thread=True)
def take_session_step(
    request: WebRequest,
    session_id: FromPath[UUID],
    verb: FromPath[str],
    data: SentForm,
    session: OpenSession,
    settings: AppSettings,
    principal: Caller,
) -> Response[str] | Redirect:
    """Submit, publish or discard all that is in a session."""
    service = UploadService(session, open_blobs(settings))
    comment = last_values(sent_fields(data)).get("comment", "")[:1000]
    try:
        if verb == "discard":
            service.discard_session(principal, session_id)
        elif verb in {"submit", "publish"}:
            {"submit": service.submit_session, "publish": service.publish_session}[verb](principal, session_id, comment)
        else:
            raise NotFoundError(f"There is no step {verb}.")
    except SlipwayError as error:
        session.rollback()
        if isinstance(error, NotFoundError):
            raise
        found = service.publishing_session(principal.tenant_id, session_id)
        page = PublishingSessionPage(found, may_publish=True, problem=error.detail, errors=error.errors)
        return renderer_of(request).respond(request, page, status_code=error.status)
    return redirect(f"/uploads/sessions/{session_id}", f"session-{verb}")


ROUTES = (show_drafts, take_step, set_review, open_session, show_session, take_session_step)

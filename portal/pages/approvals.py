"""The pages of approvals: what waits for the reader, one gate with its decisions, and delegations."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, time, timedelta
from typing import ClassVar
from urllib.parse import urlencode
from uuid import UUID

from litestar import Response, get, post
from litestar.params import FromPath
from litestar.response import Redirect
from pydantic import ValidationError

from catalog.approvals.models import ApprovalRead, ApprovalState, Decide, Delegate, DelegationRead
from catalog.approvals.service import ApprovalService
from catalog.errors import ConflictError, FieldError, ForbiddenError, InvalidInputError, SlipwayError
from portal.api.listing import cut, moment_and_id
from portal.auth.guards import requires
from portal.boundary import Caller, OpenSession, WebRequest
from portal.pages.forms import FormErrors, SentForm, Text, last_values, renderer_of, sent_fields
from portal.pages.render import Page, redirect

READ = [requires("approvals:read")]
WRITE = [requires("approvals:write")]
PAGE_SIZE = 50
TABS = {"": "For you", "waiting": "Waiting", "decided": "Decided"}
STATES = {
    "waiting": [ApprovalState.PENDING],
    "decided": [ApprovalState.GRANTED, ApprovalState.DENIED, ApprovalState.EXPIRED, ApprovalState.VOIDED],
}
LABELS = {"to": "Who", "until": "Until", "reason": "Reason"}


def look_of(approval: ApprovalRead) -> str:
    """Return the state under which an approval is shown: a grant that counts no longer is none."""
    return "lapsed" if approval.state is ApprovalState.GRANTED and not approval.counts else approval.state.value


@dataclass(frozen=True)
class ApprovalListPage(Page):
    """What waits for the reader, for anybody, or was decided."""

    template: ClassVar[str] = "approvals/index.html"
    fragments: ClassVar[Mapping[str, str]] = {"approval-list": "approvals/_list.html"}

    approvals: Sequence[ApprovalRead]
    show: str
    waiting: int
    previous_href: str = ""
    next_href: str = ""

    @property
    def tabs(self) -> list[tuple[str, str, str, int | None]]:
        """Return key, name, address and count of each view; only what waits for the reader is counted."""
        return [
            (key, name, f"/approvals?show={key}" if key else "/approvals", self.waiting if not key else None)
            for key, name in TABS.items()
        ]

    def look(self, approval: ApprovalRead) -> str:
        """Return the state under which an approval is shown."""
        return look_of(approval)


@dataclass(frozen=True)
class ApprovalPage(Page):
    """One gate; ``speaks_for`` are those for whom the reader may decide, ``refusal`` says why it just could not."""

    template: ClassVar[str] = "approvals/show.html"

    approval: ApprovalRead
    speaks_for: Sequence[str] = ()
    may_withdraw: bool = False
    comment: str = ""
    refusal: str = ""

    @property
    def shown_state(self) -> str:
        """Return the state under which it is shown."""
        return look_of(self.approval)

    @property
    def is_open(self) -> bool:
        """Tell whether something is left to decide."""
        return self.shown_state in {"pending", "lapsed"}

    @property
    def need(self) -> str:
        """Say in words whose word is needed."""
        need = self.approval.need
        whom = {
            "role": "every administrator" if need.role.value == "admin" else "everybody with the role approver",
            "members": "everybody who was named",
            "policy": "everybody whom the policy names",
        }[need.chosen_by]
        one = whom.replace("every administrator", "administrators").replace("everybody", "those")
        return {"all": whom[0].upper() + whom[1:], "any": f"One of {one}"}.get(
            need.mode.value, f"{need.quorum} of {one}"
        )


@dataclass(frozen=True)
class DelegationsPage(FormErrors, Page):
    """Who decides in whose place, and the form for a new delegation."""

    template: ClassVar[str] = "approvals/delegations.html"
    labels: ClassVar[Mapping[str, str]] = LABELS

    delegations: Sequence[DelegationRead]
    colleagues: Sequence[tuple[str, str]]
    reader: UUID | None
    may_end_all: bool
    values: Mapping[str, str] = field(default_factory=dict)
    errors: Sequence[FieldError] = ()

    @property
    def options(self) -> list[tuple[str, str]]:
        """Return the choices of the form."""
        return [("", "Choose somebody"), *((email, f"{name} ({email})") for email, name in self.colleagues)]

    def value(self, name: str) -> str:
        """Return what a field shows."""
        return self.values.get(name, "")

    def may_end(self, delegation: DelegationRead) -> bool:
        """Tell whether the reader may end a delegation."""
        return delegation.holds and (self.may_end_all or self.reader in {delegation.giver_id, delegation.taker_id})


@get("/approvals", guards=READ, sync_to_thread=True)
def list_approvals(
    request: WebRequest, session: OpenSession, principal: Caller, show: Text = None, cursor: Text = None
) -> Response[str]:
    """Show what waits for the reader, what waits at all, or what was decided."""
    service = ApprovalService(session)
    mine = service.waiting_for(principal)
    chosen = show if show in STATES else ""
    found: Sequence[ApprovalRead] = mine
    following = None
    if chosen:
        rows = service.page(principal.tenant_id, STATES[chosen], moment_and_id(cursor or None), PAGE_SIZE + 1)
        found, following = cut(rows, PAGE_SIZE, lambda each: (each.requested_at, each.id))
    page = ApprovalListPage(
        approvals=found,
        show=chosen,
        waiting=len(mine),
        previous_href=f"/approvals?show={chosen}" if cursor else "",
        next_href="/approvals?" + urlencode({"show": chosen, "cursor": following}) if following else "",
    )
    return renderer_of(request).respond(request, page)


@get("/approvals/{approval_id:uuid}", guards=READ, sync_to_thread=True)
def show_approval(
    request: WebRequest, approval_id: FromPath[UUID], session: OpenSession, principal: Caller
) -> Response[str]:
    """Show one approval."""
    return renderer_of(request).respond(request, _page(ApprovalService(session), principal, approval_id))


@post("/approvals/{approval_id:uuid}/{verb:str}", guards=WRITE, sync_to_thread=True)
def decide_approval(
    request: WebRequest,
    approval_id: FromPath[UUID],
    verb: FromPath[str],
    data: SentForm,
    session: OpenSession,
    principal: Caller,
) -> Response[str] | Redirect:
    """Approve or deny the plan that the reader saw; whatever stands against it is said, and the comment kept."""
    values = last_values(sent_fields(data))
    service = ApprovalService(session)
    comment = values.get("comment", "")
    try:
        decision = Decide(comment=comment, plan_digest=values.get("plan_digest") or None)
        service.decide(principal, approval_id, decision, approves=_approves(verb))
    except (ConflictError, ForbiddenError, InvalidInputError, ValidationError) as error:
        session.rollback()
        refused = error if isinstance(error, SlipwayError) else InvalidInputError("The comment cannot be kept as sent.")
        page = _page(service, principal, approval_id, comment, refused.detail)
        return renderer_of(request).respond(request, page, status_code=refused.status)
    return redirect(f"/approvals/{approval_id}", "approval-decided")


@post("/approvals/{approval_id:uuid}/withdraw", guards=READ, sync_to_thread=True)
def withdraw_approval(approval_id: FromPath[UUID], session: OpenSession, principal: Caller) -> Redirect:
    """Take a question back."""
    ApprovalService(session).withdraw(principal, approval_id)
    return redirect(f"/approvals/{approval_id}", "approval-withdrawn")


@get("/approvals/delegations", guards=READ, sync_to_thread=True)
def show_delegations(request: WebRequest, session: OpenSession, principal: Caller) -> Response[str]:
    """Show who decides in whose place."""
    return renderer_of(request).respond(request, _delegations(ApprovalService(session), principal))


@post("/approvals/delegations", guards=WRITE, sync_to_thread=True)
def delegate(request: WebRequest, data: SentForm, session: OpenSession, principal: Caller) -> Response[str] | Redirect:
    """Let another member decide in the reader's place, through the end of a day."""
    values = last_values(sent_fields(data))
    service = ApprovalService(session)
    try:
        service.delegate(principal, _asked(values))
    except InvalidInputError as error:
        session.rollback()
        page = _delegations(service, principal, values, error.errors)
        return renderer_of(request).respond(request, page, status_code=422)
    return redirect("/approvals/delegations", "delegation-made")


@post("/approvals/delegations/{delegation_id:uuid}/end", guards=READ, sync_to_thread=True)
def end_delegation(delegation_id: FromPath[UUID], session: OpenSession, principal: Caller) -> Redirect:
    """End a delegation at once."""
    ApprovalService(session).end_delegation(principal, delegation_id)
    return redirect("/approvals/delegations", "delegation-ended")


def _approves(verb: str) -> bool:
    if verb not in {"approve", "deny"}:
        raise InvalidInputError("Approve or deny.")
    return verb == "approve"


def _page(
    service: ApprovalService, principal: Caller, approval_id: UUID, comment: str = "", refusal: str = ""
) -> ApprovalPage:
    return ApprovalPage(
        approval=service.get(principal.tenant_id, approval_id),
        speaks_for=service.speaks_for(principal, approval_id),
        may_withdraw=service.may_withdraw(principal, approval_id),
        comment=comment,
        refusal=refusal,
    )


def _delegations(
    service: ApprovalService,
    principal: Caller,
    values: Mapping[str, str] | None = None,
    errors: Sequence[FieldError] = (),
) -> DelegationsPage:
    may_delegate = principal.member_id is not None and principal.may("approvals:write")
    return DelegationsPage(
        delegations=service.delegations(principal.tenant_id),
        colleagues=service.colleagues(principal) if may_delegate else (),
        reader=principal.member_id,
        may_end_all=principal.may("approvals:admin"),
        values=values or {},
        errors=errors,
    )


def _asked(values: Mapping[str, str]) -> Delegate:
    try:
        day = datetime.strptime(values.get("until", ""), "%Y-%m-%d").replace(tzinfo=UTC).date()
        until = datetime.combine(day, time(), UTC) + timedelta(days=1)
        return Delegate(to=values.get("to", ""), until=until, reason=values.get("reason", ""))
    except ValidationError as refused:
        names = [str(each["loc"][0]) for each in refused.errors()]
        errors = [FieldError(f"/{name}", f"Give {LABELS[name].lower()} as asked for here.") for name in names]
    except ValueError:
        errors = [FieldError("/until", "Give a day, such as 2027-01-15.")]
    raise InvalidInputError("The delegation cannot be made as asked.", errors)


ROUTES = (
    list_approvals,
    show_approval,
    withdraw_approval,
    decide_approval,
    show_delegations,
    delegate,
    end_delegation,
)

"""The pages of proposals: the inbox, one proposal with its evidence, and the decision about it."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import ClassVar
from urllib.parse import urlencode
from uuid import UUID

from litestar import Response, get, post
from litestar.params import FromPath
from litestar.response import Redirect
from sqlmodel import Session

from catalog.errors import ConflictError, FieldError, InvalidInputError
from catalog.gates import PolicyDesk
from catalog.gating import Violation
from catalog.proposals.models import ProposalState
from catalog.proposals.service import ProposalService, read
from catalog.proposals.shapes import BlockRead, Decide, ProposalRead
from catalog.settings import Settings
from catalog.tenancy import Principal
from portal.api.listing import cut, moment_and_id
from portal.auth.guards import requires
from portal.boundary import Caller, OpenSession, WebRequest
from portal.pages.forms import SentForm, Text, last_values, renderer_of, sent_fields
from portal.pages.render import Page, redirect

READ = [requires("proposals:read")]
WRITE = [requires("proposals:write")]
PAGE_SIZE = 50
_S = ProposalState
GROUPS: Mapping[str, tuple[str, tuple[ProposalState, ...]]] = {
    "": ("To decide", (_S.PROPOSED,)),
    "standing": ("Approved and in effect", (_S.APPROVED, _S.APPLIED)),
    "ended": ("Ended", (_S.REJECTED, _S.SUPERSEDED, _S.EXPIRED, _S.WITHDRAWN)),
}


@dataclass(frozen=True)
class ProposalListPage(Page):
    """Proposals, newest first, in one group of states."""

    template: ClassVar[str] = "proposals/index.html"
    fragments: ClassVar[Mapping[str, str]] = {"proposal-list": "proposals/_list.html"}

    proposals: Sequence[ProposalRead]
    counts: Mapping[str, int]
    group: str
    previous_href: str = ""
    next_href: str = ""

    @property
    def tabs(self) -> list[tuple[str, str, str, int | None]]:
        """Return key, name, address and count of each group."""
        return [
            (key, name, f"/proposals?group={key}" if key else "/proposals", self.counts.get(key, 0))
            for key, (name, _) in GROUPS.items()
        ]


@dataclass(frozen=True)
class ProposalPage(Page):
    """One proposal; ``comment`` and ``problem`` are what was sent and what is wrong with it."""

    template: ClassVar[str] = "proposals/show.html"

    proposal: ProposalRead
    blocks: Sequence[BlockRead] = ()
    may_decide: bool = False
    comment: str = ""
    problem: str = ""

    @property
    def may_approve(self) -> bool:
        """Tell whether the reader may approve it."""
        return self.may_decide and self.proposal.state is ProposalState.PROPOSED

    @property
    def may_reject(self) -> bool:
        """Tell whether the reader may reject it, or take back what was carried out."""
        return self.may_decide and self.proposal.ended_at is None

    @property
    def errors(self) -> list[FieldError]:
        """Return what is wrong with the form."""
        return [FieldError("/comment", self.problem)] if self.problem else []


@get("/proposals", guards=READ, sync_to_thread=True)
def list_proposals(
    request: WebRequest, session: OpenSession, principal: Caller, group: Text = None, cursor: Text = None
) -> Response[str]:
    """Show what agents propose."""
    chosen = group if group in GROUPS else ""
    service = ProposalService(session)
    rows = service.page(
        principal.tenant_id, GROUPS[chosen or ""][1], None, moment_and_id(cursor or None), PAGE_SIZE + 1
    )
    found, following = cut(rows, PAGE_SIZE, lambda each: (each.created_at, each.id))
    counts = service.counts(principal.tenant_id)
    query = {"group": chosen} if chosen else {}
    page = ProposalListPage(
        proposals=[read(each) for each in found],
        counts={key: sum(counts.get(state, 0) for state in states) for key, (_, states) in GROUPS.items()},
        group=chosen or "",
        previous_href="/proposals?" + urlencode(query) if cursor else "",
        next_href="/proposals?" + urlencode({**query, "cursor": following}) if following else "",
    )
    return renderer_of(request).respond(request, page)


@get("/proposals/{proposal_id:uuid}", guards=READ, sync_to_thread=True)
def show_proposal(
    request: WebRequest, proposal_id: FromPath[UUID], session: OpenSession, principal: Caller
) -> Response[str]:
    """Show what was found, the facts behind it, what is suggested, and what became of it."""
    return renderer_of(request).respond(request, _page(session, principal, proposal_id))


@post("/proposals/{proposal_id:uuid}/decide", guards=WRITE, sync_to_thread=True)
def decide(
    request: WebRequest, proposal_id: FromPath[UUID], data: SentForm, session: OpenSession, principal: Caller
) -> Response[str] | Redirect:
    """Approve or reject, as the button says; whatever is wrong is shown beside the comment that was written."""
    values = last_values(sent_fields(data))
    asked = Decide(comment=values.get("comment", "").strip()[:2000])
    service = ProposalService(session)
    try:
        if values.get("decision") == "approve":
            service.approve(principal, proposal_id, asked)
        else:
            service.reject(principal, proposal_id, asked)
    except (InvalidInputError, ConflictError) as error:
        session.rollback()
        page = _page(session, principal, proposal_id, comment=asked.comment, problem=error.detail)
        return renderer_of(request).respond(request, page, status_code=error.status)
    done = "proposal-approved" if values.get("decision") == "approve" else "proposal-rejected"
    return redirect(f"/proposals/{proposal_id}", done)


def _page(
    session: OpenSession, principal: Caller, proposal_id: UUID, comment: str = "", problem: str = ""
) -> ProposalPage:
    service = ProposalService(session)
    return ProposalPage(
        proposal=read(service.get(principal.tenant_id, proposal_id)),
        blocks=service.blocks_of(principal.tenant_id, proposal_id),
        may_decide=principal.may("proposals:write"),
        comment=comment,
        problem=problem,
    )


def blocks_on(session: Session, settings: Settings, principal: Principal, subject: str) -> Sequence[Violation]:
    """Return what agents hold a release or an environment for, as its page shows it to whoever may read proposals."""
    if not principal.may("proposals:read"):
        return ()
    return PolicyDesk(session, settings).blocks_of(principal.tenant_id, subject)


ROUTES = (list_proposals, show_proposal, decide)

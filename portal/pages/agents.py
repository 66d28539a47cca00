"""The pages of agents: what each saw and did, how far it may go, and the switch that stops it."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import ClassVar
from urllib.parse import urlencode

from litestar import Response, get, post
from litestar.params import FromPath
from litestar.response import Redirect
from pydantic import ValidationError

from catalog.proposals.models import EVERY_AGENT, Autonomy
from catalog.proposals.service import ProposalService
from catalog.proposals.shapes import AgentRead, AgentsRead, ChangeLimit, RunRead, StopAgent
from portal.api.listing import cut, moment_and_id
from portal.auth.guards import requires
from portal.boundary import Caller, OpenSession, WebRequest
from portal.pages.forms import SentForm, Text, last_values, renderer_of, sent_fields
from portal.pages.presentation import look
from portal.pages.render import Page, redirect

READ = [requires("proposals:read")]
ADMIN = [requires("proposals:admin")]
PAGE_SIZE = 25


@dataclass(frozen=True)
class AgentListPage(Page):
    """Every agent, and what bounds all of them."""

    template: ClassVar[str] = "agents/index.html"

    agents: AgentsRead
    may_change: bool

    @property
    def levels(self) -> list[tuple[str, str]]:
        """Return the bounds that can be chosen, as the options of a field."""
        return [("", "No common bound"), *_levels()]


@dataclass(frozen=True)
class AgentPage(Page):
    """One agent with its latest runs."""

    template: ClassVar[str] = "agents/show.html"
    fragments: ClassVar[Mapping[str, str]] = {"agent-runs": "agents/_runs.html"}

    agent: AgentRead
    runs: Sequence[RunRead]
    may_change: bool
    are_all_stopped: bool = False
    previous_href: str = ""
    next_href: str = ""

    @property
    def levels(self) -> list[tuple[str, str]]:
        """Return how far it can be let go, as the options of a field."""
        return [("", f"As usual: {look('autonomy', self.agent.usual).label.lower()}"), *_levels()]


@get("/agents", guards=READ, sync_to_thread=True)
def list_agents(request: WebRequest, session: OpenSession, principal: Caller) -> Response[str]:
    """Show every agent."""
    agents = ProposalService(session).agents(principal.tenant_id)
    page = AgentListPage(agents, may_change=principal.may("proposals:admin"))
    return renderer_of(request).respond(request, page)


@get("/agents/{name:str}", guards=READ, sync_to_thread=True)
def show_agent(
    request: WebRequest, name: FromPath[str], session: OpenSession, principal: Caller, cursor: Text = None
) -> Response[str]:
    """Show one agent: what it saw and did, newest first."""
    service = ProposalService(session)
    rows = service.runs_of(principal.tenant_id, name, moment_and_id(cursor or None), PAGE_SIZE + 1)
    found, following = cut(rows, PAGE_SIZE, lambda each: (each.started_at, each.id))
    page = AgentPage(
        agent=service.agent(principal.tenant_id, name),
        runs=found,
        may_change=principal.may("proposals:admin"),
        are_all_stopped=service.agents(principal.tenant_id).is_stopped,
        previous_href=f"/agents/{name}" if cursor else "",
        next_href=f"/agents/{name}?" + urlencode({"cursor": following}) if following else "",
    )
    return renderer_of(request).respond(request, page)


@post("/agents/{name:str}", guards=ADMIN, sync_to_thread=True)
def change_agent(name: FromPath[str], data: SentForm, session: OpenSession, principal: Caller) -> Redirect:
    """Limit, stop or start an agent, as the button says."""
    done = _change(ProposalService(session), principal, name, last_values(sent_fields(data)))
    return redirect(f"/agents/{name}", done)


@post("/agents", guards=ADMIN, sync_to_thread=True)
def change_every_agent(data: SentForm, session: OpenSession, principal: Caller) -> Redirect:
    """Bound, stop or start all agents, as the button says."""
    done = _change(ProposalService(session), principal, EVERY_AGENT, last_values(sent_fields(data)))
    return redirect("/agents", done)


def _change(service: ProposalService, principal: Caller, name: str, values: Mapping[str, str]) -> str:
    reason = values.get("reason", "").strip()[:500]
    match values.get("change"):
        case "stop":
            service.stop(principal, name, StopAgent(reason=reason))
            return "agent-stopped"
        case "start":
            service.start(principal, name, StopAgent(reason=reason))
            return "agent-started"
        case _:
            service.limit(principal, name, ChangeLimit(autonomy=_level(values.get("autonomy", "")), reason=reason))
            return "agent-limited"


def _level(text: str) -> Autonomy | None:
    if not text:
        return None
    try:
        return ChangeLimit.model_validate({"autonomy": text}).autonomy
    except ValidationError:
        return Autonomy.OFF  # what nobody can read lets nothing through


def _levels() -> list[tuple[str, str]]:
    return [(str(each), f"{look('autonomy', each).label}: {look('autonomy', each).meaning}") for each in Autonomy]


ROUTES = (list_agents, show_agent, change_agent, change_every_agent)

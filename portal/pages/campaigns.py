"""The pages of campaigns: what is under way, one campaign wave by wave, and what people decide about it."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import ClassVar
from urllib.parse import urlencode
from uuid import UUID

from litestar import Response, get, post
from litestar.params import FromPath
from litestar.response import Redirect, Stream
from sqlmodel import Session

from catalog.assets.durations import parse_duration
from catalog.campaigns.models import CampaignState, MemberState
from catalog.campaigns.service import CampaignService
from catalog.campaigns.shapes import (
    AskBack,
    CampaignDetail,
    CampaignMemberRead,
    CampaignRead,
    CampaignReason,
    CampaignWaveRead,
)
from catalog.campaigns.written import wave_text, window_text
from catalog.clock import now
from catalog.errors import ConflictError, NotFoundError
from portal.api.listing import cut, moment_and_id
from portal.auth.guards import requires
from portal.boundary import AppSettings, Caller, OpenSession, WebRequest
from portal.pages.forms import SentForm, Text, last_values, renderer_of, sent_fields
from portal.pages.live import EVENT_STREAM, Moment, follow_page
from portal.pages.presentation import duration as span
from portal.pages.render import Page, redirect

READ = [requires("campaigns:read")]
WRITE = [requires("campaigns:write")]
PAGE_SIZE = 50
MOST_REASON = 500
STILL = frozenset({CampaignState.PLANNED, CampaignState.DONE, CampaignState.ABORTED})
"""The states in which nothing happens by itself."""


@dataclass(frozen=True)
class Verb:
    """Something that a person can do: what its button says, and what its page says it does."""

    button: str
    question: str
    meaning: str
    style: str
    symbol: str
    states: frozenset[CampaignState]


_S = CampaignState
_RUNNING = frozenset({_S.RUNNING, _S.SOAKING})
_HALTED = frozenset({_S.PAUSED, _S.STOPPED})
VERBS: Mapping[str, Verb] = {
    "pause": Verb(
        "Pause",
        "Pause the campaign?",
        "Nothing new begins until somebody resumes it. Installs that are under way come to their end.",
        "",
        "hourglass",
        _RUNNING,
    ),
    "resume": Verb(
        "Resume",
        "Go on with the campaign?",
        "It goes on where it was paused, and acts as you. A wave that was watched is watched once more.",
        "primary",
        "arrow-right",
        frozenset({_S.PAUSED}),
    ),
    "retry": Verb(
        "Try the wave again",
        "Try the wave once more?",
        "Those of its installs that failed, were left or went back are planned and upgraded once more.",
        "",
        "refresh-cw",
        _HALTED,
    ),
    "promote": Verb(
        "Let it pass",
        "Let the wave pass as it is?",
        "The next wave begins at once, whatever was measured of this one.",
        "",
        "check",
        frozenset({_S.SOAKING, *_HALTED}),
    ),
    "rollback": Verb(
        "Roll back",
        "Roll the campaign back?",
        "What it upgraded goes back to the revision that was there before, what came last first. Then it is over.",
        "danger",
        "history",
        _RUNNING | _HALTED,
    ),
    "abort": Verb(
        "End it",
        "End the campaign as things stand?",
        "Nothing goes back and nothing more begins. Installs that are under way come to their own end.",
        "danger",
        "circle-x",
        frozenset(_S) - {_S.DONE, _S.ABORTED},
    ),
}


@dataclass(frozen=True)
class CampaignListPage(Page):
    """The tenant's campaigns, newest first."""

    template: ClassVar[str] = "campaigns/index.html"
    fragments: ClassVar[Mapping[str, str]] = {"campaign-list": "campaigns/_list.html"}

    campaigns: Sequence[CampaignRead]
    can_create: bool
    previous_href: str = ""
    next_href: str = ""


@dataclass(frozen=True)
class CampaignPage(Page):
    """One campaign: how it stands, its waves with their installs, and what can be done now."""

    template: ClassVar[str] = "campaigns/show.html"
    fragments: ClassVar[Mapping[str, str]] = {
        "campaign-status": "campaigns/_status.html",
        "campaign-waves": "campaigns/_waves.html",
    }

    campaign: CampaignDetail
    can_change: bool
    can_promote: bool = False

    @property
    def is_moving(self) -> bool:
        """Tell whether something may happen without anybody."""
        return self.campaign.state not in STILL

    @property
    def verbs(self) -> list[tuple[str, Verb]]:
        """Return what can be done now, by whoever looks."""
        if not self.can_change:
            return []
        return [
            (name, verb)
            for name, verb in VERBS.items()
            if self.campaign.state in verb.states and (name != "promote" or self.can_promote)
        ]

    @property
    def left_out(self) -> list[CampaignMemberRead]:
        """Return the installs that are not part of it."""
        return [each for each in self.campaign.members if each.state is MemberState.EXCLUDED]

    @property
    def planning(self) -> list[CampaignMemberRead]:
        """Return the installs whose upgrade is still being planned."""
        return [each for each in self.campaign.members if each.state is MemberState.PLANNING]

    @property
    def present(self) -> CampaignWaveRead | None:
        """Return the wave that it is at."""
        return next((each for each in self.campaign.waves if each.number == self.campaign.wave), None)

    @property
    def opens_later(self) -> bool:
        """Tell whether it waits for a window."""
        opens = self.campaign.window_opens_at
        return opens is not None and opens > now()

    @property
    def written(self) -> list[tuple[str, str]]:
        """Return what was asked for, by name, as people read it."""
        asked = self.campaign.asked
        chosen = {**asked["selector"], **asked["selector"]["labels"]}
        named = {"from_version": "version "}
        selector = [named.get(name, f"{name}=") + value for name, value in chosen.items() if value and name != "labels"]
        return [
            ("Installs", ", ".join(selector) or "all of the asset"),
            ("Waves", ", ".join(wave_text(each) for each in asked["waves"])),
            ("Windows", "; ".join(window_text(each) for each in asked["windows"]) or "always"),
            ("Watched for", span(parse_duration(asked["soak"]))),
            ("May fail", f"{asked['stop_share']:.0%} of a wave"),
            ("When stopped", "the wave goes back" if asked["roll_back"] else "the wave stays"),
            ("Waits for people", span(parse_duration(asked["patience"]))),
        ]

    def installs_of(self, wave: CampaignWaveRead) -> list[CampaignMemberRead]:
        """Return the installs of a wave."""
        return [each for each in self.campaign.members if each.wave == wave.number]

    @staticmethod
    def percent(wave: CampaignWaveRead) -> int:
        """Return how much of a wave is through, in percent."""
        open_ = sum(wave.counts.get(each, 0) for each in ("planned", "running", "held", "waiting", "rolling_back"))
        return round(100 * (wave.size - open_) / wave.size)


@dataclass(frozen=True)
class DecideCampaignPage(Page):
    """One thing that a person may do to a campaign, with its reason, before it is done."""

    template: ClassVar[str] = "campaigns/decide.html"

    campaign: CampaignRead
    name: str
    verb: Verb
    problem: str = ""
    reason: str = ""


@get("/campaigns", guards=READ, sync_to_thread=True)
def list_campaigns(
    request: WebRequest, session: OpenSession, settings: AppSettings, principal: Caller, cursor: Text = None
) -> Response[str]:
    """Show the tenant's campaigns, newest first."""
    service = CampaignService(session, settings)
    rows = service.page(principal.tenant_id, moment_and_id(cursor or None), PAGE_SIZE + 1)
    found, following = cut(rows, PAGE_SIZE, lambda each: (each.created_at, each.id))
    page = CampaignListPage(
        found,
        can_create=principal.may("campaigns:write"),
        previous_href="/campaigns" if cursor else "",
        next_href="/campaigns?" + urlencode({"cursor": following}) if following else "",
    )
    return renderer_of(request).respond(request, page)


@get("/campaigns/{campaign_id:uuid}", guards=READ, sync_to_thread=True)
def show_campaign(
    request: WebRequest, campaign_id: FromPath[UUID], session: OpenSession, settings: AppSettings, principal: Caller
) -> Response[str]:
    """Show one campaign."""
    return renderer_of(request).respond(request, _campaign_page(session, settings, principal, campaign_id))


@get("/campaigns/{campaign_id:uuid}/stream", guards=READ, media_type=EVENT_STREAM)
async def follow_campaign(
    request: WebRequest, campaign_id: FromPath[UUID], settings: AppSettings, principal: Caller
) -> Stream:
    """Stream the page's fragments as they change."""

    def look(session: Session) -> Moment:
        page = _campaign_page(session, settings, principal, campaign_id)
        return Moment(page, None, is_moving=page.is_moving, is_over=not page.is_moving)

    return await follow_page(request, principal, look)


@post("/campaigns/{campaign_id:uuid}/start", guards=WRITE, sync_to_thread=True)
def start_campaign(
    campaign_id: FromPath[UUID], session: OpenSession, settings: AppSettings, principal: Caller
) -> Redirect:
    """Begin with the first wave."""
    CampaignService(session, settings).start(principal, campaign_id)
    return redirect(f"/campaigns/{campaign_id}", "campaign-started")


@get("/campaigns/{campaign_id:uuid}/{verb:str}", guards=WRITE, sync_to_thread=True)
def show_decision(  # each is what the handler needs
    request: WebRequest,
    campaign_id: FromPath[UUID],
    verb: FromPath[str],
    session: OpenSession,
    settings: AppSettings,
    principal: Caller,
) -> Response[str]:
    """Ask for the reason before something is done."""
    campaign = CampaignService(session, settings).get(principal.tenant_id, campaign_id)
    return renderer_of(request).respond(request, DecideCampaignPage(campaign, verb, _verb(verb)))


@post("/campaigns/{campaign_id:uuid}/{verb:str}", guards=WRITE, sync_to_thread=True)
def decide(  # each is what the handler needs
    request: WebRequest,
    campaign_id: FromPath[UUID],
    verb: FromPath[str],
    data: SentForm,
    session: OpenSession,
    settings: AppSettings,
    principal: Caller,
) -> Response[str] | Redirect:
    """Do what was decided; where the campaign has moved on meanwhile, say so."""
    service = CampaignService(session, settings)
    campaign = service.get(principal.tenant_id, campaign_id)
    chosen, sent = _verb(verb), last_values(sent_fields(data))
    reason = sent.get("reason", "").strip()[:MOST_REASON].replace("\0", "")
    try:
        if verb == "rollback":
            service.roll_back(principal, campaign_id, AskBack(reason=reason, all_waves="all_waves" in sent))
        else:
            getattr(service, verb)(principal, campaign_id, CampaignReason(reason=reason))
    except ConflictError as error:
        session.rollback()
        page = DecideCampaignPage(campaign, verb, chosen, error.detail, reason)
        return renderer_of(request).respond(request, page, status_code=error.status)
    return redirect(f"/campaigns/{campaign_id}", "campaign-decided")


def _verb(name: str) -> Verb:
    if name not in VERBS:
        raise NotFoundError(f"Nothing called {name} can be done to a campaign.")
    return VERBS[name]


def _campaign_page(session: Session, settings: AppSettings, principal: Caller, campaign_id: UUID) -> CampaignPage:
    found = CampaignService(session, settings).get(principal.tenant_id, campaign_id)
    return CampaignPage(found, principal.may("campaigns:write"), principal.may("campaigns:admin"))


ROUTES = (list_campaigns, show_campaign, follow_campaign, start_campaign, show_decision, decide)

"""Campaigns: one asset upgraded in many installs, wave by wave; and what people decide about them meanwhile."""

from collections.abc import Callable
from typing import Annotated, Any
from uuid import UUID

from litestar import get, post
from litestar.openapi.spec import Example
from litestar.params import Body, FromPath, JSONBody
from pydantic import BaseModel

from catalog.campaigns.models import Campaign
from catalog.campaigns.service import CampaignService
from catalog.campaigns.shapes import AskBack, AskCampaign, CampaignDetail, CampaignPreview, CampaignRead, CampaignReason
from portal.api.documentation import CONDITIONAL, REPLAYED, problems
from portal.api.listing import Cursor, Limit, cut, moment_and_id, page
from portal.auth.guards import requires
from portal.boundary import AppSettings, Caller, OpenSession, WebRequest
from portal.idempotency import API_BASE, Answer

TAGS = ["campaigns"]
READ = [requires("campaigns:read")]
WRITE = [requires("campaigns:write")]

_ASKED = Example(
    summary="One install first, then a tenth, then the rest; at night, and judged",
    value={
        "name": "Python services to 2.1",
        "asset": "acme/python-service",
        "version": "2.1.0",
        "selector": {"labels": {"tier": "standard"}},
        "waves": [{"size": "1", "at_once": 1}, {"size": "10%", "at_once": 5}, {"size": "100%", "at_once": 20}],
        "windows": [{"days": ["mon", "tue", "wed"], "begins": "22:00", "ends": "05:00", "zone": "Europe/Berlin"}],
        "soak": "PT4H",
        "stop_share": 0.1,
    },
)
_Wanted = Annotated[AskCampaign, Body(media_type="application/json", examples=[_ASKED])]


class CampaignList(BaseModel):
    """One page of campaigns, newest first."""

    items: list[CampaignRead]
    next_cursor: str | None


@post(
    "/campaigns",
    operation_id="create_campaign",
    summary="Ask for a campaign",
    tags=TAGS,
    guards=WRITE,
    status_code=201,
    responses=problems(401, 403, 404, 409, 413, 415, 422),
    response_headers=REPLAYED,
    sync_to_thread=True,
)
def create_campaign(
    data: _Wanted, session: OpenSession, settings: AppSettings, principal: Caller
) -> Answer[CampaignRead]:
    """Have the upgrades planned and the waves cut. Nothing is changed before the campaign is started.

    Workers plan each upgrade; the campaign is ``planned`` once they have.
    """
    made = CampaignService(session, settings).create(principal, data)
    headers = {"Location": f"{API_BASE}/campaigns/{made.id}"}
    return Answer(CampaignRead.model_validate(made), status_code=201, headers=headers)


@post(
    "/campaigns/preview",
    operation_id="preview_campaign",
    summary="See which installs would be in which wave",
    tags=TAGS,
    guards=WRITE,
    status_code=200,
    responses=problems(401, 403, 404, 409, 413, 415, 422),
    sync_to_thread=True,
)
def preview_campaign(
    data: _Wanted, session: OpenSession, settings: AppSettings, principal: Caller
) -> Answer[CampaignPreview]:
    """Say which installs such a campaign would have in which wave and which it would leave out; nothing is kept."""
    return Answer(CampaignService(session, settings).preview(principal, data), status_code=200)


@get(
    "/campaigns",
    operation_id="list_campaigns",
    summary="List campaigns",
    tags=TAGS,
    guards=READ,
    responses={**CONDITIONAL, **problems(401, 403, 422)},
    sync_to_thread=True,
)
def list_campaigns(
    request: WebRequest,
    session: OpenSession,
    settings: AppSettings,
    principal: Caller,
    limit: Limit = 50,
    cursor: Cursor = None,
) -> Answer[CampaignList]:
    """Return the tenant's campaigns, newest first."""
    rows = CampaignService(session, settings).page(principal.tenant_id, moment_and_id(cursor), limit + 1)
    found, following = cut(rows, limit, lambda each: (each.created_at, each.id))
    return page(request, CampaignList(items=list(found), next_cursor=following), following)


@get(
    "/campaigns/{campaign_id:uuid}",
    operation_id="get_campaign",
    summary="Get one campaign",
    tags=TAGS,
    guards=READ,
    responses={**CONDITIONAL, **problems(401, 403, 404)},
    sync_to_thread=True,
)
def get_campaign(
    campaign_id: FromPath[UUID], session: OpenSession, settings: AppSettings, principal: Caller
) -> CampaignDetail:
    """Return a campaign with its waves, what was measured of them, and each install with where it stands and why."""
    return CampaignService(session, settings).get(principal.tenant_id, campaign_id)


def _command(verb: str, summary: str) -> dict[str, Any]:
    return {
        "operation_id": f"{verb}_campaign",
        "summary": summary,
        "tags": TAGS,
        "guards": WRITE,
        "status_code": 200,
        "responses": problems(401, 403, 404, 409, 413, 415, 422),
        "response_headers": REPLAYED,
        "sync_to_thread": True,
    }


@post("/campaigns/{campaign_id:uuid}/start", **_command("start", "Start a campaign"))
def start_campaign(
    campaign_id: FromPath[UUID], session: OpenSession, settings: AppSettings, principal: Caller
) -> Answer[CampaignRead]:
    """Begin with the first wave of a planned campaign, which acts as whoever starts it."""
    return _done(session, settings, lambda service: service.start(principal, campaign_id))


@post("/campaigns/{campaign_id:uuid}/rollback", **_command("rollback", "Roll a campaign back"))
def rollback_campaign(
    campaign_id: FromPath[UUID],
    data: JSONBody[AskBack],
    session: OpenSession,
    settings: AppSettings,
    principal: Caller,
) -> Answer[CampaignRead]:
    """Take the present wave, or all of them, back to the revisions that were there; the campaign ends with it."""
    return _done(session, settings, lambda service: service.roll_back(principal, campaign_id, data))


def _decision(verb: str, summary: str, explanation: str) -> Any:
    """Return the route of something that people decide about a campaign, with their reason."""

    def decide(
        campaign_id: FromPath[UUID],
        data: JSONBody[CampaignReason],
        session: OpenSession,
        settings: AppSettings,
        principal: Caller,
    ) -> Answer[CampaignRead]:
        return _done(session, settings, lambda service: getattr(service, verb)(principal, campaign_id, data))

    decide.__doc__, decide.__name__ = explanation, f"{verb}_campaign"
    return post(f"/campaigns/{{campaign_id:uuid}}/{verb}", **_command(verb, summary))(decide)


pause_campaign = _decision("pause", "Pause a campaign", "Begin nothing new; what is under way comes to its end.")
resume_campaign = _decision(
    "resume",
    "Go on with a paused campaign",
    "Go on where it was paused; a wave that was watched is watched once more from the beginning.",
)
promote_campaign = _decision(
    "promote", "Let a wave pass", "Let the wave pass as it is, whatever was measured; needs ``campaigns:admin``."
)
retry_campaign = _decision(
    "retry",
    "Try a wave once more",
    "Try the installs once more that failed, were left or were rolled back; the wave is judged anew.",
)
abort_campaign = _decision(
    "abort", "End a campaign", "End the campaign as things stand; installs that are under way come to their own end."
)


def _done(
    session: OpenSession, settings: AppSettings, decide: Callable[[CampaignService], Campaign]
) -> Answer[CampaignRead]:
    return Answer(CampaignRead.model_validate(decide(CampaignService(session, settings))), status_code=200)


ROUTES = (
    create_campaign,
    preview_campaign,
    list_campaigns,
    get_campaign,
    start_campaign,
    pause_campaign,
    resume_campaign,
    promote_campaign,
    retry_campaign,
    rollback_campaign,
    abort_campaign,
)

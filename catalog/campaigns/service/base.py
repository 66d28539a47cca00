"""What every part of the service stands on: rows found or refused, states moved, events told."""

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from sqlmodel import Session

from catalog.analysis.models import Ending
from catalog.analysis.service import AnalysisService
from catalog.assets.durations import parse_duration
from catalog.assets.life import Choice
from catalog.campaigns import queries, rules
from catalog.campaigns.errors import ActorGoneError, CampaignMoveError, CampaignNotFoundError
from catalog.campaigns.events import CampaignEnded
from catalog.campaigns.models import Campaign, CampaignMember, CampaignState, CampaignWave, MemberState
from catalog.campaigns.shapes import AskCampaign, CampaignDetail, CampaignMemberRead, CampaignRead, CampaignWaveRead
from catalog.clock import now
from catalog.errors import SlipwayError
from catalog.events import outbox
from catalog.events.registry import EventData
from catalog.gating import Level, PolicyRefusedError
from catalog.installs.service import InstallService
from catalog.operations.models import Problem
from catalog.settings import Settings
from catalog.tenancy import ROLE_SCOPES, Principal, system_principal
from catalog.tenants.service import TenantService

SUBJECT = "campaign-wave"
"""The kind of subject under which analyses judge waves."""
LOOK = timedelta(seconds=5)
BROKEN = timedelta(minutes=1)
OFFERED = frozenset({Choice.FIRST, Choice.LAST})
"""How a version has to be offered for a campaign to lead to it."""


class Base:
    """One unit of work on campaigns."""

    def __init__(self, session: Session, settings: Settings) -> None:
        self._session = session
        self._settings = settings
        self._installs = InstallService(session, settings)
        self._analyses = AnalysisService(session)

    def get(self, tenant_id: UUID, campaign_id: UUID) -> CampaignDetail:
        """Return a campaign with its waves and installs; raise ``CampaignNotFoundError`` where there is none."""
        row = self._campaign(tenant_id, campaign_id)
        waves = queries.waves(self._session, tenant_id, campaign_id)
        rows = queries.members(self._session, tenant_id, campaign_id)
        judged = self._analyses.of_subjects(tenant_id, SUBJECT, [each.id for each in waves])
        shown = []
        for each in waves:
            states = [member.state for member in rows if member.wave == each.number]
            counts = {str(state): states.count(state) for state in dict.fromkeys(states)}
            fields = {name: getattr(each, name) for name in CampaignWaveRead.model_fields if hasattr(each, name)}
            shown.append(CampaignWaveRead(**fields, counts=counts, analyses=judged.get(each.id, [])))
        fields = {name: getattr(row, name) for name in CampaignRead.model_fields}
        members = [CampaignMemberRead.model_validate(each) for each in rows]
        opens = rules.opens_at(asked(row).windows, now()) if row.state is CampaignState.RUNNING else None
        return CampaignDetail(**fields, waves=shown, members=members, window_opens_at=opens)

    def page(self, tenant_id: UUID, before: tuple[datetime, UUID] | None = None, limit: int = 50) -> list[CampaignRead]:
        """Return campaigns, newest first; ``before`` is the creation time and id of the last one already seen."""
        return [CampaignRead.model_validate(each) for each in queries.page(self._session, tenant_id, before, limit)]

    @staticmethod
    def due(session: Session, at: datetime, limit: int) -> list[tuple[UUID, UUID]]:
        """Return tenant and id of campaigns that are to be looked at; needs a session of the system role."""
        return queries.due(session, at, limit)

    def hasten(self, tenant_id: UUID, *, install_id: UUID | None = None, digest: str | None = None) -> None:
        """Have the living campaigns looked at soon that an install, or the plan of a digest, is in."""
        for each in queries.followed(self._session, tenant_id, install_id, digest):
            each.next_at = min(each.next_at, now())
            self._session.add(each)

    def postpone(self, tenant_id: UUID, campaign_id: UUID) -> None:
        """Have a campaign looked at later, so that one at which the look breaks off keeps no other waiting."""
        campaign = self._campaign(tenant_id, campaign_id, lock=True)
        campaign.next_at = now() + BROKEN
        self._session.add(campaign)

    def _campaign(self, tenant_id: UUID, campaign_id: UUID, *, lock: bool = False) -> Campaign:
        found = queries.campaign(self._session, tenant_id, campaign_id, lock=lock)
        if found is None:
            raise CampaignNotFoundError(f"There is no campaign {campaign_id}.")
        return found

    def _move(self, campaign: Campaign, state: CampaignState, reason: str = "") -> None:
        """Move a campaign; raise ``CampaignMoveError`` where it cannot go there from where it is."""
        if not rules.may_move(campaign.state, state):
            raise CampaignMoveError(f"The campaign is {str(campaign.state).replace('_', ' ')}.")
        campaign.state, campaign.reason = state, reason
        campaign.changed_at = campaign.next_at = now()
        if state in rules.FINAL:
            campaign.finished_at = now()
            self._tell(campaign, CampaignEnded(**stamp(campaign), state=state, reason=reason))
        self._session.add(campaign)
        self._session.flush()

    def _mark(self, member: CampaignMember, state: MemberState, problem: Problem | None = None) -> None:
        member.state, member.changed_at = state, now()
        member.problem = problem.model_dump() if problem else None
        waits = state in {MemberState.HELD, MemberState.WAITING} or (state is MemberState.PLANNED and problem)
        member.waits_since = (member.waits_since or now()) if waits else None
        self._session.add(member)

    def _acting(self, campaign: Campaign) -> Principal:
        """Return whom a campaign acts as: with what it needs and no more, and no more than they may by now."""
        scopes = frozenset(campaign.scopes)
        if campaign.member_id is not None:
            known = TenantService(self._session).members(campaign.tenant_id)
            member = next((each for each in known if each.id == campaign.member_id), None)
            if member is None:
                raise ActorGoneError(f"{campaign.acts_as} has left. Somebody else has to resume the campaign.")
            own = Principal(campaign.tenant_id, "", campaign.actor, member.name, ROLE_SCOPES[member.role], member.id)
            scopes = frozenset(each for each in scopes if own.may(each))
            if len(scopes) < len(campaign.scopes):
                raise ActorGoneError(f"{member.name} may not do this any more. Somebody else has to resume it.")
        return Principal(campaign.tenant_id, "", campaign.actor, campaign.acts_as, scopes, campaign.member_id)

    def _undoing(self, campaign: Campaign) -> Principal:
        """Return whom a campaign goes back as: going back is promised, also after whoever it acted as has left."""
        try:
            return self._acting(campaign)
        except ActorGoneError:
            return system_principal(campaign.tenant_id)

    @staticmethod
    def _act_as(campaign: Campaign, principal: Principal) -> None:
        """Let a campaign act as somebody from now on; raise ``ForbiddenError`` where they may not do what it does."""
        for each in campaign.scopes:
            principal.require(each)
        campaign.actor, campaign.acts_as, campaign.member_id = principal.actor, principal.name, principal.member_id

    def _wave(self, campaign: Campaign) -> CampaignWave:
        rows = queries.waves(self._session, campaign.tenant_id, campaign.id)
        return next(each for each in rows if each.number == campaign.wave)

    def _end_analysis(self, wave: CampaignWave, ending: Ending) -> None:
        if wave.analysis_id is not None:
            self._analyses.end(wave.tenant_id, wave.analysis_id, ending)

    def _tell(self, campaign: Campaign, data: EventData, actor: str = "system") -> None:
        subject = f"campaigns/{campaign.id}"
        outbox.append(self._session, data, tenant_id=campaign.tenant_id, subject=subject, actor=actor)


def asked(campaign: Campaign) -> AskCampaign:
    """Return what was asked for."""
    return AskCampaign.model_validate(campaign.asked)


def soak(campaign: Campaign) -> timedelta:
    """Return how long each wave is watched."""
    return parse_duration(asked(campaign).soak)


def problem_of(error: SlipwayError) -> Problem:
    """Return an error as a member keeps it."""
    lines = [error.detail, *(f"{each.pointer}: {each.detail}" for each in error.errors if each.detail != error.detail)]
    if isinstance(error, PolicyRefusedError):
        lines += [each.message for each in error.verdict.violations if each.level.rank > Level.ADVISORY.rank]
    return Problem(code=error.code, message=" ".join(lines[:4])[:1000])


def stamp(campaign: Campaign) -> dict[str, Any]:
    """Return what every event of a campaign says."""
    return {
        "campaign_id": campaign.id,
        "name": campaign.name,
        "asset": campaign.asset,
        "version": campaign.version,
    }


def of_state(members: Sequence[CampaignMember], *states: MemberState) -> list[CampaignMember]:
    """Return the members in some states."""
    return [each for each in members if each.state in states]

"""What people do with a campaign: start, pause, resume, promote, retry, roll back, abort."""

from uuid import UUID

from catalog.analysis.models import Ending
from catalog.campaigns import queries
from catalog.campaigns.errors import CampaignMoveError
from catalog.campaigns.events import CampaignResumed
from catalog.campaigns.models import Campaign, CampaignState, CampaignWave, MemberState
from catalog.campaigns.service.base import of_state, stamp
from catalog.campaigns.service.ticking import Ticking
from catalog.campaigns.shapes import AskBack, CampaignReason
from catalog.operations.models import Problem
from catalog.tenancy import Principal
from catalog.tenants.service import TenantService

S, M = CampaignState, MemberState


class Commands(Ticking):
    """Each is a decision of a person, and stands in the audit log with its reason."""

    def start(self, principal: Principal, campaign_id: UUID) -> Campaign:
        """Begin with the first wave; the campaign acts as whoever starts, resumes or retries it from then on."""
        campaign = self._commanded(principal, campaign_id, "start", "")
        if campaign.state is not S.PLANNED:
            raise CampaignMoveError(f"The campaign is {campaign.state}; it is started once it is planned.")
        self._act_as(campaign, principal)
        waves = queries.waves(self._session, campaign.tenant_id, campaign.id)
        if not waves:
            self._move(campaign, S.DONE, "No install is left to be upgraded.")
            return campaign
        self._start_wave(campaign, waves[0])
        campaign.started_at = waves[0].started_at
        return campaign

    def pause(self, principal: Principal, campaign_id: UUID, why: CampaignReason) -> Campaign:
        """Begin nothing new; what is under way goes on."""
        campaign = self._commanded(principal, campaign_id, "pause", why.reason)
        if campaign.state not in {S.RUNNING, S.SOAKING}:
            raise CampaignMoveError(f"The campaign is {campaign.state}; it can be paused while it runs or soaks.")
        reason = why.reason or f"{principal.name} paused it."
        self._pause(campaign, self._wave(campaign), reason, principal.actor)
        return campaign

    def resume(self, principal: Principal, campaign_id: UUID, why: CampaignReason) -> Campaign:
        """Go on where it was paused; a wave that was watched is watched, and measured, once more from the beginning."""
        campaign = self._commanded(principal, campaign_id, "resume", why.reason)
        if campaign.state is not S.PAUSED:
            raise CampaignMoveError(f"The campaign is {campaign.state}; only a paused one is resumed.")
        self._act_as(campaign, principal)
        wave = self._wave(campaign)
        self._tell(campaign, CampaignResumed(**stamp(campaign), wave=wave.number), principal.actor)
        if campaign.resume_to is S.SOAKING:
            self._end_analysis(wave, Ending.STOPPED)
            self._soak(campaign, wave)
        else:
            self._move(campaign, S.RUNNING)
        return campaign

    def promote(self, principal: Principal, campaign_id: UUID, why: CampaignReason) -> Campaign:
        """Let the wave pass as it is, without watching it any longer; needs ``campaigns:admin``."""
        principal.require("campaigns:admin")
        campaign = self._commanded(principal, campaign_id, "promote", why.reason)
        wave = self._wave(campaign) if campaign.wave else None
        settled = campaign.state in {S.SOAKING, S.PAUSED, S.STOPPED}
        if wave is None or not settled or not self._is_settled(campaign, wave):
            raise CampaignMoveError("A wave can be let pass once each of its installs is through or was left.")
        self._end_analysis(wave, Ending.STOPPED)
        self._pass(campaign, wave)
        return campaign

    def retry(self, principal: Principal, campaign_id: UUID, why: CampaignReason) -> Campaign:
        """Try those of the wave once more that failed, were left or were rolled back; the wave is judged anew."""
        campaign = self._commanded(principal, campaign_id, "retry", why.reason)
        if campaign.state not in {S.STOPPED, S.PAUSED}:
            raise CampaignMoveError(f"The campaign is {campaign.state}; a stopped or paused one is tried again.")
        self._act_as(campaign, principal)
        wave = self._wave(campaign)
        again = of_state(self._members(campaign, wave.number), M.FAILED, M.LEFT, M.ROLLED_BACK)
        for each in again:
            install = queries.locked_install(self._session, campaign.tenant_id, each.install_id)
            each.base_revision = install.applied_revision if install is not None else each.base_revision
            each.plan_id, each.revision, each.attempt = None, None, 0
            self._mark(each, M.PLANNED)
        self._end_analysis(wave, Ending.STOPPED)
        self._start_wave(campaign, wave)
        return campaign

    def roll_back(self, principal: Principal, campaign_id: UUID, asked: AskBack) -> Campaign:
        """Take the wave, or all of them, back to the revisions that were there; the campaign is over after it."""
        campaign = self._commanded(principal, campaign_id, "rollback", asked.reason)
        if campaign.state not in {S.RUNNING, S.SOAKING, S.PAUSED, S.STOPPED}:
            raise CampaignMoveError(f"The campaign is {campaign.state}, so there is nothing to roll back.")
        self._act_as(campaign, principal)
        reason = asked.reason or f"{principal.name} rolled it back."
        wave = self._wave(campaign)
        self._roll_back(campaign, wave, reason, all_waves=asked.all_waves, aborts=True, actor=principal.actor)
        return campaign

    def abort(self, principal: Principal, campaign_id: UUID, why: CampaignReason) -> Campaign:
        """End the campaign now, whatever it is doing; installs that are under way come to their own end."""
        campaign = self._commanded(principal, campaign_id, "abort", why.reason)
        if campaign.wave:
            self._end_analysis(self._wave(campaign), Ending.STOPPED)
        self._move(campaign, S.ABORTED, why.reason or f"{principal.name} aborted it.")
        problem = Problem(code="left", message="The campaign was aborted. Whatever is under way comes to its own end.")
        for each in of_state(self._members(campaign), M.RUNNING, M.HELD, M.WAITING, M.ROLLING_BACK):
            self._leave(campaign, each, problem)
        return campaign

    def _commanded(self, principal: Principal, campaign_id: UUID, verb: str, reason: str) -> Campaign:
        principal.require("campaigns:write")
        campaign = self._campaign(principal.tenant_id, campaign_id, lock=True)
        noted = {"reason": reason, "state": str(campaign.state)}
        subject = f"campaigns/{campaign.id}"
        TenantService(self._session).audit(campaign.tenant_id, principal.actor, f"campaign.{verb}", subject, noted)
        return campaign

    def _is_settled(self, campaign: Campaign, wave: CampaignWave) -> bool:
        members = self._members(campaign, wave.number)
        return not of_state(members, M.PLANNED, M.RUNNING, M.HELD, M.WAITING, M.ROLLING_BACK)

"""Ticking: one look at a campaign, which decides from what is stored what comes next; events only hasten it."""

from datetime import timedelta
from uuid import UUID

from catalog.analysis.models import AnalysisPhase, Ending
from catalog.analysis.service import BAD, ENDED
from catalog.assets.life import MEANINGS, words
from catalog.assets.service import AssetService
from catalog.campaigns import queries, rules
from catalog.campaigns.errors import ActorGoneError
from catalog.campaigns.events import (
    CampaignPaused,
    CampaignRollingBack,
    CampaignStopped,
    CampaignWavePassed,
    CampaignWaveSoaking,
    CampaignWaveStarted,
)
from catalog.campaigns.models import Campaign, CampaignMember, CampaignState, CampaignWave, MemberState, WaveState
from catalog.campaigns.service.base import LOOK, OFFERED, SUBJECT, asked, of_state, soak, stamp
from catalog.campaigns.service.following import Following
from catalog.clock import now
from catalog.operations.models import Problem

S, M = CampaignState, MemberState


class Ticking(Following):
    """The state machine of campaigns."""

    def tick(self, tenant_id: UUID, campaign_id: UUID) -> Campaign:
        """Look at a campaign and do what is due; two at once come one after the other, and again changes nothing."""
        campaign = self._campaign(tenant_id, campaign_id, lock=True)
        if campaign.state is S.PLANNING:
            self._tick_planning(campaign)
        elif campaign.state in {S.RUNNING, S.SOAKING, S.PAUSED, S.STOPPED, S.ROLLING_BACK}:
            wave = self._wave(campaign)
            self._follow(campaign, self._members(campaign))
            if campaign.state is S.RUNNING:
                self._tick_running(campaign, wave)
            elif campaign.state is S.SOAKING:
                self._tick_soaking(campaign, wave)
            elif campaign.state is S.ROLLING_BACK:
                self._tick_back(campaign, wave)
        campaign.next_at = now() + (LOOK if campaign.state not in {S.PAUSED, S.STOPPED} else timedelta(seconds=30))
        self._session.add(campaign)
        self._session.flush()
        return campaign

    def _members(self, campaign: Campaign, wave: int | None = None) -> list[CampaignMember]:
        return list(queries.members(self._session, campaign.tenant_id, campaign.id, wave))

    def _tick_running(self, campaign: Campaign, wave: CampaignWave) -> None:
        if self._is_held_up(campaign, wave):
            return
        members = self._members(campaign, wave.number)
        failed = len(of_state(members, M.FAILED))
        if rules.is_over_share(failed, wave.size, asked(campaign).stop_share):
            share = f"{asked(campaign).stop_share:.0%}"
            self._stop(campaign, wave, f"{failed} of {wave.size} failed in wave {wave.number}; {share} may.")
            return
        self._start_some(campaign, wave, members)
        self._leave_waiting(campaign, members)
        self._session.flush()
        if all(each.state in rules.SETTLED for each in self._members(campaign, wave.number)):
            self._soak(campaign, wave)

    def _is_held_up(self, campaign: Campaign, wave: CampaignWave) -> bool:
        """Stop where the version may not be chosen any more, pause where nobody is left to act as; tell whether so."""
        namespace, _, name = campaign.asset.partition("/")
        version = AssetService(self._session).version(campaign.tenant_id, namespace, name, campaign.version)
        if MEANINGS[version.state].choice not in OFFERED:
            why = f"{campaign.asset} {campaign.version} is {words(version.state)}"
            self._stop(campaign, wave, f"{why}: {version.state_reason}" if version.state_reason else f"{why}.")
            return True
        try:
            self._acting(campaign)
        except ActorGoneError as error:
            self._pause(campaign, wave, error.detail)
            return True
        return False

    def _soak(self, campaign: Campaign, wave: CampaignWave) -> None:
        members = self._members(campaign, wave.number)
        upgraded, failed = (len(of_state(members, each)) for each in (M.UPGRADED, M.FAILED))
        wave.state, wave.soak_until = WaveState.SOAKING, now() + soak(campaign)
        spec = asked(campaign).analysis
        if spec is not None:
            run = self._analyses.start(campaign.tenant_id, SUBJECT, wave.id, spec, soak(campaign), campaign.actor)
            wave.analysis_id = run.id
        self._session.add(wave)
        self._move(campaign, S.SOAKING)
        data = CampaignWaveSoaking(**stamp(campaign), wave=wave.number, upgraded=upgraded, failed=failed)
        self._tell(campaign, data)

    def _tick_soaking(self, campaign: Campaign, wave: CampaignWave) -> None:
        if self._is_held_up(campaign, wave):
            return
        over = wave.soak_until is not None and now() >= wave.soak_until
        if wave.analysis_id is not None:
            if over:
                self._end_analysis(wave, Ending.FINISHED)
            phase, message = self._analyses.phase_of(campaign.tenant_id, wave.analysis_id)
            if phase in ENDED and phase in BAD:
                wave.analysis_id, wave.message = None, message
                self._session.add(wave)
                if phase is AnalysisPhase.FAILED:
                    self._stop(campaign, wave, f"What was measured of wave {wave.number} is bad: {message}.")
                else:
                    self._pause(campaign, wave, f"What was measured of wave {wave.number} decides nothing: {message}.")
                return
        if over:
            self._pass(campaign, wave)

    def _pass(self, campaign: Campaign, wave: CampaignWave) -> None:
        """Let a wave pass and begin with the next one, or be done."""
        wave.state, wave.finished_at = WaveState.PASSED, now()
        self._session.add(wave)
        self._tell(campaign, CampaignWavePassed(**stamp(campaign), wave=wave.number))
        waves = queries.waves(self._session, campaign.tenant_id, campaign.id)
        if wave.number < len(waves):
            self._start_wave(campaign, waves[wave.number])
        else:
            self._move(campaign, S.DONE)

    def _start_wave(self, campaign: Campaign, wave: CampaignWave) -> None:
        campaign.wave = wave.number
        wave.state, wave.started_at, wave.soak_until, wave.analysis_id = WaveState.RUNNING, now(), None, None
        self._session.add(wave)
        if campaign.state is not S.RUNNING:
            self._move(campaign, S.RUNNING)
        self._tell(campaign, CampaignWaveStarted(**stamp(campaign), wave=wave.number))

    def _pause(self, campaign: Campaign, wave: CampaignWave, reason: str, actor: str = "system") -> None:
        campaign.resume_to = campaign.state
        self._move(campaign, S.PAUSED, reason)
        self._tell(campaign, CampaignPaused(**stamp(campaign), wave=wave.number, reason=reason), actor)

    def _stop(self, campaign: Campaign, wave: CampaignWave, reason: str) -> None:
        wave.state, wave.message = WaveState.STOPPED, reason
        self._session.add(wave)
        self._end_analysis(wave, Ending.STOPPED)
        self._move(campaign, S.STOPPED, reason)
        self._tell(campaign, CampaignStopped(**stamp(campaign), wave=wave.number, reason=reason))
        if asked(campaign).roll_back:
            self._roll_back(campaign, wave, reason, all_waves=False, aborts=False)

    def _roll_back(
        self,
        campaign: Campaign,
        wave: CampaignWave,
        reason: str,
        *,
        all_waves: bool,
        aborts: bool,
        actor: str = "system",
    ) -> None:
        campaign.back_all, campaign.end_aborted = all_waves, aborts
        self._end_analysis(wave, Ending.STOPPED)
        self._move(campaign, S.ROLLING_BACK, reason)
        data = CampaignRollingBack(**stamp(campaign), wave=wave.number, all_waves=all_waves)
        self._tell(campaign, data, actor)

    def _tick_back(self, campaign: Campaign, wave: CampaignWave) -> None:
        """Take back what is upgraded, what came last first, as many at once as upgrades were.

        Installs that are still being upgraded go back when they are through.
        """
        members = self._members(campaign, None if campaign.back_all else wave.number)
        for each in of_state(members, M.HELD, M.WAITING):
            message = "It was not upgraded yet when the wave was rolled back. What it waits for is left alone."
            self._leave(campaign, each, Problem(code="left", message=message))
        open_ = of_state(members, M.UPGRADED, M.RUNNING, M.ROLLING_BACK)
        last = max((each.wave or 0 for each in open_), default=0)
        room = wave.at_once - len(of_state(members, M.ROLLING_BACK))
        ready = [each for each in of_state(members, M.UPGRADED) if each.wave == last]
        ready.sort(key=lambda each: (each.began_at or each.changed_at, each.name), reverse=True)
        for each in ready[: max(room, 0)]:
            self._go_back(campaign, each)
        self._session.flush()
        if of_state(members, M.UPGRADED, M.RUNNING, M.ROLLING_BACK):
            return
        kept = [each.name for each in of_state(members, M.KEPT)]
        reason = campaign.reason + (f" Not rolled back: {', '.join(kept[:10])}." if kept else "")
        for other in queries.waves(self._session, campaign.tenant_id, campaign.id):
            if other.number == wave.number or (campaign.back_all and other.number < wave.number):
                other.state, other.finished_at, other.message = WaveState.ROLLED_BACK, now(), reason
                self._session.add(other)
        self._move(campaign, S.ABORTED if campaign.end_aborted else S.STOPPED, reason)

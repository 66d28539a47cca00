"""Following: what became of each install that is under way, and which begin next."""

from collections.abc import Sequence
from uuid import UUID

from catalog.assets.durations import parse_duration
from catalog.campaigns import queries, rules
from catalog.campaigns.models import Campaign, CampaignMember, CampaignState, CampaignWave, MemberState
from catalog.campaigns.rules import Progress
from catalog.campaigns.service.base import asked, of_state
from catalog.campaigns.service.moving import APPROVAL, Moving
from catalog.clock import now
from catalog.operations.models import Problem

STARTS_AT_ONCE = 25
MOST_ATTEMPTS = 5
_FOLLOWED = (MemberState.RUNNING, MemberState.HELD, MemberState.WAITING, MemberState.ROLLING_BACK)


class Following(Moving):
    """One look at the installs of a campaign."""

    def _follow(self, campaign: Campaign, members: Sequence[CampaignMember]) -> None:
        """Write down how far each install under way came, by the facts as they stand now."""
        moving = of_state(members, *_FOLLOWED)
        self._adopt(campaign.tenant_id, moving)
        known = queries.facts(self._session, campaign.tenant_id, [each.plan_id for each in moving if each.plan_id])
        for member in moving:
            facts = known.get(member.plan_id) if member.plan_id else None
            if facts is None or facts.install is None:
                self._mark(member, MemberState.SKIPPED, Problem(code="removed", message="The install is gone."))
            elif member.state is MemberState.ROLLING_BACK:
                self._follow_back(member, facts)
            else:
                self._follow_on(campaign, member, facts)
        self._session.flush()

    def _adopt(self, tenant_id: UUID, members: Sequence[CampaignMember]) -> None:
        """Go on with the plan that was made in place of one: because something moved, or a person decided."""
        found = queries.followers(self._session, tenant_id, [each.plan_id for each in members if each.plan_id])
        for member in members:
            newer = found.get(member.plan_id) if member.plan_id else None
            if newer is not None:
                member.plan_id, member.attempt = newer, member.attempt + 1
                self._session.add(member)
        self._session.flush()

    def _follow_on(self, campaign: Campaign, member: CampaignMember, facts: queries.Facts) -> None:
        how = rules.progress(facts.plan.state, facts.outcome.state if facts.outcome else None)
        member.revision = facts.revision.number if facts.revision else None
        if how is Progress.DONE:
            self._mark(member, MemberState.UPGRADED)
        elif how is Progress.WAITING:
            if member.state is not MemberState.WAITING:
                self._mark(member, MemberState.WAITING)
        elif how is Progress.FAILED:
            told = facts.plan.problem or (facts.outcome.problem if facts.outcome else None)
            problem = Problem.model_validate(told) if told else Problem(code="declined", message="It was declined.")
            self._mark(member, MemberState.FAILED, problem)
        elif how is Progress.READY:
            self._follow_ready(campaign, member)
        elif member.state is not MemberState.RUNNING:
            self._mark(member, MemberState.RUNNING)

    def _follow_ready(self, campaign: Campaign, member: CampaignMember) -> None:
        """Go on with a plan that waits to be applied, if anything may begin now at all."""
        if campaign.state is CampaignState.ROLLING_BACK:
            message = "It was not upgraded yet when the wave was rolled back."
            self._leave(campaign, member, Problem(code="left", message=message))
        elif member.attempt > MOST_ATTEMPTS:
            message = f"Something moved {member.attempt} times while it was to be upgraded."
            self._mark(member, MemberState.FAILED, Problem(code="never_at_rest", message=message))
        elif campaign.state is CampaignState.RUNNING and rules.is_open(asked(campaign).windows, now()):
            self._go_on(campaign, member)

    def _follow_back(self, member: CampaignMember, facts: queries.Facts) -> None:
        how = rules.progress(facts.plan.state, facts.outcome.state if facts.outcome else None)
        if how is Progress.DONE:
            self._mark(member, MemberState.ROLLED_BACK)
        elif how is Progress.READY and facts.plan.wanted is not None:
            if member.problem is None:
                message = "People have to approve that it goes back. They were asked."
                self._mark(member, MemberState.ROLLING_BACK, Problem(code=APPROVAL, message=message))
        elif how is Progress.FAILED or (how is Progress.READY and facts.plan.auto):
            told = facts.plan.problem or (facts.install.failure if facts.install else None)
            problem = Problem.model_validate(told) if told else Problem(code="not_rolled_back", message="It failed.")
            self._mark(member, MemberState.KEPT, problem)
        elif how is Progress.READY:
            message = "Something moved: look at the plan and apply it by hand."
            self._mark(member, MemberState.KEPT, Problem(code="plan_moved", message=message))

    def _start_some(self, campaign: Campaign, wave: CampaignWave, members: Sequence[CampaignMember]) -> None:
        """Begin with as many installs as may be under way; those that wait for people take no place of others."""
        if not rules.is_open(asked(campaign).windows, now()):
            return
        running = len(of_state(members, MemberState.RUNNING))
        waits = len(of_state(members, MemberState.HELD, MemberState.WAITING))
        room = min(wave.at_once - running, asked(campaign).waiting_at_most - waits - running, STARTS_AT_ONCE)
        for member in of_state(members, MemberState.PLANNED):
            if room <= 0:
                return
            room -= self._begin(campaign, member)

    def _leave_waiting(self, campaign: Campaign, members: Sequence[CampaignMember]) -> None:
        """Go on without those that waited too long; whoever merges a pull request later still can."""
        limit = parse_duration(asked(campaign).patience)
        message = f"Nothing came of it within {asked(campaign).patience}. The campaign went on without it."
        for member in of_state(members, MemberState.HELD, MemberState.WAITING, MemberState.PLANNED):
            if member.waits_since is not None and now() >= member.waits_since + limit:
                self._leave(campaign, member, Problem(code="left", message=message))

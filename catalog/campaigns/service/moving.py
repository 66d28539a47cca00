"""Moving: one install begins, goes on or goes back, by plans of its own like anybody's."""

from datetime import timedelta

from catalog.approvals.models import ApprovalState
from catalog.campaigns import queries
from catalog.campaigns.models import Campaign, CampaignMember, MemberState
from catalog.campaigns.service.base import problem_of
from catalog.campaigns.service.planning import Planning
from catalog.clock import now
from catalog.errors import SlipwayError
from catalog.gating import PolicyRefusedError
from catalog.installs.models import InstallState, PlanState
from catalog.installs.shapes import ApplyPlan, AskRollback, AskUpgrade
from catalog.operations.models import Problem

APPROVAL = "approval_needed"
HELD_AGAIN = timedelta(minutes=5)
"""How long what holds an install up, other than people, is left before it is tried again."""


class Moving(Planning):
    """One install at a time."""

    def _begin(self, campaign: Campaign, member: CampaignMember) -> int:
        """Begin with one install, if it is as it was when it was planned; return how many places it takes."""
        install = queries.locked_install(self._session, campaign.tenant_id, member.install_id)
        if install is None or install.state is InstallState.REMOVED:
            self._mark(member, MemberState.SKIPPED, Problem(code="removed", message="It was uninstalled meanwhile."))
            return 0
        if install.applied_revision != member.base_revision:
            message = f"Revision {install.applied_revision} is there by now: somebody changed it. It is left alone."
            self._mark(member, MemberState.SKIPPED, Problem(code="changed_by_hand", message=message))
            return 0
        others = queries.under_way(self._session, campaign.tenant_id, install.id, campaign.id)
        failed_here = install.state is InstallState.FAILED and member.began_at is not None
        if others or install.plan_id is not None or not (failed_here or install.state is InstallState.APPLIED):
            how = f"of the campaign {others[0]}" if others else f"(it is {install.state})"
            message = f"Another change {how} is under way, or failed. It is left alone while that lasts."
            self._mark(member, MemberState.PLANNED, Problem(code="busy", message=message))
            return 0
        member.began_at = now()
        self._apply(campaign, member)
        return 1

    def _go_on(self, campaign: Campaign, member: CampaignMember) -> None:
        """Go on with an install whose plan is ready: at once, when people have decided, or when it is time again."""
        told = member.problem or {}
        if member.state is MemberState.HELD and told.get("code") == APPROVAL:
            if not self._is_decided(campaign, member):
                return
        elif member.state is MemberState.HELD and now() < member.changed_at + HELD_AGAIN:
            return
        self._apply(campaign, member)

    def _is_decided(self, campaign: Campaign, member: CampaignMember) -> bool:
        """Tell whether people let it go on; a no is a failure, and where nobody decides it is left."""
        if member.plan_id is None:
            return True
        asked = self._installs.plan(campaign.tenant_id, member.plan_id).approvals
        states = {each.state for each in asked}
        if ApprovalState.DENIED in states:
            message = "Somebody who had to approve it said no."
            self._mark(member, MemberState.FAILED, Problem(code="approval_denied", message=message))
            return False
        for state, how in ((ApprovalState.EXPIRED, "expired"), (ApprovalState.VOIDED, "was taken back")):
            if state in states:
                message = f"The question whether it may be upgraded {how}. The campaign goes on without it."
                self._mark(member, MemberState.LEFT, Problem(code=f"approval_{state}", message=message))
                return False
        return all(each.counts for each in asked)

    def _apply(self, campaign: Campaign, member: CampaignMember) -> None:
        """Want the plan of an install applied, or wait for who has to decide, or ask for another plan."""
        known = queries.facts(self._session, campaign.tenant_id, [member.plan_id] if member.plan_id else [])
        facts = known.get(member.plan_id) if member.plan_id else None
        try:
            if facts is None or facts.plan.state is not PlanState.READY or facts.plan.digest is None:
                self._plan_anew(campaign, member)
                return
            with self._session.begin_nested():
                wanted = ApplyPlan(plan=facts.plan.id, digest=facts.plan.digest)
                # Applied by itself it might be at an hour, or in a state of the campaign, at which nothing may begin.
                answer = self._installs.want(self._acting(campaign), wanted, by_itself=False)
        except PolicyRefusedError as refusal:
            refusal.keep(self._session)
            self._mark(member, MemberState.HELD, problem_of(refusal))
        except SlipwayError as error:
            waits = error.status in {403, 409}
            self._mark(member, MemberState.HELD if waits else MemberState.FAILED, problem_of(error))
        else:
            if answer.install is None:
                message = "People have to approve it first. They were asked."
                self._mark(member, MemberState.HELD, Problem(code=APPROVAL, message=message))
            else:
                self._mark(member, MemberState.RUNNING)

    def _plan_anew(self, campaign: Campaign, member: CampaignMember) -> None:
        with self._session.begin_nested():
            wanted = AskUpgrade(version=campaign.version)
            plan = self._installs.plan_upgrade(self._acting(campaign), member.install_id, wanted)
        member.plan_id, member.attempt = plan.id, member.attempt + 1
        self._mark(member, MemberState.RUNNING)

    def _leave(self, campaign: Campaign, member: CampaignMember, problem: Problem) -> None:
        """Leave an install alone, and let nobody decide about it for nothing."""
        if member.plan_id is not None:
            self._installs.let_go(campaign.tenant_id, member.plan_id, problem.message)
        self._mark(member, MemberState.LEFT, problem)

    def _go_back(self, campaign: Campaign, member: CampaignMember) -> None:
        """Ask for the revision that an install had; one that somebody changed since is left alone."""
        install = queries.locked_install(self._session, campaign.tenant_id, member.install_id)
        if install is None or install.applied_revision != member.revision or install.state is not InstallState.APPLIED:
            message = "It was changed after the campaign upgraded it. It is left alone."
            self._mark(member, MemberState.KEPT, Problem(code="changed_by_hand", message=message))
            return
        if others := queries.under_way(self._session, campaign.tenant_id, install.id, campaign.id):
            message = f"The campaign {others[0]} is changing it. It is left alone."
            self._mark(member, MemberState.KEPT, Problem(code="other_campaign", message=message))
            return
        try:
            with self._session.begin_nested():
                back = AskRollback(revision=member.base_revision)
                plan = self._installs.plan_rollback(self._undoing(campaign), member.install_id, back, auto=True)
        except SlipwayError as error:
            self._mark(member, MemberState.KEPT, problem_of(error))
        else:
            member.plan_id = plan.id
            self._mark(member, MemberState.ROLLING_BACK)

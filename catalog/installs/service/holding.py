"""Holding: what stands still before anything has changed, why, and how it goes on once people have said yes."""

from uuid import UUID

from catalog.approvals.errors import ApprovalNeededError
from catalog.errors import SlipwayError
from catalog.gating import PolicyRefusedError, Verdict
from catalog.installs import queries
from catalog.installs.errors import ConflictsUnresolvedError
from catalog.installs.models import Install, InstallPlan, InstallState
from catalog.installs.service.applying import hold_to_decisions
from catalog.installs.service.settling import Settling
from catalog.installs.shapes import ApplyPlan
from catalog.operations.models import OperationState, Problem


class Holding(Settling):
    """A plan that is to be applied by itself, and what may hold it up."""

    def approved(self, tenant_id: UUID, digest: str) -> Install | None:
        """Apply the plan of a digest that somebody wants and people have approved; None where more have to, or nobody.

        Raises ``SlipwayError`` where something stands against it by now.
        """
        plan = queries.wanted_plan(self._session, tenant_id, digest)
        if plan is None:
            return None
        try:
            self._grants(plan)
        except ApprovalNeededError:
            return None
        requester = self._requester(plan)
        self._to_apply(requester, ApplyPlan(plan=plan.id, digest=digest))
        plan.wanted = None
        return self._apply(requester, plan)

    def not_approved(self, tenant_id: UUID, digest: str, problem: Problem, ended: UUID | None = None) -> None:
        """Say why a plan that waited for people is not applied; it can be applied anew, which asks them again.

        ``ended`` is the approval that came to its end; it counts only where no other was asked for in its place.
        """
        plan = queries.wanted_plan(self._session, tenant_id, digest)
        if plan is None:
            return
        standing = {each.approval for each in self._approvals_of(plan)}
        if ended is not None and standing and ended not in standing:
            return  # people were asked anew since
        plan.wanted, plan.problem = None, problem.model_dump()
        self._session.add(plan)
        install = None if plan.install_id is None else self._install(tenant_id, plan.install_id, lock=True)
        if install is not None and install.state is InstallState.HELD:
            self._fail_install(install, None, problem)

    def _go_on(self, plan: InstallPlan, install: Install, verdict: Verdict) -> None:
        try:
            hold_to_decisions(plan)
        except ConflictsUnresolvedError as error:
            self._hold(plan, install, error)
            return
        if not verdict.allowed:
            self._hold(plan, install, PolicyRefusedError(verdict, lambda _: None))
            return
        try:
            self._grants(plan)
        except ApprovalNeededError as error:
            self._hold_for_people(plan, install, error)
            return
        self.demand(plan, install, plan.operation_id, plan.actor)

    def _hold_for_people(self, plan: InstallPlan, install: Install, needed: ApprovalNeededError) -> None:
        try:
            self._ask_people(self._requester(plan), plan)
        except SlipwayError as error:
            self._hold(plan, install, error)
            return
        self._hold(plan, install, needed, held=True)

    def _hold(self, plan: InstallPlan, install: Install, error: SlipwayError, *, held: bool = False) -> None:
        hint = "Look at the plan: it can be applied once nothing stands against it."
        if held:
            hint = "Whoever has to approve was asked. The plan is applied as soon as they have."
        problem = Problem(code=error.code, message=error.detail, hint=hint)
        self._rest(install, held=held)
        install.failure = problem.model_dump()
        install.plan_id = plan.id
        self._touch(install)
        self._finish(plan.tenant_id, plan.operation_id, OperationState.FAILED, problem)

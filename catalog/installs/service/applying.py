"""Applying: a plan that somebody has looked at becomes what is wanted."""

from dataclasses import dataclass
from uuid import UUID

from catalog.approvals.errors import ApprovalNeededError
from catalog.approvals.models import ApprovalRead
from catalog.errors import FieldError
from catalog.gating import GatePoint, pass_gate
from catalog.installs import rules
from catalog.installs.errors import (
    ConflictsUnresolvedError,
    InstallBusyError,
    InstallNotFoundError,
    PlanMovedError,
    PlanNotReadyError,
)
from catalog.installs.events import InstallRequested
from catalog.installs.models import Install, InstallPlan, InstallState, PlanState
from catalog.installs.service.approving import Approving
from catalog.installs.service.base import stamp, subject_of
from catalog.installs.service.planning import APPLY_STEPS, Planning
from catalog.installs.shapes import ApplyPlan
from catalog.installs.targets import TARGETS
from catalog.tenancy import Principal
from catalog.tenants.service import TenantService


@dataclass(frozen=True)
class Wanted:
    """What came of wanting a plan applied: the install, or the approvals that are waited for and None."""

    install: Install | None
    approvals: tuple[ApprovalRead, ...] = ()


class Applying(Planning, Approving):
    """The one way from a plan to a change."""

    def want(self, principal: Principal, asked: ApplyPlan, *, by_itself: bool = True) -> Wanted:
        """Apply a plan, or ask those who have to approve it first: it is applied as soon as they all have.

        Without ``by_itself`` it is only asked for: whoever wants it applied comes back once they have approved it.
        Raises what ``apply`` does, and ``NoApproversError`` where nobody could approve: then nothing is applied.
        """
        plan = self._to_apply(principal, asked)
        try:
            self._grants(plan)
        except ApprovalNeededError:
            return Wanted(None, tuple(self._ask_people(principal, plan, by_itself=by_itself)))
        return Wanted(self._apply(principal, plan))

    def apply(self, principal: Principal, asked: ApplyPlan) -> Install:
        """Ask for a plan to be applied; a worker makes it again first and applies nothing where it is another one.

        Raises ``PlanNotReadyError``, ``PlanMovedError`` where the digest is not the plan's, ``InstallBusyError``,
        ``InstallExistsError``, ``ConflictsUnresolvedError``, ``PolicyRefusedError`` where policies refuse it now, or
        ``ApprovalNeededError`` where people have to approve it first and nobody was asked, or not all have answered.
        """
        plan = self._to_apply(principal, asked)
        self._grants(plan)
        return self._apply(principal, plan)

    def _to_apply(self, principal: Principal, asked: ApplyPlan) -> InstallPlan:
        """Return a plan, locked, that nothing but people may still stand against."""
        principal.require("installs:write")
        plan = self._plan(principal.tenant_id, asked.plan, lock=True)
        principal.require(TARGETS[plan.asked["becomes"]].scope)
        if plan.state is not PlanState.READY or plan.digest is None:
            raise PlanNotReadyError(_why_not_ready(plan))
        if plan.digest != asked.digest:
            detail = f"The plan's digest is {plan.digest}. Look at it again before you apply it."
            raise PlanMovedError(detail, [FieldError("/digest", detail)])
        hold_to_decisions(plan)
        pass_gate(self._session, plan.tenant_id, GatePoint.INSTALL, f"install-plans/{plan.id}", principal.actor)
        return plan

    def _apply(self, principal: Principal, plan: InstallPlan) -> Install:
        install = (
            self._new_install(plan, principal.name)
            if plan.install_id is None
            else self._install(plan.tenant_id, plan.install_id, lock=True)
        )
        if plan.install_id is not None and install.state in rules.BUSY:
            raise InstallBusyError(f"Another change of {install.name} is under way. Wait for its end, then plan again.")
        if install.state is InstallState.REMOVED:
            raise InstallNotFoundError(f"{install.name} was uninstalled.")
        operation = self._operations.start(
            plan.tenant_id, "install.apply", subject_of(install.id), APPLY_STEPS, principal.actor
        )
        plan.install_id = install.id
        self.demand(plan, install, operation.id, principal.actor)
        noted = {"plan": str(plan.id), "action": str(plan.action), "asset": install.asset}
        TenantService(self._session).audit(
            plan.tenant_id, principal.actor, "install.apply", subject_of(install.id), noted
        )
        return install

    def demand(self, plan: InstallPlan, install: Install, operation_id: UUID, actor: str) -> None:
        """Write that a plan is wanted, and let workers know."""
        plan.state = PlanState.APPLYING
        install.plan_id = plan.id
        install.operation_id = operation_id
        install.state = InstallState.PENDING
        install.failure = None
        self._session.add(plan)
        self._touch(install)
        data = InstallRequested(**stamp(install), plan_id=plan.id, operation_id=operation_id, action=plan.action)
        self._tell(plan.tenant_id, subject_of(install.id), data, actor)


def hold_to_decisions(plan: InstallPlan) -> None:
    """Raise ``ConflictsUnresolvedError`` naming the files that both sides changed and nobody has decided about."""
    files = plan.document.get("changes", {}).get("files", ())
    open_files = [each["path"] for each in files if each.get("conflict") and not each.get("resolved")]
    if open_files:
        fix = "Say for each what stays: mine, theirs, or markers."
        raise ConflictsUnresolvedError(
            f"{len(open_files)} files were changed on both sides. {fix}",
            [FieldError(f"/conflicts/{path}", "Both sides changed it.") for path in open_files],
        )


def _why_not_ready(plan: InstallPlan) -> str:
    return {
        PlanState.PLANNING: "The plan is still being made.",
        PlanState.FAILED: "The plan could not be made. Ask for another one.",
        PlanState.APPLYING: "The plan is being applied already.",
        PlanState.APPLIED: "The plan was applied already.",
        PlanState.MOVED: "Something moved, and another plan was made in place of this one.",
        PlanState.READY: "The plan has no digest.",
    }[plan.state]

"""The gate between looking ahead and acting: policies see what the engine would do before anything is changed."""

from collections.abc import Sequence

from sqlmodel import Session

from catalog.environments.models import Environment, Phase
from catalog.environments.service.reports import DeployPlan, EnvironmentReports
from catalog.environments.service.rows import PLAN_REFUSED, REFUSED, find, set_condition
from catalog.gating import GatePoint, PolicyRefusedError, pass_gate, verdict_summary, wants_plan
from catalog.operations.models import Problem
from catalog.operations.service import OperationService
from catalog.settings import Settings
from catalog.stacks.graph import GraphResource, GraphSource, resource_graph
from catalog.stacks.models import Lease


class EnvironmentPlans:
    """What workers ask before they apply a plan; everything happens in the session's transaction."""

    def __init__(self, session: Session, settings: Settings) -> None:
        self._session = session
        self._settings = settings

    def wanted(self, plan: DeployPlan, *, enforced: bool = False) -> bool:
        """Tell whether policies look at what the engine would do, so that it has to look ahead.

        With ``enforced`` those that are only being tried do not count.
        """
        environment = find(self._session, plan.tenant_id, plan.environment_id)
        subject = f"environments/{environment.id}"
        return wants_plan(self._session, plan.tenant_id, _point(environment), subject, enforced=enforced)

    def admit(self, plan: DeployPlan, resources: Sequence[GraphResource]) -> None:
        """Ask policies about what the engine would do; raise ``PolicyRefusedError`` where they do not allow it."""
        environment = find(self._session, plan.tenant_id, plan.environment_id, lock=True)
        graph = resource_graph(
            GraphSource.PREVIEW,
            resources,
            revision=plan.head_sha,
            outputs=list(plan.spec.environment.outputs),
            masks=self._settings.policy_masks,
            secrets=plan.hidden,
        )
        actor = OperationService(self._session).get(plan.tenant_id, plan.operation_id).requested_by
        subject = f"environments/{environment.id}"
        verdict = pass_gate(self._session, plan.tenant_id, _point(environment), subject, actor, graph.as_plan())
        environment.verdict = verdict_summary(verdict)
        self._session.add(environment)

    def refuse(self, lease: Lease, plan: DeployPlan, refusal: PolicyRefusedError) -> None:
        """Report that policies did not let the plan happen: nothing was changed, what served before goes on."""
        hint = "Nothing was changed. Change what is asked for; or it is asked again when policies or exceptions change."
        problem = Problem(code=refusal.code, message=_told(refusal), hint=hint)
        if EnvironmentReports(self._session, self._settings).fail(lease, plan, problem) is not Phase.FAILED:
            return
        environment = find(self._session, plan.tenant_id, plan.environment_id, lock=True)
        environment.verdict = verdict_summary(refusal.verdict)
        message = f"What the engine would do for commit {plan.head_sha[:8]} is not allowed. {refusal.detail}"
        set_condition(environment, REFUSED, PLAN_REFUSED, message, status=False)
        self._session.add(environment)


def _point(environment: Environment) -> GatePoint:
    return GatePoint.ENVIRONMENT_UPDATE if environment.observed_generation else GatePoint.ENVIRONMENT_REQUEST


def _told(refusal: PolicyRefusedError) -> str:
    said = [f"{each.message} ({each.rule})" for each in refusal.verdict.violations[:5]]
    return " ".join(["Policies do not allow what would be done.", *said])[:2000]

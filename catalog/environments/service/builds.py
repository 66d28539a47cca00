"""Builds of commits that wait for an approval: fetched and planned without secrets, and not deployed."""

from dataclasses import replace
from uuid import UUID

from catalog.environments.events import EnvironmentBuilt
from catalog.environments.service.following import BUILT
from catalog.environments.service.reports import DeployPlan, EnvironmentReports
from catalog.environments.service.rows import find, set_condition, stamp, tell
from catalog.environments.service.wishes import inputs_without_secrets

_NONE = UUID(int=0)


class EnvironmentBuilds(EnvironmentReports):
    """What workers ask and report of builds; everything happens in the session's transaction."""

    def plan(self, tenant_id: UUID, environment_id: UUID, head_sha: str) -> DeployPlan | None:
        """Return what deploying a commit without secrets would be; None where it does not wait any more."""
        environment = find(self._session, tenant_id, environment_id)
        if environment.waiting_sha != head_sha:
            return None
        # One that began by itself has no operation before somebody approves its commit; a build needs none.
        plan = self._plan(environment, environment.operation_id or _NONE)
        inputs = inputs_without_secrets(environment, self._settings)
        return replace(plan, head_sha=head_sha, inputs=inputs, secrets=dict.fromkeys(plan.secrets, ""))

    def built(self, tenant_id: UUID, environment_id: UUID, head_sha: str, problem: str) -> None:
        """Report that a commit was fetched and planned, or why it could not be; one of another commit says nothing."""
        environment = find(self._session, tenant_id, environment_id, lock=True)
        if environment.waiting_sha != head_sha:
            return
        commit = f"Commit {head_sha[:12]}"
        told = f"{commit} cannot be built. {problem}" if problem else f"{commit} can be built; nothing of it runs."
        set_condition(environment, BUILT, "NotBuilt" if problem else "Built", told[:1000], status=not problem)
        self._session.add(environment)
        data = EnvironmentBuilt(**stamp(environment), head_sha=head_sha, problem=problem[:1000])
        tell(self._session, environment, data, "system")

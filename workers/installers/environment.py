"""Blueprints: an install is the environment of a pull request, made from just that version."""

from uuid import UUID

from sqlmodel import Session

from catalog.environments.models import Phase, RequestEnvironment
from catalog.environments.service import EphemeralEnvironmentService
from catalog.errors import NotFoundError
from catalog.installs.models import Action, OutcomeState
from catalog.installs.service import Applied, Draft, InstallReports, Proposal, Work
from catalog.operations.models import Problem
from catalog.settings import Settings
from workers.installers import Bench, acting
from workers.installers.repositories import opened


class EnvironmentInstaller:
    """Asks for an environment, and waits until it is ready or gone."""

    name = "environment"

    def plan(self, draft: Draft, bench: Bench) -> Proposal:
        """Say which pull request would get which environment, and at which commit."""
        target = draft.head["target"]
        if draft.action is Action.UNINSTALL:
            return Proposal({"environment": {**target, "ends": True}})
        repository = opened(target["repository"], draft.tenant_id, bench)
        found = repository.pull_request(target["pull_request"], target["branch"])
        spec = draft.version.manifest["spec"].get("environment", {})
        parts = {"components": sorted(spec.get("components", {})), "outputs": sorted(spec.get("outputs", {}))}
        return Proposal({"environment": {**target, **parts, "ends": False}}, {"head_sha": found.head_sha})

    def apply(self, work: Work, bench: Bench) -> Applied:  # noqa: ARG002
        """Do nothing yet: an environment is asked for by a row, and another worker makes it."""
        return Applied(dict(work.outputs))

    def record(self, session: Session, work: Work, applied: Applied, settings: Settings) -> Applied:
        """Ask for the environment, or for its end."""
        principal = acting(work, "environments:write")
        service = EphemeralEnvironmentService(session, settings)
        before = work.previous.get("environment") or work.waiting.get("environment")
        if work.action is Action.UNINSTALL:
            if before is None:
                return applied
            service.destroy(principal, UUID(before))
            return Applied({"environment": before}, OutcomeState.WAITING)
        asked = RequestEnvironment.model_validate(
            {
                **work.content["target"],
                "blueprint": f"{work.asset}=={work.content['version']}",
                "inputs": InstallReports(session, settings).inputs_of(work),
            }
        )
        environment = service.request(principal, asked)
        outputs = {"environment": str(environment.id), "url": settings.preview_url(environment.hostname)}
        return Applied(outputs, OutcomeState.WAITING)

    def look(self, work: Work, bench: Bench) -> Applied | None:
        """Return whether the environment is ready, failed, or gone."""
        with bench.session() as session:
            service = EphemeralEnvironmentService(session, bench.settings)
            try:
                environment = service.get(work.tenant_id, UUID(work.outputs["environment"]))
            except NotFoundError:
                return Applied(work.outputs)
            phase, failure = environment.phase, environment.failure
            outputs = {**work.outputs, **environment.outputs}
        if work.action is Action.UNINSTALL:
            return Applied(work.outputs) if phase is Phase.DESTROYED else None
        if phase in {Phase.READY, Phase.SLEEPING}:
            return Applied(outputs)
        if phase is Phase.FAILED and failure is not None:
            return Applied(work.outputs, OutcomeState.FAILED, Problem.model_validate(failure))
        if phase is Phase.DESTROYED:
            problem = Problem(
                code="environment_destroyed", message="The environment was destroyed before it was ready."
            )
            return Applied(work.outputs, OutcomeState.DECLINED, problem)
        return None


INSTALLER = EnvironmentInstaller()

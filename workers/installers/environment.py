"""Blueprints: an install is the environment of a pull request, made from just that version."""

from collections.abc import Mapping
from secrets import token_urlsafe
from typing import Any
from uuid import UUID, uuid4

from sqlmodel import Session

from catalog.environments.models import Phase, RequestEnvironment
from catalog.environments.service import (
    PROJECT,
    EphemeralEnvironmentService,
    Prospect,
    address_of,
    prospect,
    standing,
)
from catalog.errors import NotFoundError
from catalog.installs.models import Action, OutcomeState
from catalog.installs.service import Applied, Draft, InstallReports, Proposal, Work
from catalog.operations.models import Problem
from catalog.secrets import SecretBox
from catalog.settings import Settings
from workers.engine import StackRef, StackRequest
from workers.environment_parts import part_packages
from workers.environment_program import environment_program
from workers.installers import Bench, acting
from workers.installers.previewing import previewed, removal
from workers.installers.repositories import opened
from workers.repository_files import completed, mirrors_of
from workers.targets import Place


class EnvironmentInstaller:
    """Asks for an environment, and waits until it is ready or gone."""

    name = "environment"

    def plan(self, draft: Draft, bench: Bench) -> Proposal:
        """Say which pull request would get which environment, and at which commit."""
        target = draft.head["target"]
        if draft.action is Action.UNINSTALL:
            with bench.session() as session:
                stack = standing(session, draft.tenant_id, target["repository"], target["pull_request"])
            return Proposal({"environment": {**target, "ends": True}}, preview=removal(bench, stack))
        asked = _asked(target, draft.head["asset"], draft.head["version"], draft.inputs)
        with bench.session() as session:
            found = prospect(session, bench.settings, draft.tenant_id, asked)
        spec = found.plan.spec.environment
        parts = {"components": sorted(spec.components), "outputs": sorted(spec.outputs)}
        changes = {"environment": {**target, **parts, "ends": False}}
        return Proposal(changes, {"head_sha": found.plan.head_sha}, preview=_preview(found, bench))

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
        inputs = InstallReports(session, settings).inputs_of(work)
        asked = _asked(work.content["target"], work.asset, work.content["version"], inputs)
        environment = service.request(principal, asked)
        outputs = {"environment": str(environment.id), "url": address_of(environment, settings)}
        return Applied(outputs, OutcomeState.WAITING)

    def look(self, work: Work, bench: Bench) -> Applied | None:
        """Return whether the environment is ready, failed for good, or gone."""
        with bench.session() as session:
            service = EphemeralEnvironmentService(session, bench.settings)
            try:
                environment = service.get(work.tenant_id, UUID(work.outputs["environment"]))
            except NotFoundError:
                return Applied(work.outputs)
            phase, failure = environment.phase, environment.failure
            tried_again = environment.retry_at is not None
            outputs = {**work.outputs, **environment.outputs}
        if work.action is Action.UNINSTALL:
            return Applied(work.outputs) if phase is Phase.DESTROYED else None
        if phase in {Phase.READY, Phase.SLEEPING}:
            return Applied(outputs)
        if phase is Phase.FAILED and failure is not None and not tried_again:
            return Applied(work.outputs, OutcomeState.FAILED, Problem.model_validate(failure))
        if phase is Phase.DESTROYED:
            problem = Problem(
                code="environment_destroyed", message="The environment was destroyed before it was ready."
            )
            return Applied(work.outputs, OutcomeState.DECLINED, problem)
        return None


def _asked(target: Mapping[str, Any], asset: str, version: str, inputs: Mapping[str, Any]) -> RequestEnvironment:
    wanted = {**target, "blueprint": f"{asset}=={version}", "inputs": dict(inputs)}
    return RequestEnvironment.model_validate(wanted)


def _preview(found: Prospect, bench: Bench) -> dict[str, Any] | None:
    """Return what the engine would do to the environment's stack, or to one that is not there yet."""
    plan, settings = found.plan, bench.settings
    if bench.engine is None or settings.install_preview_seconds == 0:
        return None
    repository = opened(plan.repository, plan.tenant_id, bench)
    mirror = repository.mirror(plan.head_sha, plan.pull_request.number, settings.data_dir / "repositories")
    folder = settings.data_dir / "environments" / str(plan.environment_id)
    place = Place(settings, mirror, folder, mirrors_of(bench, plan))
    plan, stack = completed(plan, place), found.stack
    outputs = sorted(plan.spec.environment.outputs)
    secrets = found.secrets | frozenset(plan.credentials.values())
    with part_packages(plan, bench) as packages:
        request = StackRequest(
            stack=StackRef(PROJECT, f"preview-{uuid4().hex}") if stack is None else StackRef(stack.project, stack.name),
            passphrase=token_urlsafe() if stack is None else SecretBox(settings).passphrase(f"stacks/{stack.id}"),
            program=environment_program(plan, place, packages),
            time_limit=settings.install_preview_seconds,
        )
        return previewed(bench, request, revision=plan.head_sha, outputs=outputs, secrets=secrets)


INSTALLER = EnvironmentInstaller()

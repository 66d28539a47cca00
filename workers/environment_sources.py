"""The source of environments: commits brought to this machine, where a blueprint says so before their turn."""

from datetime import timedelta
from pathlib import Path
from uuid import UUID

from catalog.environments.events import EnvironmentCommitQueued
from catalog.environments.service import DeployPlan, EphemeralEnvironmentService
from catalog.environments.specs import spec_of
from catalog.errors import SlipwayError
from catalog.scm.service import ScmService
from catalog.secrets import SecretBox
from catalog.settings import Settings
from catalog.stacks.models import Stack
from workers.engine import StackProgram, StackRef, StackRequest
from workers.repository_files import completed, mirrors_of
from workers.runtime.worker import JobContext, Worker
from workers.targets import Place

WORKER = Worker("environment_sources", queue="environments")


def mirrored(context: JobContext, tenant_id: UUID, address: str, commit: str, pull_request: int) -> Path:
    """Bring a pull request's commit to this machine and return the bare repository that holds it."""
    with context.session(tenant_id) as session:
        repository = ScmService(session, context.settings).open(tenant_id, address)
    return repository.mirror(commit, pull_request, context.settings.data_dir / "repositories")


def directory_of(settings: Settings, environment_id: UUID) -> Path:
    """Return the folder of an environment's own files."""
    return settings.data_dir / "environments" / str(environment_id)


def stack_request(settings: Settings, stack: Stack, program: StackProgram | None = None) -> StackRequest:
    """Return what the engine is asked to do with an environment's stack; without a program nothing of it stays."""
    return StackRequest(
        stack=StackRef(stack.project, stack.name),
        passphrase=SecretBox(settings).passphrase(f"stacks/{stack.id}"),
        program=program or StackProgram(resources=()),
        labels={"slipway:owner": stack.owner, "slipway:tenant": str(stack.tenant_id)},
        time_limit=float(settings.operation_time_limit_seconds),
    )


def place_of(context: JobContext, plan: DeployPlan) -> Place:
    """Fetch a plan's commit, and return where its environment is made from."""
    mirror = mirrored(context, plan.tenant_id, plan.repository, plan.head_sha, plan.pull_request.number)
    directory = directory_of(context.settings, plan.environment_id)
    return Place(context.settings, mirror, directory, mirrors_of(context, plan))


def source_left(context: JobContext, plan: DeployPlan) -> tuple[DeployPlan, Place, bool]:
    """Return the plan with what its commit describes, where it is made from, and whether that can be had (still)."""
    place = Place(context.settings, context.settings.data_dir, directory_of(context.settings, plan.environment_id))
    is_there = False
    try:
        place = place_of(context, plan)
        is_there = True
        return completed(plan, place), place, is_there
    except SlipwayError:
        # Files that go are brought again when it wakes; what runs has to stop now.
        return plan, place, is_there


@WORKER.on(EnvironmentCommitQueued)
@WORKER.job("environments.fetch_ahead", time_limit=timedelta(minutes=5), max_attempts=2)
def fetch_ahead(context: JobContext) -> None:
    """Fetch a commit while the one before it is deployed, where the blueprint allows both at once."""
    asked = context.event(EnvironmentCommitQueued)
    if context.tenant_id is None:
        return
    with context.session(context.tenant_id) as session:
        service = EphemeralEnvironmentService(session, context.settings)
        environment = service.get(context.tenant_id, asked.environment_id)
        allowed = spec_of(environment).follow.concurrency == "allow"
        address, number = environment.repository, environment.pull_request
        wanted = asked.head_sha in environment.backlog
    if allowed and wanted:
        mirrored(context, context.tenant_id, address, asked.head_sha, number)

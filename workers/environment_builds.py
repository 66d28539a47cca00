"""Commits of forks and drafts that are only built: fetched and planned, without secrets and with no effect."""

from datetime import timedelta
from functools import partial

from catalog.environments.events import EnvironmentBuildRequested
from catalog.environments.service import EnvironmentBuilds
from catalog.errors import SlipwayError
from workers.engine import EngineError, ErrorKind
from workers.engine_resource import ENGINE
from workers.environment_parts import part_packages
from workers.environment_program import environment_program
from workers.environment_sources import place_of, stack_request
from workers.ephemeral_env import recover
from workers.installers.previewing import concealed
from workers.leases import HeldLease, held
from workers.repository_files import completed
from workers.runtime.worker import Interrupted, JobContext, Worker

WORKER = Worker("environment_builds", queue="environments")


@WORKER.on(EnvironmentBuildRequested)
@WORKER.job("environments.build_only", time_limit=timedelta(minutes=10), max_attempts=4)
def build_only(context: JobContext) -> None:
    """Fetch a commit and have the engine look ahead, and say on the environment's page whether that went well."""
    asked = context.event(EnvironmentBuildRequested)
    tenant_id = context.tenant_id
    if tenant_id is None:
        return
    with context.session(tenant_id) as session:
        builds = EnvironmentBuilds(session, context.settings)
        plan = builds.plan(tenant_id, asked.environment_id, asked.head_sha)
        stack = None if plan is None else builds.stack(tenant_id, asked.environment_id)
    if plan is None or stack is None:
        return
    problem = ""
    with held(context, tenant_id, stack.id) as hand:
        recover(context, hand, stack, plan.environment_id)
        try:
            place = place_of(context, plan)
            plan = completed(plan, place)
            with part_packages(plan, context) as packages:
                program = environment_program(plan, place, packages)
                request = stack_request(context.settings, stack, program)
                context.resource(ENGINE).preview(request, should_stop=partial(_stops, context, hand))
        except (SlipwayError, EngineError) as error:
            if isinstance(error, EngineError) and error.kind is not ErrorKind.FAILED:
                raise Interrupted(concealed(error.message, plan.hidden)) from None
            problem = concealed(str(error), plan.hidden)
    with context.session(tenant_id) as session:
        builds = EnvironmentBuilds(session, context.settings)
        builds.built(tenant_id, asked.environment_id, asked.head_sha, problem)


def _stops(context: JobContext, hand: HeldLease) -> bool:
    return context.should_stop() or hand.lost.is_set()

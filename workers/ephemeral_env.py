"""EphemeralEnvWorker: makes, moves and removes the environments of pull requests."""

import time
from collections.abc import Callable, Collection, Iterable, Sequence
from dataclasses import asdict
from datetime import timedelta
from uuid import UUID

from catalog.assets.inputs import HIDDEN
from catalog.environments.errors import TransitionError, UnreadableSpecError
from catalog.environments.events import (
    EnvironmentDestroyRequested,
    EnvironmentRequested,
    EnvironmentSleepRequested,
    EnvironmentUpdateRequested,
)
from catalog.environments.service import DeployPlan, DestroyPlan, EnvironmentPlans, EnvironmentReports
from catalog.errors import QuotaExceededError, SlipwayError, UnavailableError
from catalog.gating import PolicyRefusedError
from catalog.operations.models import Problem
from catalog.providers.targets import target
from catalog.stacks.graph import GraphResource
from catalog.stacks.models import Stack, StackResource
from workers.engine import (
    EngineError,
    ErrorKind,
    GraphNode,
    StackRef,
    StackRequest,
)
from workers.engine_resource import ENGINE
from workers.environment_parts import packages_left, part_packages
from workers.environment_program import environment_program, parts_asleep, sleeping_program
from workers.environment_sources import directory_of, place_of, source_left, stack_request
from workers.environment_story import Story
from workers.foresight import held_asleep, held_to
from workers.installers.previewing import concealed, concealed_in
from workers.leases import HeldLease, held
from workers.removal import remove_folder
from workers.repository_files import completed
from workers.runtime.worker import Interrupted, JobContext, Retry, Worker
from workers.targets import program_target

# Slow operations leave threads to everything else that the process does.
WORKER = Worker("ephemeral_env", queue="environments", concurrency=4)

LOOK_AGAIN_SECONDS = 1.0
SLEEP_AGAIN = timedelta(minutes=1)


class _Asked:
    """What a deploy event asks for, whichever of the two it is."""

    def __init__(self, tenant_id: UUID, event: EnvironmentRequested | EnvironmentUpdateRequested) -> None:
        self.tenant_id = tenant_id
        self.environment_id = event.environment_id
        self.generation = event.generation
        self.operation_id = event.operation_id


def _asked(context: JobContext) -> _Asked:
    event = context.envelope.event() if context.envelope is not None else None
    if not isinstance(event, EnvironmentRequested | EnvironmentUpdateRequested):
        raise TypeError(f"{context.job} is started by requests for an environment alone")
    return _Asked(_tenant(context), event)


def _tenant(context: JobContext) -> UUID:
    if context.tenant_id is None:
        raise ValueError(f"{context.job} needs a tenant")
    return context.tenant_id


def _give_up(context: JobContext, reason: str) -> None:
    """Tell whoever waits that no further try is made, so that nothing looks as if it were still being worked on."""
    asked = _asked(context)
    with context.session() as session:
        reports = EnvironmentReports(session, context.settings)
        stack = reports.stack(asked.tenant_id, asked.environment_id)
    with held(context, asked.tenant_id, stack.id) as hand:
        hint = "Request the environment again, or see the worker's log."
        _abandon(context, hand, asked, Problem(code="internal", message=reason, hint=hint))


def _abandon(context: JobContext, hand: HeldLease, asked: _Asked, problem: Problem) -> None:
    with context.session() as session:
        reports = EnvironmentReports(session, context.settings)
        reports.abandon(hand.lease, asked.environment_id, asked.generation, asked.operation_id, problem)


@WORKER.on(EnvironmentRequested, EnvironmentUpdateRequested)
@WORKER.job(
    "environments.provision",
    time_limit=timedelta(minutes=20),
    max_attempts=4,
    when_dead=_give_up,
)
def provision(context: JobContext) -> None:
    """Bring about the generation that the event asks for, unless something newer is wanted."""
    asked = _asked(context)
    with context.session() as session:
        reports = EnvironmentReports(session, context.settings)
        if reports.set_aside(asked.tenant_id, asked.environment_id, asked.generation, asked.operation_id):
            return
        stack = reports.stack(asked.tenant_id, asked.environment_id)
    with held(context, asked.tenant_id, stack.id) as hand:
        recover(context, hand, stack, asked.environment_id)
        try:
            with context.session() as session:
                reports = EnvironmentReports(session, context.settings)
                plan = reports.begin(hand.lease, asked.environment_id, asked.generation, asked.operation_id)
        except TransitionError:
            with context.session() as session:
                reports = EnvironmentReports(session, context.settings)
                reports.set_aside(asked.tenant_id, asked.environment_id, asked.generation, asked.operation_id)
            return
        except UnreadableSpecError as error:
            _abandon(context, hand, asked, Problem(code=error.code, message=error.detail))
            return
        _deploy(context, hand, stack, plan)


@WORKER.on(EnvironmentDestroyRequested)
@WORKER.job("environments.tear_down", time_limit=timedelta(minutes=20), max_attempts=12)
def tear_down(context: JobContext) -> None:
    """Remove everything an environment consists of, and say so only once nothing is found any more."""
    asked = context.event(EnvironmentDestroyRequested)
    tenant_id = _tenant(context)
    with context.session() as session:
        reports = EnvironmentReports(session, context.settings)
        if reports.forget_untouched(tenant_id, asked.environment_id, asked.operation_id):
            return
        stack = reports.stack(tenant_id, asked.environment_id)
    with held(context, tenant_id, stack.id) as hand:
        with context.session() as session:
            reports = EnvironmentReports(session, context.settings)
            plan = reports.start_destroy(hand.lease, asked.environment_id, asked.operation_id)
        if plan is not None:
            _destroy(context, hand, stack, plan)


@WORKER.on(EnvironmentSleepRequested)
@WORKER.job("environments.put_to_sleep", time_limit=timedelta(minutes=10), max_attempts=6)
def put_to_sleep(context: JobContext) -> None:
    """Stop what runs of an environment that sleeps; its address stays and wakes it."""
    asked = context.event(EnvironmentSleepRequested)
    tenant_id = _tenant(context)
    with context.session() as session:
        stack = EnvironmentReports(session, context.settings).stack(tenant_id, asked.environment_id)
    with held(context, tenant_id, stack.id) as hand:
        try:
            recover(context, hand, stack, asked.environment_id)
        except EngineError as error:
            raise Retry(SLEEP_AGAIN, error.message) from None
        with context.session() as session:
            reports = EnvironmentReports(session, context.settings)
            plan = reports.start_sleep(hand.lease, asked.environment_id, asked.generation, asked.operation_id)
        if plan is not None:
            _halt(context, hand, stack, plan)


def _halt(context: JobContext, hand: HeldLease, stack: Stack, plan: DeployPlan) -> None:
    story = Story(context, plan.tenant_id, plan.operation_id)
    story.hidden = plan.hidden
    story.step("stop")
    try:
        plan, place, with_files = source_left(context, plan)
        story.hidden = plan.hidden
        with packages_left(plan, context, parts_asleep(plan, stack.resources)) as packages:
            program = sleeping_program(plan, place, packages, stack.resources, with_files=with_files)
            request = stack_request(context.settings, stack, program)
            stopping = _stopping(context, hand, plan, EnvironmentReports.is_asleep)
            request = _look_ahead(context, plan, request, stopping, asleep=True)
            result = context.resource(ENGINE).up(request, story.hear, stopping)
    except (SlipwayError, EngineError) as error:
        message = concealed(str(error), plan.hidden)
        if context.should_stop() or hand.lost.is_set():
            raise Interrupted(message) from None
        interrupted = isinstance(error, EngineError) and error.kind is not ErrorKind.FAILED
        with context.session() as session:
            reports = EnvironmentReports(session, context.settings)
            again = reports.sleep_failed(hand.lease, plan, message, interrupted=interrupted)
        if again:
            raise Retry(SLEEP_AGAIN, message) from None
        return
    resources = [StackResource(type=each.type, name=each.name, id=each.id) for each in result.resources]
    with context.session() as session:
        EnvironmentReports(session, context.settings).slept(hand.lease, plan, resources)
        context.complete(session)


def recover(context: JobContext, hand: HeldLease, stack: Stack, environment_id: UUID) -> None:
    """Look at what an interrupted operation left before anything else is done to the stack."""
    if not hand.lease.interrupted:
        return
    with context.session() as session:
        reports = EnvironmentReports(session, context.settings)
        reports.lose(hand.lease.tenant_id, environment_id)
        hidden = reports.hidden(hand.lease.tenant_id, environment_id)
    try:
        context.resource(ENGINE).recover(stack_request(context.settings, stack))
    except EngineError as error:
        raise EngineError(error.kind, concealed(error.message, hidden), resource=error.resource) from None
    with context.session() as session:
        EnvironmentReports(session, context.settings).recovered(hand.lease, environment_id)


def _deploy(context: JobContext, hand: HeldLease, stack: Stack, plan: DeployPlan) -> None:
    """Fetch the commit, apply the program, and report how it went."""
    story = Story(context, plan.tenant_id, plan.operation_id, deploys=program_target(plan.target))
    story.hidden = plan.hidden
    replaced = plan.spec.follow.concurrency == "replace"
    goes_on = EnvironmentReports.is_current if replaced else EnvironmentReports.is_wanted
    stopping = _stopping(context, hand, plan, goes_on)
    try:
        story.step("source")
        place = place_of(context, plan)
        plan = completed(plan, place)
        story.hidden = plan.hidden
        story.step("prepare")
        with context.session() as session:
            EnvironmentReports(session, context.settings).check_secrets(plan)
        with context.session() as session:
            EnvironmentReports(session, context.settings).take_room(plan)
        with part_packages(plan, context) as packages:
            program = environment_program(plan, place, packages)
            request = stack_request(context.settings, stack, program)
            request = _look_ahead(context, plan, request, stopping)
            result = context.resource(ENGINE).up(request, story.hear, stopping)
    except PolicyRefusedError as refusal:
        with context.session() as session:
            EnvironmentPlans(session, context.settings).refuse(hand.lease, plan, refusal)
            context.complete(session)
        return
    except SlipwayError as error:
        problem = Problem(code=error.code, message=concealed(error.detail, plan.hidden))
        _fail(context, hand, plan, problem, passing=isinstance(error, UnavailableError | QuotaExceededError))
        return
    except EngineError as error:
        if context.should_stop() or hand.lost.is_set():
            raise Interrupted(concealed(error.message, plan.hidden)) from None
        interrupted, passing = error.kind is not ErrorKind.FAILED, error.kind is ErrorKind.UNAVAILABLE
        _fail(context, hand, plan, _problem(error, plan.hidden), interrupted=interrupted, passing=passing)
        return
    resources = [StackResource(type=each.type, name=each.name, id=each.id) for each in result.resources]
    with context.session() as session:
        reports = EnvironmentReports(session, context.settings)
        # A secret output of a component is named and stays in the engine's state, where it is encrypted.
        outputs = {**concealed_in(result.outputs, plan.hidden), **dict.fromkeys(result.secret_outputs, HIDDEN)}
        reports.succeed(hand.lease, plan, resources, outputs, _graph(result.graph))
        context.complete(session)


def _look_ahead(
    context: JobContext, plan: DeployPlan, request: StackRequest, stopping: Callable[[], bool], *, asleep: bool = False
) -> StackRequest:
    """Ask policies about what the engine would do, before it does anything; only where some of them look at that.

    Returns the request with everything held to what they were asked about.
    """
    with context.session() as session:
        plans = EnvironmentPlans(session, context.settings)
        is_held = plans.wanted(plan, enforced=True)
        looks = is_held and bool(request.program.parts) if asleep else is_held or plans.wanted(plan)
    if not looks:
        return request
    preview = context.resource(ENGINE).preview(request, should_stop=stopping)
    if asleep:
        return held_asleep(request, preview)
    with context.session() as session:
        EnvironmentPlans(session, context.settings).admit(plan, _graph(preview.graph))
    return held_to(request, preview) if is_held else request


def _graph(nodes: Iterable[GraphNode]) -> list[GraphResource]:
    return [GraphResource(**{**asdict(each), "operation": str(each.operation)}) for each in nodes]


def _fail(
    context: JobContext,
    hand: HeldLease,
    plan: DeployPlan,
    problem: Problem,
    *,
    interrupted: bool = False,
    passing: bool = False,
) -> None:
    with context.session() as session:
        reports = EnvironmentReports(session, context.settings)
        reports.fail(hand.lease, plan, problem, interrupted=interrupted, passing=passing)
        context.complete(session)


def _destroy(context: JobContext, hand: HeldLease, stack: Stack, plan: DestroyPlan) -> None:
    """Remove, look, and report: gone, or what is left and when it is tried again."""
    story = Story(context, plan.tenant_id, plan.operation_id)
    story.hidden = plan.hidden
    story.step("destroy")
    engine = context.resource(ENGINE)
    request = stack_request(context.settings, stack)
    try:
        if hand.lease.interrupted:
            engine.recover(request)
        engine.destroy(request, story.hear, lambda: context.should_stop() or hand.lost.is_set())
    except EngineError as error:
        message = concealed(error.message, plan.hidden)
        if context.should_stop() or hand.lost.is_set():
            raise Interrupted(message) from None
        _remains(context, hand, plan, message)
    with context.session() as session:
        EnvironmentReports(session, context.settings).verifying(hand.lease, plan)
    story.step("verify")
    try:
        left = _left(context, stack, plan)
    except (SlipwayError, EngineError) as error:
        left = [f"something that could not be looked for ({concealed(str(error), plan.hidden)})"]
    looked_for = (f"processes and route ({stack.target})", "files", f"stack {stack.name}")
    if left:
        _remains(context, hand, plan, f"Something is left: {', '.join(left)}.", looked_for, left)
    with context.session() as session:
        EnvironmentReports(session, context.settings).destroyed(hand.lease, plan, looked_for)
        context.complete(session)


def _remains(
    context: JobContext,
    hand: HeldLease,
    plan: DestroyPlan,
    message: str,
    looked_for: Sequence[str] = (),
    left: Sequence[str] = (),
) -> None:
    with context.session() as session:
        reports = EnvironmentReports(session, context.settings)
        after = reports.destroy_failed(hand.lease, plan, message, looked_for, left)
    raise Retry(after, message)


def _left(context: JobContext, stack: Stack, plan: DestroyPlan) -> list[str]:
    """Name everything of the environment that is still found: processes, route, files, stack."""
    directory = directory_of(context.settings, plan.environment_id)
    remove_folder(directory)
    place = target(stack.target, context.settings)
    left = list(place.inventory(plan.environment_id, plan.hostname))
    if not left:
        place.forget(plan.environment_id)
    if directory.exists():
        left.append("its files")
    if context.resource(ENGINE).exists(StackRef(stack.project, stack.name)):
        left.append(f"the stack {stack.name}")
    return left


def _stopping(
    context: JobContext,
    hand: HeldLease,
    plan: DeployPlan,
    goes_on: Callable[[EnvironmentReports, UUID, UUID, int], bool],
) -> Callable[[], bool]:
    """Return what the engine asks: stop when told to, when the lease is lost, or when something newer is wanted."""
    looked_at = time.monotonic()
    outdated = False

    def should_stop() -> bool:
        nonlocal looked_at, outdated
        if time.monotonic() - looked_at >= LOOK_AGAIN_SECONDS:
            looked_at = time.monotonic()
            with context.session() as session:
                reports = EnvironmentReports(session, context.settings)
                outdated = not goes_on(reports, plan.tenant_id, plan.environment_id, plan.generation)
        return outdated or context.should_stop() or hand.lost.is_set()

    return should_stop


def _problem(error: EngineError, hidden: Collection[str]) -> Problem:
    hints = {
        ErrorKind.UNAVAILABLE: "Run `slipway doctor` where the worker runs: it says what is missing.",
        ErrorKind.TIMEOUT: "Make the application start faster, or raise SLIPWAY_OPERATION_TIME_LIMIT_SECONDS.",
        ErrorKind.FAILED: "Mend the application or its inputs, push, and it is tried again.",
    }
    return Problem(code=f"engine_{error.kind}", message=concealed(error.message, hidden), hint=hints.get(error.kind))

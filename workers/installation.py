"""InstallationWorker: works plans out and brings about what was planned, step by step and again after any crash."""

import math
from datetime import timedelta
from uuid import UUID

from catalog.approvals.events import ApprovalDenied, ApprovalExpired, ApprovalGranted, ApprovalVoided
from catalog.environments.events import EnvironmentDestroyed, EnvironmentFailed, EnvironmentReady
from catalog.errors import SlipwayError
from catalog.installs.events import InstallPlanRequested, InstallRequested
from catalog.installs.service import APPROVALS, Draft, InstallReports, Work
from catalog.operations.models import Problem
from catalog.providers.scm import CredentialsRefusedError, RateLimitedError
from catalog.scm.events import PullRequestClosed, PullRequestSynchronized
from workers.engine_resource import ENGINE
from workers.installers import Bench, installers
from workers.leases import held
from workers.runtime.worker import GiveUp, Interrupted, JobContext, Retry, Worker
from workers.sandbox import Outcome, SandboxError, Stopped, Task
from workers.upload_checking import SANDBOX

WORKER = Worker("installation", queue="installs", concurrency=4)

MOST_LOOKED_AT = 500
_ENDS = {ApprovalDenied: "denied", ApprovalExpired: "expired", ApprovalVoided: "voided"}
ELSEWHERE_SECONDS = 60.0
LONGEST_PAUSE_SECONDS = 300.0
"""For how long a plan is put off because a server takes no more requests; where it wants longer, the plan says so."""


def _tenant(context: JobContext) -> UUID:
    if context.tenant_id is None:
        raise ValueError(f"{context.job} needs a tenant")
    return context.tenant_id


def _bench(context: JobContext, tenant_id: UUID) -> Bench:
    def run(task: Task) -> Outcome:
        outcome = context.resource(SANDBOX).run(task, context.should_stop)
        if outcome.stopped is Stopped.CANCELLED:
            raise Interrupted("the work was stopped")
        return outcome

    return Bench(
        context.settings,
        run,
        lambda: context.session(tenant_id),
        lambda: context.resource(ENGINE),
        context.should_stop,
        lambda stack_id: held(context, tenant_id, stack_id),
    )


def _problem(error: SlipwayError) -> Problem:
    lines = [error.detail, *(f"{each.pointer}: {each.detail}" for each in error.errors if each.detail != error.detail)]
    return Problem(code=error.code, message=" ".join(lines[:6]))


def _put_off(error: SlipwayError, longest: float = math.inf) -> None:
    """Try again when a server that was asked too much takes requests again, if that is soon enough."""
    if isinstance(error, RateLimitedError) and error.retry_after <= longest:
        raise Retry(timedelta(seconds=error.retry_after), error.detail) from None


def _plan_given_up(context: JobContext, reason: str) -> None:
    """Tell whoever waits that the plan is not tried again."""
    asked = context.event(InstallPlanRequested)
    problem = Problem(code="internal", message=reason, hint="Plan again, or see the worker's log.")
    with context.session() as session:
        InstallReports(session, context.settings).refuse_plan(_tenant(context), asked.plan_id, problem)


@WORKER.on(InstallPlanRequested)
@WORKER.job("installs.plan", time_limit=timedelta(minutes=5), max_attempts=4, when_dead=_plan_given_up)
def plan(context: JobContext) -> None:
    """Work out what a plan would change, ask the gates, and write it down."""
    asked, tenant_id = context.event(InstallPlanRequested), _tenant(context)
    try:
        with context.session() as session:
            draft = InstallReports(session, context.settings).begin_plan(tenant_id, asked.plan_id)
        if draft is None:
            return
        proposal = installers()[draft.head["becomes"]].plan(draft, _bench(context, tenant_id))
    except SandboxError as error:
        raise GiveUp(str(error)) from None
    except SlipwayError as error:
        _put_off(error, LONGEST_PAUSE_SECONDS)
        with context.session() as session:
            reports = InstallReports(session, context.settings)
            reports.refuse_plan(tenant_id, asked.plan_id, _problem(error))
            context.complete(session)
        return
    with context.session() as session:
        InstallReports(session, context.settings).conclude_plan(draft, proposal)
        context.complete(session)


def _work_given_up(context: JobContext, reason: str) -> None:
    """Tell whoever waits that the plan is not applied."""
    asked = context.event(InstallRequested)
    problem = Problem(code="internal", message=reason, hint="Plan again, or see the worker's log.")
    with context.session() as session:
        InstallReports(session, context.settings).fail(_tenant(context), asked.plan_id, problem)


@WORKER.on(InstallRequested)
@WORKER.job("installs.materialise", time_limit=timedelta(minutes=20), max_attempts=6, when_dead=_work_given_up)
def materialise(context: JobContext) -> None:
    """Apply a plan, if nothing has moved: compare again, write the revision down, bring it about, say so."""
    asked, tenant_id = context.event(InstallRequested), _tenant(context)
    bench = _bench(context, tenant_id)
    try:
        work = _recorded(context, tenant_id, asked.plan_id, bench)
        if work is None:
            return
        installer = installers()[work.content["becomes"]]
        with context.session() as session:
            InstallReports(session, context.settings).applying(work)
        applied = installer.apply(work, bench)
        with context.session() as session:
            applied = installer.record(session, work, applied, context.settings)
            InstallReports(session, context.settings).conclude(work, applied)
            context.complete(session)
    except SandboxError as error:
        raise GiveUp(str(error)) from None
    except SlipwayError as error:
        _put_off(error)
        if error.status >= 500 and not isinstance(error, CredentialsRefusedError):
            raise  # something outside does not answer: it is tried again
        with context.session() as session:
            InstallReports(session, context.settings).fail(tenant_id, asked.plan_id, _problem(error))
            context.complete(session)


def _recorded(context: JobContext, tenant_id: UUID, plan_id: UUID, bench: Bench) -> Work | None:
    """Return the revision to bring about, written down now or by a worker before; None where there is none."""
    with context.session() as session:
        found = InstallReports(session, context.settings).begin(tenant_id, plan_id)
    if not isinstance(found, Draft):
        return found
    proposal = installers()[found.head["becomes"]].plan(found, bench)
    with context.session() as session:
        return InstallReports(session, context.settings).record(found, proposal)


@WORKER.on(ApprovalGranted)
@WORKER.job("installs.apply_approved", time_limit=timedelta(minutes=2))
def apply_approved(context: JobContext) -> None:
    """Apply the plan that people have approved, unless something stands against it by now."""
    granted, tenant_id = context.event(ApprovalGranted), _tenant(context)
    if granted.kind != APPROVALS:
        return
    digest = f"sha256:{granted.plan_digest}"
    try:
        with context.session() as session:
            InstallReports(session, context.settings).approved(tenant_id, digest)
    except SlipwayError as error:
        with context.session() as session:
            InstallReports(session, context.settings).not_approved(tenant_id, digest, _problem(error))


@WORKER.on(ApprovalDenied, ApprovalExpired, ApprovalVoided)
@WORKER.job("installs.rest_unapproved", time_limit=timedelta(minutes=2))
def rest_unapproved(context: JobContext) -> None:
    """Say of a plan that it is not applied, because people said no or nothing."""
    event = context.envelope.event() if context.envelope is not None else None
    if not isinstance(event, ApprovalDenied | ApprovalExpired | ApprovalVoided) or event.kind != APPROVALS:
        return
    hint = "Apply the plan again to ask again, or plan something else."
    problem = Problem(
        code=f"approval_{_ENDS[type(event)]}", message=f"The approval was {_ENDS[type(event)]}.", hint=hint
    )
    with context.session() as session:
        reports = InstallReports(session, context.settings)
        reports.not_approved(_tenant(context), f"sha256:{event.plan_digest}", problem, event.approval_id)


@WORKER.on(EnvironmentReady, EnvironmentFailed, EnvironmentDestroyed)
@WORKER.job("installs.follow", time_limit=timedelta(minutes=2))
def follow(context: JobContext) -> None:
    """Look at the installs of a tenant that wait for an environment."""
    tenant_id = _tenant(context)
    with context.session() as session:
        waiting = InstallReports(session, context.settings).waiting_for(tenant_id, "environment")
    for install_id in waiting:
        _look(context, tenant_id, install_id)


@WORKER.on(PullRequestClosed, PullRequestSynchronized)
@WORKER.job("installs.follow_pull_request", time_limit=timedelta(minutes=2))
def follow_pull_request(context: JobContext) -> None:
    """Look at the installs that wait in a repository where a pull request was closed, merged or pushed to.

    What is seen there decides; the event only says that it is time to look.
    """
    event = context.envelope.event() if context.envelope is not None else None
    if not isinstance(event, PullRequestClosed | PullRequestSynchronized):
        return
    tenant_id = _tenant(context)
    with context.session() as session:
        reports = InstallReports(session, context.settings)
        waiting = reports.waiting_for(tenant_id, "pull-request", event.repository)
    for install_id in waiting:
        _look(context, tenant_id, install_id)


@WORKER.every(lambda settings: timedelta(seconds=settings.pull_request_poll_seconds))
@WORKER.job("installs.watch", time_limit=timedelta(minutes=5))
def watch(context: JobContext) -> None:
    """Look at what every install waits for; servers elsewhere are asked once a minute, whoever else is looked at."""
    rounds = max(1, math.ceil(ELSEWHERE_SECONDS / context.settings.pull_request_poll_seconds))
    here_only = context.attempt % rounds != 0
    with context.system_session() as system:
        found = InstallReports.all_waiting(system, MOST_LOOKED_AT)
    for tenant_id, install_id in found:
        if context.should_stop():
            raise Interrupted("the rest is looked at next time")
        _look(context, tenant_id, install_id, here_only=here_only)


def _look(context: JobContext, tenant_id: UUID, install_id: UUID, *, here_only: bool = False) -> None:
    """Look at one install; one that cannot be looked at now keeps nobody else waiting."""
    with context.session(tenant_id) as session:
        work = InstallReports(session, context.settings).waiting(tenant_id, install_id)
    repository = "" if work is None else str(work.content["target"].get("repository", "/"))
    if work is None or (here_only and not repository.startswith("/")):
        return
    problem, seen = None, None
    try:
        seen = installers()[work.content["becomes"]].look(work, _bench(context, tenant_id))
    except SlipwayError as error:
        problem = _problem(error)
    with context.session(tenant_id) as session:
        reports = InstallReports(session, context.settings)
        if seen is None:
            reports.note(tenant_id, install_id, problem)
        else:
            reports.settle(work, seen)

"""PolicyTrialWorker: tries policies that are being written, with OPA behind the walls of the sandbox."""

import json
from datetime import timedelta
from uuid import UUID

from catalog.gates import TrialDesk
from catalog.policies.events import PolicyTrialRequested
from workers import toolchain
from workers.policy_compiler.compiling import CompilerMissingError, try_sources
from workers.runtime.worker import GiveUp, Interrupted, JobContext, Worker
from workers.sandbox import Outcome, SandboxError, Stopped, Task
from workers.toolchain import ToolMissingError
from workers.upload_checking import SANDBOX

WORKER = Worker("policy_trials", queue="uploads", concurrency=2)

SOURCE = "content/trial.rego"


def _tenant(context: JobContext) -> UUID:
    if context.tenant_id is None:
        raise ValueError(f"{context.job} needs a tenant")
    return context.tenant_id


def _give_up(context: JobContext, reason: str) -> None:
    asked = context.event(PolicyTrialRequested)
    with context.session() as session:
        TrialDesk(session, context.settings).abandon(_tenant(context), asked.trial_id, reason)


@WORKER.on(PolicyTrialRequested)
@WORKER.job("policies.try", time_limit=timedelta(minutes=3), max_attempts=2, when_dead=_give_up)
def try_policy(context: JobContext) -> None:
    """Ask OPA about one rule and one input, and keep result, trace and coverage."""
    asked, tenant_id = context.event(PolicyTrialRequested), _tenant(context)
    with context.session() as session:
        trial = TrialDesk(session, context.settings).begin(tenant_id, asked.trial_id)
    if trial is None:
        return

    def run(task: Task) -> Outcome:
        outcome = context.resource(SANDBOX).run(task, context.should_stop)
        if outcome.stopped is Stopped.CANCELLED:
            raise Interrupted("the trial was stopped")
        return outcome

    try:
        opa = toolchain.ensure(context.settings.tools_dir, toolchain.OPA)
        files = {SOURCE: trial.source.encode()}
        outcome = try_sources(files, trial.query, json.loads(trial.input), opa, run)
    except (ToolMissingError, CompilerMissingError, SandboxError) as error:
        raise GiveUp(str(error)) from None
    with context.session() as session:
        TrialDesk(session, context.settings).conclude(tenant_id, asked.trial_id, outcome)
        context.complete(session)

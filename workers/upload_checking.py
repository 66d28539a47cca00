"""UploadCheckWorker: carries out the sandboxed checks of uploads, and then publishes or rejects them."""

from collections.abc import Callable
from datetime import timedelta
from uuid import UUID

from sqlalchemy import text
from sqlmodel import Session

from catalog.assets.check import check_archive
from catalog.assets.kinds import kinds
from catalog.operations.models import StepState
from catalog.operations.service import OperationService
from catalog.providers.blobs import BlobError, BlobMissingError, BlobStore, open_blobs
from catalog.uploads.events import UploadReceived, UploadRejected
from catalog.uploads.models import CheckPlan
from catalog.uploads.service import UploadService
from workers.runtime.resources import Resource, Runtime
from workers.runtime.worker import GiveUp, Interrupted, JobContext, Worker
from workers.sandbox import Outcome, SandboxError, Stopped, Task
from workers.sandbox.run import Sandbox
from workers.upload_checks import Bench, CheckNotPossibleError, Result, checks

WORKER = Worker("upload_checking", queue="uploads", concurrency=2)


def _sandbox(_: Runtime) -> Sandbox:
    return Sandbox(spares=True)


SANDBOX: Resource[Sandbox] = Resource("sandbox", _sandbox)


def _tenant(context: JobContext) -> UUID:
    if context.tenant_id is None:
        raise ValueError(f"{context.job} needs a tenant")
    return context.tenant_id


def _give_up(context: JobContext, reason: str) -> None:
    """Tell the publisher that the checks are not tried again, so that nothing waits for ever."""
    received = context.event(UploadReceived)
    with context.session() as session:
        service = UploadService(session, open_blobs(context.settings))
        service.abandon(_tenant(context), received.upload_id, reason)


@WORKER.on(UploadReceived)
@WORKER.job("uploads.check", time_limit=timedelta(minutes=5), max_attempts=3, when_dead=_give_up, awaited=True)
def check(context: JobContext) -> None:
    """Check one upload and end it: published, or rejected with every finding."""
    received = context.event(UploadReceived)
    blobs = open_blobs(context.settings)
    with context.session() as session:
        _make_light(session)
        plan = UploadService(session, blobs).begin(_tenant(context), received.upload_id)
    if plan is None:
        return
    checked = check_archive(_archive(blobs, plan))
    result = Result()
    if checked.package is not None and not checked.errors:
        sandboxed = checks().get(plan.kind)
        if sandboxed is None:
            raise GiveUp(f"There is no check for {plan.kind} here. Install Slipway again where the worker runs.")
        try:
            result = sandboxed.check(checked.package, _Bench(context, plan).bench())
        except (CheckNotPossibleError, SandboxError) as error:
            raise GiveUp(str(error)) from None
    with context.session() as session:
        UploadService(session, blobs).conclude(plan.tenant_id, plan.upload_id, checked, result.findings, result.derived)
        context.complete(session)


@WORKER.on(UploadRejected)
@WORKER.job("uploads.discard", time_limit=timedelta(minutes=1))
def discard(context: JobContext) -> None:
    """Remove the archive of a rejected upload, unless somebody else needs the same bytes."""
    rejected = context.event(UploadRejected)
    with context.system_session() as system:
        UploadService.discard_archive(system, rejected.blob_digest, open_blobs(context.settings))


def _make_light(session: Session) -> None:
    """Let the database commit what tells of progress without waiting for its disk: after a crash it is told anew."""
    session.connection().execute(text("SET LOCAL synchronous_commit = off"))


def _archive(blobs: BlobStore, plan: CheckPlan) -> bytes:
    try:
        return blobs.read(plan.blob_digest)
    except BlobMissingError:
        raise GiveUp("The archive is no longer in the store.") from None
    except BlobError as error:
        raise RuntimeError(f"the archive of upload {plan.upload_id} cannot be read: {error}") from None


class _Bench:
    """Ties a check to its upload's operation, and its sandbox to the job's life."""

    def __init__(self, context: JobContext, plan: CheckPlan) -> None:
        self._context = context
        self._plan = plan

    def bench(self) -> Bench:
        return Bench(self._context.settings, self._run, self._step, self._log)

    def _run(self, task: Task, is_unwanted: Callable[[], bool] = lambda: False, /) -> Outcome:
        should_stop = self._context.should_stop
        outcome = self._context.resource(SANDBOX).run(task, lambda: is_unwanted() or should_stop())
        if outcome.stopped is Stopped.CANCELLED and not is_unwanted():
            raise Interrupted("the check was stopped")
        return outcome

    def _step(self, name: str, message: str | None = None) -> None:
        if name not in kinds()[self._plan.kind].sandboxed_steps:
            raise ValueError(f"{self._plan.kind} has no step {name!r}")
        with self._context.session() as session:
            _make_light(session)
            OperationService(session).step(
                self._plan.tenant_id, self._plan.operation_id, name, StepState.RUNNING, message
            )

    def _log(self, line: str) -> None:
        with self._context.session() as session:
            _make_light(session)
            OperationService(session).log(self._plan.tenant_id, self._plan.operation_id, [line])

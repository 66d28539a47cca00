"""Closes the gates that nobody decided in time; a gate that waits costs nothing else."""

from datetime import timedelta

from catalog.approvals.service import ApprovalService
from catalog.clock import now
from workers.runtime.worker import Interrupted, JobContext, Worker

WORKER = Worker("approvals", queue="clock")

DUE_AT_ONCE = 500


@WORKER.every(timedelta(minutes=1))
@WORKER.job("approvals.expire", time_limit=timedelta(seconds=120))
def expire(context: JobContext) -> None:
    """Close what is overdue; until then nobody could decide it or use it any more."""
    with context.system_session() as session:
        due = ApprovalService.overdue(session, now(), DUE_AT_ONCE)
    for tenant_id, approval_id in due:
        if context.should_stop():
            raise Interrupted
        with context.session(tenant_id) as session:
            ApprovalService(session).expire(tenant_id, approval_id)

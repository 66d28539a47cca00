"""What lies in the blob store and belongs to nothing: archives that were refused, what a crash left half done."""

from datetime import timedelta

from catalog.clock import now
from catalog.providers.blobs import BlobError, open_blobs
from catalog.row_references import digests_named
from catalog.tenants.service import TenantService
from workers.runtime.worker import JobContext, Retry, Worker

WORKER = Worker("blob_upkeep", queue="clock")

GRACE = timedelta(days=7)
"""How long nothing has to have named a blob: a row that will is written within the hour, or never."""


@WORKER.every(timedelta(days=1))
@WORKER.job("operations.sweep_blobs", time_limit=timedelta(minutes=30))
def sweep(context: JobContext) -> None:
    """Remove blobs that no row of any tenant names, and that nobody has written for a week.

    Rows are looked through before the second look at when a blob was written, so that one which is written again
    meanwhile stays.
    """
    blobs = open_blobs(context.settings)
    before = now() - GRACE
    try:
        stale = {digest for digest, written in blobs.last_written() if written < before}
        if not stale:
            return
        with context.system_session() as session:
            tenants = TenantService.ids(session)
        for tenant_id in tenants:
            if context.should_stop():
                return
            with context.session(tenant_id) as session:
                stale.difference_update(digests_named(session))
        still = {digest for digest, written in blobs.last_written() if written < before}
        for digest in stale & still:
            blobs.delete(digest)
    except BlobError as error:
        raise Retry(timedelta(hours=1), str(error)) from None

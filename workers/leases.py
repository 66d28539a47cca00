"""Holding a stack's lease while working on it: taken, renewed in the background, given back."""

import logging
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from uuid import UUID, uuid4

from sqlalchemy.exc import OperationalError

from catalog.stacks.errors import LeaseLostError, StackBusyError
from catalog.stacks.models import Lease
from catalog.stacks.service import LEASE, MultiCloudProvisioningService
from workers.runtime.worker import JobContext, Retry

BUSY_PAUSE = timedelta(seconds=1)
AWAY_PAUSE = 0.2

log = logging.getLogger(__name__)


class HeldLease:
    """A lease in the hands of a job; ``lost`` is set once someone else has taken it over."""

    def __init__(self, lease: Lease) -> None:
        self.lease = lease
        self.lost = threading.Event()
        self.ended = threading.Event()


@contextmanager
def held(context: JobContext, tenant_id: UUID, stack_id: UUID) -> Iterator[HeldLease]:
    """Hold the lease of a stack for the length of the block; raise ``Retry`` while someone else has it."""
    holder = f"{context.job}:{uuid4().hex[:12]}"
    try:
        with context.session(tenant_id) as session:
            lease = MultiCloudProvisioningService(session).acquire(tenant_id, stack_id, holder)
    except StackBusyError as error:
        raise Retry(BUSY_PAUSE, error.detail) from None
    hand = HeldLease(lease)
    keeper = threading.Thread(target=_keep, args=(context, hand), name=f"lease-{stack_id}", daemon=True)
    keeper.start()
    try:
        yield hand
    finally:
        hand.ended.set()
        keeper.join(timeout=10)
        _give_back(context, lease)


def _give_back(context: JobContext, lease: Lease) -> None:
    """Release the lease; while the database is away, as in a restart, try again until it would have run out."""
    deadline = time.monotonic() + LEASE.total_seconds()
    while True:
        try:
            with context.session(lease.tenant_id) as session:
                MultiCloudProvisioningService(session).release(lease)
        except OperationalError:
            if time.monotonic() >= deadline:
                raise
            time.sleep(AWAY_PAUSE)
        else:
            return


def _keep(context: JobContext, hand: HeldLease) -> None:
    while not hand.ended.wait(LEASE.total_seconds() / 3):
        try:
            with context.session(hand.lease.tenant_id) as session:
                MultiCloudProvisioningService(session).renew(hand.lease)
        except LeaseLostError:
            hand.lost.set()
            return
        except Exception:
            # The database may be restarting; the lease outlives a few missed renewals.
            log.warning("lease not renewed", exc_info=True)

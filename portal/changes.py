"""What a portal process has heard of changes, so that it knows which answers of indexes may be given again."""

from threading import Lock
from uuid import UUID

from catalog.events.outbox import CHANNEL
from catalog.events.reach import Reach, read

MOST_TENANTS = 10_000
"""For how many tenants the last change is remembered; beyond that all count as changed, and it begins anew."""


class Changes:
    """A count of changes, and the last of them that concerned everybody, and each tenant; safe to use from any thread.

    ``is_heard_of`` is False while nothing is heard of what other processes change: then no moment can be trusted.
    """

    def __init__(self) -> None:
        self.is_heard_of = False
        self._count = 0
        self._everybody = 0
        self._tenants: dict[UUID, int] = {}
        self._lock = Lock()

    @property
    def now(self) -> int | None:
        """The present moment, None while nothing is heard."""
        return self._count if self.is_heard_of else None

    def hear(self, payload: str) -> None:
        """Take in the news of an event, as the channel of events tells it."""
        reach, tenant_id = read(payload)
        if tenant_id is not None:
            self.of_tenant(tenant_id)
        elif reach is Reach.EVERYBODY:
            self.of_everybody()

    def committed(self, channel: str, payload: str) -> None:
        """Take in what this process itself has just committed, before anybody is answered."""
        if channel == CHANNEL:
            self.hear(payload)

    def of_everybody(self) -> None:
        """Note that what any tenant sees may have changed."""
        with self._lock:
            self._count += 1
            self._everybody = self._count

    def of_tenant(self, tenant_id: UUID) -> None:
        """Note that what one tenant sees may have changed."""
        with self._lock:
            self._count += 1
            if len(self._tenants) >= MOST_TENANTS:
                # In this order: whoever looks in between, without the lock, must not find that nothing has changed.
                self._everybody = self._count
                self._tenants.clear()
            self._tenants[tenant_id] = self._count

    def nothing_since(self, moment: int, tenant_id: UUID) -> bool:
        """Tell whether what a tenant sees is what it was at a moment, as far as is heard."""
        return self.is_heard_of and moment >= max(self._everybody, self._tenants.get(tenant_id, 0))

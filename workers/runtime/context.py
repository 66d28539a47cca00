"""What a job is given: who it works for, what happened, and whether it should stop."""

import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TypeVar
from uuid import UUID

from sqlmodel import Session

from catalog.db import Database
from catalog.deliveries import claims
from catalog.events.envelope import Envelope
from catalog.events.registry import EventData
from catalog.settings import Settings
from workers.runtime.resources import Resource, Runtime

T = TypeVar("T")
E = TypeVar("E", bound=EventData)


class JobContext:
    """The one argument of a job. ``tenant_id`` and ``envelope`` are None in a run that a schedule started.

    ``delivery_id`` and ``attempt`` name this run; ``attempt`` counts every start, from 1.
    """

    def __init__(
        self,
        runtime: Runtime,
        job: str,
        *,
        tenant_id: UUID | None = None,
        envelope: Envelope | None = None,
        delivery_id: int | None = None,
        attempt: int = 1,
        time_limit_seconds: float = float("inf"),
    ) -> None:
        self.runtime = runtime
        self.job = job
        self.tenant_id = tenant_id
        self.envelope = envelope
        self.delivery_id = delivery_id
        self.attempt = attempt
        self.completed = False
        self._lost = threading.Event()
        self._deadline = time.monotonic() + time_limit_seconds

    @property
    def settings(self) -> Settings:
        """The settings of the process."""
        return self.runtime.settings

    @property
    def database(self) -> Database:
        """The two ways into the database."""
        return self.runtime.database

    def event(self, expected: type[E]) -> E:
        """Return what happened, as ``expected``; raise ``TypeError`` where the run is about something else."""
        if self.envelope is None or self.envelope.type != expected.event_type():
            raise TypeError(f"{self.job} was not started by {expected.event_type()}")
        return expected.model_validate(self.envelope.data)

    @contextmanager
    def session(self, tenant_id: UUID | None = None) -> Iterator[Session]:
        """Run a unit of work as the event's tenant, or as ``tenant_id``; committed when the block ends."""
        tenant = tenant_id or self.tenant_id
        if tenant is None:
            raise ValueError(f"{self.job} runs for no tenant here; name one: context.session(tenant_id)")
        with self.database.tenant_session(tenant) as session:
            yield session

    @contextmanager
    def system_session(self) -> Iterator[Session]:
        """Run a unit of work across tenants, in the tables that the system role may reach."""
        with self.database.system_session() as session:
            yield session

    def resource(self, wanted: Resource[T]) -> T:
        """Return the process's one instance of ``wanted``, built now if need be."""
        return self.runtime.resource(wanted)

    def should_stop(self) -> bool:
        """Tell whether to stop soon: the process is ending, the time is up, or another worker has taken over.

        A job that stops early raises ``Interrupted``; one that returns says that its work is done.
        """
        return self.runtime.stopping.is_set() or self._lost.is_set() or time.monotonic() >= self._deadline

    def lose(self) -> None:
        """Tell the job that its delivery is no longer its own."""
        self._lost.set()

    @property
    def overdue_seconds(self) -> float:
        """How long the job has been running beyond its time limit; negative while it is within."""
        return time.monotonic() - self._deadline

    def complete(self, session: Session) -> None:
        """Mark the delivery done in ``session``'s transaction, so that the job's effects happen exactly once.

        Raises ``claims.LeaseLostError`` where another worker has taken over: the transaction must then fail.
        """
        if self.delivery_id is not None:
            claims.complete(session, self.delivery_id, self.attempt)
            self.completed = True

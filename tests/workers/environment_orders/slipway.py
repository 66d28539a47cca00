"""One Slipway whose outside is a double: the real services, jobs and database."""

import io
from collections.abc import Callable
from typing import Any, cast
from uuid import UUID

from sqlmodel import col, select

from catalog.assets.archive import PackageFile, build_archive
from catalog.assets.skeletons import skeleton
from catalog.db import Database
from catalog.environments.errors import TransitionError
from catalog.environments.events import (
    EnvironmentDestroyRequested,
    EnvironmentRequested,
    EnvironmentSleepRequested,
    EnvironmentUpdateRequested,
)
from catalog.environments.service import EphemeralEnvironmentService
from catalog.events.envelope import envelope
from catalog.events.models import EventRecord
from catalog.gates import open_database
from catalog.providers.blobs import open_blobs
from catalog.settings import Settings
from catalog.stacks.errors import LeaseLostError
from catalog.tenancy import ALL_SCOPES, Principal
from catalog.tenants import bootstrap
from catalog.uploads.service import UploadService
from tests.workers.environment_orders.doubles import Crash, Engine, MortalContext, Outside
from workers import ephemeral_env
from workers.engine import StackEngine
from workers.engine_resource import ENGINE
from workers.runtime.resources import Runtime
from workers.runtime.worker import Interrupted, Retry

JOBS: dict[str, Callable[[Any], None]] = {
    EnvironmentRequested.event_type(): ephemeral_env.provision,
    EnvironmentUpdateRequested.event_type(): ephemeral_env.provision,
    EnvironmentDestroyRequested.event_type(): ephemeral_env.tear_down,
    EnvironmentSleepRequested.event_type(): ephemeral_env.put_to_sleep,
}


class Slipway:
    """A database with a blueprint, the outside, and workers that carry out one event at a time."""

    def __init__(self, settings: Settings) -> None:
        self.settings = settings
        self.database: Database = open_database(settings)
        tenant = bootstrap.ensure_tenant(self.database, "acme")
        self.principal = Principal(tenant.id, tenant.name, actor="test:ann", name="ann", scopes=ALL_SCOPES)
        self.outside = Outside()
        self.number = 0
        self.handled: set[UUID] = set()
        files = {path: PackageFile(data) for path, data in skeleton("deployment-blueprint", "acme", "preview").items()}
        with self.database.tenant_session(tenant.id) as session:
            UploadService(session, open_blobs(settings)).receive(self.principal, io.BytesIO(build_archive(files).data))

    def do(self, action: Callable[[EphemeralEnvironmentService], Any]) -> Any:
        """Do one unit of work with the service."""
        with self.database.tenant_session(self.principal.tenant_id) as session:
            return action(EphemeralEnvironmentService(session, self.settings))

    def events(self, environment_id: UUID) -> list[EventRecord]:
        """Return what happened to an environment, in order."""
        with self.database.tenant_session(self.principal.tenant_id) as session:
            statement = select(EventRecord).where(EventRecord.subject == f"environments/{environment_id}")
            return list(session.exec(statement.order_by(col(EventRecord.sequence))).all())

    def pending(self, environment_id: UUID) -> list[EventRecord]:
        """Return what workers still have to do."""
        return [each for each in self.events(environment_id) if each.type in JOBS and each.id not in self.handled]

    def context(self, record: EventRecord | None = None) -> MortalContext:
        """Return the context of a job that a worker carries out, who may be killed in it."""
        runtime = Runtime(self.settings, self.database)
        runtime.provide(ENGINE, cast("StackEngine", Engine(self.outside)))
        context = MortalContext(
            runtime,
            "environments.work",
            tenant_id=None if record is None else record.tenant_id,
            envelope=None if record is None else envelope(record),
        )
        context.outside = self.outside
        return context

    def work(self, environment_id: UUID) -> None:
        """Carry out the oldest event that is not done, as the runner does: again until it ends without an error."""
        waiting = self.pending(environment_id)
        if not waiting:
            return
        try:
            JOBS[waiting[0].type](self.context(waiting[0]))
        except (Crash, Retry, Interrupted, LeaseLostError, TransitionError):
            return
        self.handled.add(waiting[0].id)

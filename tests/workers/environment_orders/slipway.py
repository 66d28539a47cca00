"""One Slipway whose outside is a double: the real services, jobs and database."""

import io
import json
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from hashlib import sha256
from pathlib import Path
from typing import Any, cast
from uuid import UUID

import pytest
import yaml
from pydantic import SecretStr
from sqlmodel import col, select

from catalog.assets.archive import PackageFile, build_archive
from catalog.assets.skeletons import skeleton
from catalog.db import Database
from catalog.environments.automations import AutomateEnvironments
from catalog.environments.errors import TransitionError
from catalog.environments.events import (
    EnvironmentDestroyRequested,
    EnvironmentRequested,
    EnvironmentSleepRequested,
    EnvironmentUpdateRequested,
)
from catalog.environments.service import EnvironmentAutomation, EphemeralEnvironmentService, room, sweeps
from catalog.events.envelope import envelope
from catalog.events.models import EventRecord
from catalog.gates import open_database
from catalog.operations.rules import FINAL
from catalog.operations.service import OperationService
from catalog.providers.blobs import open_blobs
from catalog.scm.service import ScmService
from catalog.settings import Settings
from catalog.stacks.errors import LeaseLostError
from catalog.tenancy import ALL_SCOPES, Principal
from catalog.tenants import bootstrap
from catalog.uploads.service import UploadService
from tests.databases import Databases
from tests.workers.environment_orders.doubles import Crash, Engine, MortalContext, Outside, Repository, Target
from workers import environment_sweep, ephemeral_env
from workers.embedded.postgres import EmbeddedPostgres
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
        self.principal = self.act_for("acme")
        self.outside = Outside()
        self.number = 0
        self.handled: set[UUID] = set()
        self.deaths = 0
        self._published: set[tuple[UUID, str]] = set()
        self._automated: set[tuple[str, ...]] = set()
        self.blueprint()

    def act_for(self, name: str) -> Principal:
        """Let everything from now on happen in the tenant of that name."""
        tenant = bootstrap.ensure_tenant(self.database, name)
        self.principal = Principal(tenant.id, tenant.name, actor="test:ann", name="ann", scopes=ALL_SCOPES)
        return self.principal

    def blueprint(self, concurrency: str = "replace", **spec: Any) -> str:
        """Publish a blueprint that says this of ``follow.concurrency``, or of its spec, once, and return its name."""
        name = "preview" if concurrency == "replace" else f"preview-{concurrency}"
        if spec:
            name = f"preview-{sha256(json.dumps(spec, sort_keys=True).encode()).hexdigest()[:8]}"
        if (self.principal.tenant_id, name) not in self._published:
            files = dict(skeleton("deployment-blueprint", self.principal.tenant_name, name))
            manifest = yaml.safe_load(files["asset.yaml"])
            manifest["spec"] |= {"follow": {"concurrency": concurrency}, **spec}
            files["asset.yaml"] = yaml.safe_dump(manifest).encode()
            packed = build_archive({path: PackageFile(data) for path, data in files.items()}).data
            with self.database.tenant_session(self.principal.tenant_id) as session:
                UploadService(session, open_blobs(self.settings)).receive(self.principal, io.BytesIO(packed))
            self._published.add((self.principal.tenant_id, name))
        return f"{self.principal.tenant_name}/{name}"

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

    def open_operations(self, environment_id: UUID) -> list[str]:
        """Return what kinds of operations on an environment are not over."""
        with self.database.tenant_session(self.principal.tenant_id) as session:
            found = OperationService(session).recent(self.principal.tenant_id, limit=1000)
        subject = f"environments/{environment_id}"
        return [each.kind for each in found if each.subject == subject and each.state not in FINAL]

    def automate(self, *labels: str) -> None:
        """Let pull requests of the repository with these labels have environments by themselves; once is enough."""
        if labels in self._automated:
            return
        self._automated.add(labels)
        asked = AutomateEnvironments(repository="/srv/shop", blueprint=self.blueprint(), labels=list(labels))
        with self.database.tenant_session(self.principal.tenant_id) as session:
            EnvironmentAutomation(session, self.settings).automate(self.principal, asked)

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
        except Crash:
            self.deaths += 1
            return
        except (Retry, Interrupted, LeaseLostError, TransitionError):
            return
        self.handled.add(waiting[0].id)


@contextmanager
def opened(postgres: EmbeddedPostgres, databases: Databases, folder: Path) -> Iterator[Slipway]:
    """Open a Slipway on a database of its own, with the doubles in place as long as the block lasts."""
    name = databases.lend()
    urls = postgres.urls(name)
    made = Slipway(
        Settings(
            data_dir=folder,
            database_url=urls.app,
            database_owner_url=urls.owner,
            database_system_url=urls.system,
            master_key=SecretStr("0" * 43),
            environment_quota=10_000,
        )
    )
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(ScmService, "open", lambda _self, _tenant, address: Repository(made.outside, address))
        for module in (ephemeral_env, environment_sweep, room, sweeps):
            patched.setattr(module, "target", lambda _name, _settings: Target(made.outside))
        patched.setattr(ephemeral_env, "LOOK_AGAIN_SECONDS", 0.0)
        yield made
    made.database.close()
    databases.take_back(name)

"""What tests of campaigns share: five installs, made once and copied for each test, and the workers beside."""

import shutil
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest
from sqlalchemy import text

from catalog.approvals.models import Decide
from catalog.approvals.service import ApprovalService
from catalog.campaigns.service import CampaignService
from catalog.campaigns.shapes import AskCampaign, CampaignDetail
from catalog.db import Database
from catalog.gates import open_database
from catalog.installs.service import InstallService
from catalog.installs.shapes import AskInstall, InstallFilter, InstallRead, RequireApproval
from catalog.settings import Settings
from catalog.tenancy import ALL_SCOPES, ROLE_SCOPES, Principal, Role
from catalog.tenants import bootstrap
from catalog.tenants.service import TenantService
from tests.databases import Databases
from tests.policy_bundles import ALLOW, publish_bundle
from workers import analysis, campaigns, installation
from workers.embedded.postgres import EmbeddedPostgres
from workers.main import App
from workers.runtime.context import JobContext
from workers.runtime.drain import drain
from workers.runtime.registry import registry

AN_HOUR_AGO = """
    UPDATE analysis_runs SET next_at = now(), states = (
        SELECT jsonb_object_agg(name, state || jsonb_build_object('last_at', (state ->> 'last_at')::timestamptz
                                                                             - interval '1 hour'))
          FROM jsonb_each(states) AS each (name, state))
     WHERE finished_at IS NULL"""
WORKERS = [installation.WORKER, campaigns.WORKER, analysis.WORKER]


class Desk:
    """A tenant's campaigns as a person sees them, with the workers beside."""

    def __init__(self, database: Database, settings: Settings, app: App, who: Principal) -> None:
        self.database, self.settings, self.app, self.who = database, settings, app, who

    def work(self) -> None:
        """Let everything happen that is due, until nothing comes of it any more."""
        drain(self.app)
        for _ in range(20):
            self.let_time_pass("UPDATE campaigns SET next_at = now()")
            campaigns.tick_due(JobContext(self.app.runtime, "campaigns.tick_due"))
            if not drain(self.app):
                return
        raise AssertionError("it never comes to rest")

    def let_time_pass(self, statement: str) -> None:
        """Change when something is due."""
        with self.database.tenant_session(self.who.tenant_id) as session:
            session.connection().execute(text(statement))

    def soaked(self) -> None:
        """Let the time of watching be over."""
        self.let_time_pass("UPDATE campaign_waves SET soak_until = now() WHERE soak_until IS NOT NULL")
        self.work()

    def measured(self) -> None:
        """Let every metric of an analysis be measured, as if an hour had gone by since the last time."""
        with self.database.tenant_session(self.who.tenant_id) as session:
            session.connection().exec_driver_sql(AN_HOUR_AGO)
        analysis.measure_due(JobContext(self.app.runtime, "analysis.measure_due"))
        self.work()

    def do(self, verb: str, *arguments: Any, who: Principal | None = None) -> UUID:
        """Do something, and let the workers follow."""
        campaign_id = self.say(verb, *arguments, who=who)
        self.work()
        return campaign_id

    def say(self, verb: str, *arguments: Any, who: Principal | None = None) -> UUID:
        """Do something, and leave the workers asleep."""
        who = who or self.who
        with self.database.tenant_session(who.tenant_id) as session:
            found = getattr(CampaignService(session, self.settings), verb)(who, *arguments)
            campaign_id: UUID = found.id
        return campaign_id

    def read(self, campaign_id: UUID) -> CampaignDetail:
        """Return a campaign as it stands."""
        with self.database.tenant_session(self.who.tenant_id) as session:
            return CampaignService(session, self.settings).get(self.who.tenant_id, campaign_id)

    def members(self, campaign_id: UUID) -> dict[str, tuple[int | None, str, str | None]]:
        """Return wave, state and problem of each install, by the service that it is for."""
        installs = {each.id: each.target["applies_to"]["name"] for each in self.installs()}
        return {
            installs[each.install_id]: (each.wave, str(each.state), each.problem.code if each.problem else None)
            for each in self.read(campaign_id).members
            if each.install_id in installs
        }

    def installs(self) -> list[InstallRead]:
        """Return the installs of the asset."""
        with self.database.tenant_session(self.who.tenant_id) as session:
            chosen = InstallFilter(asset="acme/rules")
            return InstallService(session, self.settings).page(self.who.tenant_id, chosen, limit=100).items

    def versions(self) -> dict[str, str]:
        """Return what is installed for each service."""
        return {each.target["applies_to"]["name"]: each.standing.version for each in self.installs() if each.standing}

    def of(self, service: str) -> InstallRead:
        """Return the install for a service."""
        return next(each for each in self.installs() if each.target["applies_to"]["name"] == service)

    def by_hand(self, verb: str, *arguments: Any, who: Principal | None = None) -> None:
        """Do something to an install as anybody may, and let the worker follow."""
        with self.database.tenant_session(self.who.tenant_id) as session:
            getattr(InstallService(session, self.settings), verb)(who or self.who, *arguments, auto=True)
        drain(self.app)

    def install(self, service: str, **more: Any) -> None:
        """Install the asset for a service."""
        target = {"level": "advisory", "applies_to": {"kind": "service", "name": service}}
        wanted = AskInstall.model_validate({"asset": "acme/rules", "target": target, "name": f"i-{service}", **more})
        self.by_hand("plan_install", wanted)

    def person(self, name: str, role: Role = Role.APPROVER) -> Principal:
        """Add somebody to the tenant."""
        tenant = self.who.tenant_id
        with self.database.tenant_session(tenant) as session:
            added = TenantService(session).add_member(tenant, name, f"{name.lower()}@example.com", role)
        return Principal(tenant, "acme", f"member:{added.id}", name, ROLE_SCOPES[role], added.id)

    def rule(self, **values: Any) -> None:
        """Let plans take an approval."""
        with self.database.tenant_session(self.who.tenant_id) as session:
            rule = RequireApproval.model_validate({"name": "all", **values})
            InstallService(session, self.settings).require_approval(self.who, rule)

    def decide(self, who: Principal, service: str, *, approves: bool) -> None:
        """Say yes or no to what waits for somebody's decision about an install, and let the workers follow."""
        with self.database.tenant_session(who.tenant_id) as session:
            waiting = ApprovalService(session).waiting_for(who)
            found = next(each for each in waiting if each.subject.startswith(f"installs/i-{service}#"))
            ApprovalService(session).decide(who, found.id, Decide(), approves=approves)
        self.work()


@dataclass(frozen=True)
class World:
    """A database to be copied, and the folder beside it."""

    database: str
    folder: Path


@pytest.fixture(scope="session")
def world(
    databases: Databases, postgres: EmbeddedPostgres, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[World]:
    """Five installs of version 1.0.0 in ``acme``, for s1 to s5, of which version 1.1.0 is there by now."""
    name, folder = databases.lend(), tmp_path_factory.mktemp("campaigns")
    urls = postgres.urls(name)
    settings = Settings(
        data_dir=folder,
        database_url=urls.app,
        database_owner_url=urls.owner,
        database_system_url=urls.system,
        database_pool_size=8,
    )
    opened = open_database(settings)
    tenant = bootstrap.ensure_tenant(opened, "acme")
    acme = Principal(tenant.id, tenant.name, actor="test:acme", name="acme", scopes=ALL_SCOPES)
    app = App(settings, registry(WORKERS))
    desk = Desk(opened, settings, app, acme)
    publish_bundle(opened, settings, acme, "rules", ALLOW)
    for number in range(1, 6):
        desk.install(f"s{number}", labels={"tier": "low" if number < 5 else "high"})
    publish_bundle(opened, settings, acme, "rules", ALLOW, "1.1.0")
    drain(app)
    app.close()
    opened.close()
    yield World(name, folder)
    databases.take_back(name)


@pytest.fixture
def database_name(databases: Databases, world: World) -> Iterator[str]:
    """A database of the test's own in which the installs are."""
    name = databases.create(world.database)
    yield name
    databases.take_back(name)


@pytest.fixture
def settings(settings: Settings, world: World) -> Settings:
    """Settings of a Slipway in whose folder is what belongs to the installs."""
    shutil.copytree(world.folder, settings.data_dir, dirs_exist_ok=True)
    return settings


@pytest.fixture
def desk(database: Database, settings: Settings, acme: Principal) -> Iterator[Desk]:
    """The campaigns of ``acme``."""
    app = App(settings, registry(WORKERS))
    yield Desk(database, settings, app, acme)
    app.close()


@pytest.fixture
def asked() -> Callable[..., AskCampaign]:
    """Return what asks for a campaign: two installs first, then the rest."""

    def ask(**changes: Any) -> AskCampaign:
        waves = [{"size": "2", "at_once": 2}, {"size": "100%", "at_once": 2}]
        return AskCampaign.model_validate({"name": "to 1.1", "asset": "acme/rules", "waves": waves, **changes})

    return ask

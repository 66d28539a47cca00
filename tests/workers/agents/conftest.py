"""Agents on the real relay and database: an agent of the test's own, and what runs whatever is due."""

from collections.abc import Callable, Iterator
from datetime import timedelta
from typing import Any

import pytest
from pydantic import SecretStr

from catalog.db import Database
from catalog.events import outbox
from catalog.events.registry import EventData
from catalog.proposals.models import Proposal
from catalog.proposals.service import ProposalService, declare
from catalog.settings import Settings
from catalog.tenancy import Principal
from workers.main import App
from workers.runtime.drain import drain
from workers.runtime.registry import registry
from workers.runtime.worker import Worker

Work = Callable[..., list[str]]
Tell = Callable[[EventData, str], None]


@pytest.fixture
def settings(settings: Settings) -> Settings:
    """Settings with a master key, so that keys can be sealed."""
    return settings.model_copy(update={"master_key": SecretStr("a master key of forty-three characters, or so")})


@pytest.fixture
def work(settings: Settings) -> Iterator[Work]:
    """Return what runs everything that is due for some workers, and names the jobs that ran."""
    apps: dict[tuple[int, ...], App] = {}

    def run(*workers: Worker, patience: float = 0.3) -> list[str]:
        key = tuple(id(each) for each in workers)
        app = apps.setdefault(key, App(settings, registry(workers)))
        return drain(app, patience=timedelta(seconds=patience))

    yield run
    for app in apps.values():
        app.close()


@pytest.fixture
def tell(database: Database, acme: Principal) -> Tell:
    """Return what appends an event of acme's."""

    def told(data: EventData, subject: str) -> None:
        with database.tenant_session(acme.tenant_id) as session:
            outbox.append(session, data, tenant_id=acme.tenant_id, subject=subject, actor="test")

    return told


@pytest.fixture
def proposals(database: Database, acme: Principal) -> Callable[[], list[Proposal]]:
    """Return what reads every proposal of acme's, oldest first."""

    def read() -> list[Proposal]:
        with database.tenant_session(acme.tenant_id) as session:
            return list(reversed(ProposalService(session).page(acme.tenant_id)))

    return read


@pytest.fixture
def known(database: Database) -> Callable[..., Any]:
    """Return what makes agents known to the portal, as the worker does."""

    def make(*agents: Any) -> None:
        with database.system_session() as session:
            declare(session, [agent.declaration() for agent in agents])

    return make

"""A Slipway for the orders of events, with doubles only at the providers' edge."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from pydantic import SecretStr

from catalog.environments.service import room, sweeps
from catalog.scm.service import ScmService
from catalog.settings import Settings
from tests.databases import Databases
from tests.workers.environment_orders.doubles import Repository, Target
from tests.workers.environment_orders.slipway import Slipway
from workers import environment_sweep, ephemeral_env
from workers.embedded.postgres import EmbeddedPostgres


@pytest.fixture
def slipway(
    postgres: EmbeddedPostgres, databases: Databases, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Iterator[Slipway]:
    """One Slipway for all orders of a test."""
    name = databases.lend()
    urls = postgres.urls(name)
    made = Slipway(
        Settings(
            data_dir=tmp_path,
            database_url=urls.app,
            database_owner_url=urls.owner,
            database_system_url=urls.system,
            master_key=SecretStr("0" * 43),
            environment_quota=10_000,
        )
    )
    monkeypatch.setattr(ScmService, "open", lambda _self, _tenant, address: Repository(made.outside, address))
    for module in (ephemeral_env, environment_sweep, room, sweeps):
        monkeypatch.setattr(module, "target", lambda _name, _settings: Target(made.outside))
    monkeypatch.setattr(ephemeral_env, "LOOK_AGAIN_SECONDS", 0.0)
    yield made
    made.database.close()
    databases.take_back(name)

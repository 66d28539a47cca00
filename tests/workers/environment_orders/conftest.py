"""A Slipway for the orders of events, with doubles only at the providers' edge."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.databases import Databases
from tests.workers.environment_orders.slipway import Slipway, opened
from workers.embedded.postgres import EmbeddedPostgres


@pytest.fixture
def slipway(postgres: EmbeddedPostgres, databases: Databases, tmp_path: Path) -> Iterator[Slipway]:
    """One Slipway for all orders of a test."""
    with opened(postgres, databases, tmp_path) as made:
        yield made


@pytest.fixture(scope="module")
def shared(
    postgres: EmbeddedPostgres, databases: Databases, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Slipway]:
    """One Slipway for all tests of a module, each of which has a pull request of its own."""
    with opened(postgres, databases, tmp_path_factory.mktemp("shared")) as made:
        yield made

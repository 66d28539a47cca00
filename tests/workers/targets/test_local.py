"""The contract of targets on the local one."""

from collections.abc import Iterator

import pytest

from catalog.settings import Settings
from tests.workers.targets.contract import Bench, TargetContract
from tests.workers.targets.parts import running


@pytest.fixture(scope="module")
def settings() -> Iterator[Settings]:
    with running() as made:
        yield made


@pytest.fixture
def bench(settings: Settings, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Bench]:
    made = Bench(settings, "local", tmp_path_factory.mktemp("shop"))
    yield made
    made.clean()


@pytest.mark.engine
class TestLocal(TargetContract):
    """Processes of this machine."""

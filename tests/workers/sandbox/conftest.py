"""What is tried here makes and ends its own nurseries."""

import pytest


@pytest.fixture(autouse=True)
def shared_nurseries() -> None:
    """Share no nursery with tests of anything else."""

"""Every row of an environment's life and of what pull requests mean for it, through service, jobs and PostgreSQL."""

import traceback
from dataclasses import dataclass, field

import pytest

from catalog.environments.machine import TABLE, Row, Situation
from tests.workers.environment_orders import life_rows, pull_request_rows
from tests.workers.environment_orders.slipway import Slipway

SCENARIOS = {**life_rows.ROWS, **pull_request_rows.ROWS}


@dataclass
class Played:
    """What became of each scenario, "" where all of it held, and the rows of the machine that were followed."""

    problems: dict[str, str] = field(default_factory=dict)
    followed: set[Row] = field(default_factory=set)


@pytest.fixture(scope="module")
def played(shared: Slipway) -> Played:
    """Every scenario, played once, each with a pull request of its own."""
    found = Played()
    follow = Row.follow

    def followed(self: Row, now: Situation, generation: int) -> Situation:
        found.followed.add(self)
        return follow(self, now, generation)

    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(Row, "follow", followed)
        for name, scenario in SCENARIOS.items():
            settings = shared.settings
            try:
                scenario(shared)
            except Exception:  # noqa: BLE001  # told by the test of that row
                found.problems[name] = traceback.format_exc()
            # What one of them left switched on is no business of the next.
            shared.settings = settings
            shared.outside.switch_back()
    return found


@pytest.mark.parametrize("name", SCENARIOS)
def test_what_the_row_says_is_what_happens(played: Played, name: str) -> None:
    assert played.problems.get(name, "") == ""


@pytest.mark.parametrize("row", TABLE, ids=lambda row: f"{row.event}, {row.guard}, {row.target}")
def test_no_row_of_the_machine_is_left_out(played: Played, row: Row) -> None:
    assert row in played.followed

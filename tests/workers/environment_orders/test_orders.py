"""Some orders of events in every run of the tests; ``python -m tests.workers.environment_orders`` runs thousands."""

from tests.workers.environment_orders.deaths import die_everywhere
from tests.workers.environment_orders.orders import run_orders
from tests.workers.environment_orders.slipway import Slipway


def test_nothing_is_left_whatever_happens_in_whatever_order(slipway: Slipway) -> None:
    run_orders(slipway, orders=20, steps=15)


def test_a_worker_may_die_between_any_two_steps(shared: Slipway) -> None:
    assert die_everywhere(shared, "move", "remove") > 20

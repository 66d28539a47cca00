"""Workers that die at every step of every job once, and what is made of what they leave."""

from collections.abc import Callable

from catalog.environments.models import Phase
from tests.workers.environment_orders.one import One
from tests.workers.environment_orders.slipway import Slipway

ENOUGH = 40
AWAKE, ASLEEP, GONE = Phase.READY, Phase.SLEEPING, Phase.DESTROYED


def _at(one: One, phase: Phase) -> None:
    """Bring the environment to a phase in which it rests."""
    if one.row.phase is GONE and phase is not GONE:
        one.request()
        one.work_all()
    if one.row.phase is ASLEEP and phase is AWAKE:
        one.ask("wake")
        one.work_all()
    if one.row.phase is not phase:
        one.ask("sleep" if phase is ASLEEP else "destroy")
        one.work_all()


JOBS: dict[str, tuple[Phase, Callable[[One], object], Phase]] = {
    "make": (GONE, One.request, AWAKE),
    "move": (AWAKE, One.push, AWAKE),
    "sleep": (AWAKE, lambda one: one.ask("sleep"), ASLEEP),
    "wake": (ASLEEP, lambda one: one.ask("wake"), AWAKE),
    "remove": (AWAKE, lambda one: one.ask("destroy"), GONE),
}
"""Each job: the phase before, what asks for it, and the phase that must follow however often a worker dies."""


def die_everywhere(slipway: Slipway, *jobs: str) -> int:
    """Kill a worker at the first step of each job, at the second, and so on to its end; return how many died.

    Raises ``AssertionError`` where what follows is not what was asked for, or anything is left over.
    """
    one, deaths = One(slipway).request().work_all(), 0
    for name in jobs:
        before, begin, after = JOBS[name]
        steps = 0
        while True:
            _at(one, before)
            begin(one)
            died = slipway.deaths
            one.dies(steps)
            for _ in range(ENOUGH):
                if not slipway.pending(one.id):
                    break
                one.lease_runs_out()
                slipway.work(one.id)
            expected = [one.head] if after is AWAKE else []
            assert (one.row.phase, one.runs) == (after, expected), f"{name}, killed at step {steps}"
            assert slipway.open_operations(one.id) == [], f"{name}, killed at step {steps}"
            if slipway.deaths == died:
                break
            deaths, steps = deaths + 1, steps + 1
    return deaths

"""``python -m tests.workers.environment_orders``: thousands of orders of events, and what they came to."""

import argparse
import sys
import tempfile
import time
import traceback
from collections import Counter
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path

from tests.databases import migrated
from tests.workers.environment_orders.deaths import JOBS, die_everywhere
from tests.workers.environment_orders.orders import Orders, run_orders
from tests.workers.environment_orders.slipway import opened
from workers.embedded.postgres import EmbeddedPostgres

AT_ONCE = 100
"""How many orders share a database: with many more environments in it each step would take longer."""


@dataclass
class Found:
    """What the orders of one process came to."""

    orders: int = 0
    deaths: int = 0
    each: int = 0
    phases: Counter[str] = field(default_factory=Counter)
    problem: str = ""


def main() -> int:
    """Run the orders that the command line asks for; return 1 where one of them broke a rule."""
    parser = argparse.ArgumentParser(prog="python -m tests.workers.environment_orders", description=__doc__)
    parser.add_argument("--orders", type=int, default=2000, help="How many orders.")
    parser.add_argument("--steps", type=int, default=20, help="Of at most how many steps each.")
    parser.add_argument("--processes", type=int, default=2, help="How many processes share them.")
    asked = parser.parse_args()
    began = time.monotonic()
    each = -(-asked.orders // asked.processes)
    with ProcessPoolExecutor(asked.processes) as pool:
        found = list(pool.map(_run, [each] * asked.processes, [asked.steps] * asked.processes))
    phases = sum((one.phases for one in found), Counter[str]())
    orders, deaths = sum(one.orders for one in found), sum(one.deaths for one in found)
    lines = [
        f"{orders} orders, {phases.total()} steps, {deaths} workers killed, in {time.monotonic() - began:.0f} s",
        f"a worker killed at each of {max(one.each for one in found)} steps of the five jobs, one after the other",
        "steps that ended in each phase: " + ", ".join(f"{phase} {phases[phase]}" for phase in sorted(phases)),
        *(one.problem for one in found if one.problem),
    ]
    sys.stdout.write("\n".join(lines) + "\n")
    return 1 if any(one.problem for one in found) else 0


def _run(orders: int, steps: int) -> Found:
    """Run orders against a PostgreSQL of this process's own, until one breaks a rule."""
    found = Found()
    with tempfile.TemporaryDirectory(prefix="slw-orders-") as folder:
        root = Path(folder)
        server = EmbeddedPostgres(root / "postgres", root / "run", durable=False)
        server.start()
        server.wait_ready()
        try:
            databases = migrated(server)
            with opened(server, databases, root / "data") as slipway:
                found.each = die_everywhere(slipway, *JOBS)
            while found.orders < orders and not found.problem:
                count = min(AT_ONCE, orders - found.orders)
                with opened(server, databases, root / "data") as slipway:
                    try:
                        run_orders(slipway, count, steps)
                    except Exception:  # noqa: BLE001  # whatever it is, it is what was looked for
                        found.problem = traceback.format_exc()
                    found.deaths += slipway.deaths
                found.orders += count
        finally:
            server.stop()
    found.phases = Counter(Orders.phases)
    return found


if __name__ == "__main__":
    sys.exit(main())

"""Runs relay and jobs to quiescence in one thread: for tests, demonstrations and scripts that must end settled."""

import time
from collections import deque
from collections.abc import Sequence
from datetime import timedelta

from workers.main import App
from workers.runtime.queue import Send
from workers.runtime.relay import Relay, RelayOptions


class LocalQueue:
    """A queue in memory, read by the thread that fills it."""

    def __init__(self) -> None:
        self.messages: deque[Send] = deque()

    def send(self, messages: Sequence[Send]) -> None:
        """Put ``messages`` in, in order."""
        self.messages.extend(messages)


def drain(app: App, *, periodic: bool = False, patience: timedelta = timedelta(seconds=5)) -> list[str]:
    """Relay and run whatever is due until nothing is, and return the names of the jobs in the order they ran.

    Retries are waited for where the next one is due within ``patience`` of the last thing that happened; later ones
    stay pending. ``periodic`` runs each periodic job that is due once. Failing jobs appear by name as others do:
    what became of them stands in the deliveries.
    """
    queue = LocalQueue()
    options = RelayOptions(window=10_000, calm=timedelta(), longest_patience=timedelta())
    relay = Relay(app.settings, app.database, app.registry, queue, options)
    ran: list[str] = []
    app.keeper.start()
    quiet_since = time.monotonic()
    while time.monotonic() - quiet_since < patience.total_seconds():
        wait = relay.seconds_to_retry()
        done = relay.round(periodic=periodic)
        periodic = False
        while queue.messages:
            ran.extend(_run(app, queue.messages.popleft()))
            quiet_since = time.monotonic()
        if done.idle and done.ours:
            if wait is None or time.monotonic() - quiet_since + wait > patience.total_seconds():
                break
            time.sleep(max(wait, 0.01))
    return ran


def _run(app: App, message: Send) -> list[str]:
    arguments = message.arguments
    if "run" in arguments:
        ours = app.runner.run_schedule(message.job, arguments["run"])
    else:
        ours = app.runner.deliver(message.job, arguments["delivery_id"], arguments["attempt"])
    return [message.job] if ours else []

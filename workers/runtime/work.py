"""A worker process: ``python -m workers.runtime.work`` runs every job that discovery finds, in threads.

Dramatiq's worker runs in this process. Its command line would start a child for the threads and keep a parent that
has imported as much, and checks for signals once a second: twice the memory, and a slower end.
"""

import logging
import signal
import threading

from dramatiq.worker import Worker as DramatiqWorker

from catalog.heartbeats.service import INTERVAL
from catalog.settings import load_settings
from workers.main import App, build
from workers.runtime import logs
from workers.runtime.capabilities import Capabilities
from workers.runtime.pulse import Pulse

log = logging.getLogger(__name__)

SHUTDOWN_SECONDS = 3.5
"""What running jobs have to stop when the process is told to; then they are given back."""

# Consumers wait in Redis and threads wait for consumers, so nothing polls; this is how often a thread looks whether
# it shall end.
_THREAD_WAKES_MILLISECONDS = 500


def start(app: App) -> DramatiqWorker:
    """Start taking jobs in background threads; end with ``stop(worker)``."""
    worker = DramatiqWorker(
        app.broker, worker_threads=app.settings.worker_threads, worker_timeout=_THREAD_WAKES_MILLISECONDS
    )
    # A message that waits in our memory waits in vain while another process has a free thread.
    worker.queue_prefetch = app.settings.worker_threads
    worker.start()
    return worker


def stop(worker: DramatiqWorker, seconds: float = SHUTDOWN_SECONDS) -> None:
    """Tell running jobs to stop, wait for at most ``seconds``, and give back what goes on nevertheless."""
    # Dramatiq would have the consumers fetch on while jobs end, and wait for them afterwards.
    for consumer in worker.consumers.values():
        consumer.stop()
    worker.stop(timeout=int(seconds * 1000))


def main() -> None:
    """Run a worker until SIGTERM or SIGINT."""
    settings = load_settings()
    logs.configure(settings)
    ended = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: ended.set())
    app = build(settings)
    worker = start(app)
    log.info("working with %d threads on %d jobs", settings.worker_threads, len(app.registry.jobs))
    pulse = Pulse(app.database, "worker", Capabilities(settings))
    while not ended.is_set():
        pulse.beat_if_due()
        ended.wait(INTERVAL.total_seconds())
    stop(worker)
    app.close()


if __name__ == "__main__":
    main()

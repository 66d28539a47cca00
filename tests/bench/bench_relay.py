"""The relay's figures in one run: ``python tests/bench/bench_relay.py``.

Commit to job start on an idle system, events a second into the queue against Dramatiq's own enqueue, the same through
to finished jobs, and what an idle worker and relay cost. Databases are durable: PostgreSQL with fsync, Redis with an
append-only file.
"""

import argparse
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from pathlib import Path

import dramatiq
import psutil
from dramatiq.brokers.redis import RedisBroker
from sqlalchemy import text

from catalog import migrate
from catalog.db import Database
from catalog.events import outbox
from catalog.events.registry import EventData, event
from catalog.settings import Settings
from catalog.tenants import bootstrap
from workers.embedded.postgres import EmbeddedPostgres
from workers.embedded.redis import EmbeddedRedis
from workers.main import App
from workers.runtime.registry import registry
from workers.runtime.relay import Relay, RelayOptions
from workers.runtime.work import start, stop
from workers.runtime.worker import JobContext, Worker


@event("bench.happened", version=1)
class Happened(EventData):
    """Something happened; ``number`` tells which."""

    number: int


STARTED: dict[int, float] = {}
WORKER = Worker("bench", queue="bench")


@WORKER.on(Happened)
@WORKER.job("bench.note")
def note(context: JobContext) -> None:
    """Note when the job began."""
    STARTED[context.event(Happened).number] = time.perf_counter()


class Bench:
    """One installation of its own, and what is measured on it."""

    def __init__(self, settings: Settings) -> None:
        self.settings = settings
        self.database = Database(settings)
        self.tenant = bootstrap.ensure_tenant(self.database, "bench")
        self.app = App(settings, registry([WORKER]))

    def append(self, numbers: range, subjects: int) -> None:
        """Append events in one transaction."""
        with self.database.tenant_session(self.tenant.id) as session:
            for number in numbers:
                subject = f"things/{number % subjects}"
                data = Happened(number=number)
                outbox.append(session, data, tenant_id=self.tenant.id, subject=subject, actor="bench")

    def relay(self, options: RelayOptions | None = None) -> Relay:
        """Return a relay into the real queue."""
        return Relay(self.settings, self.database, self.app.registry, self.app.broker, options)

    def latency(self, count: int) -> list[float]:
        """Return milliseconds from commit to job start, one event at a time on an idle system."""
        taken = []
        for number in range(count):
            self.append(range(number, number + 1), subjects=1_000_000)
            committed = time.perf_counter()
            while number not in STARTED:
                time.sleep(0.0005)
            taken.append((STARTED[number] - committed) * 1000)
            time.sleep(0.01)
        return sorted(taken)

    def into_the_queue(self, count: int) -> float:
        """Return events a second from the outbox into Redis, while no worker takes any."""
        first = 1_000_000
        self.append(range(first, first + count), subjects=count)
        relay = self.relay(RelayOptions(window=10 * count))
        began = time.perf_counter()
        while not relay.round().idle:
            pass
        rate = count / (time.perf_counter() - began)
        waiting = self.app.broker.client.llen("slipway:bench")
        if waiting != count:
            raise SystemExit(f"{waiting} of {count} messages are in the queue")
        self.empty()
        return rate

    def bare_enqueue(self, count: int) -> float:
        """Return messages a second that Dramatiq enqueues by itself, from the same process into the same Redis."""
        broker = RedisBroker(url=self.settings.redis_url)  # type: ignore[no-untyped-call]  # not annotated in Dramatiq
        actor = dramatiq.actor(broker=broker)(_nothing)
        began = time.perf_counter()
        for number in range(count):
            actor.send(number)
        rate = count / (time.perf_counter() - began)
        self.empty()
        return rate

    def to_finished_jobs(self, count: int) -> float:
        """Return events a second from the outbox to finished jobs, with the window that the product has."""
        first = 2_000_000
        self.append(range(first, first + count), subjects=count)
        with self.working():
            began = time.perf_counter()
            while not all(number in STARTED for number in range(first, first + count)):
                time.sleep(0.005)
            return count / (time.perf_counter() - began)

    def empty(self) -> None:
        """Forget every message and delivery."""
        self.app.broker.client.flushall()
        with self.database.system_session() as session:
            session.connection().execute(text("DELETE FROM deliveries"))

    @contextmanager
    def working(self) -> Iterator[None]:
        """Run a relay and a worker in threads."""
        self.app.runtime.stopping.clear()
        end = threading.Event()
        thread = threading.Thread(target=self.relay().run, args=(end,))
        worker = start(self.app)
        thread.start()
        time.sleep(1.5)
        try:
            yield
        finally:
            end.set()
            thread.join()
            stop(worker)


def _nothing(_number: int) -> None:
    """Do nothing."""


def idle(settings: Settings, module: str, seconds: float) -> tuple[float, float]:
    """Return the share of one core in percent, and the memory (PSS) in MB, of an idle process of ours."""
    environment = {**settings.as_environment(), "PATH": "/usr/bin:/bin", "PYTHONPATH": str(Path(__file__).parents[2])}
    process = subprocess.Popen([sys.executable, "-m", module], env=environment, stderr=subprocess.DEVNULL)
    try:
        time.sleep(8)
        seen = psutil.Process(process.pid)
        before = seen.cpu_times()
        time.sleep(seconds)
        after = seen.cpu_times()
        used = after.user + after.system - before.user - before.system
        return used / seconds * 100, seen.memory_full_info().pss / 1e6
    finally:
        process.terminate()
        process.wait()


@contextmanager
def installation() -> Iterator[Settings]:
    """Run durable servers of our own in a temporary directory."""
    with tempfile.TemporaryDirectory(prefix="slw-bench-") as folder:
        data = Path(folder)
        data.chmod(0o711)
        postgres, queue = EmbeddedPostgres(data, data / "run"), EmbeddedRedis(data, data / "run")
        for server in (postgres, queue):
            server.start()
            server.wait_ready()
        try:
            urls = postgres.urls()
            migrate.upgrade(urls.owner)
            yield Settings(data_dir=data, database_url=urls.app, database_system_url=urls.system, redis_url=queue.url())
        finally:
            queue.stop()
            postgres.stop()


def main() -> int:
    """Measure, print, and return 1 where a bound is not kept."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--events", type=int, default=5000)
    parser.add_argument("--latencies", type=int, default=300)
    parser.add_argument("--idle-seconds", type=float, default=10.0)
    given = parser.parse_args()
    with installation() as settings:
        bench = Bench(settings)
        with bench.working():
            taken = bench.latency(given.latencies)
        p99 = taken[int(len(taken) * 0.99) - 1]
        _say(f"commit to job start: median {statistics.median(taken):.1f} ms, p99 {p99:.1f} ms (bound 100 ms)")
        bench.empty()
        # In turns, so that what else the machine does weighs on both.
        pairs = [(bench.into_the_queue(given.events), bench.bare_enqueue(given.events)) for _ in range(3)]
        relay, bare = (statistics.median(each) for each in zip(*pairs, strict=True))
        _say(f"into the queue: {relay:.0f} events/s, bare Dramatiq enqueue: {bare:.0f} messages/s")
        _say(f"ratio: {relay / bare:.2f} (bound 0.5)")
        bench.app = App(settings, registry([WORKER]))
        _say(f"through to finished jobs: {bench.to_finished_jobs(given.events // 5):.0f} events/s")
        for module in ("workers.runtime.work", "workers.runtime.relay"):
            cpu, memory = idle(settings, module, given.idle_seconds)
            _say(f"idle {module}: {cpu:.1f} % of one core, {memory:.0f} MB (PSS)")
    return 0 if p99 < timedelta(milliseconds=100).total_seconds() * 1000 and relay / bare >= 0.5 else 1


def _say(line: str) -> None:
    sys.stdout.write(f"{line}\n")
    sys.stdout.flush()


if __name__ == "__main__":
    sys.exit(main())

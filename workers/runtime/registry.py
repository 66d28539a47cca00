"""Which jobs there are: every worker and agent that discovery finds, checked against each other."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import timedelta

from catalog.discovery import DiscoveryError, discover
from catalog.events.registry import load_events
from catalog.settings import Settings
from workers.runtime.agent import Agent
from workers.runtime.worker import Job, Worker


@dataclass(frozen=True)
class Registry:
    """The jobs of a set of workers, by name, and how many jobs of a queue one process may hold at once."""

    jobs: Mapping[str, Job]
    concurrency: Mapping[str, int]

    @property
    def queues(self) -> dict[str, str]:
        """The queue of each job."""
        return {job.name: job.queue for job in self.jobs.values()}

    @property
    def awaited(self) -> tuple[str, ...]:
        """The jobs that somebody waits for."""
        return tuple(job.name for job in self.jobs.values() if job.is_awaited)

    @property
    def patient(self) -> tuple[str, ...]:
        """The jobs that nobody waits for."""
        return tuple(job.name for job in self.jobs.values() if job.is_patient)

    @property
    def subscriptions(self) -> list[tuple[str, str]]:
        """Every pair of a CloudEvents type and the job that wants it."""
        return [(event.event_type(), job.name) for job in self.jobs.values() for event in job.events]

    def intervals(self, settings: Settings) -> dict[str, timedelta]:
        """Return how often each periodic job runs; raise ``DiscoveryError`` for an interval that is no time at all."""
        found = {job.name: job.interval(settings) for job in self.jobs.values()}
        intervals = {name: interval for name, interval in found.items() if interval is not None}
        for name, interval in intervals.items():
            if interval <= timedelta():
                raise DiscoveryError(f"the periodic job {name} has the interval {interval}, which is not positive")
        return intervals


def registry(workers: Iterable[Worker]) -> Registry:
    """Join the jobs of ``workers``; raise ``DiscoveryError`` where two claim one name, or a queue's bounds differ."""
    jobs: dict[str, Job] = {}
    owners: dict[str, str] = {}
    concurrency: dict[str, int] = {}
    for worker in workers:
        for job in worker.jobs():
            if job.name in jobs:
                raise DiscoveryError(
                    f"the worker {worker.name} ({job.function.__module__}) claims the job {job.name!r}, "
                    f"which {owners[job.name]} has"
                )
            jobs[job.name] = job
            owners[job.name] = f"{worker.name} ({job.function.__module__})"
        if worker.concurrency is not None:
            bound = concurrency.setdefault(worker.queue, worker.concurrency)
            concurrency[worker.queue] = min(bound, worker.concurrency)
    return Registry(dict(sorted(jobs.items())), concurrency)


def discover_workers() -> Registry:
    """Find every worker and agent, and register every event; raise ``DiscoveryError`` that names what is wrong."""
    load_events()
    workers = discover("slipway.workers", "WORKER", Worker)
    return registry([*workers.values(), *discover_agents().values()])


def discover_agents() -> dict[str, Agent]:
    """Find every agent by its name; raise ``DiscoveryError`` that names what is wrong."""
    return discover("slipway.agents", "AGENT", Agent)

"""Composition root of the workers: discovers every job and binds it to the queue.

``workers.main:app.broker`` is what Dramatiq's own command line takes; ``slipway work`` does the same in one process.
"""

from collections.abc import Callable
from functools import cached_property

import dramatiq
from dramatiq.middleware import Middleware, ShutdownNotifications
from dramatiq.worker import Worker as DramatiqWorker

from catalog.gates import open_database
from catalog.settings import Settings, load_settings
from workers.runtime.keeper import Keeper, KeeperOptions
from workers.runtime.queue import SlipwayBroker, open_broker
from workers.runtime.registry import Registry, discover_workers
from workers.runtime.resources import Runtime
from workers.runtime.runner import Runner


class App:
    """Everything one worker process consists of; nothing connects before it is used."""

    def __init__(self, settings: Settings, registry: Registry, keeper: KeeperOptions | None = None) -> None:
        self.settings = settings
        self.registry = registry
        self.database = open_database(settings)
        self.runtime = Runtime(settings, self.database)
        self.keeper = Keeper(self.database, keeper)
        self.runner = Runner(self.runtime, registry, self.keeper)

    @cached_property
    def broker(self) -> SlipwayBroker:
        """The queue with one actor for each job.

        There is no retry middleware, because the deliveries table says when to try again; no delay queue for the same
        reason; and no server of metrics in every process.
        """
        middleware: list[Middleware] = [ShutdownNotifications(), _Lifetime(self)]
        broker = open_broker(self.settings, middleware, self.registry.concurrency)
        for job in self.registry.jobs.values():
            actor = _actor(self.runner, job.name)
            dramatiq.actor(actor_name=job.name, queue_name=job.queue, broker=broker)(actor)
        return broker

    def close(self) -> None:
        """Close everything that was opened."""
        self.keeper.stop()
        self.runtime.close()
        if "broker" in self.__dict__:
            self.broker.close()
        self.database.close()


class _Lifetime(Middleware):
    """Ties leases to the life of Dramatiq's worker."""

    def __init__(self, app: App) -> None:
        self._app = app

    def before_worker_boot(self, broker: dramatiq.Broker, worker: DramatiqWorker) -> None:  # noqa: ARG002
        self._app.keeper.start()

    def before_worker_shutdown(self, broker: dramatiq.Broker, worker: DramatiqWorker) -> None:  # noqa: ARG002
        self._app.runtime.stopping.set()

    def after_worker_shutdown(self, broker: dramatiq.Broker, worker: DramatiqWorker) -> None:  # noqa: ARG002
        self._app.runner.release_all()


def _actor(runner: Runner, job: str) -> Callable[..., None]:
    def run(delivery_id: int | None = None, attempt: int | None = None, run: int | None = None) -> None:
        if delivery_id is not None and attempt is not None:
            runner.deliver(job, delivery_id, attempt)
        elif run is not None:
            runner.run_schedule(job, run)

    return run


def build(settings: Settings, registry: Registry | None = None) -> App:
    """Return the worker of these settings with every job that discovery finds (or those of ``registry``)."""
    return App(settings, registry or discover_workers())


def __getattr__(name: str) -> App:
    # Built when asked for, so that importing this module (discovery and tests do) changes nothing.
    if name == "app":
        app = build(load_settings())
        globals()["app"] = app
        return app
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")

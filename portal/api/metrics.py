"""What Prometheus reads: requests by route template, and how much work waits, never by tenant."""

from collections.abc import Iterator

from litestar import Response, get
from prometheus_client import CollectorRegistry, Counter, Histogram, generate_latest
from prometheus_client.core import GaugeMetricFamily
from prometheus_client.exposition import CONTENT_TYPE_LATEST

from catalog.db import Database
from catalog.deliveries.service import DeliveryService
from catalog.environments.service import EnvironmentSweeps, EphemeralEnvironmentService
from portal.api.documentation import problems
from portal.boundary import WebRequest

BUCKETS = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0)


class Metrics:
    """The figures of one portal process; those of the database are read when they are asked for."""

    def __init__(self, database: Database) -> None:
        self.registry = CollectorRegistry()
        labels = ("method", "route")
        self._requests = Counter(
            "slipway_http_requests", "Requests that were answered.", (*labels, "status"), registry=self.registry
        )
        self._seconds = Histogram(
            "slipway_http_request_seconds",
            "How long answers took, in seconds.",
            labels,
            buckets=BUCKETS,
            registry=self.registry,
        )
        self.registry.register(_Backlog(database))

    def observe(self, method: str, route: str, status: int, seconds: float) -> None:
        """Count one answered request; ``route`` is the template, so that ids make no series of their own."""
        self._requests.labels(method, route, str(status)).inc()
        self._seconds.labels(method, route).observe(seconds)


class _Backlog:
    def __init__(self, database: Database) -> None:
        self._database = database

    def describe(self) -> Iterator[GaugeMetricFamily]:
        """Name the figures without reading them, which is all that registering needs."""
        yield from self._families()

    def collect(self) -> Iterator[GaugeMetricFamily]:
        """Read the figures, across tenants."""
        outbox, deliveries, environments, strangers = self._families()
        with self._database.system_session() as session:
            outbox.add_metric([], DeliveryService.backlog(session))
            for state, count in DeliveryService.deliveries_by_state(session).items():
                deliveries.add_metric([state.value], count)
            for phase, count in EphemeralEnvironmentService.all_by_phase(session).items():
                environments.add_metric([phase.value], count)
            found = EnvironmentSweeps.strangers(session)
        for place in ("stacks", "targets"):
            strangers.add_metric([place], len(found.get(place, ())))
        yield from (outbox, deliveries, environments, strangers)

    @staticmethod
    def _families() -> tuple[GaugeMetricFamily, GaugeMetricFamily, GaugeMetricFamily, GaugeMetricFamily]:
        return (
            GaugeMetricFamily("slipway_outbox_backlog", "Events that the relay has not taken yet.", labels=[]),
            GaugeMetricFamily("slipway_deliveries", "Deliveries that are not done, by state.", labels=["state"]),
            GaugeMetricFamily("slipway_environments", "Environments by phase.", labels=["phase"]),
            GaugeMetricFamily(
                "slipway_environment_strangers",
                "What the last sweep found that belongs to no environment known here, by where.",
                labels=["place"],
            ),
        )


@get(
    "/metrics",
    operation_id="get_metrics",
    summary="Figures for Prometheus",
    tags=["health"],
    media_type="text/plain",
    opt={"anonymous": True},
    responses=problems(503),
    sync_to_thread=True,
)
def metrics(request: WebRequest) -> Response[bytes]:
    """Answer in the text format of Prometheus."""
    found: Metrics = request.app.state.metrics
    return Response(generate_latest(found.registry), media_type=CONTENT_TYPE_LATEST)

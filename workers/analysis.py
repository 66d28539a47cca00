"""Measures what analyses ask for: taken up under a fence, measured outside any transaction, written down once."""

from collections.abc import Iterable
from contextlib import suppress
from datetime import timedelta
from uuid import UUID

from catalog.analysis.errors import AnalysisNotFoundError
from catalog.analysis.events import AnalysisStarted
from catalog.analysis.service import AnalysisService, Errand, Measured
from catalog.analysis.shapes import MetricSpec
from catalog.assets.durations import parse_duration
from catalog.clock import now
from catalog.providers.metrics import MetricSourceError, Reach, Reading, sources
from catalog.tenants.service import TenantService
from workers.runtime.worker import JobContext, Worker

WORKER = Worker("analysis", queue="analysis", concurrency=2)

DUE_AT_ONCE = 100


@WORKER.every(timedelta(seconds=2))
@WORKER.job("analysis.measure_due", time_limit=timedelta(minutes=5))
def measure_due(context: JobContext) -> None:
    """Measure whatever is due, of any tenant."""
    with context.system_session() as session:
        due = AnalysisService.due(session, now(), DUE_AT_ONCE)
    for tenant_id, run_id in due:
        if context.should_stop():
            return
        measure(context, tenant_id, run_id)


@WORKER.on(AnalysisStarted)
@WORKER.job("analysis.measure_first", time_limit=timedelta(minutes=5))
def measure_first(context: JobContext) -> None:
    """Measure at once what does not wait."""
    started = context.event(AnalysisStarted)
    if context.tenant_id is not None:
        measure(context, context.tenant_id, started.run_id)


def measure(context: JobContext, tenant_id: UUID, run_id: UUID) -> None:
    """Take up what is due in one analysis, measure it, and write it down; another worker's work is left alone."""
    with suppress(AnalysisNotFoundError):
        with context.session(tenant_id) as session:
            errand = AnalysisService(session).begin(tenant_id, run_id)
            tenant_name = TenantService(session).get(tenant_id).name if errand is not None else ""
        if errand is None:
            return
        measured = list(_all_measured(context, errand, tenant_name))
        with context.session(tenant_id) as session:
            AnalysisService(session).report(errand, measured)


def _all_measured(context: JobContext, errand: Errand, tenant_name: str) -> Iterable[Measured]:
    reach = Reach(
        settings=context.settings,
        tenant_id=errand.tenant_id,
        tenant_name=tenant_name,
        subject_kind=errand.subject_kind,
        subject_id=errand.subject_id,
        session=lambda: context.session(errand.tenant_id),
    )
    for spec, _ in errand.metrics:
        try:
            yield Measured(spec.name, _reading(spec, reach))
        except MetricSourceError as error:
            yield Measured(spec.name, None, str(error))


def _reading(spec: MetricSpec, reach: Reach) -> Reading:
    """Return what the source says; the share of a rate is that of its numerator in its denominator."""
    source = sources().get(spec.provider)
    if source is None:
        raise MetricSourceError(f"There is no source {spec.provider} any more.")
    at, window = now(), parse_duration(spec.window)
    if spec.kind != "rate":
        return source.read(spec.query or "", window, at, reach)
    parts = [source.read(query or "", window, at, reach) for query in (spec.numerator, spec.denominator)]
    over, under = (each.values for each in parts)
    if not over or not under:
        return Reading(())
    if len(over) > 1 or len(under) > 1:
        raise MetricSourceError("Numerator and denominator have to answer one value each, as by sum().")
    share = over[0] / under[0] if under[0] else float("nan")  # of nothing at all there is no share
    return Reading((share,), requests=under[0])

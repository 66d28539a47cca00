"""AnalysisService: analyses are started, measured, ended and read; everything happens in the session's transaction."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from sqlmodel import Session

from catalog.analysis import queries, rules
from catalog.analysis.conditions import Judged, judge, missing
from catalog.analysis.errors import AnalysisNotFoundError, AnalysisRefusedError
from catalog.analysis.events import AnalysisConcluded, AnalysisStarted
from catalog.analysis.models import AnalysisMeasurement, AnalysisPhase, AnalysisRun, Ending, MetricVerdict
from catalog.analysis.rules import MetricState
from catalog.analysis.shapes import AnalysisRead, AnalysisSpec, MeasurementRead, MetricRead, MetricSpec
from catalog.assets.durations import parse_duration
from catalog.assets.strategy_checks import measure_problems
from catalog.clock import now
from catalog.errors import FieldError
from catalog.events import outbox
from catalog.providers.metrics import Reading, sources
from catalog.settings import Settings

ENDED = rules.ENDED
"""The phases that an analysis does not leave."""
BAD = rules.BAD
MOST_AT_ONCE = 3
LEASE = timedelta(minutes=4)
"""How long whoever measures has it for itself: what six answers may take (a rate needs two), and some."""
MOST_MEASUREMENTS = 10_000
LEAST_RETRY = timedelta(seconds=1)
LONGEST = timedelta(days=31)


@dataclass(frozen=True)
class Errand:
    """What one worker is to measure now, under its ``fence``: the metric, and the number of its measurement."""

    run_id: UUID
    tenant_id: UUID
    fence: int
    subject_kind: str
    subject_id: UUID
    metrics: tuple[tuple[MetricSpec, int], ...]


@dataclass(frozen=True)
class Measured:
    """What came of measuring one metric: a reading, or why there is none."""

    metric: str
    reading: Reading | None
    problem: str = ""


class AnalysisService:
    """One unit of work on analyses."""

    def __init__(self, session: Session) -> None:
        self._session = session

    @staticmethod
    def check(
        spec: AnalysisSpec, lasts: timedelta, settings: Settings, tenant_name: str, pointer: str = "/analysis"
    ) -> None:
        """Raise ``AnalysisRefusedError`` naming each metric that would decide nothing or cannot be measured.

        ``lasts`` is how long the analysis goes on at most.
        """
        known = sources()
        found: list[FieldError] = []
        for is_scraped in (True, False):
            own = [
                (place, each)
                for place, each in enumerate(spec.metrics)
                if (known[each.provider].is_scraped if each.provider in known else False) is is_scraped
            ]
            for index, message, fix in measure_problems([each for _, each in own], is_scraped=is_scraped):
                found.append(FieldError(f"{pointer}/metrics/{own[index][0]}", f"{message} {fix}"))
        for place, each in enumerate(spec.metrics):
            problems = _unmeasurable(each, lasts, settings, tenant_name)
            found += [FieldError(f"{pointer}/metrics/{place}", f"{each.name}: {problem}") for problem in problems]
        if not timedelta() < lasts <= LONGEST:
            found.append(FieldError(pointer, f"An analysis lasts at most {LONGEST.days} days, and some time at all."))
        if found:
            raise AnalysisRefusedError("The analysis makes no sense: see each field.", found)

    def start(
        self, tenant_id: UUID, subject_kind: str, subject_id: UUID, spec: AnalysisSpec, lasts: timedelta, actor: str
    ) -> AnalysisRun:
        """Begin an analysis of a subject that `check` let through; it ends by itself after ``lasts``."""
        started = now()
        run = AnalysisRun(
            tenant_id=tenant_id,
            subject_kind=subject_kind,
            subject_id=subject_id,
            metrics=[each.model_dump(mode="json") for each in spec.metrics],
            states={each.name: MetricState().as_json() for each in spec.metrics},
            argo_compat=spec.argo_compat,
            deadline_at=started + lasts,
            started_at=started,
        )
        run.next_at = _next_at(spec.metrics, _states(run), run)
        self._session.add(run)
        self._session.flush()
        data = AnalysisStarted(**_stamp(run), metrics=[each.name for each in spec.metrics])
        outbox.append(self._session, data, tenant_id=tenant_id, subject=_subject(run), actor=actor)
        return run

    def end(self, tenant_id: UUID, run_id: UUID, ending: Ending) -> AnalysisRun:
        """End an analysis: what has not decided yet counts as ``ending`` says. An ended one stays as it is."""
        run = self._run(tenant_id, run_id, lock=True)
        if run.phase in ENDED:
            return run
        run.ending = run.ending or ending
        self._close_lost(run)
        self._conclude(run, _specs(run), _states(run))
        return run

    def begin(self, tenant_id: UUID, run_id: UUID) -> Errand | None:
        """Take up what is due and return it; None where nothing is, or another worker has it.

        What an earlier worker has begun and not finished within its lease is measured again under the same number.
        """
        run = self._run(tenant_id, run_id, lock=True)
        at = now()
        if run.phase in ENDED or (run.lease_until is not None and run.lease_until > at):
            return None
        specs, states = _specs(run), _states(run)
        if run.ending is None and at >= run.deadline_at:
            run.ending = Ending.DEADLINE
        if run.ending is not None:
            self._close_lost(run)
            self._conclude(run, specs, _states(run))
            return None
        run.fence += 1
        lost = {each.metric: each for each in queries.unfinished(self._session, tenant_id, run_id)}
        chosen: list[tuple[MetricSpec, int]] = []
        for each in specs:
            state = states[each.name]
            due = _due_at(each, replace(state, in_flight=False), run)
            if due is None or due > at or len(chosen) == MOST_AT_ONCE:
                continue
            row = lost.get(each.name) or AnalysisMeasurement(
                tenant_id=tenant_id, run_id=run_id, metric=each.name, number=state.measured + 1, fence=0
            )
            row.fence, row.started_at = run.fence, at
            self._session.add(row)
            states[each.name] = replace(state, in_flight=True)
            chosen.append((each, row.number))
        run.lease_until = at + LEASE if chosen else None
        self._conclude(run, specs, states)
        if not chosen:
            return None
        return Errand(run.id, tenant_id, run.fence, run.subject_kind, run.subject_id, tuple(chosen))

    def report(self, errand: Errand, measured: Sequence[Measured]) -> bool:
        """Write down what was measured and what follows; false, and nothing written, where another took it over."""
        run = self._run(errand.tenant_id, errand.run_id, lock=True)
        if run.fence != errand.fence or run.phase in ENDED:
            return False
        specs, states = _specs(run), _states(run)
        by_name = {each.name: each for each in specs}
        open_rows = {each.metric: each for each in queries.unfinished(self._session, run.tenant_id, run.id)}
        at = now()
        for each in measured:
            row, spec = open_rows[each.metric], by_name[each.metric]
            judged = _judged(spec, each)
            row.verdict, row.message, row.finished_at = judged.verdict, judged.message, at
            if each.reading is not None:
                row.values = [_plain(value) for value in each.reading.values]
                row.requests, row.samples = each.reading.requests, each.reading.samples
            self._session.add(row)
            state = states[each.metric]
            counters = rules.counted(state.counters, judged.verdict)
            states[each.metric] = replace(state, counters=counters, last=judged.verdict, last_at=at, in_flight=False)
        run.lease_until = None
        self._session.flush()
        self._conclude(run, specs, states)
        return True

    def get(self, tenant_id: UUID, run_id: UUID, measurements: int = 10) -> AnalysisRead:
        """Return an analysis with the latest measurements; raise ``AnalysisNotFoundError`` where there is none."""
        return self._read(self._run(tenant_id, run_id), measurements)

    def phase_of(self, tenant_id: UUID, run_id: UUID) -> tuple[AnalysisPhase, str]:
        """Return where an analysis stands and what it says."""
        run = self._run(tenant_id, run_id)
        return run.phase, run.message

    def of_subjects(
        self, tenant_id: UUID, kind: str, subject_ids: Sequence[UUID], measurements: int = 5
    ) -> dict[UUID, list[AnalysisRead]]:
        """Return the analyses of some subjects, oldest first, by subject."""
        found: dict[UUID, list[AnalysisRead]] = {}
        for each in queries.of_subjects(self._session, tenant_id, kind, subject_ids):
            found.setdefault(each.subject_id, []).append(self._read(each, measurements))
        return found

    @staticmethod
    def due(session: Session, at: datetime, limit: int) -> list[tuple[UUID, UUID]]:
        """Return tenant and id of analyses in which something is due; needs a session of the system role."""
        return queries.due(session, at, limit)

    def _run(self, tenant_id: UUID, run_id: UUID, *, lock: bool = False) -> AnalysisRun:
        found = queries.run(self._session, tenant_id, run_id, lock=lock)
        if found is None:
            raise AnalysisNotFoundError(f"There is no analysis {run_id}.")
        return found

    def _close_lost(self, run: AnalysisRun) -> None:
        """Let go of what was begun and will not be finished: the analysis ends without it."""
        states = _states(run)
        for row in queries.unfinished(self._session, run.tenant_id, run.id):
            row.finished_at, row.message = now(), "The analysis ended before it was finished."
            self._session.add(row)
            states[row.metric] = replace(states[row.metric], in_flight=False)
        run.states = {name: state.as_json() for name, state in states.items()}
        run.lease_until = None
        run.fence += 1

    def _conclude(self, run: AnalysisRun, specs: Sequence[MetricSpec], states: Mapping[str, MetricState]) -> None:
        """Write down where the metrics and the analysis stand, and tell of a verdict."""
        settled, phase, message = rules.settle(specs, states, run.ending, argo_compat=run.argo_compat)
        run.states = {name: state.as_json() for name, state in settled.items()}
        run.phase, run.message = phase, message
        run.next_at = _next_at(specs, settled, run)
        self._session.add(run)
        if phase in ENDED:
            run.finished_at, run.lease_until = now(), None
            data = AnalysisConcluded(**_stamp(run), phase=phase, message=message)
            outbox.append(self._session, data, tenant_id=run.tenant_id, subject=_subject(run), actor="system")
        self._session.flush()

    def _read(self, run: AnalysisRun, measurements: int) -> AnalysisRead:
        rows = queries.measurements(self._session, run.tenant_id, run.id, limit=measurements)
        kept: dict[str, list[MeasurementRead]] = {}
        for row in rows:
            kept.setdefault(row.metric, []).append(MeasurementRead.model_validate(row))
        states = _states(run)
        metrics = [
            MetricRead(
                **each.model_dump(
                    include={"name", "provider", "kind", "dry_run", "success_condition", "failure_condition"}
                ),
                phase=states[each.name].phase,
                message=states[each.name].message,
                counters=states[each.name].as_json()["counters"],
                measurements=kept.get(each.name, []),
            )
            for each in _specs(run)
        ]
        values = {name: getattr(run, name) for name in AnalysisRead.model_fields if name != "metrics"}
        return AnalysisRead(**values, metrics=metrics)


def _specs(run: AnalysisRun) -> list[MetricSpec]:
    return [MetricSpec.model_validate(each) for each in run.metrics]


def _states(run: AnalysisRun) -> dict[str, MetricState]:
    return {name: MetricState.of_json(value) for name, value in run.states.items()}


def _stamp(run: AnalysisRun) -> dict[str, Any]:
    return {"run_id": run.id, "subject_kind": run.subject_kind, "subject_id": run.subject_id}


def _subject(run: AnalysisRun) -> str:
    return f"analyses/{run.id}"


def _due_at(spec: MetricSpec, state: MetricState, run: AnalysisRun) -> datetime | None:
    return rules.due_at(spec, state, run.started_at, parse_duration(spec.error_retry))


def _next_at(specs: Sequence[MetricSpec], states: Mapping[str, MetricState], run: AnalysisRun) -> datetime:
    moments = [_due_at(each, states[each.name], run) for each in specs]
    return min([run.deadline_at, *(each for each in moments if each is not None)])


def _unmeasurable(spec: MetricSpec, lasts: timedelta, settings: Settings, tenant_name: str) -> list[str]:
    source = sources().get(spec.provider)
    if source is None:
        return [f"There is no source {spec.provider}. Use one of: {', '.join(sorted(sources()))}."]
    if spec.kind == "distribution":
        return ["Distributions are judged by rollouts, which compare two revisions. Use threshold or rate."]
    found = [
        problem
        for query in (spec.query, spec.numerator, spec.denominator)
        if query is not None and (problem := source.problem(query, settings, tenant_name))
    ]
    if spec.interval is not None and lasts / parse_duration(spec.interval) > MOST_MEASUREMENTS:
        found.append(f"It would be measured more than {MOST_MEASUREMENTS} times. Make the interval longer.")
    if parse_duration(spec.error_retry) < LEAST_RETRY:
        found.append("Its errorRetry leaves the source no time to recover. Write PT1S or more.")
    if parse_duration(spec.initial_delay) >= lasts:
        found.append("Its initialDelay is as long as the whole analysis, so that it is never measured.")
    return found


def _judged(spec: MetricSpec, measured: Measured) -> Judged:
    reading = measured.reading
    if reading is None:
        return Judged(MetricVerdict.ERROR, measured.problem)
    enough = (
        ("samples", None if reading.samples is None else float(reading.samples), spec.min_samples),
        ("requests", reading.requests, spec.min_requests),
    )
    why = missing(reading.values, enough)
    if why:
        return Judged(MetricVerdict.NODATA, why)
    if len(reading.values) > 1:
        return Judged(
            MetricVerdict.ERROR, f"The query answers {len(reading.values)} values. Let it answer one, as by sum()."
        )
    return judge(spec.success_condition, spec.failure_condition, reading.values[0])


def _plain(value: float) -> float | str:
    return value if math.isfinite(value) else str(value)

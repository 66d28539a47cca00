"""How a metric and an analysis move: pure functions over counters; time is a parameter.

The semantics are those of Argo Rollouts' analysis (the order in which it assesses a metric included), with one verdict
added, that there is no data, and one difference: an analysis that somebody stops before anything conclusive was
measured is inconclusive and no success. ``argo_compat`` takes that difference back.
"""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from datetime import datetime, timedelta
from typing import Any

from catalog.analysis.models import AnalysisPhase, Ending, MetricVerdict
from catalog.assets.durations import parse_duration
from catalog.assets.strategy_spec import Measure

P = AnalysisPhase
WORSE: tuple[AnalysisPhase, ...] = tuple(AnalysisPhase)
"""The phases from the best to the worst."""
ENDED = frozenset({P.SUCCESSFUL, P.NODATA, P.INCONCLUSIVE, P.ERROR, P.FAILED})
BAD = ENDED - {P.SUCCESSFUL}
"""What ends the other metrics of an analysis."""
RETRY = timedelta(seconds=10)
"""How long after an error, or after nothing where there is no interval, it is measured again; a metric may say more."""
CONCLUSIVE = frozenset({MetricVerdict.SUCCESSFUL, MetricVerdict.FAILED, MetricVerdict.INCONCLUSIVE})


@dataclass(frozen=True)
class Counters:
    """What was measured so far; ``count`` are the measurements that said something about the subject."""

    successful: int = 0
    failed: int = 0
    inconclusive: int = 0
    error: int = 0
    nodata: int = 0
    count: int = 0
    consecutive_success: int = 0
    consecutive_error: int = 0
    consecutive_nodata: int = 0


@dataclass(frozen=True)
class MetricState:
    """Where a metric stands: ``last_at`` is when its last measurement was finished, ``in_flight`` that one is not."""

    phase: AnalysisPhase = P.PENDING
    counters: Counters = Counters()
    message: str = ""
    last: MetricVerdict | None = None
    last_at: datetime | None = None
    in_flight: bool = False

    @property
    def measured(self) -> int:
        """Return how many measurements are finished."""
        counters = self.counters
        return counters.count + counters.error + counters.nodata

    def as_json(self) -> dict[str, Any]:
        """Return the state as a row keeps it."""
        last_at = None if self.last_at is None else self.last_at.isoformat()
        return {**asdict(self), "last_at": last_at, "phase": str(self.phase), "last": self.last and str(self.last)}

    @classmethod
    def of_json(cls, value: Mapping[str, Any]) -> "MetricState":
        """Return the state that a row keeps."""
        return cls(
            phase=AnalysisPhase(value["phase"]),
            counters=Counters(**value["counters"]),
            message=value["message"],
            last=MetricVerdict(value["last"]) if value["last"] else None,
            last_at=datetime.fromisoformat(value["last_at"]) if value["last_at"] else None,
            in_flight=value["in_flight"],
        )


def counted(counters: Counters, verdict: MetricVerdict) -> Counters:
    """Return the counters after one more finished measurement."""
    c = counters
    if verdict is MetricVerdict.ERROR:
        return replace(
            c,
            error=c.error + 1,
            consecutive_error=c.consecutive_error + 1,
            consecutive_success=0,
            consecutive_nodata=0,
        )
    if verdict is MetricVerdict.NODATA:
        return replace(c, nodata=c.nodata + 1, consecutive_nodata=c.consecutive_nodata + 1, consecutive_error=0)
    name = str(verdict)
    succeeded = verdict is MetricVerdict.SUCCESSFUL
    return replace(
        c,
        **{name: getattr(c, name) + 1},
        count=c.count + 1,
        consecutive_success=c.consecutive_success + 1 if succeeded else 0,
        consecutive_error=0,
        consecutive_nodata=0,
    )


def effective_count(measure: Measure) -> int | None:
    """Return how many measurements end a metric, None where none do: with an interval and without a count."""
    if measure.count is not None:
        return measure.count
    return 1 if measure.interval is None else None


def assessed(
    measure: Measure, state: MetricState, ending: Ending | None, *, argo_compat: bool = False
) -> tuple[AnalysisPhase, str]:
    """Return the phase of a metric and what it says, in the order in which Argo Rollouts looks at it."""
    counters = state.counters
    if state.phase in ENDED:
        return state.phase, state.message
    if state.in_flight:
        return P.RUNNING, ""
    decided = _decided(measure, counters) if state.measured else None
    if decided is not None:
        return decided
    if ending:
        return _cut_short(state, ending, argo_compat=argo_compat), ""
    return (P.RUNNING if state.measured else P.PENDING), ""


def _decided(measure: Measure, counters: Counters) -> tuple[AnalysisPhase, str] | None:
    """Return what limits, successes in a row and the count say, in this order; None where it goes on."""
    broken = _broken_limit(measure, counters)
    if broken is not None:
        return broken
    if 0 < measure.consecutive_success_limit <= counters.consecutive_success:
        return P.SUCCESSFUL, f"{counters.consecutive_success} successes in a row"
    wanted = effective_count(measure)
    return _at_count(measure, counters) if wanted is not None and counters.count >= wanted else None


def _broken_limit(measure: Measure, counters: Counters) -> tuple[AnalysisPhase, str] | None:
    """Return what the limits say, None where they are kept; the later of them counts."""
    found: tuple[AnalysisPhase, str] | None = None
    if 0 <= measure.failure_limit < counters.failed:
        found = P.FAILED, f"failed ({counters.failed}) > failureLimit ({measure.failure_limit})"
    if counters.inconclusive > measure.inconclusive_limit:
        text = f"inconclusive ({counters.inconclusive}) > inconclusiveLimit ({measure.inconclusive_limit})"
        found = P.INCONCLUSIVE, text
    if counters.consecutive_error > measure.consecutive_error_limit:
        text = f"consecutiveErrors ({counters.consecutive_error}) > consecutiveErrorLimit"
        found = P.ERROR, f"{text} ({measure.consecutive_error_limit})"
    if counters.consecutive_nodata > measure.nodata_limit and measure.on_nodata != "wait":
        text = f"consecutiveNodata ({counters.consecutive_nodata}) > nodataLimit ({measure.nodata_limit})"
        found = (P.FAILED if measure.on_nodata == "fail" else P.INCONCLUSIVE), text
    return found


def _at_count(measure: Measure, counters: Counters) -> tuple[AnalysisPhase, str]:
    if measure.consecutive_success_limit == 0:
        return P.SUCCESSFUL, ""
    text = f"{counters.count} measurements without {measure.consecutive_success_limit} successes in a row"
    return (P.FAILED if measure.failure_limit < 0 else P.INCONCLUSIVE), text


def _cut_short(state: MetricState, ending: Ending | None, *, argo_compat: bool) -> AnalysisPhase:
    if argo_compat or ending is Ending.FINISHED or state.counters.count:
        return P.SUCCESSFUL
    if ending is Ending.DEADLINE and state.counters.nodata and not state.counters.error:
        return P.NODATA
    return P.INCONCLUSIVE


def worst(phases: Sequence[AnalysisPhase]) -> AnalysisPhase:
    """Return the worst of several phases, success where there are none."""
    return max(phases, key=WORSE.index, default=P.SUCCESSFUL)


def settle(
    measures: Sequence[Measure],
    states: Mapping[str, MetricState],
    ending: Ending | None,
    *,
    argo_compat: bool = False,
) -> tuple[dict[str, MetricState], AnalysisPhase, str]:
    """Return the states of all metrics, the phase of the analysis, and which metric decided.

    A metric that counts and ends badly ends the others. A dry run never counts, and an analysis of nothing else is a
    success. The analysis has ended when every metric has.
    """
    found = _all_assessed(measures, states, ending, argo_compat=argo_compat)
    counting = [each for each in measures if not each.dry_run]
    if ending is None and any(found[each.name].phase in BAD for each in counting):
        found = _all_assessed(measures, found, Ending.STOPPED, argo_compat=argo_compat)
    phases = [found[each.name].phase for each in measures]
    if not all(phase in ENDED for phase in phases):
        begun = any(found[each.name].measured or found[each.name].in_flight for each in measures)
        return found, (P.RUNNING if begun else P.PENDING), ""
    verdict = worst([found[each.name].phase for each in counting])
    if verdict not in BAD:
        return found, verdict, ""
    deciding = [each.name for each in counting if found[each.name].phase is verdict]
    first = next((name for name in deciding if found[name].message), deciding[0])
    text = found[first].message or "ended before anything was measured that decides"
    return found, verdict, f"{first}: {text}"


def _all_assessed(
    measures: Sequence[Measure], states: Mapping[str, MetricState], ending: Ending | None, *, argo_compat: bool
) -> dict[str, MetricState]:
    found = {}
    for each in measures:
        phase, message = assessed(each, states[each.name], ending, argo_compat=argo_compat)
        found[each.name] = replace(states[each.name], phase=phase, message=message)
    return found


def due_at(measure: Measure, state: MetricState, started_at: datetime, retry: timedelta = RETRY) -> datetime | None:
    """Return when a metric is to be measured next, None where it is not: it has ended, or is being measured."""
    if state.phase in ENDED or state.in_flight:
        return None
    if state.last_at is None:
        return started_at + parse_duration(measure.initial_delay)
    if state.last is MetricVerdict.ERROR or measure.interval is None:
        return state.last_at + retry
    return state.last_at + parse_duration(measure.interval)

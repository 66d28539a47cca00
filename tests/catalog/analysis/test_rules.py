"""How measurements are judged and metrics assessed: the tables of the documentation, and what holds whatever comes."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from catalog.analysis import rules
from catalog.analysis.conditions import holds, judge, missing
from catalog.analysis.models import AnalysisPhase, Ending, MetricVerdict
from catalog.analysis.rules import Counters, MetricState
from catalog.analysis.shapes import MetricSpec

P, V = AnalysisPhase, MetricVerdict
START = datetime(2026, 11, 23, 12, tzinfo=UTC)
YES, NO, BROKEN = "result >= 0", "result < 0", "result < ${inputs.x}"


def metric(**changes: Any) -> MetricSpec:
    usual = {"name": "m", "provider": "prometheus", "query": "up", "successCondition": "result > 0.5"}
    return MetricSpec.model_validate({**usual, **changes})


def after(*verdicts: MetricVerdict, in_flight: bool = False) -> MetricState:
    counters = Counters()
    for each in verdicts:
        counters = rules.counted(counters, each)
    last = verdicts[-1] if verdicts else None
    return MetricState(counters=counters, last=last, last_at=START if verdicts else None, in_flight=in_flight)


@pytest.mark.parametrize(
    ("success", "failure", "verdict"),
    [
        (YES, None, V.SUCCESSFUL),
        (NO, None, V.FAILED),
        (None, YES, V.FAILED),
        (None, NO, V.SUCCESSFUL),
        (YES, YES, V.FAILED),
        (NO, YES, V.FAILED),
        (YES, NO, V.SUCCESSFUL),
        (NO, NO, V.INCONCLUSIVE),
        (BROKEN, YES, V.ERROR),
        (YES, BROKEN, V.ERROR),
        (None, None, V.SUCCESSFUL),
    ],
)
def test_the_truth_table_of_a_measurement(success: str | None, failure: str | None, verdict: MetricVerdict) -> None:
    assert judge(success, failure, 1.0).verdict is verdict


def test_and_binds_closer_than_or() -> None:
    condition = "result > 5 and result < 7 or result == 1"
    assert [holds(condition, each) for each in (1.0, 2.0, 6.0, 8.0)] == [True, False, True, False]


@pytest.mark.parametrize("values", [(), (float("nan"),), (float("inf"),), (float("-inf"), 1.0)])
def test_what_is_no_number_is_no_data(values: tuple[float, ...]) -> None:
    assert missing(values, ())
    assert not missing((0.0,), (("requests", None, 50), ("samples", 5.0, 5)))
    assert "fewer than 50" in missing((0.0,), (("requests", 49.0, 50),))


@pytest.mark.parametrize(
    ("changes", "verdicts", "ending", "phase"),
    [
        ({}, (), None, P.PENDING),
        ({}, (), Ending.FINISHED, P.SUCCESSFUL),
        ({}, (), Ending.STOPPED, P.INCONCLUSIVE),
        ({}, (V.SUCCESSFUL,), None, P.SUCCESSFUL),
        ({"interval": "PT30S"}, (V.SUCCESSFUL,), None, P.RUNNING),
        ({"interval": "PT30S"}, (V.SUCCESSFUL,), Ending.STOPPED, P.SUCCESSFUL),
        ({}, (V.FAILED,), None, P.FAILED),
        ({"failureLimit": 1, "interval": "PT30S"}, (V.FAILED,), None, P.RUNNING),
        ({"failureLimit": 1, "interval": "PT30S"}, (V.FAILED, V.FAILED), None, P.FAILED),
        ({"failureLimit": -1, "consecutiveSuccessLimit": 2, "interval": "PT30S"}, (V.FAILED,) * 9, None, P.RUNNING),
        ({}, (V.INCONCLUSIVE,), None, P.INCONCLUSIVE),
        ({}, (V.ERROR,) * 4, None, P.RUNNING),
        ({}, (V.ERROR,) * 5, None, P.ERROR),
        ({"interval": "PT30S"}, (*(V.ERROR,) * 4, V.SUCCESSFUL, V.ERROR), None, P.RUNNING),
        ({}, (V.NODATA,) * 4, None, P.RUNNING),
        ({}, (V.NODATA,) * 5, None, P.INCONCLUSIVE),
        ({"onNodata": "fail"}, (V.NODATA,) * 5, None, P.FAILED),
        ({"onNodata": "wait"}, (V.NODATA,) * 50, None, P.RUNNING),
        ({"onNodata": "wait"}, (V.NODATA,) * 50, Ending.DEADLINE, P.NODATA),
        ({"onNodata": "wait"}, (V.NODATA,) * 50, Ending.STOPPED, P.INCONCLUSIVE),
        ({"interval": "PT30S", "consecutiveSuccessLimit": 2}, (V.SUCCESSFUL,) * 2, None, P.SUCCESSFUL),
        # Nothing counts as a success in a row only because nothing was there in between.
        (
            {"interval": "PT30S", "consecutiveSuccessLimit": 2},
            (V.SUCCESSFUL, V.NODATA, V.SUCCESSFUL),
            None,
            P.SUCCESSFUL,
        ),
        (
            {"interval": "PT30S", "consecutiveSuccessLimit": 2},
            (V.SUCCESSFUL, V.ERROR, V.SUCCESSFUL),
            None,
            P.RUNNING,
        ),
        (
            {"count": 3, "interval": "PT30S", "failureLimit": 1, "consecutiveSuccessLimit": 2},
            (V.SUCCESSFUL, V.FAILED, V.SUCCESSFUL),
            None,
            P.INCONCLUSIVE,
        ),
        (
            {"count": 3, "interval": "PT30S", "failureLimit": -1, "consecutiveSuccessLimit": 2},
            (V.SUCCESSFUL, V.FAILED, V.SUCCESSFUL),
            None,
            P.FAILED,
        ),
        # The later limit overrides the earlier one.
        ({"interval": "PT30S"}, (V.FAILED, V.INCONCLUSIVE), None, P.INCONCLUSIVE),
        ({"interval": "PT30S"}, (V.FAILED, *(V.ERROR,) * 5), None, P.ERROR),
        ({"count": 2, "interval": "PT30S"}, (V.SUCCESSFUL, *(V.ERROR,) * 3, V.NODATA), None, P.RUNNING),
    ],
)
def test_how_a_metric_is_assessed(
    changes: dict[str, Any], verdicts: tuple[MetricVerdict, ...], ending: Ending | None, phase: AnalysisPhase
) -> None:
    assert rules.assessed(metric(**changes), after(*verdicts), ending)[0] is phase


def test_as_argo_does_what_was_stopped_before_anything_is_a_success() -> None:
    assert rules.assessed(metric(), after(), Ending.STOPPED, argo_compat=True)[0] is P.SUCCESSFUL
    flying = after(V.SUCCESSFUL, in_flight=True)
    assert rules.assessed(metric(interval="PT30S"), flying, Ending.STOPPED)[0] is P.RUNNING


def test_a_dry_run_decides_nothing_and_a_bad_metric_ends_the_others() -> None:
    dry = metric(name="dry", dryRun=True, interval="PT30S")
    long = metric(name="long", interval="PT30S")
    bad = metric(name="bad", interval="PT30S", failureLimit=0)
    states = {"dry": after(V.FAILED), "long": after(V.SUCCESSFUL), "bad": after(V.SUCCESSFUL)}
    assert rules.settle([dry, long, bad], states, None)[1] is P.RUNNING
    found, phase, message = rules.settle([dry, long, bad], {**states, "bad": after(V.FAILED)}, None)
    assert (phase, message) == (P.FAILED, "bad: failed (1) > failureLimit (0)")
    assert (found["dry"].phase, found["long"].phase) == (P.FAILED, P.SUCCESSFUL)
    assert rules.settle([dry], {"dry": after(V.FAILED)}, None)[1:] == (P.SUCCESSFUL, "")


def test_when_it_is_measured() -> None:
    spec = metric(initialDelay="PT1M", interval="PT30S")
    assert rules.due_at(spec, after(), START) == START + timedelta(minutes=1)
    assert rules.due_at(spec, after(V.SUCCESSFUL), START) == START + timedelta(seconds=30)
    assert rules.due_at(spec, after(V.ERROR), START) == START + timedelta(seconds=10)
    assert rules.due_at(spec, after(V.ERROR), START, timedelta(minutes=5)) == START + timedelta(minutes=5)
    assert rules.due_at(spec, after(V.SUCCESSFUL, in_flight=True), START) is None


def test_the_phases_stand_in_the_order_of_how_bad_they_are() -> None:
    assert list(rules.WORSE) == [P.SUCCESSFUL, P.RUNNING, P.PENDING, P.NODATA, P.INCONCLUSIVE, P.ERROR, P.FAILED]


verdicts_ = st.lists(st.sampled_from(list(MetricVerdict)), max_size=40)
specs = st.builds(
    lambda failures, inconclusive, errors, successes, nodata, on: metric(
        interval="PT30S",
        failureLimit=failures,
        inconclusiveLimit=inconclusive,
        consecutiveErrorLimit=errors,
        consecutiveSuccessLimit=successes,
        nodataLimit=nodata,
        onNodata=on,
    ),
    *(st.integers(-1, 4), st.integers(0, 4), st.integers(0, 4), st.integers(0, 4), st.integers(0, 4)),
    st.sampled_from(["wait", "inconclusive", "fail"]),
)


@given(verdicts=verdicts_)
def test_counters_add_up(verdicts: list[MetricVerdict]) -> None:
    counters = after(*verdicts).counters
    assert counters.count == counters.successful + counters.failed + counters.inconclusive
    assert counters.count + counters.error + counters.nodata == len(verdicts)
    tail = [each for each in verdicts if each is not V.NODATA]
    run = 0
    while run < len(tail) and tail[-1 - run] is V.SUCCESSFUL:
        run += 1
    assert counters.consecutive_success == run


@given(spec=specs, verdicts=verdicts_, more=verdicts_)
def test_what_has_ended_stays_and_states_survive_a_row(
    spec: MetricSpec, verdicts: list[MetricVerdict], more: list[MetricVerdict]
) -> None:
    state = after(*verdicts)
    assert MetricState.of_json(state.as_json()) == state
    found, phase, _ = rules.settle([spec], {"m": state}, None)
    assert MetricState.of_json(found["m"].as_json()) == found["m"]
    if phase in rules.ENDED:
        again = rules.settle([spec], {"m": found["m"]}, Ending.STOPPED)
        assert again[1] is phase
        assert rules.due_at(spec, found["m"], START) is None
    stopped = rules.settle([spec], {"m": after(*verdicts, *more)}, Ending.STOPPED)[1]
    assert stopped in rules.ENDED
    if stopped is P.SUCCESSFUL:
        assert rules.CONCLUSIVE & {*verdicts, *more}, "no success without anything that decides"


@given(phases=st.lists(st.sampled_from(list(P)), min_size=1, max_size=6))
def test_the_worst_is_one_of_them_and_does_not_depend_on_order(phases: list[AnalysisPhase]) -> None:
    assert rules.worst(phases) is rules.worst(list(reversed(phases)))
    assert rules.worst(phases) in phases
    assert rules.worst([*phases, P.FAILED]) is P.FAILED

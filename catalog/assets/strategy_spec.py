"""How a release takes the place of the one before, as typed data: the shape of a blueprint's ``spec.strategy``.

What the fields mean is what Argo Rollouts made of them, with kinds of metrics, limits for missing data and a time of
watching after it (bake) added; ``strategy_checks`` says which combinations make sense.
"""

from typing import Annotated, Literal

from pydantic import Field, StringConstraints

from catalog.assets.durations import DurationText
from catalog.assets.shapes import Shape
from catalog.assets.wiring import WiredText

ROLLOUT_VALUES = ("service", "environment", "stable", "candidate")
"""What ``${rollout.x}`` may name: the service, the environment, the stable revision and the one that may become it."""

MetricName = Annotated[str, StringConstraints(pattern=r"^[a-z](?:[a-z0-9-]{0,61}[a-z0-9])?$")]
_NUMBER = r"(?:[0-9]+(?:\.[0-9]+)?|\$\{inputs\.[A-Za-z_][A-Za-z0-9_-]*\})"
_COMPARISON = rf"result (?:<|<=|>|>=|==|!=) {_NUMBER}"
Condition = Annotated[str, StringConstraints(max_length=300, pattern=rf"^{_COMPARISON}(?: (?:and|or) {_COMPARISON})*$")]
Share = Annotated[str, StringConstraints(pattern=r"^(?:100|[1-9]?[0-9])%$")]
Count = Annotated[int, Field(ge=0, le=10_000)]
Reaction = Literal["abort", "freeze", "pause"]


class Measure(Shape):
    """One thing that is measured again and again, wherever its numbers come from.

    ``threshold`` looks at the number that ``query`` answers, ``rate`` at the share of ``numerator`` in
    ``denominator``, and ``distribution`` compares the values of ``query`` with those of ``baseline``.

    A measurement is successful or failed as the conditions say, inconclusive where both say no, an error where it could
    not be made, and without data where there is none or too little.
    """

    name: MetricName
    kind: Literal["threshold", "rate", "distribution"] = "threshold"
    query: WiredText | None = None
    numerator: WiredText | None = None
    denominator: WiredText | None = None
    baseline: WiredText | None = None
    window: DurationText = "PT1M"
    interval: DurationText | None = None
    count: Annotated[int, Field(ge=1, le=10_000)] | None = None
    initial_delay: DurationText = "PT1M"
    success_condition: Condition | None = None
    failure_condition: Condition | None = None
    failure_limit: Annotated[int, Field(ge=-1, le=10_000)] = 0
    inconclusive_limit: Count = 0
    consecutive_error_limit: Count = 4
    consecutive_success_limit: Count = 0
    nodata_limit: Count = 4
    on_nodata: Literal["wait", "inconclusive", "fail"] = "inconclusive"
    min_samples: Count = 0
    min_requests: Count = 0
    direction: Literal["increase", "decrease", "either"] = "increase"
    critical: bool = False
    dry_run: bool = False
    weight: Annotated[int, Field(ge=1, le=100)] = 1


class Metric(Measure):
    """One thing that is measured again and again while a release is rolled out."""

    provider: Literal["prometheus"]


class Analysis(Shape):
    """What is measured, and what happens by the worst verdict of it."""

    metrics: Annotated[tuple[Metric, ...], Field(max_length=20)]
    on_failure: Reaction = "abort"
    on_error: Reaction = "pause"


class Pause(Shape):
    """A wait; without a duration until a person goes on."""

    duration: DurationText | None = None


class Step(Shape):
    """One step, of which exactly one field is given: traffic in per cent, a wait, or the analysis for some time."""

    set_weight: Annotated[float, Field(ge=0, le=100)] | None = None
    pause: Pause | None = None
    analyse: DurationText | None = None


class Rolling(Shape):
    """How many instances change at a time, as a share of those that are wanted."""

    max_surge: Share = "25%"
    max_unavailable: Share = "0%"


class BlueGreen(Shape):
    """How all of the traffic moves at once: looked at before, looked at after, by itself or by a person."""

    before_promotion: DurationText | None = None
    after_promotion: DurationText | None = None
    promotion: Literal["automatic", "manual"] = "automatic"


class StrategySpec(Shape):
    """A strategy; ``steps`` belong to ``canary``, ``rolling`` and ``blueGreen`` to the types of their names.

    After ``progressDeadline`` without progress a rollout is degraded, and with ``abortOnDeadline`` aborted. The old
    revision is kept for ``scaleDownDelay`` after a promotion, the new one for ``abortScaleDownDelay`` after an abort;
    ``bake`` is how long the analysis goes on after the promotion, with a way back.
    """

    type: Literal["rolling", "blue-green", "canary"]
    steps: Annotated[tuple[Step, ...], Field(max_length=50)] = ()
    rolling: Rolling | None = None
    blue_green: BlueGreen | None = None
    analysis: Analysis | None = None
    progress_deadline: DurationText = "PT10M"
    abort_on_deadline: bool = True
    scale_down_delay: DurationText = "PT30S"
    abort_scale_down_delay: DurationText = "PT30S"
    bake: DurationText = "PT0S"

"""Whether a strategy makes sense: the rules of Argo Rollouts for analyses, and those that missing data asks for."""

from collections.abc import Callable, Iterator, Sequence
from datetime import timedelta

from catalog.assets.durations import parse_duration
from catalog.assets.findings import Finding
from catalog.assets.located import Place
from catalog.assets.package import Package
from catalog.assets.strategy_spec import Measure, Step, StrategySpec

_AT: Place = ("spec", "strategy")
LEAST_SAMPLES = 5
"""With fewer values on either side, two that are wholly apart cannot be told from chance at 98 %."""
LEAST_WINDOW = timedelta(minutes=1)
"""Four scrapes of 15 seconds: a shorter window may hold a single value, and no rate."""

Problem = tuple[Place, str, str]
"""A place below the strategy, what is wrong, and what to write."""


def check_strategy(package: Package, strategy: StrategySpec) -> Iterator[Finding]:
    """Yield what makes no sense in a strategy that has the right shape."""
    for problems in (_of_type, _of_steps, _of_gates, _of_analysis):
        for place, message, fix in problems(strategy):
            yield package.finding("strategy", (*_AT, *place), message, fix)


def _of_type(strategy: StrategySpec) -> Iterator[Problem]:
    given = {"canary": strategy.steps, "rolling": strategy.rolling, "blue-green": strategy.blue_green}
    fields = {"canary": "steps", "rolling": "rolling", "blue-green": "blueGreen"}
    for type_, value in given.items():
        if value and type_ != strategy.type:
            yield (fields[type_],), f"{fields[type_]} belongs to the type {type_}.", "Remove it, or change the type."
    if not given[strategy.type]:
        field = fields[strategy.type]
        yield (), f"The type {strategy.type} needs {field}.", f"Add {field}."
    if strategy.rolling and {strategy.rolling.max_surge, strategy.rolling.max_unavailable} == {"0%"}:
        yield ("rolling",), "Nothing can change where no instance may be added or missing.", "Write maxSurge: 25%."


def _of_steps(strategy: StrategySpec) -> Iterator[Problem]:
    weight = -1.0
    for index, step in enumerate(strategy.steps):
        if sum(value is not None for value in (step.set_weight, step.pause, step.analyse)) != 1:
            yield ("steps", index), "A step is one of setWeight, pause and analyse.", "Make it several steps."
        if step.analyse is not None and strategy.analysis is None:
            yield ("steps", index), "There is no analysis.", "Add analysis with metrics."
        if step.set_weight is not None:
            if step.set_weight <= weight:
                yield ("steps", index), "The weights of a canary grow.", f"Write more than {weight:g}."
            weight = step.set_weight
    if strategy.steps and strategy.steps[0].set_weight is None:
        yield ("steps", 0), "The first step says how much traffic the canary gets.", "Begin with setWeight."


def _of_gates(strategy: StrategySpec) -> Iterator[Problem]:
    if strategy.type == "canary" and strategy.steps and not any(_is_gate(step) for step in strategy.steps):
        yield ("steps",), "Between the steps nobody and nothing looks.", "Add a pause or analyse."
    gate = strategy.blue_green
    if gate is not None:
        looks = gate.before_promotion or gate.after_promotion
        if looks and strategy.analysis is None:
            yield ("blueGreen",), "There is no analysis.", "Add analysis with metrics."
        if not looks and gate.promotion == "automatic":
            message = "The traffic would move without anybody or anything having looked."
            yield ("blueGreen",), message, "Add beforePromotion, or write promotion: manual."
    if parse_duration(strategy.bake) > timedelta() and strategy.analysis is None:
        yield ("bake",), "Nothing is measured while it bakes.", "Add analysis with metrics, or remove bake."
    if parse_duration(strategy.progress_deadline) <= timedelta():
        yield ("progressDeadline",), "Without any time nothing makes progress.", "Write PT10M."


def _is_gate(step: Step) -> bool:
    return step.pause is not None or step.analyse is not None


def _of_analysis(strategy: StrategySpec) -> Iterator[Problem]:
    analysis = strategy.analysis
    if analysis is None:
        return
    if not analysis.metrics:
        yield ("analysis", "metrics"), "An analysis without metrics says nothing.", "Add a metric."
    if analysis.metrics and all(metric.dry_run for metric in analysis.metrics):
        yield ("analysis", "metrics"), "Where every metric is a dry run, none decides.", "Let one of them count."
    for index, message, fix in measure_problems(analysis.metrics):
        yield ("analysis", "metrics", index), message, fix


def measure_problems(measures: Sequence[Measure], *, is_scraped: bool = True) -> Iterator[tuple[int, str, str]]:
    """Yield index, message and fix of every rule that a measure breaks.

    ``is_scraped`` says that the numbers are sampled by scrapes, so that windows have to hold enough of them.
    """
    names = [each.name for each in measures]
    for index, name in enumerate(names):
        if name in names[:index]:
            yield index, f"There are two metrics {name}.", "Give one another name."
    for index, measure in enumerate(measures):
        for rule in (_conditions, _queries, _counts, _steps_apart, *((_windows,) if is_scraped else ())):
            for message, fix in rule(measure):
                yield index, f"{measure.name}: {message}", fix


Rule = Callable[[Measure], Iterator[tuple[str, str]]]


def _conditions(metric: Measure) -> Iterator[tuple[str, str]]:
    has_one = metric.success_condition is not None or metric.failure_condition is not None
    if metric.kind != "distribution" and not has_one:
        yield "without a condition every answer is a success.", "Add successCondition or failureCondition."
    if metric.kind == "distribution" and has_one:
        yield "a distribution is compared with the baseline, not with a condition.", "Remove the conditions."


def _queries(metric: Measure) -> Iterator[tuple[str, str]]:
    needed = {"threshold": {"query"}, "rate": {"numerator", "denominator"}, "distribution": {"query", "baseline"}}
    given = {name for name in ("query", "numerator", "denominator", "baseline") if getattr(metric, name) is not None}
    if given != needed[metric.kind]:
        wanted = " and ".join(sorted(needed[metric.kind]))
        yield f"the kind {metric.kind} has {wanted}, and no other query.", f"Write {wanted}."


def _counts(metric: Measure) -> Iterator[tuple[str, str]]:
    if metric.failure_limit == -1 and metric.consecutive_success_limit == 0:
        yield "neither failures nor successes end it.", "Write failureLimit: 0 or more, or consecutiveSuccessLimit."
    if metric.count is not None:
        if metric.count > 1 and metric.interval is None:
            yield "several measurements need an interval.", "Add interval: PT30S."
        needed = max(metric.failure_limit, 0) + metric.consecutive_success_limit
        if metric.count < needed or metric.count < metric.inconclusive_limit:
            yield "with so few measurements the limits are never reached.", "Raise count, or lower the limits."
    if metric.kind == "distribution" and metric.min_samples < LEAST_SAMPLES:
        message = f"fewer than {LEAST_SAMPLES} values cannot be told from chance."
        yield message, f"Write minSamples: {LEAST_SAMPLES}, or more."
    if metric.kind == "rate" and metric.min_requests == 0:
        yield "a rate of next to nothing says nothing.", "Add minRequests, such as 50."


def _windows(metric: Measure) -> Iterator[tuple[str, str]]:
    window = parse_duration(metric.window)
    if window < LEAST_WINDOW:
        yield "the window holds fewer than four scrapes.", "Write window: PT1M, or longer."
    if parse_duration(metric.initial_delay) < window:
        message = "the first measurement would look at what was before the rollout."
        yield message, "Make initialDelay at least as long as window."


def _steps_apart(metric: Measure) -> Iterator[tuple[str, str]]:
    if metric.interval is not None and parse_duration(metric.interval) < timedelta(seconds=1):
        yield "the interval is shorter than a second.", "Write PT30S."

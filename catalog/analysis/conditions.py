"""What one measurement says: the number against the conditions, and first of all whether there is one."""

import math
import operator
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from catalog.analysis.models import MetricVerdict

_OPERATORS: Mapping[str, Callable[[float, float], bool]] = {
    "<": operator.lt,
    "<=": operator.le,
    ">": operator.gt,
    ">=": operator.ge,
    "==": operator.eq,
    "!=": operator.ne,
}
_COMPARISON = re.compile(r"result (<=|>=|==|!=|<|>) ([0-9]+(?:\.[0-9]+)?)")


class ConditionError(ValueError):
    """A condition cannot be evaluated, as one whose inputs were never filled in."""


@dataclass(frozen=True)
class Judged:
    """What a measurement says, and in words why where that is not plain."""

    verdict: MetricVerdict
    message: str = ""


def holds(condition: str, result: float) -> bool:
    """Tell whether a condition is true of a number; ``and`` binds closer than ``or``. Raises ``ConditionError``."""
    # Each comparison is evaluated, so that one which cannot be is found wherever it stands.
    parts = [[_compared(each, result) for each in part.split(" and ")] for part in condition.split(" or ")]
    return any(all(part) for part in parts)


def judge(success: str | None, failure: str | None, result: float) -> Judged:
    """Return the verdict on a number by the truth table of both conditions; a condition that fails is an error.

    With one condition the other verdict is its opposite; with both, neither being true is inconclusive, and the
    failure condition wins. Without any every number is a success, which specifications do not get as far as.
    """
    try:
        succeeded = None if success is None else holds(success, result)
        failed = None if failure is None else holds(failure, result)
    except ConditionError as error:
        return Judged(MetricVerdict.ERROR, str(error))
    if failed:
        return Judged(MetricVerdict.FAILED)
    if succeeded or (failed is False and succeeded is None) or (failed is None and succeeded is None):
        return Judged(MetricVerdict.SUCCESSFUL)
    return Judged(MetricVerdict.INCONCLUSIVE if failed is False else MetricVerdict.FAILED)


def missing(values: Sequence[float], enough: Sequence[tuple[str, float | None, int]]) -> str:
    """Return why there is no data, "" where there is; this is asked before any condition is.

    ``enough`` are what is counted, how many there are (None: the source does not tell), and how many are needed.
    """
    if not values:
        return "There is no value."
    if any(not math.isfinite(each) for each in values):
        return "The value is no number."
    for what, there, needed in enough:
        if there is not None and there < needed:
            return f"{there:g} {what} are fewer than {needed}."
    return ""


def _compared(text: str, result: float) -> bool:
    match = _COMPARISON.fullmatch(text.strip())
    if match is None:
        raise ConditionError(f"{text.strip()} is no comparison of result with a number.")
    return _OPERATORS[match[1]](result, float(match[2]))

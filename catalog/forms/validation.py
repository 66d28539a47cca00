"""The one validator of inputs: pages, API, command line and workers all hold values against a schema here.

A publisher's pattern never reaches Python's backtracking regular expressions, and one validation looks at a bounded
number of keywords, so that no schema and no value can keep a process busy.
"""

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar
from fractions import Fraction
from math import isfinite
from typing import Any

from jsonschema import Draft202012Validator, FormatChecker
from jsonschema.exceptions import ValidationError
from jsonschema.validators import extend

from catalog.errors import FieldError
from catalog.forms.patterns import is_usable, matches
from catalog.forms.sentences import field_errors_of

MOST_STEPS = 100_000
"""How many keywords one validation may look at; an honest form needs a few hundred."""

FORMAT_NAMES = (
    *("date", "time", "date-time", "duration", "email", "idn-email", "hostname", "ipv4", "ipv6", "uuid"),
    *("uri", "uri-reference", "uri-template", "json-pointer", "relative-json-pointer", "regex"),
)
"""The formats that are asserted; any other is a remark."""

Check = Callable[..., Iterator[ValidationError] | None]


class TooMuchWorkError(Exception):
    """Validating takes more steps than any honest schema and value need."""


_STEPS_LEFT: ContextVar[list[int]] = ContextVar("slipway_schema_steps")


@contextmanager
def budget(steps: int = MOST_STEPS) -> Iterator[None]:
    """Let everything that is validated inside share one number of steps; beyond it ``TooMuchWorkError`` is raised."""
    reset = _STEPS_LEFT.set([steps])
    try:
        yield
    finally:
        _STEPS_LEFT.reset(reset)


@contextmanager
def shared_budget(steps: int = MOST_STEPS) -> Iterator[None]:
    """Open a budget where none is open yet; what is inside of one already goes on with that."""
    if _STEPS_LEFT.get(None) is None:
        with budget(steps):
            yield
    else:
        yield


def spend(steps: int) -> None:
    """Take steps from the open budget; raise ``TooMuchWorkError`` where it is used up."""
    left = _STEPS_LEFT.get()
    left[0] -= steps
    if left[0] < 0:
        raise TooMuchWorkError


def field_errors(schema: Mapping[str, Any], value: Any) -> list[FieldError]:
    """Return everything in which ``value`` does not fit ``schema``, each with the JSON pointer of the field."""
    try:
        with budget():
            found = [each for error in validator_of(schema).iter_errors(value) for each in field_errors_of(error)]
    except (TooMuchWorkError, RecursionError):
        return [FieldError("", "This takes too long to validate. Give fewer values, or use a simpler schema.")]
    return sorted(dict.fromkeys(found), key=lambda error: error.pointer)


def validator_of(schema: Mapping[str, Any]) -> Any:
    """Return the validator of a schema, for use inside a ``budget``."""
    return _VALIDATOR(schema, format_checker=_FORMATS)


def _pattern(_validator: Any, pattern: str, instance: Any, _schema: Any) -> Iterator[ValidationError]:
    if isinstance(instance, str) and not matches(pattern, instance):
        yield ValidationError(f"does not match {pattern}")


def _properties(
    validator: Any, properties: Mapping[str, Any], instance: Any, _schema: Any
) -> Iterator[ValidationError]:
    if not isinstance(instance, dict):
        return
    for name, subschema in properties.items():
        if name in instance and subschema is False:
            # jsonschema forgets the place where nothing may stand.
            yield ValidationError("nothing may stand here", validator="false", path=[name])
        elif name in instance:
            yield from validator.descend(instance[name], subschema, path=name, schema_path=name)


def _pattern_properties(
    validator: Any, patterns: Mapping[str, Any], instance: Any, _schema: Any
) -> Iterator[ValidationError]:
    if not isinstance(instance, dict):
        return
    for pattern, subschema in patterns.items():
        for name, value in instance.items():
            if matches(pattern, name):
                yield from validator.descend(value, subschema, path=name, schema_path=pattern)


def _additional_properties(validator: Any, rest: Any, instance: Any, schema: Any) -> Iterator[ValidationError]:
    if not isinstance(instance, dict):
        return
    extra = [name for name in instance if not is_named(name, schema)]
    if rest is False and extra:
        yield ValidationError("unexpected properties")
    elif isinstance(rest, dict):
        for name in extra:
            yield from validator.descend(instance[name], rest, path=name)


def is_named(name: str, schema: Mapping[str, Any]) -> bool:
    """Tell whether ``properties`` or ``patternProperties`` beside each other speak of a name."""
    return name in schema.get("properties", {}) or any(
        matches(pattern, name) for pattern in schema.get("patternProperties", {})
    )


def _unevaluated_properties(validator: Any, rest: Any, instance: Any, schema: Any) -> Iterator[ValidationError]:
    if not isinstance(instance, dict):
        return
    known = _evaluated(validator, instance, schema)
    for name in instance:
        if name in known:
            continue
        if rest is False:
            yield ValidationError("unexpected property", path=[name])
        else:
            yield from validator.descend(instance[name], rest, path=name)


def _evaluated(validator: Any, instance: Mapping[str, Any], schema: Any) -> set[str]:
    """Return the names that a schema has spoken of (JSON Schema 2020-12, core 11.3), patterns in linear time."""
    if not isinstance(schema, dict):
        return set()
    found = {name for name in instance if is_named(name, schema)}
    for keyword in ("additionalProperties", "unevaluatedProperties"):
        if keyword in schema:
            fits = validator.evolve(schema=schema[keyword])
            found |= {name for name in instance if name not in found and fits.is_valid(instance[name])}
    # What has to hold speaks of its names even where it does not: the value is wrong then anyway, for that one reason.
    parts = list(schema.get("allOf", ()))
    for keyword in ("anyOf", "oneOf"):
        given = schema.get(keyword, ())
        parts += [part for part in given if _holds(validator, part, instance)] or given
    parts += [part for name, part in schema.get("dependentSchemas", {}).items() if name in instance]
    if "if" in schema:
        is_so = _holds(validator, schema["if"], instance)
        parts += [schema["if"], schema.get("then")] if is_so else [schema.get("else")]
    for part in parts:
        found |= _evaluated(validator, instance, part)
    if isinstance(schema.get("$ref"), str):
        # The validator knows where references lead; what stands there is looked at as if it were written here.
        target = validator._resolver.lookup(schema["$ref"])  # noqa: SLF001  # there is no public way to the same
        inner = validator.evolve(schema=target.contents, _resolver=target.resolver)
        found |= _evaluated(inner, instance, target.contents)
    return found


def _holds(validator: Any, part: Any, instance: Any) -> bool:
    holds: bool = validator.evolve(schema=part).is_valid(instance)
    return holds


def _multiple_of(_validator: Any, step: Any, instance: Any, _schema: Any) -> Iterator[ValidationError]:
    """Divide as people do: 0.3 is a multiple of 0.1, which it is not between binary fractions."""
    if isinstance(instance, int | float) and not isinstance(instance, bool):
        is_multiple = isfinite(instance) and (Fraction(str(instance)) / Fraction(str(step))).denominator == 1
        if not is_multiple:
            yield ValidationError(f"is not a multiple of {step}")


def _counted(keyword: str, check: Check) -> Callable[..., Iterator[ValidationError]]:
    """Return a keyword's check that counts as one step; comparing the entries of a list counts as many."""

    def counted(validator: Any, value: Any, instance: Any, schema: Any) -> Iterator[ValidationError]:
        is_compared = keyword == "uniqueItems" and isinstance(instance, list)
        spend(1 + (len(instance) ** 2 // 16 if is_compared else 0))
        yield from check(validator, value, instance, schema) or ()

    return counted


_CHECKS: dict[str, Check] = {
    **Draft202012Validator.VALIDATORS,
    "properties": _properties,
    "pattern": _pattern,
    "patternProperties": _pattern_properties,
    "additionalProperties": _additional_properties,
    "unevaluatedProperties": _unevaluated_properties,
    "multipleOf": _multiple_of,
}
# jsonschema leaves extend untyped.
_VALIDATOR = extend(Draft202012Validator, {name: _counted(name, check) for name, check in _CHECKS.items()})  # type: ignore[no-untyped-call]
_FORMATS = FormatChecker(())
# Those of the dialect: the table that all dialects share has the time of day of an old one.
_FORMATS.checkers = {name: Draft202012Validator.FORMAT_CHECKER.checkers[name] for name in FORMAT_NAMES}
_FORMATS.checkers["regex"] = (lambda value: not isinstance(value, str) or is_usable(value), ())

"""JSON Schemas that publishers bring: checking them, and validating values without trusting them.

A publisher's pattern never reaches Python's backtracking regular expressions: patterns run on a linear-time engine.
References that repeat themselves, and schemas that grow without measure, are refused when they are published.
"""

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextvars import ContextVar
from functools import lru_cache
from typing import Annotated, Any

from jsonschema import Draft202012Validator, FormatChecker
from jsonschema.exceptions import SchemaError, ValidationError
from jsonschema.validators import extend
from pydantic import StringConstraints, TypeAdapter
from pydantic import ValidationError as PydanticError
from pydantic_core import SchemaError as PatternError

from catalog.assets.findings import Finding
from catalog.assets.located import Bounds, DocumentRefusedError, load_json
from catalog.errors import FieldError

DIALECT = "https://json-schema.org/draft/2020-12/schema"
SCHEMA_BOUNDS = Bounds(size=64 * 1024)
MOST_SUBSCHEMAS = 5_000
MOST_STEPS = 100_000
"""How many keywords one validation may look at; an honest form needs a few hundred."""

_PLAIN_PLACE = re.compile(r"(?:/properties/[^/]+)+")
_ANCHORS = ("$id", "$anchor", "$dynamicAnchor", "$dynamicRef", "$recursiveRef", "$vocabulary")
# Keywords whose value is a schema, a list of schemas, or schemas by name (JSON Schema 2020-12, core and applicators).
_ONE = ("not", "if", "then", "else", "items", "contains", "additionalProperties", "propertyNames")
_ONE_MORE = ("unevaluatedItems", "unevaluatedProperties", "contentSchema")
_MANY = ("allOf", "anyOf", "oneOf", "prefixItems")
_NAMED = ("properties", "patternProperties", "dependentSchemas", "$defs")


def check_schema(data: bytes, path: str) -> tuple[dict[str, Any], list[Finding]]:
    """Read a schema file; return it (``{}`` where it cannot be used) with everything that is wrong with it."""

    def found(rule: str, message: str, fix: str) -> Finding:
        return Finding(rule, path, None, message, fix)

    try:
        schema = load_json(data, path, SCHEMA_BOUNDS)
    except DocumentRefusedError as refusal:
        return {}, [refusal.finding]
    if not isinstance(schema, dict):
        return {}, [found("schema-type", "The schema is not a JSON object.", 'Write {"$schema": ...}.')]
    findings: list[Finding] = []
    if schema.get("$schema") != DIALECT:
        fix = f'Write "$schema": "{DIALECT}".'
        findings.append(found("schema-dialect", "$schema is missing or names another dialect.", fix))
    if schema.get("type") != "object":
        findings.append(found("schema-type", "The schema does not describe an object.", 'Write "type": "object".'))
    try:
        Draft202012Validator.check_schema(schema, format_checker=FormatChecker(()))
    except SchemaError as error:
        message = f"Not a valid JSON Schema at {_pointer(error.absolute_path) or '/'}: {error.message[:200]}."
        return {}, [*findings, found("schema-invalid", message, "Correct it.")]
    findings += _check_parts(schema, path)
    if not findings:
        findings += _check_defaults(schema, path)
    return ({}, findings) if findings else (schema, [])


def _check_parts(schema: dict[str, Any], path: str) -> list[Finding]:
    findings: list[Finding] = []
    for pointer, part in _subschemas(schema, ""):
        for keyword in _ANCHORS:
            if keyword in part and not (keyword == "$id" and pointer == ""):
                message = f"{pointer}/{keyword} is not accepted."
                findings.append(Finding("schema-anchor", path, None, message, "Refer to parts by #/$defs/name."))
        if "$ref" in part and _target(schema, part["$ref"]) is None:
            message = f"{pointer}/$ref leads outside the schema, or to nothing."
            findings.append(Finding("schema-ref", path, None, message, "Refer to parts by #/$defs/name."))
        for pattern in (*([part["pattern"]] if "pattern" in part else []), *part.get("patternProperties", {})):
            if _matcher(pattern) is None:
                message = f"The pattern at {pointer or '/'} cannot be used."
                fix = "Write a regular expression without look-around and back references."
                findings.append(Finding("schema-pattern", path, None, message, fix))
        if part.get("writeOnly") is True and not _PLAIN_PLACE.fullmatch(pointer):
            message = f"The secret at {pointer} is not a plain property, so it could not be kept out of sight."
            fix = "Put writeOnly on a property of the object itself, not behind $ref, allOf, items and the like."
            findings.append(Finding("schema-secret", path, None, message, fix))
    if not findings and (_size(schema, schema, frozenset(), [MOST_SUBSCHEMAS])) is None:
        message = f"The schema refers to itself, or is larger than {MOST_SUBSCHEMAS} parts with references written out."
        findings.append(Finding("schema-size", path, None, message, "Write it flatter."))
    return findings


def _check_defaults(schema: dict[str, Any], path: str) -> list[Finding]:
    findings: list[Finding] = []
    for pointer, part in _subschemas(schema, ""):
        if "default" not in part:
            continue
        alone = {**part, "$defs": schema.get("$defs", {})}
        for error in field_errors(alone, part["default"]):
            message = f"The default at {pointer}{error.pointer} does not fit its own schema: {error.detail}"
            findings.append(Finding("schema-default", path, None, message, "Correct the default."))
    return findings


def _subschemas(part: Any, pointer: str) -> Iterator[tuple[str, dict[str, Any]]]:
    if not isinstance(part, dict):
        return
    yield pointer, part
    for name, child in _children(part):
        yield from _subschemas(child, f"{pointer}/{name}")


def _children(part: Mapping[str, Any]) -> Iterator[tuple[str, Any]]:
    for keyword in (*_ONE, *_ONE_MORE):
        if keyword in part:
            yield keyword, part[keyword]
    for keyword in _MANY:
        for index, child in enumerate(part.get(keyword, ())):
            yield f"{keyword}/{index}", child
    for keyword in _NAMED:
        for name, child in part.get(keyword, {}).items():
            yield f"{keyword}/{escape(name)}", child


def _target(root: Mapping[str, Any], reference: Any) -> Any:
    """Return the schema that a ``$ref`` of the form ``#/$defs/name`` leads to, or None."""
    if not isinstance(reference, str) or not reference.startswith("#/$defs/"):
        return None
    name = reference.removeprefix("#/$defs/").replace("~1", "/").replace("~0", "~")
    return root.get("$defs", {}).get(name)


def _size(root: Mapping[str, Any], part: Any, open_references: frozenset[str], left: list[int]) -> int | None:
    """Count the subschemas with references written out; None where they have no end or pass what is ``left``."""
    left[0] -= 1
    if left[0] < 0:
        return None
    if not isinstance(part, dict):
        return 1
    total = 1
    reference = part.get("$ref")
    if reference is not None:
        if reference in open_references:
            return None
        size = _size(root, _target(root, reference), open_references | {reference}, left)
        if size is None:
            return None
        total += size
    for name, child in _children(part):
        if name.startswith("$defs/"):
            continue
        size = _size(root, child, open_references, left)
        if size is None:
            return None
        total += size
    return total


@lru_cache(maxsize=1024)
def _matcher(pattern: str) -> TypeAdapter[str] | None:
    """Return a linear-time matcher for a pattern, or None where it needs more than a linear-time engine has."""
    if len(pattern) > 1000:
        return None
    try:
        return TypeAdapter(Annotated[str, StringConstraints(pattern=pattern)])
    except PatternError:
        return None


def matches(pattern: str, text: str) -> bool:
    """Tell whether a publisher's pattern is found in a text, in linear time; one that cannot be used never is."""
    matcher = _matcher(pattern)
    if matcher is None:
        return False
    try:
        matcher.validate_python(text)
    except PydanticError:
        return False
    return True


def _check_pattern(_validator: Any, pattern: str, instance: Any, _schema: Any) -> Iterator[ValidationError]:
    if isinstance(instance, str) and not matches(pattern, instance):
        yield ValidationError(f"does not match {pattern}")


def _check_pattern_properties(
    validator: Any, patterns: Mapping[str, Any], instance: Any, _schema: Any
) -> Iterator[ValidationError]:
    if not isinstance(instance, dict):
        return
    for pattern, subschema in patterns.items():
        for name, value in instance.items():
            if matches(pattern, name):
                yield from validator.descend(value, subschema, path=name, schema_path=pattern)


class _TooMuchWorkError(Exception):
    """Validating takes more steps than any honest schema and value need."""


_STEPS_LEFT: ContextVar[list[int]] = ContextVar("slipway_schema_steps")


def _counted(
    keyword: str, check: Callable[..., Iterator[ValidationError] | None]
) -> Callable[..., Iterator[ValidationError]]:
    """Return a keyword's check that counts as one step; comparing the entries of a list counts as many."""

    def counted(validator: Any, value: Any, instance: Any, schema: Any) -> Iterator[ValidationError]:
        left = _STEPS_LEFT.get()
        left[0] -= 1
        if keyword == "uniqueItems" and isinstance(instance, list):
            left[0] -= len(instance) ** 2 // 16
        if left[0] < 0:
            raise _TooMuchWorkError
        yield from check(validator, value, instance, schema) or ()

    return counted


_CHECKS = {**Draft202012Validator.VALIDATORS, "pattern": _check_pattern, "patternProperties": _check_pattern_properties}
# jsonschema leaves extend untyped.
_VALIDATOR = extend(Draft202012Validator, {name: _counted(name, check) for name, check in _CHECKS.items()})  # type: ignore[no-untyped-call]
FORMAT_NAMES = ("date", "time", "date-time", "email", "ipv4", "ipv6", "uuid", "uri", "duration", "hostname")
"""The formats that are asserted; any other is a remark."""
_FORMATS = FormatChecker(FORMAT_NAMES)


def field_errors(schema: Mapping[str, Any], value: Any) -> list[FieldError]:
    """Return everything in which ``value`` does not fit ``schema``, each with the JSON pointer of the field."""
    validator = _VALIDATOR(schema, format_checker=_FORMATS)
    reset = _STEPS_LEFT.set([MOST_STEPS])
    try:
        errors = [each for error in validator.iter_errors(value) for each in _field_errors(error)]
    except (_TooMuchWorkError, RecursionError):
        return [FieldError("", "This takes too long to validate. Give fewer values, or use a simpler schema.")]
    finally:
        _STEPS_LEFT.reset(reset)
    return sorted(dict.fromkeys(errors), key=lambda error: error.pointer)


def _field_errors(error: ValidationError) -> Iterator[FieldError]:
    pointer = _pointer(error.absolute_path)
    value: Any = error.instance
    schema: Any = error.schema
    if error.validator == "required":
        for name in schema["required"]:
            if name not in value:
                yield FieldError(f"{pointer}/{escape(name)}", "This is required.")
    elif error.validator == "additionalProperties" and schema["additionalProperties"] is False:
        known = schema.get("properties", {})
        for name in value:
            if name not in known and not any(matches(pattern, name) for pattern in schema.get("patternProperties", {})):
                yield FieldError(f"{pointer}/{escape(name)}", _unknown(name, list(known)))
    else:
        yield FieldError(pointer, _sentence(error))


def _unknown(name: str, known: Sequence[str]) -> str:
    return f"{name!r} is not an input. There are: {', '.join(sorted(known)) or 'none'}."


_SENTENCES = {
    "enum": "Choose one of: {value}.",
    "const": "This must be {value}.",
    "type": "This must be of type {value}.",
    "minLength": "This must have at least {value} characters.",
    "maxLength": "This must have at most {value} characters.",
    "minimum": "This must be at least {value}.",
    "maximum": "This must be at most {value}.",
    "exclusiveMinimum": "This must be more than {value}.",
    "exclusiveMaximum": "This must be less than {value}.",
    "multipleOf": "This must be a multiple of {value}.",
    "pattern": "This must match {value}.",
    "format": "This must be a valid {value}.",
    "minItems": "This needs at least {value} entries.",
    "maxItems": "This takes at most {value} entries.",
    "uniqueItems": "Each entry must be different.",
    "oneOf": "This must fit exactly one of the alternatives.",
    "anyOf": "This must fit one of the alternatives.",
    "not": "This value is not allowed.",
}


def _sentence(error: ValidationError) -> str:
    """Say what is wrong without repeating the value, which may be a secret."""
    sentence = _SENTENCES.get(str(error.validator), "This does not fit the schema.")
    wanted = error.validator_value
    shown = ", ".join(str(each) for each in wanted) if isinstance(wanted, list) else str(wanted)
    return sentence.format(value=shown[:300])


def _pointer(place: Sequence[str | int]) -> str:
    return "".join(f"/{escape(str(step))}" for step in place)


def escape(name: str) -> str:
    """Return a name as one step of a JSON pointer."""
    return name.replace("~", "~0").replace("/", "~1")

"""JSON Schemas that publishers bring: what is wrong with them, before any value is held against them.

References that repeat themselves, and schemas that grow without measure, are refused when they are published.
"""

import re
from collections.abc import Iterator, Mapping
from typing import Any

from jsonschema import Draft202012Validator, FormatChecker
from jsonschema.exceptions import SchemaError

from catalog.assets.findings import Finding
from catalog.assets.located import Bounds, DocumentRefusedError, load_json
from catalog.forms.patterns import is_usable
from catalog.forms.pointers import escape, pointer_to
from catalog.forms.validation import field_errors

DIALECT = "https://json-schema.org/draft/2020-12/schema"
SCHEMA_BOUNDS = Bounds(size=64 * 1024)
MOST_SUBSCHEMAS = 5_000
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
        message = f"Not a valid JSON Schema at {pointer_to(error.absolute_path) or '/'}: {error.message[:200]}."
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
            if not is_usable(pattern):
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

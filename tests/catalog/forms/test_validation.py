"""The one validator of inputs: what it says, where it says it, and that nothing keeps it busy."""

import time
from typing import Any

import pytest

from catalog.forms.validation import field_errors

HOSTILE = "^(a+)+$"
LONG = "a" * 40 + "!"


def told(schema: dict[str, Any], value: Any) -> dict[str, str]:
    return {each.pointer: each.detail for each in field_errors(schema, value)}


@pytest.mark.parametrize(
    "schema",
    [
        {"patternProperties": {HOSTILE: {}}, "additionalProperties": False},
        {"patternProperties": {HOSTILE: {}}, "unevaluatedProperties": False},
        {"propertyNames": {"pattern": HOSTILE}},
    ],
)
def test_no_keyword_hands_a_pattern_to_an_engine_that_backtracks(schema: dict[str, Any]) -> None:
    started = time.perf_counter()
    assert field_errors(schema, {LONG: 1})
    assert time.perf_counter() - started < 2


def test_the_alternative_that_was_meant_is_explained() -> None:
    branches = [
        {"properties": {"kind": {"const": "s3"}, "bucket": {"type": "string"}}, "required": ["kind", "bucket"]},
        {"properties": {"kind": {"const": "disk"}, "path": {"type": "string"}}, "required": ["kind", "path"]},
    ]
    schema = {"properties": {"store": {"type": "object", "oneOf": branches}}}
    assert told(schema, {"store": {"kind": "disk"}}) == {"/store/path": "This is required."}
    assert told(schema, {"store": {"kind": "s3", "bucket": 1}}) == {"/store/bucket": "This must be of type string."}
    assert told(schema, {"store": {"kind": "tape"}}) == {"/store": "This must fit exactly one of the alternatives."}


def test_what_must_come_together_is_told_at_what_is_missing() -> None:
    schema = {"dependentRequired": {"card": ["address"]}}
    assert told(schema, {"card": 1}) == {"/address": "This is required where card is given."}


def test_what_no_schema_speaks_of_is_told_by_its_name() -> None:
    schema = {"allOf": [{"properties": {"a": {}}}], "unevaluatedProperties": False}
    assert told(schema, {"a": 1, "b": 2}) == {"/b": "This is not taken here. Leave it out."}
    referring = {"$defs": {"x": {"properties": {"a": {}}}}, "$ref": "#/$defs/x", "unevaluatedProperties": False}
    assert told(referring, {"a": 1}) == {}
    assert told({"properties": {"a": False}}, {"a": 1}) == {"/a": "This is not taken here. Leave it out."}


def test_tenths_are_multiples_of_a_tenth() -> None:
    assert told({"multipleOf": 0.1}, 0.3) == {}
    assert told({"multipleOf": 3}, 10**40 + 2) == {}
    assert told({"multipleOf": 0.1}, 0.35) == {"": "This must be a multiple of 0.1."}


@pytest.mark.parametrize(
    ("name", "good", "bad"),
    [
        ("date", "2026-11-23", "2026-02-30"),
        ("time", "14:30:00Z", "14:30"),
        ("date-time", "2026-11-23T14:30:00Z", "2026-11-23 14:30"),
        ("duration", "P1DT12H", "12 hours"),
        ("email", "ann@example.com", "ann"),
        ("hostname", "shop.example.com", "-shop"),
        ("ipv4", "192.0.2.1", "192.0.2.256"),
        ("ipv6", "2001:db8::1", "2001:db8::g"),
        ("uri", "https://example.com/path", "example"),
        ("uuid", "6f1c7a52-3c6e-4a0c-9a4e-6b1a5d1f2c3d", "6f1c"),
        ("json-pointer", "/database/size", "database"),
        ("regex", "^[a-z]+$", "(?=x)"),
    ],
)
def test_a_format_is_asserted_and_its_message_shows_one(name: str, good: str, bad: str) -> None:
    assert told({"format": name}, good) == {}
    assert told({"format": name}, 7) == {}
    assert told({"format": name}, bad) == {"": f"This must be a valid {name}, such as {good}."}


def test_a_branch_that_is_not_met_makes_no_stranger_of_its_fields() -> None:
    seats = {"properties": {"seats": {"type": "integer", "minimum": 2}, "note": {"type": "string"}}}
    is_pro = {"properties": {"plan": {"const": "pro"}}, "required": ["plan"]}
    for part in (
        {"allOf": [{"if": is_pro, "then": seats}]},
        {"anyOf": [seats]},
        {"oneOf": [seats]},
        {"allOf": [seats]},
    ):
        schema = {"properties": {"plan": {}}, **part, "unevaluatedProperties": False}
        value = {"plan": "pro", "seats": 1, "note": "x"}
        assert [each.pointer for each in field_errors(schema, value)] == ["/seats"]
        assert [each.pointer for each in field_errors(schema, {**value, "seats": 2, "else": 1})] == ["/else"]

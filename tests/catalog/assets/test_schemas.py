"""Input schemas of publishers, and the values that requesters give."""

import json
import time
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from catalog.assets.hints import check_hints
from catalog.assets.inputs import InvalidInputsError, complete_inputs, secret_pointers, without_secrets
from catalog.assets.schemas import DIALECT, check_schema
from catalog.forms.validation import field_errors

SCHEMA: dict[str, Any] = {
    "$schema": DIALECT,
    "type": "object",
    "properties": {
        "greeting": {"type": "string", "default": "Hello", "maxLength": 20},
        "size": {"enum": ["s", "m"], "default": "s"},
        "token": {"type": "string", "writeOnly": True},
        "database": {
            "type": "object",
            "properties": {
                "name": {"type": "string", "default": "shop"},
                "password": {"type": "string", "writeOnly": True},
            },
        },
    },
    "required": ["token"],
    "additionalProperties": False,
}


def problems(**parts: Any) -> list[str]:
    _, findings = check_schema(
        json.dumps({"$schema": DIALECT, "type": "object", **parts}).encode(), "inputs.schema.json"
    )
    return [finding.rule for finding in findings]


def test_a_sound_schema_has_no_findings() -> None:
    schema, findings = check_schema(json.dumps(SCHEMA).encode(), "inputs.schema.json")
    assert (schema, findings) == (SCHEMA, [])


@pytest.mark.parametrize(
    ("data", "rule"),
    [
        (b"{", "json"),
        (b"[]", "schema-type"),
        (b'{"type": "object"}', "schema-dialect"),
        (b'{"$schema": "http://json-schema.org/draft-07/schema#", "type": "object"}', "schema-dialect"),
        (b'{"$schema": "' + DIALECT.encode() + b'"}', "schema-type"),
        (b" " * (64 * 1024 + 1), "document-size"),
    ],
)
def test_a_schema_must_be_one(data: bytes, rule: str) -> None:
    _, findings = check_schema(data, "inputs.schema.json")
    assert rule in [finding.rule for finding in findings]


def test_references_stay_inside() -> None:
    definitions = {"$defs": {"text": {"type": "string"}}}
    assert problems(properties={"a": {"$ref": "#/$defs/text"}}, **definitions) == []
    for reference in ("https://example.com/s.json", "file:///etc/passwd", "#/$defs/none", "#/properties/a", "#"):
        assert problems(properties={"a": {"$ref": reference}}, **definitions) == ["schema-ref"]
    assert problems(properties={"a": {"$id": "other"}}) == ["schema-anchor"]


def test_schemas_without_end_are_refused() -> None:
    assert problems(**{"$defs": {"a": {"properties": {"b": {"$ref": "#/$defs/a"}}}}}) == []
    loop = {"$defs": {"a": {"properties": {"b": {"$ref": "#/$defs/a"}}}}}
    assert problems(properties={"a": {"$ref": "#/$defs/a"}}, **loop) == ["schema-size"]
    doubling: dict[str, Any] = {"x0": {"type": "string"}}
    for index in range(1, 30):
        doubling[f"x{index}"] = {"allOf": [{"$ref": f"#/$defs/x{index - 1}"}] * 2}
    assert problems(properties={"a": {"$ref": "#/$defs/x29"}}, **{"$defs": doubling}) == ["schema-size"]


@pytest.mark.parametrize("pattern", ["(?=x)", "(a)\\1", "(", "x" * 2000])
def test_patterns_run_in_linear_time_or_not_at_all(pattern: str) -> None:
    assert problems(properties={"a": {"type": "string", "pattern": pattern}}) == ["schema-pattern"]


def test_a_pattern_that_would_explode_elsewhere_is_quick() -> None:
    schema = {"properties": {"a": {"pattern": "^(a+)+$"}}}
    started = time.perf_counter()
    assert field_errors(schema, {"a": "a" * 50_000 + "!"})[0].pointer == "/a"
    assert time.perf_counter() - started < 2


@pytest.mark.parametrize(
    ("schema", "value"),
    [
        ({"items": {"anyOf": [{"const": index} for index in range(4000)]}}, ["x"] * 5000),
        ({"uniqueItems": True}, [{"a": index} for index in range(20_000)]),
    ],
)
def test_validation_ends_however_much_there_is(schema: dict[str, Any], value: Any) -> None:
    started = time.perf_counter()
    assert [error.detail[:29] for error in field_errors(schema, value)] == ["This takes too long to valida"]
    assert time.perf_counter() - started < 20


def test_defaults_must_fit() -> None:
    assert problems(properties={"a": {"type": "string", "default": 1}}) == ["schema-default"]


@pytest.mark.parametrize(
    "part",
    [
        {"allOf": [{"properties": {"a": {"writeOnly": True}}}]},
        {"properties": {"a": {"type": "array", "items": {"writeOnly": True}}}},
        {"properties": {"a": {"$ref": "#/$defs/s"}}, "$defs": {"s": {"writeOnly": True}}},
    ],
)
def test_secrets_stand_where_they_can_be_hidden(part: dict[str, Any]) -> None:
    assert problems(**part) == ["schema-secret"]


def test_defaults_are_filled_in_everywhere() -> None:
    given_values = {"token": "t", "database": {}}
    assert complete_inputs(SCHEMA, given_values) == {
        "greeting": "Hello",
        "size": "s",
        "token": "t",
        "database": {"name": "shop"},
    }
    assert given_values == {"token": "t", "database": {}}


def test_every_misfit_is_reported_at_its_field_without_the_value() -> None:
    values = {"greeting": "secret-looking" * 5, "size": "xl", "token": 7, "colour/x": "red"}
    with pytest.raises(InvalidInputsError) as refusal:
        complete_inputs(SCHEMA, values)
    assert {error.pointer: error.detail for error in refusal.value.errors} == {
        "/inputs/greeting": "This must have at most 20 characters.",
        "/inputs/size": "Choose one of: s, m.",
        "/inputs/token": "This must be of type string.",
        "/inputs/colour~1x": "'colour/x' is not an input. There are: database, greeting, size, token.",
    }
    with pytest.raises(InvalidInputsError) as refusal:
        complete_inputs(SCHEMA, {})
    assert [error.pointer for error in refusal.value.errors] == ["/inputs/token"]


def test_what_cannot_be_stored_is_refused_at_its_field() -> None:
    for text in ("a\0b", "\ud800"):
        values = {"token": "t", "database": {"name": text}, "list": [text], text: 1}
        with pytest.raises(InvalidInputsError) as refusal:
            complete_inputs({}, values)
        assert [error.pointer for error in refusal.value.errors] == [
            "/inputs/database/name",
            "/inputs/list/0",
            "/inputs",
        ]


def test_an_asset_without_a_schema_takes_no_inputs() -> None:
    assert complete_inputs({}, {}) == {}
    with pytest.raises(InvalidInputsError):
        complete_inputs({}, {"a": 1})


@given(st.text(min_size=8), st.text(min_size=8))
@settings(max_examples=30)
def test_secrets_are_never_shown(token: str, password: str) -> None:
    values = {"token": token, "database": {"name": "n", "password": password}, "size": "s"}
    shown = without_secrets(SCHEMA, values)
    assert shown == {"token": "[secret]", "database": {"name": "n", "password": "[secret]"}, "size": "s"}
    assert list(secret_pointers(SCHEMA)) == ["/token", "/database/password"]


def test_unknown_hints_are_warnings_and_have_no_effect() -> None:
    hints = {
        "greeting": {"widget": "text", "wigdet": "x", "order": "first"},
        "greting": {"help": "x"},
        "size": "select",
        "token": {"review": "mask", "optionsFrom": {"source": "teams"}},
    }
    known, findings = check_hints(json.dumps(hints).encode(), "inputs.ui.json", SCHEMA)
    assert known == {"greeting": {"widget": "text"}, "token": {"review": "mask", "optionsFrom": {"source": "teams"}}}
    assert {finding.level for finding in findings} == {"warning"}
    assert sorted(finding.rule for finding in findings) == ["hint-field", "hint-unknown", "hint-value", "hint-value"]
    assert 'Did you mean "widget"?' in {finding.fix for finding in findings}
    assert 'Did you mean "greeting"?' in {finding.fix for finding in findings}


def test_hints_that_are_no_object_are_an_error() -> None:
    for data in (b"[]", b"{"):
        _, findings = check_hints(data, "inputs.ui.json", SCHEMA)
        assert [finding.level for finding in findings] == ["error"]

"""What holds of every schema with conditions: its effective form accepts what it accepts, and is bounded."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from catalog.forms.effective import ENTRIES, effective, filled
from catalog.forms.validation import field_errors

NAMES = ("a", "b", "c", "d")
VALUES = (0, 1, "x", True)
PARTS = st.sampled_from(
    [{"enum": list(VALUES)}, {"type": "integer"}, {"type": ["string", "boolean"]}, {"const": 1}, {"default": "x"}, {}]
)
TESTS = st.builds(
    lambda name, value: {"properties": {name: {"const": value}}, "required": [name]},
    st.sampled_from(NAMES),
    st.sampled_from(VALUES),
)
OBJECTS = st.builds(
    lambda properties, required: {
        "properties": properties,
        "required": [each for each in required if each in properties],
    },
    st.dictionaries(st.sampled_from(NAMES), PARTS, max_size=2),
    st.lists(st.sampled_from(NAMES), max_size=1),
)


def schemas(depth: int) -> st.SearchStrategy[dict[str, Any]]:
    if depth == 0:
        return OBJECTS
    below = schemas(depth - 1)
    conditions = st.fixed_dictionaries({"if": TESTS}, optional={"then": below, "else": below})
    dependents = st.builds(lambda name, part: {"dependentSchemas": {name: part}}, st.sampled_from(NAMES), below)
    both = st.builds(lambda parts: {"allOf": parts}, st.lists(below, min_size=1, max_size=3))
    return st.builds(lambda own, more: {**own, **more}, OBJECTS, st.one_of(conditions, dependents, both))


SCHEMAS = schemas(2)
GIVEN = st.dictionaries(st.sampled_from(NAMES), st.sampled_from(VALUES))


def plain(schema: Any) -> Any:
    if isinstance(schema, dict):
        return {key: plain(each) for key, each in schema.items() if not key.startswith("$")}
    return [plain(each) for each in schema] if isinstance(schema, list) else schema


def judged_by(schema: Any) -> set[str]:
    """Return the names that only the tests of conditions speak of, which counts as speaking of them."""
    if isinstance(schema, list):
        return {name for each in schema for name in judged_by(each)}
    if not isinstance(schema, dict):
        return set()
    own = set(schema["if"]["properties"]) if "if" in schema else set()
    return own | {name for each in schema.values() for name in judged_by(each)}


@given(SCHEMAS, GIVEN)
def test_an_effective_schema_accepts_what_the_schema_accepts(schema: dict[str, Any], value: dict[str, Any]) -> None:
    if not field_errors(schema, value):
        assert field_errors(plain(effective(schema, value)), value) == []


@given(SCHEMAS, GIVEN)
def test_an_effective_schema_has_no_conditions_and_shows_every_declared_value(
    schema: dict[str, Any], value: dict[str, Any]
) -> None:
    made = effective(schema, value)
    assert not made.keys() & {"if", "then", "else", "allOf", "dependentSchemas", "dependentRequired"}
    closed = {"unevaluatedProperties": False, **schema}
    if not field_errors(closed, value):
        assert set(value) <= set(made.get("properties", {})) | judged_by(schema)


@given(SCHEMAS, GIVEN)
def test_filling_in_defaults_a_second_time_changes_nothing(schema: dict[str, Any], value: dict[str, Any]) -> None:
    once = filled(schema, value)
    assert filled(schema, once) == once
    assert all(once[name] == given for name, given in value.items())


def doubled(keyword: str, depth: int) -> dict[str, Any]:
    """Return a schema whose parts double with each step."""
    parts: dict[str, Any] = {"p0": {"properties": {"a": {"type": "string"}}}}
    for at in range(depth):
        parts[f"p{at + 1}"] = {keyword: [{"$ref": f"#/$defs/p{at}"}, {"$ref": f"#/$defs/p{at}"}]}
    return {"$defs": parts, "$ref": f"#/$defs/p{depth}"}


@pytest.mark.parametrize(
    ("schema", "value"),
    [
        (doubled("allOf", 24), {}),
        (doubled("anyOf", 24), {"a": "x"}),
        (doubled("oneOf", 24), {"a": "x"}),
        ({"$defs": {"a": {"allOf": [{"$ref": "#/$defs/a"}, {"$ref": "#/$defs/a"}]}}, "$ref": "#/$defs/a"}, {}),
        ({"properties": {"a": {"additionalProperties": {"$ref": "#"}}}}, {"a": {"a": {"a": {}}}}),
        ({"properties": {"a": {"type": "array", "items": {"$ref": "#"}}}}, {"a": [{"a": [{}]}]}),
        ({"$ref": "https://elsewhere.example/schema.json"}, {}),
        ({"properties": {"a": {"type": "array", "items": {"if": {"const": 1}}}}}, {"a": list(range(50_000))}),
        ({"if": {"properties": {"a": {"pattern": "^(a+)+$"}}}, "then": {}}, {"a": "a" * 5000 + "!"}),
    ],
    ids=["all-of", "any-of", "one-of", "endless", "own-rest", "own-items", "remote", "long-list", "pattern"],
)
def test_hostile_schemas_end(schema: dict[str, Any], value: dict[str, Any]) -> None:
    assert isinstance(effective(schema, value), dict)
    assert isinstance(filled(schema, value), dict)


def test_the_rows_of_lists_and_mappings_each_have_their_own_branch() -> None:
    row = {
        "properties": {"kind": {"enum": ["tcp", "http"]}},
        "if": {"properties": {"kind": {"const": "http"}}, "required": ["kind"]},
        "then": {"properties": {"path": {"type": "string", "default": "/"}}},
    }
    schema = {
        "properties": {
            "list": {"type": "array", "items": row},
            "names": {"type": "object", "additionalProperties": row},
        }
    }
    value = {"list": [{"kind": "tcp"}, {"kind": "http"}], "names": {"web": {"kind": "http"}}}
    made = effective(schema, value)["properties"]
    assert [set(each["properties"]) for each in made["list"][ENTRIES]] == [{"kind"}, {"kind", "path"}]
    assert [(key, set(each["properties"])) for key, each in made["names"][ENTRIES]] == [("web", {"kind", "path"})]
    assert filled(schema, value)["list"] == [{"kind": "tcp"}, {"kind": "http", "path": "/"}]
    assert filled(schema, value)["names"]["web"]["path"] == "/"

"""Schemas as they are for one value: what a form opens and closes."""

from typing import Any

import pytest

from catalog.forms.effective import NULLABLE, effective, filled, is_conditional

PLAN: dict[str, Any] = {"plan": {"enum": ["free", "pro"], "default": "free"}}
SEATS: dict[str, Any] = {"properties": {"seats": {"type": "integer"}}, "required": ["seats"]}
IS_PRO: dict[str, Any] = {"properties": {"plan": {"const": "pro"}}, "required": ["plan"]}
CONDITION: dict[str, Any] = {"if": IS_PRO, "then": SEATS, "else": {"properties": {"trial": {"type": "boolean"}}}}


def names(schema: dict[str, Any], value: Any) -> set[str]:
    return set(effective({"type": "object", **schema}, value)["properties"])


@pytest.mark.parametrize(
    "schema",
    [
        {"properties": PLAN, **CONDITION},
        {"properties": PLAN, "allOf": [CONDITION]},
        {"properties": PLAN, "allOf": [{"allOf": [CONDITION]}]},
        {"properties": PLAN, "allOf": [{"$ref": "#/$defs/c"}], "$defs": {"c": CONDITION}},
    ],
)
def test_a_condition_opens_its_fields_wherever_it_stands(schema: dict[str, Any]) -> None:
    assert names(schema, {"plan": "pro"}) == {"plan", "seats"}
    assert names(schema, {"plan": "free"}) == names(schema, {}) == {"plan", "trial"}
    assert effective(schema, {"plan": "pro"})["required"] == ["seats"]
    assert is_conditional(schema)


def test_what_is_given_brings_in_what_depends_on_it() -> None:
    schema = {
        "properties": {"card": {"type": "string"}, "address": {"type": "string"}},
        "dependentSchemas": {"card": {"properties": {"cvc": {"type": "string", "writeOnly": True}}}},
        "dependentRequired": {"card": ["address"]},
    }
    assert names(schema, {}) == {"card", "address"}
    opened = effective(schema, {"card": "1"})
    assert set(opened["properties"]) == {"card", "address", "cvc"}
    assert opened["required"] == ["address"]
    assert opened["properties"]["cvc"]["writeOnly"] is True


def test_alternatives_that_a_constant_tells_apart_are_a_choice() -> None:
    branches = [
        {"title": "Bucket", "properties": {"kind": {"const": "s3"}, "bucket": {}}, "required": ["kind", "bucket"]},
        {"title": "Folder", "properties": {"kind": {"const": "disk"}, "path": {}}, "required": ["kind"]},
    ]
    schema = {"properties": {"store": {"type": "object", "oneOf": branches}}, "required": ["store"]}
    empty = effective(schema, {})["properties"]["store"]
    assert empty["properties"] == {
        "kind": {"oneOf": [{"const": "s3", "title": "Bucket"}, {"const": "disk", "title": "Folder"}]}
    }
    chosen = effective(schema, {"store": {"kind": "disk"}})["properties"]["store"]
    assert list(chosen["properties"]) == ["kind", "path"]
    assert chosen["properties"]["kind"] == empty["properties"]["kind"]
    assert chosen["required"] == ["kind"]


def test_the_choices_of_a_field_follow_another_field() -> None:
    def regions(cloud: str, *names: str) -> dict[str, Any]:
        condition = {"properties": {"cloud": {"const": cloud}}, "required": ["cloud"]}
        return {"if": condition, "then": {"properties": {"region": {"enum": list(names)}}}}

    schema = {
        "properties": {"cloud": {"enum": ["aws", "azure"]}, "region": {"title": "Region"}},
        "allOf": [regions("aws", "eu-west-1"), regions("azure", "westeurope")],
    }
    assert effective(schema, {"cloud": "aws"})["properties"]["region"] == {"title": "Region", "enum": ["eu-west-1"]}
    assert effective(schema, {"cloud": "azure"})["properties"]["region"]["enum"] == ["westeurope"]


def test_one_alternative_to_null_is_that_one() -> None:
    schema = {"properties": {"size": {"anyOf": [{"type": "integer"}, {"type": "null"}]}}}
    assert effective(schema, {})["properties"]["size"] == {"type": "integer", NULLABLE: True}


def test_a_schema_that_refers_to_itself_ends() -> None:
    schema = {"$defs": {"a": {"properties": {"again": {"$ref": "#/$defs/a"}}}}, "$ref": "#/$defs/a"}
    assert names(schema, {}) == {"again"}
    endless = {"$defs": {"a": {"$ref": "#/$defs/a"}}, "$ref": "#/$defs/a"}
    assert effective(endless, {})["$defs"] == endless["$defs"]


def test_many_alternatives_and_dependencies_stay_within_the_budget() -> None:
    branches = [{"properties": {"kind": {"const": f"k{i}"}, f"f{i}": {"type": "string"}}} for i in range(200)]
    dependencies = {f"f{i}": {"properties": {f"d{i}": {"type": "string"}}} for i in range(200)}
    schema = {"oneOf": branches, "dependentSchemas": dependencies}
    assert names(schema, {"kind": "k7", "f7": "x"}) == {"kind", "f7", "d7"}


def test_a_default_goes_with_a_branch_that_another_default_closes() -> None:
    schema = {
        "type": "object",
        "properties": {"kind": {"enum": ["web", "job"], "default": "web"}},
        "if": {"properties": {"kind": {"const": "web"}}, "required": ["kind"]},
        "then": {"properties": {"path": {"type": "string", "default": "/"}}},
        "else": {"properties": {"queue": {"type": "string", "default": "jobs"}}},
        "unevaluatedProperties": False,
    }
    assert filled(schema, {}) == {"kind": "web", "path": "/"}
    assert filled(schema, {"kind": "job"}) == {"kind": "job", "queue": "jobs"}
    assert filled(schema, filled(schema, {})) == filled(schema, {})

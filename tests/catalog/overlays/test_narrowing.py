"""Rules laid over schemas: what is narrowed, what is refused, and that what is accepted is one of the publisher's."""

from copy import deepcopy
from typing import Any

import pytest
from hypothesis import HealthCheck, assume, event, given, settings
from hypothesis import strategies as st
from pydantic import ValidationError

from catalog.assets.inputs import InvalidInputsError, complete_inputs
from catalog.overlays.errors import OverlayConflictError
from catalog.overlays.fitting import Fitted, fit
from catalog.overlays.models import Rule, SetOverlay

Schema = dict[str, Any]
SCHEMA: Schema = {
    "type": "object",
    "required": ["region", "size"],
    "properties": {
        "region": {"type": "string", "enum": ["eu", "us", "ap"]},
        "size": {"$ref": "#/$defs/size"},
        "name": {"type": "string", "pattern": "^a", "default": "abc"},
        "note": {"type": "string"},
        "db": {
            "type": "object",
            "default": {"gb": 5},
            "properties": {
                "gb": {"type": "integer", "minimum": 1, "maximum": 100},
                "tags": {"type": "array", "items": {"type": "string"}, "maxItems": 4},
            },
        },
        "password": {"type": "string", "writeOnly": True},
    },
    "$defs": {"size": {"type": "integer", "maximum": 10}},
    "additionalProperties": False,
}


def laid(*rules: dict[str, Any], schema: Schema = SCHEMA) -> Fitted:
    return fit("acme/web", "1.0.0", schema, [Rule.model_validate({"reason": "Because.", **each}) for each in rules], 1)


@pytest.mark.parametrize(
    ("rule", "sent", "found"),
    [
        ({"pointer": "/region", "fixed": "eu"}, {"size": 3}, {"region": "eu"}),
        ({"pointer": "/region", "fixed": "eu", "hidden": True}, {"size": 3, "region": "eu"}, {"region": "eu"}),
        ({"pointer": "/name", "hidden": True}, {"size": 3, "region": "us"}, {"name": "abc"}),
        ({"pointer": "/size", "default": 2}, {"region": "us"}, {"size": 2}),
        ({"pointer": "/db/gb", "fixed": 9}, {"region": "us", "size": 1}, {"db": {"gb": 9}}),
        ({"pointer": "/name", "pattern": "c$"}, {"region": "us", "size": 1, "name": "ac"}, {"name": "ac"}),
        ({"pointer": "/db/tags/*", "enum": ["x"]}, {"region": "us", "size": 1, "db": {"tags": ["x"]}}, {}),
    ],
)
def test_what_is_left_is_given(rule: dict[str, Any], sent: dict[str, Any], found: dict[str, Any]) -> None:
    fitted = laid(rule)
    assert not fitted.misfits
    assert found.items() <= fitted.complete(sent).items()


@pytest.mark.parametrize(
    ("rule", "sent", "pointer"),
    [
        ({"pointer": "/region", "fixed": "eu"}, {"size": 3, "region": "us"}, "/inputs/region"),
        ({"pointer": "/region", "enum": ["eu"]}, {"size": 3, "region": "us"}, "/inputs/region"),
        ({"pointer": "/note", "hidden": True}, {"size": 3, "region": "us", "note": "x"}, "/inputs/note"),
        ({"pointer": "/name", "hidden": True}, {"size": 3, "region": "us", "name": "ax"}, "/inputs/name"),
        ({"pointer": "/name", "required": True}, {"size": 3, "region": "us"}, "/inputs/name"),
        ({"pointer": "/size", "maximum": 5}, {"size": 7, "region": "us"}, "/inputs/size"),
        ({"pointer": "/name", "pattern": "c$"}, {"size": 1, "region": "us", "name": "ab"}, "/inputs/name"),
        (
            {"pointer": "/db/tags/*", "enum": ["x"]},
            {"size": 1, "region": "us", "db": {"tags": ["x", "y"]}},
            "/inputs/db/tags/1",
        ),
        ({"pointer": "/password", "minLength": 8}, {"size": 1, "region": "us", "password": "s3c"}, "/inputs/password"),
    ],
)
def test_the_reason_of_a_no_is_named(rule: dict[str, Any], sent: dict[str, Any], pointer: str) -> None:
    fitted = laid(rule)
    assert not fitted.misfits
    complete_inputs(SCHEMA, sent)
    with pytest.raises(InvalidInputsError) as refused:
        fitted.complete(sent)
    assert [each.pointer for each in refused.value.errors] == [pointer]
    assert "Your tenant's overlay on acme/web" in refused.value.errors[0].detail
    assert "Because." in refused.value.errors[0].detail
    assert "s3c" not in refused.value.errors[0].detail


def test_what_the_publisher_refuses_is_not_blamed_on_the_overlay() -> None:
    with pytest.raises(InvalidInputsError) as refused:
        laid({"pointer": "/size", "maximum": 5}).complete({"size": "many", "region": "us"})
    assert "overlay" not in refused.value.errors[0].detail


@pytest.mark.parametrize(
    ("rule", "says"),
    [
        ({"pointer": "/size", "maximum": 50}, "does not allow a number above 10"),
        ({"pointer": "/region", "enum": ["eu", "mars"]}, "does not allow 'mars'"),
        ({"pointer": "/region", "fixed": "mars"}, "does not allow 'mars'"),
        ({"pointer": "/size", "maxLength": 5}, "says nothing about"),
        ({"pointer": "/size", "minimum": 7, "maximum": 6}, "nothing is left"),
        ({"pointer": "/size", "hidden": True}, "would have no value"),
        ({"pointer": "/name", "pattern": "x$"}, "default of /name does not fit"),
        ({"pointer": "/db/gb", "minimum": 10}, "default of /db does not fit"),
        ({"pointer": "/db/tags/*", "fixed": "x"}, "take limits only"),
        ({"pointer": "/nmae", "fixed": "x"}, "declares no input"),
        ({"pointer": "/password", "fixed": "s3cret"}, "secret"),
    ],
)
def test_what_does_not_narrow_is_refused(rule: dict[str, Any], says: str) -> None:
    found = laid(rule).misfits
    assert [each.pointer for each in found] == [rule["pointer"]]
    assert says in found[0].detail
    assert found[0].fix
    assert "s3cret" not in found[0].detail


def test_a_misfit_closes_the_version() -> None:
    fitted = laid({"pointer": "/region", "enum": ["eu"]}, {"pointer": "/gone", "fixed": 1})
    with pytest.raises(OverlayConflictError) as refused:
        fitted.complete({"region": "eu", "size": 1})
    assert [each.pointer for each in refused.value.errors] == ["/inputs/gone"]
    assert "1.0.0" in refused.value.detail
    assert fitted.form_schema == SCHEMA


def test_a_form_has_nothing_hidden() -> None:
    fitted = laid({"pointer": "/name", "hidden": True}, {"pointer": "/db/gb", "hidden": True, "fixed": 3})
    assert set(fitted.form_schema["properties"]) == set(SCHEMA["properties"]) - {"name"}
    assert set(fitted.form_schema["properties"]["db"]["properties"]) == {"tags"}


@pytest.mark.parametrize(
    "rules",
    [
        [{"pointer": "region", "fixed": 1}],
        [{"pointer": "/a"}],
        [{"pointer": "/a", "fixed": 1, "minimum": 2}],
        [{"pointer": "/a", "hidden": True, "enum": [1]}],
        [{"pointer": "/a", "pattern": "(?=x)"}],
        [{"pointer": "/a", "fixed": "\0"}],
        [{"pointer": "/a", "fixed": 1}, {"pointer": "/a", "hidden": True}],
        [{"pointer": "/a", "fixed": {}}, {"pointer": "/a/b", "maximum": 3}],
    ],
)
def test_rules_that_make_no_sense_are_refused(rules: list[dict[str, Any]]) -> None:
    with pytest.raises(ValidationError):
        SetOverlay.model_validate({"rules": [{"reason": "Because.", **each} for each in rules]})


NAMES = ("a", "b")
TEXTS = ("", "a", "ab", "abc", "b")
SCALARS = st.none() | st.booleans() | st.integers(-2, 8) | st.sampled_from(TEXTS)
LEAF = st.one_of(
    st.fixed_dictionaries(
        {"type": st.sampled_from(["integer", "number"])},
        optional={
            "minimum": st.integers(-1, 3),
            "maximum": st.integers(2, 7),
            "exclusiveMaximum": st.integers(3, 8),
            "default": st.integers(1, 4),
        },
    ),
    st.fixed_dictionaries(
        {"type": st.just("string")},
        optional={
            "minLength": st.integers(0, 2),
            "maxLength": st.integers(1, 4),
            "pattern": st.sampled_from(["^a", "b"]),
            "enum": st.lists(st.sampled_from(TEXTS), min_size=1, max_size=3, unique=True),
            "default": st.sampled_from(TEXTS),
        },
    ),
    st.just({"type": "boolean"}),
    st.just({"$ref": "#/$defs/small"}),
)
ITEMS = st.fixed_dictionaries({"type": st.just("array"), "items": LEAF}, optional={"maxItems": st.integers(1, 3)})


def objects(inner: st.SearchStrategy[Schema]) -> st.SearchStrategy[Schema]:
    return st.fixed_dictionaries(
        {"type": st.just("object"), "properties": st.dictionaries(st.sampled_from(NAMES), inner, min_size=1)},
        optional={
            "required": st.lists(st.sampled_from(NAMES), unique=True),
            "additionalProperties": st.just(False),
            "if": st.just({"properties": {"a": {"const": 1}}}),
            "then": st.just({"required": ["b"]}),
            "allOf": st.just([{"properties": {"a": {"maximum": 6}}}]),
        },
    )


ROOTS = objects(LEAF | ITEMS | objects(LEAF)).map(
    lambda schema: {**deepcopy(schema), "$defs": {"small": {"type": "integer", "maximum": 5}}}
)
VALUE = SCALARS | st.lists(SCALARS, max_size=3) | st.dictionaries(st.sampled_from(NAMES), SCALARS, max_size=2)
RULES = st.fixed_dictionaries(
    {"pointer": st.sampled_from(["/a", "/b", "/a/a", "/a/b", "/b/a", "/a/*", "/b/*"]), "reason": st.just("Because.")},
    optional={
        "fixed": SCALARS,
        "hidden": st.booleans(),
        "default": SCALARS,
        "enum": st.lists(SCALARS, min_size=1, max_size=3),
        "minimum": st.integers(0, 4),
        "maximum": st.integers(1, 6),
        "minLength": st.integers(0, 2),
        "maxLength": st.integers(0, 4),
        "minItems": st.integers(0, 2),
        "maxItems": st.integers(0, 3),
        "pattern": st.sampled_from(["a", "b$"]),
        "required": st.booleans(),
    },
)


def usable(rule: dict[str, Any], keep: list[str]) -> Rule | None:
    try:
        return Rule.model_validate({name: rule[name] for name in ("pointer", "reason", *keep) if name in rule})
    except ValidationError:
        return None


@settings(max_examples=80, deadline=None, suppress_health_check=[HealthCheck.too_slow, HealthCheck.filter_too_much])
@given(
    ROOTS,
    st.lists(
        st.tuples(
            RULES,
            st.lists(
                st.sampled_from(
                    [
                        "fixed",
                        "hidden",
                        "default",
                        "enum",
                        "maximum",
                        "minimum",
                        "minLength",
                        "maxLength",
                        "minItems",
                        "maxItems",
                        "pattern",
                        "required",
                    ]
                ),
                min_size=1,
                max_size=2,
            ),
        ),
        min_size=1,
        max_size=3,
    ),
    st.lists(st.dictionaries(st.sampled_from(NAMES), VALUE, max_size=2), min_size=8, max_size=20),
)
def test_what_a_narrowed_schema_accepts_the_publishers_accepts_as_it_is(
    schema: Schema, drawn: list[tuple[dict[str, Any], list[str]]], inputs: list[dict[str, Any]]
) -> None:
    rules = [rule for each, keep in drawn if (rule := usable(each, keep)) is not None]
    assume(rules)
    before = deepcopy(schema)
    fitted = fit("acme/web", "1.0.0", schema, rules, 1)
    assert schema == before
    assume(not fitted.misfits)
    event("fits")
    for values in inputs:
        try:
            completed = fitted.complete(values)
        except InvalidInputsError:
            continue
        event("accepted")
        assert complete_inputs(schema, completed) == completed

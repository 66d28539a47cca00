"""Forms from JSON Schemas: what they show, what comes back, and where errors stand."""

import re
import string
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from jinja2 import Environment
from jsonschema import Draft202012Validator

from catalog.errors import FieldError
from portal.pages.schema_controls import Control
from portal.pages.schema_form import FormSource, build_form, humanised
from portal.pages.schema_input import read_form


def control(form: Control, name: str) -> Control:
    found = [each for each in _all(form) if each.name == f"inputs/{name}"]
    assert len(found) == 1, name
    return found[0]


def _all(form: Control) -> list[Control]:
    return [form, *(each for child in form.children for each in _all(child))]


def one(schema: dict[str, Any], **source: Any) -> Control:
    return control(build_form({"type": "object", "properties": {"x": schema}}, FormSource(**source)), "x")


@pytest.mark.parametrize(
    ("schema", "widget"),
    [
        ({"type": "string"}, "text"),
        ({"type": "string", "maxLength": 1000}, "textarea"),
        ({"type": ["string", "null"]}, "text"),
        ({"type": "integer"}, "number"),
        ({"type": "number"}, "number"),
        ({"type": "boolean"}, "checkbox"),
        ({"enum": ["a", "b"]}, "select"),
        ({"const": "a"}, "select"),
        ({"oneOf": [{"const": 1, "title": "One"}, {"const": 2}]}, "select"),
        ({"type": "array", "items": {"type": "string"}}, "lines"),
        ({"type": "array", "items": {"enum": ["a", "b"]}}, "checkboxes"),
        ({"type": "array", "items": {"type": "object"}}, "json"),
        ({"type": "object", "properties": {"y": {"type": "string"}}}, "group"),
        ({"type": "object", "additionalProperties": {"type": "integer"}}, "entries"),
        ({"type": "object", "patternProperties": {"^x-": {"type": "string"}}}, "entries"),
        ({"type": "array", "items": {"properties": {"y": {"type": "string"}}}}, "rows"),
        ({"type": "array", "prefixItems": [{"type": "string"}, {"type": "integer"}]}, "rows"),
        ({"type": "object"}, "json"),
        ({"anyOf": [{"type": "string"}, {"type": "integer"}]}, "alternatives"),
        ({"type": ["string", "integer"]}, "alternatives"),
        ({"type": "string", "readOnly": True}, "fixed"),
        ({}, "json"),
        (True, "json"),
    ],
)
def test_each_type_has_its_widget(schema: dict[str, Any], widget: str) -> None:
    assert one(schema).widget == widget


@pytest.mark.parametrize(
    ("schema", "hints", "widget"),
    [
        ({"enum": ["a"]}, {"widget": "radio"}, "radio"),
        ({"type": "string"}, {"widget": "textarea"}, "textarea"),
        ({"type": "string"}, {"widget": "code"}, "textarea"),
        ({"type": "string", "maxLength": 1000}, {"widget": "text"}, "text"),
        ({"type": "boolean"}, {"widget": "team"}, "checkbox"),
    ],
)
def test_hints_choose_among_fitting_widgets(schema: dict[str, Any], hints: dict[str, Any], widget: str) -> None:
    assert one(schema, hints={"x": hints}).widget == widget


def test_hints_give_order_help_and_placeholder() -> None:
    schema = {"type": "object", "properties": {name: {"type": "string"} for name in "abc"}}
    hints = {"c": {"order": 1, "help": "Help.", "placeholder": "such as"}, "b": {"order": 2.5}}
    form = build_form(schema, FormSource(hints=hints))
    assert [each.label for each in form.children] == ["C", "B", "A"]
    assert (form.children[0].help, form.children[0].placeholder) == ("Help.", "such as")


def test_limits_become_attributes() -> None:
    assert dict(one({"type": "integer", "minimum": 1, "maximum": 9}).attributes) == {
        "step": "1",
        "min": "1",
        "max": "9",
    }
    assert dict(one({"type": "number"}).attributes) == {"step": "any"}
    anchored = one({"type": "string", "minLength": 2, "pattern": "^[a-z]+$"})
    assert dict(anchored.attributes) == {"minlength": "2", "pattern": "^[a-z]+$"}
    assert dict(one({"type": "string", "pattern": "[a-z]"}).attributes) == {}


def test_references_and_conditions_are_followed() -> None:
    schema = {
        "$defs": {"size": {"enum": ["s", "l"], "title": "Size"}},
        "type": "object",
        "properties": {"size": {"$ref": "#/$defs/size", "description": "How large."}},
        "allOf": [
            {
                "if": {"properties": {"size": {"const": "l"}}, "required": ["size"]},
                "then": {"properties": {"reason": {"type": "string"}}},
            },
            {"properties": {"team": {"type": "string"}}, "required": ["team"]},
        ],
    }
    assert [each.name for each in build_form(schema, FormSource()).children] == ["inputs/size", "inputs/team"]
    form = build_form(schema, FormSource(submitted={"inputs/size": ["l"]}))
    assert {each.name: (each.label, each.is_required) for each in form.children} == {
        "inputs/size": ("Size", False),
        "inputs/reason": ("Reason", False),
        "inputs/team": ("Team", True),
    }
    assert control(form, "size").help == "How large."


def test_a_schema_that_refers_to_itself_ends() -> None:
    schema = {"type": "object", "properties": {"again": {"$ref": "#"}}}
    assert len(_all(build_form(schema, FormSource()))) < 20


def test_submitted_text_is_kept_as_it_was_sent(sample_schema: dict[str, Any]) -> None:
    labels = {"inputs/labels/~rows": ["1"], "inputs/labels/~0/~key": ["a"], "inputs/labels/~0": ["1"]}
    submitted = {"inputs/replicas": ["seven"], **labels, "inputs/debug": ["false", "true"]}
    form = build_form(sample_schema, FormSource(submitted=submitted))
    assert control(form, "replicas").value == "seven"
    assert [(row.key, row.value) for row in control(form, "labels").children] == [("a", "1")]
    assert control(form, "debug").is_checked


def test_secrets_are_never_filled_in() -> None:
    schema = {"type": "string", "writeOnly": True, "default": "d", "examples": ["e"]}
    shown = one(schema, values={"x": "v"}, submitted={"inputs/x": ["s"]})
    assert (shown.value, shown.placeholder, shown.input_type) == ("", "", "password")


def test_errors_stand_at_their_field() -> None:
    shown = one({"type": "string"}, errors=[FieldError("/inputs/x", "Too short."), FieldError("/inputs/y", "No.")])
    assert shown.error == "Too short."


def test_names_become_labels() -> None:
    assert [humanised(name) for name in ("health_path", "healthPath", "URL", "apiURL")] == [
        "Health path",
        "Health path",
        "URL",
        "Api URL",
    ]


@pytest.mark.parametrize(
    ("schema", "text", "detail"),
    [
        ({"type": "integer"}, "1.5", "This must be a whole number, such as 3."),
        ({"type": "number"}, "1,5", "This must be a number, such as 3 or 0.5."),
        ({"type": "number"}, "NaN", "This must be a number, such as 3 or 0.5."),
        ({"type": "array", "items": {"type": "integer"}}, "1\n\nx", "Line 2 must be a whole number, such as 3."),
        ({"type": "object"}, "[NaN]", "This must be JSON, which has no NaN."),
        ({"type": "object"}, "[" * 100_000, "This is nested too deeply."),
        ({"type": "object"}, "{", "This must be JSON: Expecting property name enclosed in double quotes on line 1"),
    ],
)
def test_unreadable_text_is_an_error_at_its_field(schema: dict[str, Any], text: str, detail: str) -> None:
    value, errors = read_form({"type": "object", "properties": {"x": schema}}, {"inputs/x": [text]})
    assert value == {}
    assert [error.pointer for error in errors] == ["/inputs/x"]
    assert errors[0].detail.startswith(detail)


def test_empty_fields_are_absent() -> None:
    schema = {
        "type": "object",
        "properties": {"a": {"type": "string"}, "b": {"type": "integer"}, "c": {"type": "object", "properties": {}}},
    }
    assert read_form(schema, {"inputs/a": [""], "inputs/b": [" "], "inputs/c": [""]}) == ({}, ())


def test_values_outside_a_choice_are_left_to_the_validator() -> None:
    schema = {"type": "object", "properties": {"x": {"enum": [1, 2]}}}
    assert read_form(schema, {"inputs/x": ["9"]}) == ({"x": "9"}, ())
    assert read_form(schema, {"inputs/x": ["2"]}) == ({"x": 2}, ())


NAMES = st.text(string.ascii_letters + "/~_- ", min_size=1, max_size=8)
WORDS = st.text(string.ascii_letters + string.digits + ".:/-", min_size=1, max_size=12)
INTEGERS = st.integers(-(10**20), 10**20)
THIRDS = st.floats(allow_nan=False, allow_infinity=False, width=32).map(lambda number: round(number, 3))
LEAVES = st.one_of(
    st.just(({"type": "string"}, WORDS)),
    st.just(({"type": "integer"}, INTEGERS)),
    st.just(({"type": "number"}, THIRDS)),
    st.just(({"type": "boolean"}, st.booleans())),
    st.just(({"enum": ["a", 1, True, 2.5]}, st.sampled_from(["a", 1, True, 2.5]))),
    st.just(({"type": "array", "items": {"type": "string"}}, st.lists(WORDS, min_size=1, max_size=3))),
    st.just(({"type": "array", "items": {"enum": ["p", "q"]}}, st.sampled_from([["p"], ["q"], ["p", "q"]]))),
    st.just(
        (
            {"type": "object", "additionalProperties": {"type": "integer"}},
            st.dictionaries(WORDS, INTEGERS, min_size=1, max_size=3),
        )
    ),
    st.just(({"type": "array", "items": {"type": "object"}}, st.just([{"k": [1, None]}]))),
)
Node = tuple[dict[str, Any], Any]


@st.composite
def schemas_with_values(draw: st.DrawFn, depth: int = 2) -> Node:
    properties: dict[str, Any] = {}
    value: dict[str, Any] = {}
    for name in draw(st.lists(NAMES, min_size=1, max_size=4, unique=True)):
        if depth and draw(st.booleans()):
            properties[name], value[name] = draw(schemas_with_values(depth - 1))
        else:
            properties[name], values = draw(LEAVES)
            value[name] = draw(values)
    return {"type": "object", "properties": properties}, value


def sent_by(form: Control) -> dict[str, list[str]]:
    """Return what a browser sends for a form that nobody touched."""
    sent: dict[str, list[str]] = {}
    for each in _all(form):
        if each.widget in {"rows", "entries"}:
            sent[f"{each.name}/~rows"] = [str(len(each.children))]
            keys = each.children if each.widget == "entries" else ()
            sent |= {f"{row.name}/~key": [row.key] for row in keys}
        elif each.widget == "alternatives":
            sent[f"{each.name}/~as"] = [option.value for option in each.options if option.is_selected]
        elif each.widget == "checkbox":
            sent[each.name] = [each.off, "true"] if each.is_checked else [each.off]
        elif each.widget == "checkboxes":
            sent[each.name] = ["", *(option.value for option in each.options if option.is_selected)]
        elif each.widget == "select":
            sent[each.name] = [option.value for option in each.options if option.is_selected][:1]
        elif each.widget not in {"group", "fixed"}:
            sent[each.name] = [each.value]
    return sent


@given(schemas_with_values())
def test_a_form_that_nobody_touches_gives_its_values_back(node: Node) -> None:
    schema, value = node
    Draft202012Validator.check_schema(schema)
    form = build_form(schema, FormSource(values=value))
    again, errors = read_form(schema, sent_by(form))
    assert errors == ()
    assert again == value
    # Showing what was sent changes nothing either.
    assert sent_by(build_form(schema, FormSource(submitted=sent_by(form)))) == sent_by(form)


NAMES = st.sampled_from(["a", "a_b", "a-b", "b", "help", "error", "as", "1", "2", "key", "a.b", "é", "list"])
PARTS = st.recursive(
    st.sampled_from([{"type": "string", "description": "x"}, {"enum": ["1", "2"]}, {"type": ["string", "integer"]}]),
    lambda inner: st.dictionaries(NAMES, inner, min_size=1, max_size=3).map(
        lambda found: {"type": "object", "description": "x", "properties": found}
    ),
    max_leaves=12,
)


@given(properties=st.dictionaries(NAMES, PARTS, min_size=1, max_size=5))
def test_no_two_elements_of_a_form_have_one_id(templates: Environment, properties: dict[str, Any]) -> None:
    form = build_form({"type": "object", "properties": properties}, FormSource(hints={"a": {"widget": "radio"}}))
    source = '{% from "components/schema_form.html" import live_part %}{{ live_part("inputs", form) }}'
    page = templates.from_string(source).render(form=form)
    ids = re.findall(r' id="([^"]+)"', page)
    assert len(ids) == len(set(ids))
    assert set(re.findall(r' for="([^"]+)"', page)) <= set(ids)
    assert {place for _, place in form.labels().values()} <= set(ids) | {form.id}


def test_inputs_stand_below_the_step_that_they_belong_to() -> None:
    schema = {"type": "object", "properties": {name: {"type": "string"} for name in "abc"}}
    hints = {"a": {"step": "Delivery", "order": 2}, "b": {"step": "Delivery", "order": 3}, "c": {"order": 1}}
    form = build_form(schema, FormSource(hints=hints))
    assert [(each.label, each.step) for each in form.children] == [("C", ""), ("A", "Delivery"), ("B", "Delivery")]


def test_values_that_there_are_are_offered_and_bind_nobody() -> None:
    texts: dict[str, Any] = {"team": {}, "service": {}, "key": {"writeOnly": True}}
    schema = {"type": "object", "properties": {name: {"type": "string", **part} for name, part in texts.items()}}
    offered = {"optionsFrom": {"source": "services", "filter": "owner={team}", "dependsOn": "team"}}
    asked: list[Any] = []

    def offers(hint: Any, value: Any) -> tuple[str, ...]:
        asked.append((hint, value))
        return ("shop", "web")

    hints = {"service": offered, "key": offered}
    form = build_form(schema, FormSource(hints=hints, submitted={"inputs/team": ["a"]}, offers=offers))
    assert form.is_live
    assert {each.name: each.suggestions for each in form.children} == {
        "inputs/team": (),
        "inputs/service": ("shop", "web"),
        "inputs/key": (),
    }
    assert asked == [(offered, {"team": "a"})]

"""What other portals' forms were asked for and do not do (Backstage issues by number), each held here."""

import json
import time
from typing import Any

import pytest

from catalog.assets.inputs import complete_inputs, without_secrets
from catalog.assets.schemas import DIALECT, check_schema
from catalog.errors import FieldError
from catalog.forms.offers import read_offer
from catalog.overlays.fitting import fit
from catalog.overlays.models import Rule
from portal.pages.schema_controls import Control
from portal.pages.schema_drafts import every, mistakes
from portal.pages.schema_form import FormSource, build_form, split_form
from portal.pages.schema_input import read_form

LARGE = {"properties": {"size": {"const": "large"}}, "required": ["size"]}
SIZED: dict[str, Any] = {"type": "object", "properties": {"size": {"enum": ["small", "large"]}}}
REASON: dict[str, Any] = {"properties": {"reason": {"type": "string", "minLength": 5}}, "required": ["reason"]}


def names(schema: dict[str, Any], **sent: str) -> list[str]:
    submitted = {name.replace("__", "/"): [text] for name, text in sent.items()}
    return [each.name for each in every(build_form(schema, FormSource(submitted=submitted))) if each.widget != "group"]


@pytest.mark.parametrize("wrap", ["allOf", "anyOf", "oneOf"])
def test_15789_and_30090_conditions_inside_all_of_render(wrap: str) -> None:
    condition = {"if": LARGE, "then": REASON}
    schema = {**SIZED, "allOf": [{wrap: [condition]}]}
    if wrap == "allOf":
        assert names(schema, inputs__size="small") == ["inputs/size"]
        assert names(schema, inputs__size="large") == ["inputs/size", "inputs/reason"]
    # Whatever a form shows, the schema itself decides.
    assert read_form(schema, {"inputs/size": ["large"]})[0] == {"size": "large"}


def test_conditions_inside_the_branches_of_conditions_render() -> None:
    inner = {"if": {"properties": {"reason": {"const": "audit"}}, "required": ["reason"]}}
    schema = {**SIZED, "if": LARGE, "then": {**REASON, **inner, "then": {"properties": {"ticket": {}}}}}
    assert names(schema, inputs__size="large", inputs__reason="audit") == [
        "inputs/size",
        "inputs/reason",
        "inputs/ticket",
    ]
    assert "inputs/ticket" not in names(schema, inputs__size="small", inputs__reason="audit")


def test_26508_a_secret_that_depends_on_an_answer_stays_masked() -> None:
    behind = {"$schema": DIALECT, **SIZED, "dependentSchemas": {"size": {"properties": {"k": {"writeOnly": True}}}}}
    refused = check_schema(json.dumps(behind).encode(), "inputs.schema.json")[1]
    assert [each.rule for each in refused] == ["schema-secret"]
    schema = {
        **SIZED,
        "properties": {**SIZED["properties"], "key": {"type": "string", "writeOnly": True}},
        "if": LARGE,
        "else": {"properties": {"key": False}},
    }
    assert names(schema, inputs__size="small") == ["inputs/size"]
    shown = build_form(schema, FormSource(submitted={"inputs/size": ["large"], "inputs/key": ["hunter2"]}))
    secret = next(each for each in every(shown) if each.name == "inputs/key")
    assert (secret.value, secret.is_secret, secret.is_kept) == ("", True, True)
    assert without_secrets(schema, {"size": "large", "key": "hunter2"}) == {"size": "large", "key": "[secret]"}


def test_13201_what_is_filled_in_is_checked_and_what_is_empty_is_not_yet() -> None:
    schema = {**SIZED, "if": LARGE, "then": {**REASON, "required": ["reason", "size", "owner"]}}
    sent = {"inputs/size": ["large"], "inputs/reason": ["why"], "inputs/owner": [""]}
    value, unread = read_form(schema, sent)
    assert unread == ()
    form = build_form(schema, FormSource(submitted=sent))
    assert mistakes(form, sent, lambda: complete_inputs(schema, value)) == [
        FieldError("/inputs/reason", "This must have at least 5 characters.")
    ]


def test_29030_the_choices_of_a_field_follow_another_one_again_and_again() -> None:
    def regions(cloud: str, *there: str) -> dict[str, Any]:
        condition = {"properties": {"cloud": {"const": cloud}}, "required": ["cloud"]}
        return {"if": condition, "then": {"properties": {"region": {"enum": list(there)}}}}

    schema = {
        "type": "object",
        "properties": {"cloud": {"enum": ["aws", "azure"]}, "region": {"type": "string"}},
        "allOf": [regions("aws", "eu-west-1", "us-east-1"), regions("azure", "westeurope")],
    }

    def offered(cloud: str) -> list[str]:
        form = build_form(schema, FormSource(submitted={"inputs/cloud": [cloud], "inputs/region": ["eu-west-1"]}))
        region = next(each for each in every(form) if each.name == "inputs/region")
        return [each.value for each in region.options if each.value]

    assert [offered(cloud) for cloud in ("aws", "azure", "aws")] == [
        ["eu-west-1", "us-east-1"],
        ["westeurope"],
        ["eu-west-1", "us-east-1"],
    ]


def test_29030_what_is_offered_follows_another_field() -> None:
    schema = {"type": "object", "properties": {"team": {"type": "string"}, "service": {"type": "string"}}}
    hint = {"optionsFrom": {"source": "services", "filter": "owner={team}", "dependsOn": "team"}}
    owned = {"shop": ("cart", "web"), "core": ("api",)}

    def offers(hint: Any, value: Any) -> tuple[str, ...]:
        offer = read_offer(hint)
        filters = offer.filled(value) if offer else None
        return owned[filters["owner"]] if filters else ()

    def offered(team: str) -> tuple[str, ...]:
        source = FormSource(hints={"service": hint}, submitted={"inputs/team": [team]}, offers=offers)
        return build_form(schema, source).children[1].suggestions

    assert [offered(team) for team in ("shop", "core", "shop", "")] == [("cart", "web"), ("api",), ("cart", "web"), ()]


def test_32587_a_change_later_is_prefilled_and_shows_what_is_new() -> None:
    before = {**SIZED, "properties": {**SIZED["properties"], "owner": {"type": "string"}}}
    after = {
        **before,
        "properties": {**before["properties"], "zone": {"enum": ["a", "b"]}},
        "if": LARGE,
        "then": REASON,
    }

    def split(source: FormSource) -> tuple[list[str], dict[str, str]]:
        new, same = split_form(before, after, source)
        return [each.name for each in new.children], {each.name: shown(each) for each in same.children}

    def shown(control: Control) -> str:
        return control.value

    values = {"size": "small", "owner": "team-a"}
    assert split(FormSource(values=values)) == (["inputs/zone"], {"inputs/size": "small", "inputs/owner": "team-a"})
    sent = {"inputs/size": ["large"], "inputs/owner": ["team-a"]}
    assert split(FormSource(values=values, submitted=sent))[0] == ["inputs/zone", "inputs/reason"]
    wrong = [FieldError("/inputs/owner", "No such team.")]
    assert "inputs/owner" in split(FormSource(values=values, errors=wrong))[0]
    new, same = split_form(before, after, FormSource(values={**values, "size": "large"}), values)
    assert [each.name for each in new.children] == ["inputs/size", "inputs/zone", "inputs/reason"], "as a preset says"
    assert [each.name for each in same.children] == ["inputs/owner"]


def test_4203_many_alternatives_with_dependencies_are_no_trouble() -> None:
    branches = [
        {
            "title": f"Kind {at}",
            "properties": {"kind": {"const": f"k{at}"}, **{f"f{at}_{n}": {"type": "string"} for n in range(5)}},
            "required": ["kind"],
        }
        for at in range(100)
    ]
    schema = {"type": "object", "properties": {"it": {"type": "object", "oneOf": branches}}, "required": ["it"]}
    begun = time.process_time()
    assert len(names(schema, inputs__it__kind="k7")) == 6
    # Not a measure, only far from what grows with the square of the alternatives.
    assert time.process_time() - begun < 20


def test_alternatives_behind_references_and_a_discriminator_are_a_choice() -> None:
    def kind(name: str, **more: Any) -> dict[str, Any]:
        own = {"version": {"const": f"{name}-1"}, "type": {"const": name}, **more}
        return {"title": name.upper(), "properties": own, "required": ["type"]}

    schema = {
        "$defs": {
            "s3": kind("s3", bucket={"type": "string"}),
            "disk": {"allOf": [kind("disk", path={"type": "string"})]},
        },
        "type": "object",
        "properties": {
            "store": {
                "oneOf": [{"$ref": "#/$defs/s3"}, {"$ref": "#/$defs/disk"}],
                "discriminator": {"propertyName": "type"},
            }
        },
    }
    assert names(schema, inputs__store__type="disk") == [
        "inputs/store/type",
        "inputs/store/version",
        "inputs/store/path",
    ]
    value, errors = read_form(schema, {"inputs/store/type": ["s3"], "inputs/store/bucket": ["b"]})
    assert (value, errors) == ({"store": {"type": "s3", "bucket": "b"}}, ())


def test_alternatives_of_several_types_are_chosen_by_name() -> None:
    schema = {"type": "object", "properties": {"port": {"anyOf": [{"type": "integer"}, {"type": "string"}]}}}
    form = build_form(schema, FormSource(values={"port": "http"}))
    port = form.children[0]
    assert [(each.label, each.is_selected) for each in port.options] == [
        ("Not set", False),
        ("Whole number", False),
        ("Text", True),
    ]
    assert port.children[0].value == "http"
    sent = {"inputs/port/~as": ["0"], "inputs/port": ["80"]}
    assert read_form(schema, sent) == ({"port": 80}, ())
    assert read_form(schema, {**sent, "inputs/port/~as": ["1"]}) == ({"port": "80"}, ())
    assert read_form(schema, {**sent, "inputs/port/~as": [""]}) == ({}, ())


def test_mappings_have_rows_that_name_their_mistakes() -> None:
    schema = {
        "type": "object",
        "properties": {
            "env": {
                "type": "object",
                "properties": {"PORT": {"type": "integer"}},
                "additionalProperties": {"type": "string"},
                "propertyNames": {"pattern": "^[A-Z]+$"},
            }
        },
    }
    sent = {"inputs/env/~rows": ["5"], "inputs/env/PORT": ["80"]}
    rows = [("A", "1"), ("", "2"), ("A", "3"), ("PORT", "4"), ("", "")]
    for at, (key, text) in enumerate(rows):
        sent |= {f"inputs/env/~{at}/~key": [key], f"inputs/env/~{at}": [text]}
    value, errors = read_form(schema, sent)
    assert [(each.pointer, each.detail) for each in errors] == [
        ("/inputs/env/", "Give it a name."),
        ("/inputs/env/A", "This name is there twice."),
        ("/inputs/env/PORT", "This has a field of its own."),
    ]
    form = build_form(schema, FormSource(submitted=sent, errors=errors))
    shown = next(each for each in every(form) if each.widget == "entries")
    assert [(row.key, row.value) for row in shown.children] == rows
    good = {name: texts for name, texts in sent.items() if not name.startswith(("inputs/env/~1", "inputs/env/~2"))}
    value, errors = read_form(schema, {**good, "inputs/env/~rows": ["1"]})
    assert (value, errors) == ({"env": {"PORT": 80, "A": "1"}}, ())


def test_an_empty_nullable_field_is_null_where_something_else_would_be_put_there() -> None:
    nullable = {"type": ["integer", "null"]}
    properties = {"needed": nullable, "preset": {**nullable, "default": 3}, "free": nullable}
    schema = {"type": "object", "properties": properties, "required": ["needed"]}
    sent = {f"inputs/{name}": [""] for name in properties}
    assert read_form(schema, sent) == ({"needed": None, "preset": None}, ())


def test_a_form_cannot_be_made_to_send_endless_rows() -> None:
    schema = {
        "type": "object",
        "properties": {"l": {"type": "array", "items": {"type": "object", "properties": {"a": {}}}}},
    }
    value, errors = read_form(schema, {"inputs/l/~rows": ["99999"]})
    assert value == {}
    assert [each.detail for each in errors] == ["A form takes at most 1000 rows."]


def test_what_a_tenant_hides_goes_on_deciding_what_a_form_asks_for() -> None:
    schema = {**SIZED, "if": LARGE, "then": REASON}
    rule = Rule.model_validate({"pointer": "/size", "hidden": True, "fixed": "large", "reason": "We are large."})
    fitted = fit("acme/web", "1.0.0", schema, [rule], 1)
    assert fitted.misfits == ()
    form = build_form(fitted.deciding_schema, FormSource())
    assert [each.name for each in form.children] == ["inputs/reason"]
    value, errors = read_form(fitted.deciding_schema, {"inputs/reason": ["because"]})
    assert (value, errors) == ({"reason": "because"}, ())
    assert fitted.complete(value) == {"size": "large", "reason": "because"}

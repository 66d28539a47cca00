"""The hints of forms that are about other inputs, or about what there is: what they mean, and what has no effect."""

import json
from typing import Any

import pytest

from catalog.assets.hints import check_hints
from catalog.forms.effective import effective, filled
from catalog.forms.offers import Offer, read_offer
from catalog.forms.visibility import shown_schema

SCHEMA: dict[str, Any] = {
    "type": "object",
    "properties": {
        "mode": {"enum": ["basic", "advanced", "expert"], "default": "basic"},
        "limit": {"type": "integer"},
        "note": {"type": "string"},
        "name": {"type": "string"},
        "token": {"type": "string", "writeOnly": True},
    },
    "required": ["name"],
}


def asked(hints: dict[str, Any], value: dict[str, Any]) -> list[str]:
    schema = shown_schema(SCHEMA, hints)
    properties = effective(schema, filled(schema, value))["properties"]
    return [name for name, part in properties.items() if part is not False]


def test_an_input_is_asked_for_while_all_of_its_conditions_hold() -> None:
    hints = {
        "limit": {"visibleWhen": {"mode": ["advanced", "expert"]}},
        "note": {"visibleWhen": {"mode": "expert", "limit": 3}},
    }
    assert asked(hints, {}) == ["mode", "name", "token"]
    assert asked(hints, {"mode": "advanced"}) == ["mode", "limit", "name", "token"]
    assert asked(hints, {"mode": "expert", "limit": 2}) == ["mode", "limit", "name", "token"]
    assert asked(hints, {"mode": "expert", "limit": 3}) == ["mode", "limit", "note", "name", "token"]
    assert shown_schema(SCHEMA, {"limit": {"help": "x"}}) is SCHEMA


def test_a_filter_waits_for_the_inputs_that_it_names() -> None:
    hint = {"optionsFrom": {"source": "assets", "filter": "kind=policy-bundle&namespace={name}", "dependsOn": "name"}}
    offer = read_offer(hint)
    assert offer is not None
    assert offer.filled({}) is offer.filled({"name": ""}) is offer.filled({"name": ["x"]}) is None
    assert offer.filled({"name": "acme"}) == {"kind": "policy-bundle", "namespace": "acme"}
    assert read_offer({"widget": "repository"}) == Offer("repositories", {})
    assert read_offer({"widget": "text"}) is None


@pytest.mark.parametrize(
    ("field", "hint"),
    [
        ("limit", {"visibleWhen": {}}),
        ("limit", {"visibleWhen": {"mode": {"const": "advanced"}}}),
        ("limit", {"visibleWhen": {"mode": []}}),
        ("limit", {"visibleWhen": {"mood": "advanced"}}),
        ("limit", {"visibleWhen": {"mode": "advancd"}}),
        ("limit", {"visibleWhen": {"token": "x"}}),
        ("limit", {"visibleWhen": {"limit": 3}}),
        ("name", {"visibleWhen": {"mode": "advanced"}}),
        ("limit", {"visibleWhen": "mode"}),
        ("note", {"optionsFrom": {"source": "weather"}}),
        ("note", {"optionsFrom": {"filter": "kind=x"}}),
        ("note", {"optionsFrom": {"source": "assets", "filter": "colour=red"}}),
        ("note", {"optionsFrom": {"source": "assets", "filter": 7}}),
        ("note", {"optionsFrom": {"source": "assets", "filter": "kind={name}"}}),
        ("note", {"optionsFrom": {"source": "assets", "dependsOn": "name"}}),
        ("note", {"optionsFrom": {"source": "services", "filter": "owner={token}", "dependsOn": "token"}}),
        ("note", {"optionsFrom": {"source": "assets", "dependsOn": 7}}),
        ("note", {"optionsFrom": {"source": "assets", "url": "https://example.com"}}),
    ],
)
def test_what_could_have_no_effect_is_told_when_it_is_published(field: str, hint: dict[str, Any]) -> None:
    known, findings = check_hints(json.dumps({field: {**hint, "order": 1}}).encode(), "inputs.ui.json", SCHEMA)
    assert known == {field: {"order": 1}}
    assert [(each.rule, each.level) for each in findings] == [("hint-value", "warning")]
    assert findings[0].fix.endswith(".")


def test_conditions_that_go_round_are_told() -> None:
    hints = {"limit": {"visibleWhen": {"note": "x"}}, "note": {"visibleWhen": {"limit": 3}}}
    known, findings = check_hints(json.dumps(hints).encode(), "inputs.ui.json", SCHEMA)
    assert known == {"limit": {}, "note": {}}
    assert {each.fix for each in findings} == {
        "Whether limit is shown depends on itself in the end.",
        "Whether note is shown depends on itself in the end.",
    }

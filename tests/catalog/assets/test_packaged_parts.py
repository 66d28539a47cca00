"""Components of packages in blueprints that are parts themselves: names, wiring and secrets once they are joined."""

from typing import Any

import pytest

from catalog.assets.blueprint_spec import parse_spec
from catalog.assets.component_schemas import is_secret, with_secrets
from catalog.assets.parts import Blueprint, PackageComponent, PartsError, check_parts, join

TEXT = {"type": "string"}
STORE = PackageComponent(
    "Store of acme/stores 1.0.0",
    "acme/stores",
    "Store",
    {"type": "object", "properties": {"size": {"type": "integer"}, "token": {**TEXT, "writeOnly": True}}},
    {"type": "object", "properties": {"url": TEXT, "place": {"type": "object", "properties": {"zone": TEXT}}}},
)


def blueprint(
    components: dict[str, Any],
    parts: dict[str, Any],
    inputs: dict[str, Any],
    env: dict[str, str] | None = None,
    told: dict[str, str] | None = None,
) -> Blueprint:
    """Return a blueprint whose process ``web`` stands beside the given components."""
    web = {"type": "process", "procfile": "web", "env": env or {}}
    outputs = {"url": "${web.url}", **(told or {})}
    environment = {"components": {"web": web, **components}, "outputs": outputs}
    manifest = {"spec": {"targets": ["local"], "environment": environment}}
    schema = {"type": "object", "properties": dict.fromkeys(outputs, TEXT)}
    return Blueprint("acme/some 1.0.0", manifest, {"type": "object", "properties": inputs}, schema, parts)


def inner(**inputs: Any) -> Blueprint:
    """Return a blueprint with a store, which hands on what it is given."""
    store = {"type": "component", "uses": "stores", "component": "Store", "inputs": inputs}
    env = {"STORE": "<${store.outputs.url}>"}
    told = {"store": "${store.outputs.url}"}
    given = {"size": {"type": "integer", "default": 3}, "token": {**TEXT, "writeOnly": True, "default": ""}}
    return blueprint({"store": store}, {"store": STORE}, given, env, told)


def test_a_component_inside_a_part_is_called_after_it_and_stays_wired() -> None:
    passed = {"size": "${inputs.count}", "token": "${inputs.secret}"}
    part = {"type": "blueprint", "uses": "inner", "inputs": passed}
    given = {"count": {"type": "integer", "default": 1}, "secret": {**TEXT, "writeOnly": True, "default": ""}}
    api = inner(size="${inputs.size}", token="${inputs.token}")
    whole = blueprint({"api": part}, {"api": api}, given, {"STORE": "${api.outputs.store}"})
    assert list(check_parts(whole)) == []
    spec = parse_spec({"spec": join(whole)}).environment
    assert sorted(spec.components) == ["api-store", "api-web", "web"]
    store = spec.packaged["api-store"]
    assert (store.uses, store.component) == ("acme/stores", "Store")
    assert store.inputs == {"size": "${inputs.count}", "token": "${inputs.secret}"}
    assert spec.processes["api-web"].env == {"STORE": "<${api-store.outputs.url}>"}
    assert spec.processes["web"].env == {"STORE": "${api-store.outputs.url}"}


def test_a_default_of_a_part_reaches_its_component() -> None:
    part = {"type": "blueprint", "uses": "inner", "inputs": {}}
    whole = blueprint({"api": part}, {"api": inner(size="${inputs.size}")}, {})
    assert parse_spec({"spec": join(whole)}).environment.packaged["api-store"].inputs == {"size": 3}


def test_what_is_told_as_a_whole_is_not_taken_apart_in_another_part() -> None:
    place = {"type": "object", "properties": {"zone": TEXT}, "default": {}}
    taking = blueprint({}, {}, {"place": place}, {"ZONE": "${inputs.place.zone}"})
    store = {"type": "component", "uses": "stores", "component": "Store", "inputs": {}}
    part = {"type": "blueprint", "uses": "taking", "inputs": {"place": "${store.outputs.place}"}}
    whole = blueprint({"store": store, "api": part}, {"store": STORE, "api": taking}, {})
    with pytest.raises(PartsError, match="passed as a whole"):
        join(whole)


@pytest.mark.parametrize("component", [None, "Store"])
def test_what_a_package_says_to_be_secret_is_marked(component: str | None) -> None:
    own = {"properties": {"key": {**TEXT, "writeOnly": True}, "deep": {"properties": {"x": {"writeOnly": True}}}}}
    whole = own if component is None else {"properties": {component: own, "Other": {}}}
    schema = {"type": "object", "properties": {"key": TEXT, "deep": {"type": "object"}, "size": TEXT}}
    marked = with_secrets(schema, whole, component)["properties"]
    assert [name for name, each in marked.items() if is_secret(each)] == ["key", "deep"]
    assert with_secrets(schema, {}, component) == schema


@pytest.mark.parametrize(
    ("passed", "secret"), [("${db.password}", True), ("${db.secret_key}", True), ("${db.host}", False)]
)
def test_a_password_of_what_only_the_repository_describes_goes_to_secret_inputs_alone(
    passed: str, *, secret: bool
) -> None:
    kind = {**STORE.input_schema, "properties": {"place": TEXT, "token": {**TEXT, "writeOnly": True}}}
    taking = PackageComponent(STORE.label, STORE.asset, STORE.name, kind, STORE.output_schema)
    for name, refused in (("place", secret), ("token", False)):
        part = {"type": "component", "uses": "stores", "component": "Store", "inputs": {name: passed}}
        whole = blueprint({"store": part}, {"store": taking}, {})
        whole.manifest["spec"]["environment"]["from"] = {"format": "compose"}
        told = [each.message for each in check_parts(whole)]
        assert bool(told) is refused, told
        assert not told or "is secret" in told[0]

"""Blueprints that use other blueprints: types are checked when they are published, and they join into processes."""

import io
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml

from catalog.assets.archive import PackageFile, build_archive
from catalog.assets.blueprint_spec import parse_spec
from catalog.assets.curation.models import ShareAsset
from catalog.assets.kinds import kinds
from catalog.assets.models import Visibility
from catalog.assets.references import parse_reference
from catalog.assets.resolver import ResolutionRefusedError
from catalog.assets.service import AssetService
from catalog.db import Database
from catalog.errors import InvalidInputError
from catalog.providers.blobs.local import LocalBlobs
from catalog.tenancy import Principal
from catalog.uploads.errors import PackageRejectedError
from catalog.uploads.models import Publication
from catalog.uploads.service import UploadService

Put = Callable[..., Publication]
NAMED = {"type": "object", "properties": {"name": {"type": "string"}}, "required": ["name"]}
API_INPUTS = {
    "greeting": {"type": "string", "maxLength": 20},
    "workers": {"type": "integer", "minimum": 1, "maximum": 8, "default": 2},
    "database": {**NAMED, "default": {"name": "x${y}"}},
    "token": {"type": "string", "writeOnly": True, "default": ""},
}
API: dict[str, Any] = {
    "components": {
        "web": {
            "type": "process",
            "procfile": "api",
            "env": {
                "GREETING": "<${inputs.greeting}>",
                "WORKERS": "${inputs.workers}",
                "DATABASE": "${inputs.database.name}",
                "TOKEN": "${inputs.token}",
                "PEER": "${cache.port}",
                "LITERAL": "$${HOME}",
            },
        },
        "cache": {"type": "process", "command": "cache --port $PORT"},
    },
    "outputs": {"url": "${web.url}", "cache": "${cache.host}:${cache.port}"},
}
SHOP_INPUTS = {
    "greeting": {"type": "string", "maxLength": 10, "default": "Hello"},
    "long": {"type": "string", "default": ""},
    "count": {"type": "integer", "minimum": 1, "maximum": 4, "default": 1},
    "secret": {"type": "string", "maxLength": 20, "writeOnly": True, "default": ""},
    "store": {**NAMED, "default": {"name": "a"}},
}
GOOD = {"greeting": "${inputs.greeting}", "workers": "${inputs.count}", "token": "${inputs.secret}"}


def shop(inputs: Any = GOOD, outputs: dict[str, str] | None = None) -> dict[str, Any]:
    web = {"type": "process", "procfile": "web", "env": {"API_URL": "${api.outputs.url}"}}
    part = {"type": "blueprint", "uses": "backend", "inputs": inputs}
    return {"components": {"web": web, "api": part}, "outputs": outputs or {"url": "${web.url}"}}


@pytest.fixture
def put(database: Database, blobs: LocalBlobs, acme: Principal) -> Put:
    """Return what publishes a blueprint of acme with an environment and inputs."""

    def published(
        name: str,
        environment: dict[str, Any],
        inputs: dict[str, Any],
        version: str = "1.0.0",
        visibility: Visibility | None = None,
        needs: str = "",
    ) -> Publication:
        files = dict(kinds()["deployment-blueprint"].skeleton("acme", name))
        manifest = yaml.safe_load(files["asset.yaml"])
        manifest["metadata"]["version"] = version
        manifest["spec"]["environment"] = environment
        manifest["inputs"].pop("ui")
        if needs:
            alias = {"asset": needs, "kind": "deployment-blueprint", "version": ">=1", "alias": "backend"}
            manifest["dependencies"] = [alias]
        draft = "https://json-schema.org/draft/2020-12/schema"
        schema: dict[str, Any] = {"$schema": draft, "type": "object", "additionalProperties": False}
        schema["properties"] = inputs
        required = [key for key, each in inputs.items() if "default" not in each]
        files["inputs.schema.json"] = json.dumps({**schema, "required": required}).encode()
        told = {key: {"type": "string"} for key in environment["outputs"]}
        files["outputs.schema.json"] = json.dumps({**schema, "properties": told}).encode()
        files["asset.yaml"] = yaml.safe_dump(manifest).encode()
        for path in [path for path in files if path.startswith("examples/") or path == "inputs.ui.json"]:
            del files[path]
        archive = build_archive({path: PackageFile(data) for path, data in files.items()}).data
        with database.tenant_session(acme.tenant_id) as session:
            return UploadService(session, blobs).receive(acme, io.BytesIO(archive), visibility)

    return published


@pytest.fixture
def api(put: Put) -> None:
    """Publish acme/api, which others use."""
    put("api", API, API_INPUTS)


NO_BLOBS = LocalBlobs(Path("never-read"))
"""Blueprints that use no packages need none."""


def composed(database: Database, who: Principal, name: str) -> dict[str, Any]:
    with database.tenant_session(who.tenant_id) as session:
        service = AssetService(session)
        resolution = service.resolve_reference(who.tenant_id, parse_reference(f"acme/{name}"))
        chosen = next(each.version for each in resolution.lock if each.asset == f"acme/{name}")
        version = service.version(who.tenant_id, "acme", name, chosen)
        spec, versions = service.composed(
            who.tenant_id, version, [each.as_json() for each in resolution.lock], NO_BLOBS
        )
        assert {f"{each.namespace}/{each.name}" for each in versions} == {each.asset for each in resolution.lock}
    return spec


@pytest.mark.usefixtures("api")
def test_a_blueprint_joins_with_its_part_into_processes(put: Put, database: Database, acme: Principal) -> None:
    put("shop", shop(), SHOP_INPUTS, needs="acme/api")
    spec = parse_spec({"spec": composed(database, acme, "shop")})
    assert sorted(spec.environment.components) == ["api-cache", "api-web", "web"]
    assert not spec.environment.parts
    assert spec.environment.processes["web"].env == {"API_URL": "${api-web.url}"}
    assert spec.environment.processes["api-web"].env == {
        "GREETING": "<${inputs.greeting}>",
        "WORKERS": "${inputs.count}",
        "DATABASE": "x$${y}",
        "TOKEN": "${inputs.secret}",
        "PEER": "${api-cache.port}",
        "LITERAL": "$${HOME}",
    }


@pytest.mark.usefixtures("api")
def test_parts_stand_in_parts_and_objects_are_followed(put: Put, database: Database, acme: Principal) -> None:
    inputs = {"greeting": "Hi", "database": "${inputs.store}", "workers": 3}
    put("shop", shop(inputs, {"url": "${api.outputs.url}"}), SHOP_INPUTS, needs="acme/api")
    outer = shop({"store": "${inputs.store}", "greeting": "Yo"}, {"url": "${api.outputs.url}"})
    put("mall", outer, {"store": NAMED}, needs="acme/shop")
    spec = parse_spec({"spec": composed(database, acme, "mall")})
    assert sorted(spec.environment.components) == ["api-api-cache", "api-api-web", "api-web", "web"]
    assert spec.environment.outputs == {"url": "${api-api-web.url}"}
    env = spec.environment.processes["api-api-web"].env
    assert (env["GREETING"], env["WORKERS"], env["DATABASE"]) == ("<Hi>", "3", "${inputs.store.name}")


WRONG: list[tuple[str, str, Any]] = [
    ("wiring-type", "has no input greetings", {**GOOD, "greetings": "x"}),
    ("wiring-type", "needs the input greeting", {"workers": 1}),
    ("wiring-type", "does not take what this", {**GOOD, "greeting": "${inputs.long}"}),
    ("wiring-type", "does not take what this", {**GOOD, "greeting": "more than twenty letters are too many"}),
    ("wiring-type", "does not take what this", {**GOOD, "greeting": 3}),
    ("wiring-type", "does not take what this", {**GOOD, "workers": "${inputs.greeting}"}),
    ("wiring-type", "does not take what this", {**GOOD, "workers": 9}),
    ("wiring-type", "does not take what this", {**GOOD, "workers": "${source.pull_request}"}),
    ("wiring-type", "does not take what this", {**GOOD, "database": {"name": 1}}),
    ("wiring-type", "would show it", {**GOOD, "greeting": "${inputs.secret}"}),
    ("wiring-type", "for everybody to read", {**GOOD, "token": "hunter2"}),
    ("wiring", "is not in inputs.schema.json", {**GOOD, "greeting": "${inputs.nothing}"}),
    ("wiring", "refers to the component itself", {**GOOD, "greeting": "${api.outputs.url}"}),
    ("wiring", "is not a reference", {**GOOD, "greeting": "${inputs}"}),
]


@pytest.mark.usefixtures("api")
@pytest.mark.parametrize(("rule", "says", "inputs"), WRONG, ids=[f"{number}" for number in range(len(WRONG))])
def test_what_does_not_fit_is_named_at_its_line(put: Put, rule: str, says: str, inputs: Any) -> None:
    with pytest.raises(PackageRejectedError) as refusal:
        put("shop", shop(inputs), SHOP_INPUTS, needs="acme/api")
    (finding,) = (each for each in refusal.value.findings if each.rule == rule)
    assert says in finding.message
    assert finding.line is not None


@pytest.mark.usefixtures("api")
def test_outputs_of_parts_exist_and_parts_are_needed_blueprints(put: Put) -> None:
    for environment, rule in (
        (shop(outputs={"url": "${web.url}", "more": "${api.outputs.nothing}"}), "wiring-type"),
        (shop(outputs={"url": "${web.url}", "more": "${api.url}"}), "wiring"),
        ({**shop(), "components": {"api": {"type": "blueprint", "uses": "else"}}}, "part-unknown"),
        ({**shop(), "components": {"api": {"type": "wardrobe"}}}, "field-value"),
    ):
        with pytest.raises(PackageRejectedError) as refusal:
            put("shop", environment, SHOP_INPUTS, needs="acme/api")
        assert rule in {each.rule for each in refusal.value.findings}


@pytest.mark.usefixtures("api")
def test_what_is_made_of_too_much_is_not_read_to_its_end(put: Put, monkeypatch: pytest.MonkeyPatch) -> None:
    put("shop", shop(), SHOP_INPUTS, needs="acme/api")
    monkeypatch.setattr("catalog.assets.service.composing.MOST_PARTS", 1)
    with pytest.raises(PackageRejectedError) as refusal:
        put("mall", shop({}), SHOP_INPUTS, needs="acme/shop")
    assert [(each.rule, each.message) for each in refusal.value.findings] == [
        ("part-unusable", "It is made of more than 1 parts.")
    ]


def test_a_part_that_is_not_there_is_said(put: Put) -> None:
    with pytest.raises(PackageRejectedError) as refusal:
        put("shop", shop(), SHOP_INPUTS, needs="acme/api")
    assert [each.rule for each in refusal.value.findings] == ["part-unresolved"]


@pytest.mark.usefixtures("api")
def test_a_later_part_that_fits_no_longer_is_refused_when_it_is_used(
    put: Put, database: Database, acme: Principal
) -> None:
    put("shop", shop(), SHOP_INPUTS, needs="acme/api")
    put("api", API, {**API_INPUTS, "region": {"type": "string"}}, version="2.0.0")
    with pytest.raises(InvalidInputError, match="needs the input region"):
        composed(database, acme, "shop")


@pytest.mark.usefixtures("api")
def test_others_learn_nothing_of_a_private_part(
    put: Put, database: Database, acme: Principal, rival: Principal
) -> None:
    findings = put("shop", shop(), SHOP_INPUTS, needs="acme/api", visibility=Visibility.PUBLIC).findings
    assert [each["rule"] for each in findings] == ["hidden-need"]
    with pytest.raises(ResolutionRefusedError) as hidden:
        composed(database, rival, "shop")
    with database.tenant_session(acme.tenant_id) as session:
        AssetService(session).share(acme, "acme", "api", ShareAsset(visibility=Visibility.PUBLIC))
    assert composed(database, rival, "shop")
    assert "private" not in hidden.value.detail
    assert "api 1.0.0" not in hidden.value.detail


def test_another_publisher_does_not_choose_which_repository_is_opened(
    put: Put, database: Database, rival: Principal, acme: Principal
) -> None:
    def publish(name: str, address: str, **repository: Any) -> None:
        api = {"type": "process", "repository": "api", "command": "serve"}
        environment = {
            "repositories": {"api": {"repository": address}},
            "components": {"api": api},
            "outputs": {"url": "${api.url}"},
        }
        put(name, environment, {"where": {"type": "string", **repository}}, visibility=Visibility.PUBLIC)

    publish("given", "${inputs.where}")
    publish("literal", "https://github.com/rival/private")
    publish("half", "https://github.com/${inputs.where}")
    publish("usual", "${inputs.where}", default="https://github.com/rival/private")

    assert composed(database, rival, "given")
    for name in ("literal", "half", "usual"):
        assert composed(database, acme, name)
        with pytest.raises(InvalidInputError, match="says itself which repository api is"):
            composed(database, rival, name)


def test_a_part_of_another_publisher_passes_no_address_of_its_own_on(
    put: Put, database: Database, rival: Principal
) -> None:
    web = {"type": "process", "repository": "lib", "command": "serve"}
    inner = {"repositories": {"lib": {"repository": "${inputs.where}"}}, "components": {"web": web}}
    put(
        "inner",
        {**inner, "outputs": {"url": "${web.url}"}},
        {"where": {"type": "string"}},
        visibility=Visibility.PUBLIC,
    )
    part = {"type": "blueprint", "uses": "backend", "inputs": {"where": "https://github.com/rival/private"}}
    own = {"type": "process", "command": "serve"}
    outer = {"components": {"own": own, "part": part}, "outputs": {"url": "${own.url}"}}
    put("outer", outer, {"x": {"type": "string"}}, needs="acme/inner", visibility=Visibility.PUBLIC)
    assert composed(database, rival, "inner")
    with pytest.raises(InvalidInputError, match="says itself which repository part-lib is"):
        composed(database, rival, "outer")

"""Blueprints that use components of packages, through the real worker and engine, from the request to the removal."""

import io
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml

from catalog.assets.archive import PackageFile, build_archive
from catalog.assets.kinds import kinds
from catalog.environments.models import Phase
from catalog.gates import PolicyDesk
from catalog.policies.shapes import CreateBinding
from catalog.providers.blobs import open_blobs
from catalog.settings import Settings
from catalog.uploads.service import UploadService
from tests.workers.engine.demo_provider import install_plugin
from tests.workers.ephemeral_env.things import NO_EVIL, publish_things

pytestmark = pytest.mark.engine

World = Any  # the fixture's class lives in conftest.py, which test files do not import
SECRET = "hunter2-and-more"


@pytest.fixture
def settings(settings: Settings) -> Settings:
    """Let components use the pretended cloud."""
    return settings.model_copy(update={"component_providers": ("demo",)})


@pytest.fixture
def things(settings: Settings) -> Path:
    """The folder in which the things of the pretended cloud are."""
    return install_plugin(settings.data_dir)


def sizes(things: Path) -> list[str]:
    """Return what there is in the pretended cloud."""
    return sorted(each.read_text() for each in things.iterdir())


@pytest.fixture
def shop(world: World, things: Path) -> World:
    """Publish ``acme/shop``: a process between two components, one that it waits for and one that waits for it."""
    assert sizes(things) == []
    publish_things(world, "1.0.0")
    return publish_shop(world)


def publish_shop(world: World) -> World:
    files = dict(kinds()["deployment-blueprint"].skeleton("acme", "shop"))
    manifest = yaml.safe_load(files["asset.yaml"])
    manifest["inputs"].pop("ui")
    needs = {"asset": "acme/things", "kind": "component-package", "version": ">=0", "alias": "things"}
    manifest["dependencies"] = [needs]
    store = {"sizes": ["${inputs.size}"], "token": "${inputs.token}"}
    parts = {
        "store": {"type": "component", "uses": "things", "inputs": store},
        "watch": {"type": "component", "uses": "things", "inputs": {"sizes": ["at-${web.port}"]}},
    }
    web = {"type": "process", "procfile": "web", "env": {"GREETING": "<${store.outputs.addresses}>"}}
    outputs = {"url": "${web.url}", "watched": "${watch.outputs.addresses}", "token": "${store.outputs.token}"}
    manifest["spec"]["environment"] = {"components": {"watch": parts["watch"], "web": web, "store": parts["store"]}}
    manifest["spec"]["environment"]["outputs"] = outputs
    draft = "https://json-schema.org/draft/2020-12/schema"
    schema: dict[str, Any] = {"$schema": draft, "type": "object", "additionalProperties": False}
    given = {"size": {"type": "string", "default": "small"}, "token": {"type": "string", "writeOnly": True}}
    files["inputs.schema.json"] = json.dumps({**schema, "properties": given, "required": ["token"]}).encode()
    told = {name: {"type": "string"} for name in outputs}
    files["outputs.schema.json"] = json.dumps({**schema, "properties": told}).encode()
    files["asset.yaml"] = yaml.safe_dump(manifest).encode()
    kept = {path: each for path, each in files.items() if not path.startswith("examples/") and path != "inputs.ui.json"}
    archive = build_archive({path: PackageFile(data) for path, data in kept.items()}).data
    with world.database.tenant_session(world.principal.tenant_id) as session:
        UploadService(session, open_blobs(world.settings)).receive(world.principal, io.BytesIO(archive))
    world.blueprint = "acme/shop"
    return world


def test_where_policies_read_the_plan_nothing_is_made_that_cannot_be_said_beforehand(
    shop: World, things: Path, publish_policy: Callable[..., str]
) -> None:
    publish_policy(shop.principal, "plans", NO_EVIL)
    with shop.database.tenant_session(shop.principal.tenant_id) as session:
        PolicyDesk(session, shop.settings).policies.bind(shop.principal, CreateBinding(bundle="acme/plans"))
    environment_id = shop.request(inputs={"token": SECRET})
    shop.work()
    failed = shop.look(environment_id)
    assert failed.phase is Phase.FAILED
    assert failed.failure is not None
    assert failed.failure.code == "plan_incomplete"
    assert "what watch would make is not known" in failed.failure.message
    assert (sizes(things), failed.resources) == ([], [])


def test_components_live_sleep_change_and_go_with_their_environment(shop: World, things: Path) -> None:
    environment_id = shop.request(inputs={"token": SECRET})
    shop.work()
    ready = shop.look(environment_id)
    assert (ready.phase, ready.failure) == (Phase.READY, None)
    assert shop.visit(ready) == (200, "one <thing-small>")
    (watched,) = [each for each in sizes(things) if each.startswith("at-")]
    assert sizes(things) == [watched, "small"]
    assert (ready.outputs["watched"], ready.outputs["token"]) == (f"thing-{watched}", "[secret]")
    graph = {each.name: each for each in shop.graph(environment_id).resources}
    assert "store-small" in graph["web"].depends_on
    assert "web" in graph[f"watch-{watched}"].depends_on
    assert SECRET not in ready.model_dump_json() + shop.graph(environment_id).model_dump_json()

    shop.act("sleep", environment_id)
    shop.work()
    assert shop.look(environment_id).phase is Phase.SLEEPING
    (stored,) = things.iterdir()
    assert sizes(things) == ["small"]
    shop.act("wake", environment_id)
    shop.work()
    awake = shop.look(environment_id)
    assert (awake.phase, awake.failure) == (Phase.READY, None)
    assert stored.exists()
    assert len(sizes(things)) == 2

    shop.request(inputs={"token": SECRET, "size": "large"})
    shop.work()
    assert shop.visit(shop.look(environment_id)) == (200, "one <thing-large>")
    shop.act("rebuild", environment_id)
    shop.work()
    assert (shop.look(environment_id).phase, "large" in sizes(things)) == (Phase.READY, True)

    shop.destroy(environment_id)
    shop.work()
    gone = shop.look(environment_id)
    assert (gone.phase, sizes(things), shop.left_over(gone)) == (Phase.DESTROYED, [], [])


def test_what_components_and_providers_tell_of_secrets_is_masked_wherever_it_goes(world: World, things: Path) -> None:
    publish_things(world, "1.0.0", "self.token = pulumi.Output.unsecret(self.token)")
    shop = publish_shop(world)
    environment_id = shop.request(inputs={"token": SECRET})
    shop.work()
    ready = shop.look(environment_id)
    assert (ready.phase, ready.failure) == (Phase.READY, None)
    assert ready.outputs["token"] == "[secret]"
    stubborn = things.parent / "stubborn"
    stubborn.write_text(f"nobody removes what {SECRET} opens")
    shop.destroy(environment_id)
    shop.work()
    stays = shop.look(environment_id)
    stubborn.unlink()
    assert stays.failure is not None
    assert "nobody removes what [secret] opens" in stays.failure.message
    told = "".join(shop.streams(environment_id))
    assert "nobody removes what [secret] opens" in told
    assert SECRET not in told + stays.model_dump_json()

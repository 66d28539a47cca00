"""A blueprint that uses another, through the real worker and engine: one environment of the processes of both."""

import io
from typing import Any

import httpx
import pytest
import yaml

from catalog.assets.archive import PackageFile, build_archive
from catalog.assets.kinds import kinds
from catalog.environments.models import Phase
from catalog.providers.blobs import open_blobs
from catalog.uploads.service import UploadService

pytestmark = pytest.mark.engine

World = Any  # the fixture's class lives in conftest.py, which test files do not import


@pytest.fixture
def shop(world: World) -> World:
    """Publish ``acme/shop``, whose part is ``acme/preview``."""
    files = dict(kinds()["deployment-blueprint"].skeleton("acme", "shop"))
    manifest = yaml.safe_load(files["asset.yaml"])
    alias = {"asset": "acme/preview", "kind": "deployment-blueprint", "version": ">=0", "alias": "preview"}
    manifest["dependencies"] = [alias]
    part = {"type": "blueprint", "uses": "preview", "inputs": {"greeting": "${inputs.greeting}"}}
    web = {"type": "process", "procfile": "web", "env": {"GREETING": "beside ${inner.outputs.url}"}}
    outputs = {"url": "${web.url}", "revision": "${inner.outputs.revision}"}
    manifest["spec"]["environment"] = {"components": {"web": web, "inner": part}, "outputs": outputs}
    files["asset.yaml"] = yaml.safe_dump(manifest).encode()
    archive = build_archive({path: PackageFile(data) for path, data in files.items()}).data
    with world.database.tenant_session(world.principal.tenant_id) as session:
        UploadService(session, open_blobs(world.settings)).receive(world.principal, io.BytesIO(archive))
    world.blueprint = "acme/shop"
    return world


def test_the_processes_of_both_come_up_find_each_other_and_go(shop: World) -> None:
    environment_id = shop.request(inputs={"greeting": "Ahoy"})
    shop.work()
    ready = shop.look(environment_id)
    assert (ready.phase, ready.failure) == (Phase.READY, None)
    assert {each.name for each in ready.resources if each.type == "slipway:local:Process"} == {"web", "inner-web"}
    assert ready.outputs["revision"] == shop.git("rev-parse", "HEAD")
    status, said = shop.visit(ready)
    assert (status, said.split()[:2]) == (200, ["one", "beside"])
    assert httpx.get(said.split()[2], timeout=30).text == "one Ahoy"
    assert sorted(each["asset"] for each in ready.lock) == ["acme/preview", "acme/shop"]

    shop.destroy(environment_id)
    shop.work()
    assert shop.look(environment_id).phase is Phase.DESTROYED
    assert not shop.left_over(ready), shop.left_over(ready)

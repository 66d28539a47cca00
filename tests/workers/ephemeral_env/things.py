"""The package ``acme/things``, whose component makes things of a pretended cloud, and a blueprint that wires it."""

import io
import json
from pathlib import Path
from typing import Any

import yaml

from catalog.assets.archive import PackageFile, build_archive
from catalog.assets.kinds import kinds
from catalog.assets.wheel import build_wheel
from catalog.providers.blobs import open_blobs
from catalog.uploads.service import UploadService
from tests.workers.engine.demo_provider import components

MANIFEST = """apiVersion: slipway/v1
kind: component-package
metadata:
  namespace: acme
  name: things
  version: VERSION
  displayName: Things
  summary: Shelves of things
  license: Apache-2.0
inputs: {schema: inputs.schema.json}
spec: {runtime: python, wheel: content/dist/*.whl}
"""
SCHEMA = """{"$schema": "https://json-schema.org/draft/2020-12/schema", "type": "object", "required": ["sizes"],
"properties": {"sizes": {"type": "array", "items": {"type": "string"}}, "token": {"type": "string", "writeOnly": true}}}
"""


NO_EVIL = """
deny contains {"rule": "no-evil", "message": "This is evil."} if {
	some each in input.plan.resources
	each.inputs.size == "evil"
}
"""
"""A policy that reads the plan."""


def publish_things(world: Any, version: str, harm: str = "pass") -> None:
    """Publish a version of the package ``acme/things``, with all its checks."""
    name, wheel = build_wheel("things", version, components(harm), requires=())
    files = {
        "asset.yaml": MANIFEST.replace("VERSION", version).encode(),
        "README.md": b"# Things\n",
        "CHANGELOG.md": f"# Changes\n\n## {version}\n\n- It changed.\n".encode(),
        "LICENSE": b"Apache-2.0\n",
        "inputs.schema.json": SCHEMA.encode(),
        f"content/dist/{name}": wheel,
    }
    archive = build_archive({path: PackageFile(data) for path, data in files.items()}).data
    with world.database.tenant_session(world.principal.tenant_id) as session:
        UploadService(session, open_blobs(world.settings)).receive(world.principal, io.BytesIO(archive))
    world.work()


def publish_shop(world: Any) -> Any:
    """Publish ``acme/shop``: a process between two components, one that it waits for and one that waits for it."""
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


def sizes(things: Path) -> list[str]:
    """Return what there is in the pretended cloud."""
    return sorted(each.read_text() for each in things.iterdir())

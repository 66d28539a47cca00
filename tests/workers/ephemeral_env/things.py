"""The package ``acme/things``: one component that makes things of a pretended cloud."""

import io
from typing import Any

from catalog.assets.archive import PackageFile, build_archive
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

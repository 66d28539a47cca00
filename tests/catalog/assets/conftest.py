"""What tests of stored assets share: publishing the skeleton of a kind under another name."""

import io
import re
from collections.abc import Callable, Sequence
from pathlib import Path

import pytest

from catalog.assets.archive import PackageFile, build_archive
from catalog.assets.artifacts import NOTHING_DERIVED
from catalog.assets.check import check_archive
from catalog.assets.kinds import kinds
from catalog.assets.models import AssetVersionRead, Visibility
from catalog.db import Database
from catalog.providers.blobs.local import LocalBlobs
from catalog.tenancy import ALL_SCOPES, Principal
from catalog.tenants import bootstrap
from catalog.uploads.service import UploadService

NAME = re.compile(r"[a-z0-9/-]+")
Publish = Callable[..., AssetVersionRead]


@pytest.fixture
def blobs(tmp_path: Path) -> LocalBlobs:
    """Open a blob store in the test's own folder."""
    return LocalBlobs(tmp_path / "blobs")


@pytest.fixture
def publish(database: Database, blobs: LocalBlobs) -> Publish:
    """Return what publishes ``namespace/name`` for a tenant; ``fields`` replaces lines of the manifest.

    ``needs`` are blueprints such as ``acme/b>=1`` that the new version depends on.
    """

    def published(
        principal: Principal,
        name: str,
        version: str = "1.0.0",
        kind: str = "deployment-blueprint",
        visibility: Visibility | None = None,
        needs: Sequence[str] = (),
        **fields: str,
    ) -> AssetVersionRead:
        files = dict(kinds()[kind].skeleton(principal.tenant_name, name))
        manifest = files["asset.yaml"].decode()
        if "dependencies" in fields:
            manifest += f"dependencies: {fields.pop('dependencies')}\n"
        for field, text in {"version": version, **fields}.items():
            manifest = re.sub(rf"^  {field}: .*$", f"  {field}: {text}", manifest, flags=re.MULTILINE)
        files["asset.yaml"] = (manifest + dependencies(needs)).encode()
        archive = build_archive({path: PackageFile(data) for path, data in files.items()}).data
        with database.tenant_session(principal.tenant_id) as session:
            service = UploadService(session, blobs)
            taken = service.receive(principal, io.BytesIO(archive), visibility)
            if taken.version is not None or taken.upload is None:
                return taken.published
            # What a sandboxed worker would find is not the matter here.
            service.conclude(principal.tenant_id, taken.upload.id, check_archive(archive), [], NOTHING_DERIVED)
            return service.outcome(principal.tenant_id, taken.upload.id).published

    return published


@pytest.fixture
def new_tenants(database: Database) -> Callable[[int], list[Principal]]:
    """Return what makes tenants that have nothing to do with each other."""

    def made(count: int) -> list[Principal]:
        tenants = [bootstrap.ensure_tenant(database, f"tenant-{number}") for number in range(count)]
        return [Principal(each.id, each.name, f"test:{each.name}", each.name, ALL_SCOPES) for each in tenants]

    return made


def dependencies(needs: Sequence[str]) -> str:
    """Return the part of a manifest that names blueprints as dependencies."""
    lines = ["\ndependencies:"] if needs else []
    for each in needs:
        name = NAME.match(each)
        assert name is not None
        constraint = each[name.end() :] or ">=0"
        lines.append(f'  - {{asset: {name[0]}, kind: deployment-blueprint, version: "{constraint}"}}')
    return "\n".join([*lines, ""])

"""What tests of uploads share: a blob store, packages, and the door itself."""

import io
import re
from collections.abc import Callable
from pathlib import Path

import pytest

from catalog.assets.archive import PackageFile, build_archive
from catalog.assets.kinds import kinds
from catalog.assets.models import Visibility
from catalog.db import Database
from catalog.providers.blobs.local import LocalBlobs
from catalog.tenancy import Principal
from catalog.uploads.models import Publication
from catalog.uploads.service import UploadService

Packer = Callable[..., bytes]
Publisher = Callable[..., Publication]


@pytest.fixture
def blobs(tmp_path: Path) -> LocalBlobs:
    """Open a blob store in the test's own folder."""
    return LocalBlobs(tmp_path / "blobs")


@pytest.fixture
def pack() -> Packer:
    """Return what packs the skeleton of a kind; ``changes`` replaces texts in its manifest."""

    def packed(
        namespace: str, name: str, kind: str = "deployment-blueprint", version: str = "0.1.0", **changes: str
    ) -> bytes:
        files = dict(kinds()[kind].skeleton(namespace, name))
        manifest = files["asset.yaml"].decode().replace("version: 0.1.0", f"version: {version}")
        for field, text in changes.items():
            manifest = re.sub(rf"^  {field}: .*$", f"  {field}: {text}", manifest, flags=re.MULTILINE)
        files["asset.yaml"] = manifest.encode()
        return build_archive({path: PackageFile(data) for path, data in files.items()}).data

    return packed


@pytest.fixture
def publish(database: Database, blobs: LocalBlobs) -> Publisher:
    """Return what brings an archive through the upload door, in a transaction of its own."""

    def published(principal: Principal, archive: bytes, visibility: Visibility | None = None) -> Publication:
        with database.tenant_session(principal.tenant_id) as session:
            return UploadService(session, blobs).receive(principal, io.BytesIO(archive), visibility)

    return published

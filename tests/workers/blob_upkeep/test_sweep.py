"""What belongs to nothing leaves the blob store; what any row names, or was written lately, stays."""

import io
import os
from datetime import timedelta

from catalog.assets.archive import PackageFile, build_archive
from catalog.assets.skeletons import skeleton
from catalog.clock import now
from catalog.db import Database
from catalog.providers.blobs import open_blobs
from catalog.row_references import digests_named
from catalog.settings import Settings
from catalog.tenancy import Principal
from catalog.tenants.service import TenantService
from catalog.uploads.service import UploadService
from workers.blob_upkeep import GRACE, WORKER
from workers.main import App
from workers.runtime.drain import drain
from workers.runtime.registry import registry


def test_only_old_blobs_that_nobody_names_are_removed(
    database: Database, settings: Settings, acme: Principal, rival: Principal
) -> None:
    files = skeleton("deployment-blueprint", "acme", "preview")
    archive = build_archive({path: PackageFile(data) for path, data in files.items()}).data
    blobs = open_blobs(settings)
    with database.tenant_session(acme.tenant_id) as session:
        received = UploadService(session, blobs).receive(acme, io.BytesIO(archive), None)
        assert received.version is not None
        published = received.version.blob_digest
    orphan, fresh, named = (blobs.write(io.BytesIO(data)).digest for data in (b"orphan", b"fresh", b"named"))
    with database.tenant_session(rival.tenant_id) as session:
        detail = {"kept": [{"why": f"sha256:{named}"}]}
        TenantService(session).audit(rival.tenant_id, rival.actor, "test", "things/1", detail)
    with database.tenant_session(acme.tenant_id) as session:
        found = set(digests_named(session))
        assert published in found
        assert not {orphan, fresh, named} & found
    past = (now() - GRACE - timedelta(hours=1)).timestamp()
    for digest in (published, orphan, named):
        os.utime(settings.data_dir / "blobs" / "sha256" / digest[:2] / digest, (past, past))
    app = App(settings, registry([WORKER]))
    try:
        assert drain(app, periodic=True, patience=timedelta(seconds=0.3)) == ["operations.sweep_blobs"]
    finally:
        app.close()
    assert [blobs.has(each) for each in (published, orphan, fresh, named)] == [True, False, True, True]

"""Real workers that are killed in the middle of a check and of publishing: nothing is done twice, or left undone."""

import io
import subprocess
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any
from uuid import UUID

import pytest
from sqlalchemy import create_engine, text
from sqlalchemy.pool import NullPool

from catalog.assets.archive import PackageFile, build_archive
from catalog.assets.kinds import kinds
from catalog.assets.wheel import build_wheel
from catalog.db import Database
from catalog.operations.service import OperationService
from catalog.providers.blobs import open_blobs
from catalog.settings import Settings
from catalog.tenancy import Principal
from catalog.uploads.errors import VersionBeingCheckedError
from catalog.uploads.models import Publication, UploadRead, UploadState
from catalog.uploads.service import UploadService

Launch = Callable[..., subprocess.Popen[bytes]]
WORK = ["-m", "workers.runtime.work"]
RELAY = ["-m", "workers.runtime.relay"]
PATIENCE = 120.0
PUBLISHING = """
SELECT count(*) FROM pg_locks AS waits JOIN pg_locks AS has USING (pid)
WHERE waits.relation = 'distributions'::regclass AND NOT waits.granted
  AND has.relation = 'asset_versions'::regclass AND has.mode = 'RowExclusiveLock' AND has.granted
"""
"""Who has written a version and waits to write what belongs to it."""
SLOW = b"\nimport time\n\ntime.sleep(2)\n"
"""What makes a check take long enough to be caught in the middle of it."""
TOLD = "SELECT count(*) FROM events WHERE type LIKE '%.asset_version.published.v1' AND data->>'version' = :version"


class Publisher:
    """Someone who publishes component packages, and looks at what became of them."""

    def __init__(self, database: Database, settings: Settings, principal: Principal) -> None:
        self.database, self.settings, self.principal = database, settings, principal

    def send(self, version: str, more: bytes = b"") -> Publication:
        files = dict(kinds()["component-package"].skeleton("acme", "thing"))
        files["asset.yaml"] = files["asset.yaml"].replace(b"version: 0.1.0", f"version: {version}".encode())
        files["README.md"] += more
        sources = {path: data for path, data in files.items() if path.startswith("content/src/")}
        modules = {path.removeprefix("content/src/"): data for path, data in sources.items()}
        modules["thing/__init__.py"] += SLOW
        name, wheel = build_wheel("thing", "0.1.0", modules, requires=("pulumi",))
        files[f"content/dist/{name}"] = wheel
        archive = build_archive({path: PackageFile(data) for path, data in files.items()}).data
        with self.database.tenant_session(self.principal.tenant_id) as session:
            return UploadService(session, open_blobs(self.settings)).receive(self.principal, io.BytesIO(archive))

    def start(self, version: str) -> UploadRead:
        sent = self.send(version).upload
        assert sent is not None
        return sent

    def upload(self, upload_id: UUID) -> UploadRead:
        with self.database.tenant_session(self.principal.tenant_id) as session:
            return UploadService(session, open_blobs(self.settings)).get(self.principal.tenant_id, upload_id)

    def is_checked(self, upload: UploadRead) -> bool:
        """Tell whether a worker is, or was, at it."""
        assert upload.operation_id is not None
        with self.database.tenant_session(self.principal.tenant_id) as session:
            operation = OperationService(session).get(self.principal.tenant_id, upload.operation_id)
        return any(step["state"] != "pending" for step in operation.steps)

    def kill_in_the_check(self, worker: subprocess.Popen[bytes], upload: UploadRead) -> bool:
        """Kill a worker while it cannot end the upload, and return whether it had not ended it before."""
        wait_for(lambda: self.is_checked(upload))
        with self.database.tenant_session(self.principal.tenant_id) as session:
            lock = text("SELECT id FROM operations WHERE id = :id FOR UPDATE")
            session.connection().execute(lock, {"id": upload.operation_id})
            if self.upload(upload.id).state is not UploadState.RECEIVED:
                return False
            worker.kill()
            worker.wait()
            return True

    def count(self, query: str, version: str = "") -> int:
        with self.database.tenant_session(self.principal.tenant_id) as session:
            return int(session.connection().execute(text(query), {"version": version}).scalar_one())

    def pass_time(self) -> None:
        """Let the leases end that killed workers had."""
        with self.database.system_session() as session:
            expired = "UPDATE deliveries SET lease_until = clock_timestamp() WHERE state = 'running'"
            session.connection().execute(text(expired))


@pytest.fixture
def publisher(database: Database, settings: Settings, acme: Principal) -> Publisher:
    """Return someone of acme."""
    return Publisher(database, settings, acme)


def wait_for(condition: Callable[[], Any]) -> None:
    until = time.monotonic() + PATIENCE
    while not condition():
        assert time.monotonic() < until, "it did not happen in time"
        time.sleep(0.02)


def test_a_version_is_published_once_whoever_is_killed_and_whenever(
    publisher: Publisher, settings: Settings, process: Launch
) -> None:
    process(RELAY)
    for number in range(20):
        worker = process(WORK)
        upload = publisher.start(f"0.1.{number}")
        if publisher.kill_in_the_check(worker, upload):
            break
        worker.kill()
        worker.wait()
    else:
        pytest.fail("no worker was ever caught in a check")
    assert publisher.upload(upload.id).state is UploadState.RECEIVED

    published = "SELECT count(*) FROM asset_versions WHERE version = :version"
    owner = create_engine(settings.database_owner_url, poolclass=NullPool)
    with ThreadPoolExecutor(2) as others, owner.begin() as holding:
        # The index of wheels can be read and not written: whoever publishes has made the version and waits here.
        holding.execute(text("LOCK TABLE distributions IN SHARE MODE"))
        publisher.pass_time()
        worker = process(WORK)
        wait_for(lambda: publisher.count(PUBLISHING))
        assert publisher.count(published, upload.version) == 0, "nobody sees it before it is done"
        # Whoever publishes the same version now may have to wait for how it ends.
        same = others.submit(publisher.send, upload.version)
        other = others.submit(publisher.send, upload.version, b"Other bytes.\n")
        worker.kill()
        worker.wait()
    found = same.result().upload
    assert found is not None
    assert found.id == upload.id
    assert isinstance(other.exception(), VersionBeingCheckedError)
    assert publisher.upload(upload.id).state is UploadState.RECEIVED
    assert publisher.count(published, upload.version) == 0

    publisher.pass_time()
    process(WORK)
    wait_for(lambda: publisher.upload(upload.id).state is not UploadState.RECEIVED)
    assert publisher.upload(upload.id).state is UploadState.PUBLISHED
    assert publisher.count(published, upload.version) == 1
    assert publisher.count(TOLD, upload.version) == 1
    again = publisher.send(upload.version)
    assert again.version is not None
    assert not again.created


CLAIM = "SELECT max(attempt) FILTER (WHERE state = 'running') FROM deliveries WHERE job = 'uploads.check'"


def test_an_upload_whose_every_worker_dies_is_refused_and_can_be_sent_again(
    publisher: Publisher, process: Launch
) -> None:
    process(RELAY)
    upload = publisher.start("0.1.0")
    last = 0

    def is_claimed_again() -> bool:
        with publisher.database.system_session() as session:
            return (session.connection().execute(text(CLAIM)).scalar_one() or 0) > last

    for _ in range(3):
        with publisher.database.tenant_session(publisher.principal.tenant_id) as session:
            # While this is held, whoever checks the upload cannot say anything about it.
            lock = text("SELECT id FROM operations WHERE id = :id FOR UPDATE")
            session.connection().execute(lock, {"id": upload.operation_id})
            worker = process(WORK)
            wait_for(is_claimed_again)
            worker.kill()
            worker.wait()
        with publisher.database.system_session() as session:
            last = session.connection().execute(text(CLAIM)).scalar_one()
        assert publisher.upload(upload.id).state is UploadState.RECEIVED
        publisher.pass_time()
    process(WORK)
    wait_for(lambda: publisher.upload(upload.id).state is not UploadState.RECEIVED)
    refused = publisher.upload(upload.id)
    assert refused.state is UploadState.REJECTED
    assert [each["rule"] for each in refused.findings] == ["checks-not-possible"]
    assert upload.operation_id is not None
    with publisher.database.tenant_session(publisher.principal.tenant_id) as session:
        operation = OperationService(session).get(publisher.principal.tenant_id, upload.operation_id)
    assert operation.state == "failed"
    assert publisher.count("SELECT count(*) FROM asset_versions WHERE version = :version", upload.version) == 0

    again = publisher.start("0.1.0")
    assert again.id != upload.id
    wait_for(lambda: publisher.upload(again.id).state is not UploadState.RECEIVED)
    assert publisher.upload(again.id).state is UploadState.PUBLISHED

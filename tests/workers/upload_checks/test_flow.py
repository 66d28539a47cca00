"""From the door through the sandbox to a version, or to nothing: whoever is killed, whatever is repeated."""

import hashlib
import os
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace

import pytest
from sqlmodel import select

from catalog.assets.archive import PackageFile, build_archive
from catalog.assets.artifacts import Artifact, Derived
from catalog.assets.check import check_archive
from catalog.assets.kinds import kinds
from catalog.assets.models import Asset, VersionArtifact, VersionState
from catalog.assets.service import AssetService
from catalog.db import Database
from catalog.deliveries.claims import LeaseLostError
from catalog.events.models import EventRecord
from catalog.operations.models import OperationState
from catalog.operations.service import OperationService
from catalog.providers.blobs import open_blobs
from catalog.settings import Settings
from catalog.tenancy import Principal
from catalog.uploads.errors import PackageRejectedError, VersionBeingCheckedError
from catalog.uploads.models import Publication, UploadRead, UploadState
from catalog.uploads.service import UploadService
from workers.main import App
from workers.sandbox.run import Sandbox
from workers.sandbox.walls import Wall
from workers.upload_checking import SANDBOX
from workers.upload_checks import Bench, Result, component_package

KIND = "component-package"
Send = Callable[[bytes], Publication]
Work = Callable[[], list[str]]
Upload = Callable[[Mapping[str, bytes]], UploadRead]


@pytest.fixture
def archive() -> bytes:
    """Build a package that needs the sandbox and is sound."""
    return packed(skeleton())


def packed(files: Mapping[str, bytes]) -> bytes:
    return build_archive({path: PackageFile(data) for path, data in files.items()}).data


def skeleton() -> dict[str, bytes]:
    return dict(kinds()[KIND].skeleton("acme", "thing"))


def hostile() -> bytes:
    """Build a package whose wheel is no wheel, which only the sandbox finds."""
    files = skeleton()
    wheel = next(path for path in files if path.endswith(".whl"))
    return packed({**files, wheel: b"PK\x03\x04 and no more"})


def events(database: Database, principal: Principal) -> list[str]:
    with database.tenant_session(principal.tenant_id) as session:
        return [row.type.split(".", 2)[2] for row in session.exec(select(EventRecord).order_by("sequence")).all()]


def test_a_sound_package_waits_and_is_published(
    send: Send, work: Work, archive: bytes, database: Database, settings: Settings, acme: Principal
) -> None:
    publication = send(archive)
    assert publication.created
    assert publication.version is None
    upload = publication.upload
    assert upload is not None
    assert upload.state is UploadState.RECEIVED
    assert upload.operation_id is not None
    with database.tenant_session(acme.tenant_id) as session:
        assert session.exec(select(Asset)).all() == []
    assert work() == ["uploads.check"]
    with database.tenant_session(acme.tenant_id) as session:
        outcome = UploadService(session, open_blobs(settings)).outcome(acme.tenant_id, upload.id)
        operation = OperationService(session).get(acme.tenant_id, upload.operation_id)
    assert outcome.version is not None
    assert outcome.version.state is VersionState.PUBLISHED
    assert outcome.version.published_by == "acme"
    assert operation.state is OperationState.SUCCEEDED
    assert {step["state"] for step in operation.steps} == {"succeeded"}
    assert events(database, acme) == ["upload.received.v1", "asset_version.published.v1"]


def test_a_package_with_errors_is_rejected_and_its_archive_is_not_kept(
    send: Send, work: Work, database: Database, settings: Settings, acme: Principal
) -> None:
    archive = hostile()
    upload = send(archive).upload
    assert upload is not None
    assert upload.operation_id is not None
    blobs = open_blobs(settings)
    digest = hashlib.sha256(archive).hexdigest()
    assert blobs.has(digest)
    assert work() == ["uploads.check", "uploads.discard"]
    assert not blobs.has(digest)
    with database.tenant_session(acme.tenant_id) as session:
        assert session.exec(select(Asset)).all() == []
        with pytest.raises(PackageRejectedError) as refusal:
            UploadService(session, blobs).outcome(acme.tenant_id, upload.id)
        operation = OperationService(session).get(acme.tenant_id, upload.operation_id)
    assert [each.rule for each in refusal.value.findings] == ["wheel-damaged"]
    assert operation.state is OperationState.FAILED
    assert operation.error is not None
    assert "wheel-damaged" in operation.error["message"]
    assert events(database, acme) == ["upload.received.v1", "upload.rejected.v1"]


def test_the_archive_stays_where_somebody_else_needs_it(
    send: Send, work: Work, database: Database, settings: Settings, acme: Principal
) -> None:
    archive = hostile()
    send(archive)
    work()
    second = send(archive)
    assert second.upload is not None
    with database.system_session() as system:
        assert not UploadService.discard_archive(system, second.upload.blob_digest, open_blobs(settings))
    assert open_blobs(settings).has(second.upload.blob_digest)
    assert acme.tenant_id


def test_while_a_version_is_checked_it_is_taken(send: Send, archive: bytes) -> None:
    first, again = send(archive), send(archive)
    assert first.upload is not None
    assert again.upload is not None
    assert again.upload.id == first.upload.id
    files = skeleton()
    with pytest.raises(VersionBeingCheckedError, match="is being checked with other content"):
        send(packed({**files, "README.md": files["README.md"] + b"More.\n"}))


def test_after_the_end_the_same_bytes_are_the_same_version_and_others_are_free_after_a_rejection(
    send: Send, work: Work, archive: bytes
) -> None:
    send(hostile())
    work()
    first = send(archive)
    assert first.version is None
    work()
    again = send(archive)
    assert not again.created
    assert again.version is not None


def test_two_at_once_are_one_upload(send: Send, archive: bytes, work: Work) -> None:
    with ThreadPoolExecutor(4) as pool:
        found = list(pool.map(send, [archive] * 4))
    assert len({each.upload.id for each in found if each.upload is not None}) == 1
    assert work() == ["uploads.check"]


def test_a_worker_that_was_overtaken_changes_nothing(
    send: Send, work: Work, archive: bytes, app: App, database: Database, settings: Settings, acme: Principal
) -> None:
    """A worker killed or slow mid-check loses nothing: the delivery is sent again, and only one outcome counts."""
    upload = send(archive).upload
    assert upload is not None
    checked = check_archive(archive)
    work()
    blobs = open_blobs(settings)
    with database.tenant_session(acme.tenant_id) as session:
        late = UploadService(session, blobs)
        assert late.begin(acme.tenant_id, upload.id) is None
        findings = check_archive(b"").findings
        assert late.conclude(acme.tenant_id, upload.id, checked, findings, Derived()) is UploadState.PUBLISHED
        late.abandon(acme.tenant_id, upload.id, "too late")
        assert late.outcome(acme.tenant_id, upload.id).version is not None
    assert app.registry.jobs.keys() == {"uploads.check", "uploads.discard"}


def test_a_killed_attempt_is_made_again(
    send: Send, work: Work, archive: bytes, monkeypatch: pytest.MonkeyPatch, database: Database, acme: Principal
) -> None:
    original = component_package.ComponentPackageCheck.check
    attempts: list[int] = []

    def dies_once(self: component_package.ComponentPackageCheck, package: object, bench: Bench) -> Result:
        attempts.append(1)
        if len(attempts) == 1:
            raise LeaseLostError
        return original(self, package, bench)  # type: ignore[arg-type]  # passed on as it came

    # The check is the edge that stands for a worker which ends at its worst moment.
    monkeypatch.setattr(component_package.ComponentPackageCheck, "check", dies_once)
    send(archive)
    assert work() == ["uploads.check", "uploads.check"]
    assert events(database, acme) == ["upload.received.v1", "asset_version.published.v1"]


def test_where_nothing_can_be_kept_apart_the_upload_is_rejected_and_says_why(check: Upload, app: App) -> None:
    app.runtime.provide(SANDBOX, Sandbox(Wall.REFUSED))
    upload = check(skeleton())
    assert upload.state is UploadState.REJECTED
    assert [each["rule"] for each in upload.findings] == ["checks-not-possible"]
    assert "install bubblewrap" in upload.findings[0]["message"]


def test_where_bubblewrap_is_missing_root_checks_behind_the_other_wall(check: Upload, app: App) -> None:
    app.runtime.provide(SANDBOX, Sandbox(Wall.USER))
    upload = check(skeleton())
    if os.geteuid() == 0:
        assert upload.state is UploadState.PUBLISHED
        assert upload.findings == []
    else:
        assert [each["rule"] for each in upload.findings] == ["wheel-damaged"]


def test_derived_files_are_kept_read_and_hidden_with_their_version(
    database: Database, settings: Settings, acme: Principal, rival: Principal, send: Send, archive: bytes
) -> None:
    upload = send(archive).upload
    assert upload is not None
    blobs = open_blobs(settings)
    derived = Derived((Artifact("pulumi-schema.json", "application/json", b"{}"),), {"type": "object"})
    with database.tenant_session(acme.tenant_id) as session:
        service = UploadService(session, blobs)
        service.conclude(acme.tenant_id, upload.id, check_archive(archive), (), derived)
    with database.tenant_session(acme.tenant_id) as session:
        assets = AssetService(session)
        (listed,) = assets.artifacts(acme.tenant_id, "acme", "thing")
        found, data = assets.artifact(acme.tenant_id, ("acme", "thing", "latest"), "pulumi-schema.json", blobs)
        assert (found, data) == (listed, b"{}")
        assert assets.get_version(acme.tenant_id, "acme", "thing").input_schema == {"type": "object"}
    with database.tenant_session(rival.tenant_id) as session:
        assert session.exec(select(VersionArtifact)).all() == []
    with database.system_session() as system:
        assert AssetService.blob_in_use(system, listed.blob_digest)
        assert not UploadService.discard_archive(system, listed.blob_digest, blobs)


@pytest.mark.parametrize("name", ["", "../x", ".hidden", "a/b", "x" * 101])
def test_derived_files_have_plain_names(name: str) -> None:
    with pytest.raises(ValueError, match="cannot be the name"):
        replace(Artifact("a", "text/plain", b""), name=name)

"""The upload door: what it lets in, what it refuses, and that refusals leave nothing."""

import io
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

import pytest
from sqlmodel import select

from catalog.assets.archive import PackageFile, build_archive, read_archive
from catalog.assets.errors import NamespaceTakenError, VersionExistsError
from catalog.assets.models import Asset, Namespace, VersionState, Visibility
from catalog.assets.service import AssetService
from catalog.db import Database
from catalog.errors import ConflictError, ForbiddenError
from catalog.events.models import EventRecord
from catalog.providers.blobs.local import LocalBlobs
from catalog.tenancy import Principal
from catalog.uploads.errors import PackageRejectedError
from catalog.uploads.models import Publication, Upload, UploadState
from catalog.uploads.service import UploadService

Packer = Callable[..., bytes]
Publisher = Callable[..., Publication]


def test_a_sound_archive_becomes_a_published_version(
    acme: Principal, database: Database, blobs: LocalBlobs, pack: Packer, publish: Publisher
) -> None:
    archive = pack("acme", "shop-preview")
    publication = publish(acme, archive)
    version = publication.published
    assert publication.created
    assert publication.upload is not None
    assert publication.upload.state is UploadState.PUBLISHED
    assert (version.state, version.version, version.semver) == (VersionState.PUBLISHED, "0.1.0", "0.1.0")
    assert version.published_by == "acme"
    assert version.input_schema["properties"].keys() == {"greeting", "health_path"}
    assert version.readme.startswith("# Shop preview")
    assert version.packed_size == len(archive)
    with database.tenant_session(acme.tenant_id) as session:
        assert AssetService(session).archive(acme.tenant_id, "acme", "shop-preview", "latest", blobs) == archive
        assert [upload.id for upload in UploadService(session, blobs).recent(acme.tenant_id)] == [publication.upload.id]
        types = [row.type for row in session.exec(select(EventRecord).order_by("sequence")).all()]
    assert types == ["dev.slipway.upload.received.v1", "dev.slipway.asset_version.published.v1"]


def test_the_same_bytes_again_are_the_same_version(
    acme: Principal, database: Database, pack: Packer, publish: Publisher
) -> None:
    first = publish(acme, pack("acme", "shop"))
    second = publish(acme, pack("acme", "shop"))
    assert not second.created
    assert second.version == first.version
    with database.tenant_session(acme.tenant_id) as session:
        assert len(session.exec(select(Upload)).all()) == 1


def test_other_bytes_for_a_published_version_are_refused(
    acme: Principal, database: Database, pack: Packer, publish: Publisher
) -> None:
    first = publish(acme, pack("acme", "shop"))
    with pytest.raises(VersionExistsError, match=r"acme/shop 0\.1\.0 was published before with other content"):
        publish(acme, pack("acme", "shop", summary="Something else"))
    with database.tenant_session(acme.tenant_id) as session:
        assert AssetService(session).get_version(acme.tenant_id, "acme", "shop") == first.version


def test_the_same_files_packed_differently_are_told_apart(acme: Principal, pack: Packer, publish: Publisher) -> None:
    archive = read_archive(pack("acme", "shop"))
    files = {path: PackageFile(archive.read(path)) for path in archive.files}
    publish(acme, build_archive(files).data)
    with pytest.raises(VersionExistsError, match="packed differently"):
        publish(acme, build_archive(files, mtime=1).data)


def test_both_spellings_of_a_version_are_one_version(acme: Principal, pack: Packer, publish: Publisher) -> None:
    publish(acme, pack("acme", "shop", version="1.0.0-rc.1"))
    with pytest.raises(VersionExistsError):
        publish(acme, pack("acme", "shop", version="1.0.0rc1"))


def test_a_refused_archive_reports_everything_and_leaves_nothing(
    acme: Principal, database: Database, blobs: LocalBlobs, pack: Packer, publish: Publisher
) -> None:
    archive = pack("acme", "shop", version="'1.2'", license="Free", summary='""')
    with pytest.raises(PackageRejectedError) as refusal:
        publish(acme, archive)
    details = " ".join(error.detail for error in refusal.value.errors)
    assert "asset.yaml:6: metadata.version" in details
    assert "Write 1.2.0." in details
    assert "SPDX" in details
    assert "metadata.summary" in details
    assert not blobs.has(read_archive(archive).blob)
    with database.tenant_session(acme.tenant_id) as session:
        assert session.exec(select(Upload)).all() == []
        assert session.exec(select(Namespace)).all() == []


def test_a_truncated_upload_is_refused(acme: Principal, pack: Packer, publish: Publisher) -> None:
    with pytest.raises(PackageRejectedError, match="one problem") as refusal:
        publish(acme, pack("acme", "shop")[:-100])
    assert [finding.rule for finding in refusal.value.findings] == ["truncated"]


def test_an_upload_is_not_read_beyond_the_limit(acme: Principal, database: Database, blobs: LocalBlobs) -> None:
    class Endless(io.RawIOBase):
        given = 0

        def read(self, size: int = -1) -> bytes:
            self.given += size
            return b"\x1f" * size

    source = Endless()
    with (
        database.tenant_session(acme.tenant_id) as session,
        pytest.raises(PackageRejectedError),
    ):
        UploadService(session, blobs).receive(acme, source)  # type: ignore[arg-type]  # a stream of bytes is enough
    assert source.given <= 26 * 1024 * 1024


@pytest.mark.parametrize("has_assets", [True, False])
def test_another_tenants_namespace_answers_alike_with_and_without_assets(
    acme: Principal, rival: Principal, database: Database, pack: Packer, publish: Publisher, *, has_assets: bool
) -> None:
    if has_assets:
        publish(acme, pack("acme", "shop"))
    else:
        with database.tenant_session(acme.tenant_id) as session:
            AssetService(session).claim_namespace(acme, "acme")
    for name in ("shop", "other"):
        with pytest.raises(NamespaceTakenError) as refusal:
            publish(rival, pack("acme", name))
        assert refusal.value.detail == (
            "The namespace acme belongs to another publisher. Use one of your own, such as rival."
        )


def test_the_curated_namespace_is_free_for_nobody(acme: Principal, pack: Packer, publish: Publisher) -> None:
    with pytest.raises(NamespaceTakenError):
        publish(acme, pack("slipway", "preview-web"))


def test_an_asset_keeps_its_kind(acme: Principal, pack: Packer, publish: Publisher) -> None:
    publish(acme, pack("acme", "shop"))
    with pytest.raises(ConflictError, match="keeps its kind"):
        publish(acme, pack("acme", "shop", kind="pipeline-template", version="0.2.0"))


def test_publishing_needs_the_scope(acme: Principal, pack: Packer, publish: Publisher) -> None:
    reader = Principal(acme.tenant_id, acme.tenant_name, "token:x", "reader", frozenset({"assets:read"}))
    with pytest.raises(ForbiddenError, match="assets:write"):
        publish(reader, pack("acme", "shop"))


def test_two_first_publications_at_once_end_as_one_version(acme: Principal, pack: Packer, publish: Publisher) -> None:
    archive = pack("acme", "shop")
    barrier = threading.Barrier(4)

    def go() -> Publication:
        barrier.wait()
        return publish(acme, archive)

    with ThreadPoolExecutor(4) as pool:
        outcomes = [future.result() for future in [pool.submit(go) for _ in range(4)]]
    assert [outcome.created for outcome in outcomes].count(True) == 1
    assert len({outcome.published.id for outcome in outcomes}) == 1


def test_two_tenants_racing_for_a_namespace_end_as_one_owner(
    acme: Principal, rival: Principal, pack: Packer, publish: Publisher
) -> None:
    barrier = threading.Barrier(2)

    def go(principal: Principal) -> Publication | NamespaceTakenError:
        barrier.wait()
        try:
            return publish(principal, pack("shared", principal.tenant_name))
        except NamespaceTakenError as error:
            return error

    with ThreadPoolExecutor(2) as pool:
        outcomes = [future.result() for future in [pool.submit(go, each) for each in (acme, rival)]]
    assert [type(outcome) for outcome in outcomes].count(NamespaceTakenError) == 1


def test_visibility_stays_unless_it_is_said(
    acme: Principal, database: Database, pack: Packer, publish: Publisher
) -> None:
    def visibility() -> Visibility:
        with database.tenant_session(acme.tenant_id) as session:
            return session.exec(select(Asset)).one().visibility

    publish(acme, pack("acme", "shop"))
    assert visibility() is Visibility.PRIVATE
    publish(acme, pack("acme", "shop", version="0.2.0"), Visibility.PUBLIC)
    publish(acme, pack("acme", "shop", version="0.3.0"))
    assert visibility() is Visibility.PUBLIC

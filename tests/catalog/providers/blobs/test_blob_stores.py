"""The contract of every blob store, over the local one and over S3 (spoken by moto, a fake of S3)."""

import hashlib
import io
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path

import boto3
import pytest
from hypothesis import HealthCheck, given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st
from moto.server import ThreadedMotoServer

from catalog.clock import now
from catalog.providers.blobs import (
    BlobDamagedError,
    BlobMissingError,
    BlobStore,
    BlobUnreachableError,
    open_blobs,
)
from catalog.providers.blobs.local import LocalBlobs
from catalog.providers.blobs.s3 import S3Blobs
from catalog.settings import Settings

BUCKET = "slipway-blobs"


@dataclass(frozen=True)
class Kept:
    """A store, a way to damage a blob behind its back, and a way to read what was set aside."""

    store: BlobStore
    damage: Callable[[str, bytes], object]
    set_aside: Callable[[str], bytes]


@pytest.fixture(scope="session")
def fake_s3() -> Iterator[str]:
    """Run moto's server, which stands in for S3, and return its address."""
    server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    server.start()
    host, port = server.get_host_and_port()
    yield f"http://{host}:{port}"
    server.stop()


@pytest.fixture(params=["local", "s3"])
def kept(request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Kept:
    """Open each store in turn."""
    if request.param == "local":
        return Kept(
            LocalBlobs(tmp_path),
            lambda digest, data: (tmp_path / "sha256" / digest[:2] / digest).write_bytes(data),
            lambda digest: (tmp_path / "quarantine" / digest).read_bytes(),
        )
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "test")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "test")
    endpoint = request.getfixturevalue("fake_s3")
    client = boto3.client("s3", endpoint_url=endpoint, region_name="us-east-1")
    client.create_bucket(Bucket=BUCKET)
    return Kept(
        S3Blobs(BUCKET, endpoint),
        lambda digest, data: client.put_object(Bucket=BUCKET, Key=f"sha256/{digest}", Body=data),
        lambda digest: client.get_object(Bucket=BUCKET, Key=f"quarantine/{digest}")["Body"].read(),
    )


@given(data=st.binary(max_size=3000))
@hypothesis_settings(max_examples=15, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_what_is_written_reads_back_under_its_digest(kept: Kept, data: bytes) -> None:
    blob = kept.store.write(io.BytesIO(data))
    assert (blob.digest, blob.size) == (hashlib.sha256(data).hexdigest(), len(data))
    assert kept.store.has(blob.digest)
    assert kept.store.read(blob.digest) == data


def test_a_large_blob_passes(kept: Kept) -> None:
    data = bytes(range(256)) * 40_000
    assert kept.store.read(kept.store.write(io.BytesIO(data)).digest) == data


def test_only_what_is_left_to_read_is_kept(kept: Kept) -> None:
    source = io.BytesIO(b"header and body")
    source.seek(7)
    assert kept.store.read(kept.store.write(source).digest) == b"and body"


def test_what_is_not_there_is_missing(kept: Kept) -> None:
    digest = "0" * 64
    assert not kept.store.has(digest)
    with pytest.raises(BlobMissingError):
        kept.store.read(digest)
    kept.store.delete(digest)


@pytest.mark.parametrize("digest", ["", "../../etc/passwd", "A" * 64, "0" * 63, "0" * 64 + "\n"])
def test_what_is_no_digest_never_reaches_the_store(kept: Kept, digest: str) -> None:
    with pytest.raises(BlobMissingError, match="not a digest"):
        kept.store.read(digest)
    with pytest.raises(BlobMissingError, match="not a digest"):
        kept.store.delete(digest)


def test_a_damaged_blob_is_set_aside_and_can_be_written_again(kept: Kept) -> None:
    blob = kept.store.write(io.BytesIO(b"the truth"))
    kept.damage(blob.digest, b"something else")
    with pytest.raises(BlobDamagedError, match="set aside"):
        kept.store.read(blob.digest)
    with pytest.raises(BlobMissingError):
        kept.store.read(blob.digest)
    assert kept.set_aside(blob.digest) == b"something else"
    kept.store.write(io.BytesIO(b"the truth"))
    assert kept.store.read(blob.digest) == b"the truth"


def test_a_deleted_blob_is_gone(kept: Kept) -> None:
    blob = kept.store.write(io.BytesIO(b"short-lived"))
    kept.store.delete(blob.digest)
    assert not kept.store.has(blob.digest)


def test_writers_of_the_same_bytes_do_not_meet(kept: Kept) -> None:
    barrier = threading.Barrier(4)

    def write() -> str:
        barrier.wait()
        return kept.store.write(io.BytesIO(b"same" * 50_000)).digest

    with ThreadPoolExecutor(4) as pool:
        digests = {future.result() for future in [pool.submit(write) for _ in range(4)]}
    assert kept.store.read(digests.pop()) == b"same" * 50_000
    assert not digests


def test_a_write_that_breaks_off_leaves_nothing(tmp_path: Path) -> None:
    class Breaking(io.BytesIO):
        def read(self, size: int | None = -1, /) -> bytes:
            if self.tell():
                raise OSError(5, "Input/output error")
            return super().read(min(size or 5, 5))

    store = LocalBlobs(tmp_path)
    with pytest.raises(BlobUnreachableError, match="Input/output error"):
        store.write(Breaking(b"0123456789"))
    assert [path for path in tmp_path.rglob("*") if path.is_file()] == []


def test_an_object_store_that_does_not_answer_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "test")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "test")
    monkeypatch.setenv("AWS_MAX_ATTEMPTS", "1")
    with pytest.raises(BlobUnreachableError, match="did not answer"):
        S3Blobs(BUCKET, "http://127.0.0.1:9").read("0" * 64)


def test_an_unknown_bucket_is_named_as_a_refusal(fake_s3: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "test")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "test")
    with pytest.raises(BlobUnreachableError, match="NoSuchBucket"):
        S3Blobs("no-such-bucket", fake_s3).write(io.BytesIO(b"x"))


def test_the_settings_choose_the_store(tmp_path: Path) -> None:
    assert isinstance(open_blobs(Settings(data_dir=tmp_path)), LocalBlobs)
    assert isinstance(open_blobs(Settings(data_dir=tmp_path, blob_store="s3", s3_bucket=BUCKET)), S3Blobs)


def test_when_a_blob_was_last_written_is_told(kept: Kept) -> None:
    before = now()
    digests = [kept.store.write(io.BytesIO(data)).digest for data in (b"one", b"two")]
    found = dict(kept.store.last_written())
    assert set(digests) <= set(found)
    assert all(abs(found[each] - before) < timedelta(minutes=1) for each in digests)
    kept.store.delete(digests[0])
    assert digests[0] not in dict(kept.store.last_written())

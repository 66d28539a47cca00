"""An S3 bucket, or anything that speaks its protocol, as blob store."""

import hashlib
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime
from typing import TYPE_CHECKING, BinaryIO

from catalog.providers.blobs import (
    BlobDamagedError,
    BlobMissingError,
    BlobUnreachableError,
    BuiltInProvider,
    StoredBlob,
    check_digest,
    chunks,
    is_digest,
)
from catalog.settings import Settings

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client

_IN_MEMORY = 4 * 1024 * 1024


class S3Blobs:
    """Blobs as objects ``sha256/<digest>``; damaged ones are moved to ``quarantine/<digest>``.

    Credentials come from where boto3 looks for them (environment, profile, instance role).
    """

    def __init__(self, bucket: str, endpoint_url: str = "", region: str = "us-east-1") -> None:
        import boto3  # noqa: PLC0415  (slow to import, and only needed with S3)

        self._bucket = bucket
        self._client: S3Client = boto3.client("s3", endpoint_url=endpoint_url or None, region_name=region)

    def write(self, source: BinaryIO) -> StoredBlob:
        """See `BlobStore.write`: an object appears as a whole or not at all, and S3 compares its digest."""
        digest = hashlib.sha256()
        size = 0
        # The key is the digest, so the bytes are gathered before they are sent.
        with tempfile.SpooledTemporaryFile(max_size=_IN_MEMORY) as gathered:
            for chunk in chunks(source):
                digest.update(chunk)
                size += len(chunk)
                gathered.write(chunk)
            gathered.seek(0)
            with _translated():
                self._client.put_object(
                    Bucket=self._bucket, Key=_key(digest.hexdigest()), Body=gathered, ChecksumAlgorithm="SHA256"
                )
        return StoredBlob(digest.hexdigest(), size)

    def read(self, digest: str) -> bytes:
        """See `BlobStore.read`."""
        with _translated():
            data = self._client.get_object(Bucket=self._bucket, Key=_key(digest))["Body"].read()
        if hashlib.sha256(data).hexdigest() != digest:
            with _translated():
                source = f"{self._bucket}/{_key(digest)}"
                self._client.copy_object(Bucket=self._bucket, Key=f"quarantine/{digest}", CopySource=source)
                self._client.delete_object(Bucket=self._bucket, Key=_key(digest))
            raise BlobDamagedError(f"the stored bytes of {digest} are damaged and were set aside")
        return data

    def has(self, digest: str) -> bool:
        """See `BlobStore.has`."""
        try:
            with _translated():
                self._client.head_object(Bucket=self._bucket, Key=_key(digest))
        except BlobMissingError:
            return False
        return True

    def delete(self, digest: str) -> None:
        """See `BlobStore.delete`."""
        with _translated():
            self._client.delete_object(Bucket=self._bucket, Key=_key(digest))

    def last_written(self) -> Iterator[tuple[str, datetime]]:
        """See `BlobStore.last_written`."""
        with _translated():
            pages = self._client.get_paginator("list_objects_v2").paginate(Bucket=self._bucket, Prefix="sha256/")
            for page in pages:
                for each in page.get("Contents", ()):
                    digest = each["Key"].removeprefix("sha256/")
                    if is_digest(digest):
                        yield digest, each["LastModified"]


@contextmanager
def _translated() -> Iterator[None]:
    from botocore.exceptions import BotoCoreError, ClientError  # noqa: PLC0415  (as boto3 itself)

    try:
        yield
    except ClientError as error:
        code = error.response.get("Error", {}).get("Code", "")
        if code in {"NoSuchKey", "404", "NotFound"}:
            raise BlobMissingError("there is no such blob") from None
        raise BlobUnreachableError(f"the object store refused: {code}") from None
    except BotoCoreError as error:
        raise BlobUnreachableError(f"the object store did not answer: {type(error).__name__}") from None


def _key(digest: str) -> str:
    return f"sha256/{check_digest(digest)}"


def _open(settings: Settings) -> S3Blobs:
    return S3Blobs(settings.s3_bucket, settings.s3_endpoint_url, settings.s3_region)


PROVIDER = BuiltInProvider(name="s3", open=_open)

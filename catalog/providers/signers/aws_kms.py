"""Keys in AWS Key Management Service: made there, used there, and never outside.

Semantics: the API reference of AWS KMS (CreateKey, GetPublicKey, Sign, ScheduleKeyDeletion). Credentials come from
where boto3 looks for them; they may do these four.
"""

import hashlib
import re
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cached_property
from typing import TYPE_CHECKING, Final, Literal

from catalog.providers.signers import BuiltInProvider, KeyAlgorithm, NewKey, SignerError
from catalog.settings import Settings

if TYPE_CHECKING:
    from mypy_boto3_kms import KMSClient
    from mypy_boto3_kms.literals import KeySpecType, SigningAlgorithmSpecType

_SPECS: "Final[dict[KeyAlgorithm, tuple[KeySpecType, SigningAlgorithmSpecType]]]" = {
    KeyAlgorithm.ECDSA_P256: ("ECC_NIST_P256", "ECDSA_SHA_256"),
    KeyAlgorithm.ECDSA_P384: ("ECC_NIST_P384", "ECDSA_SHA_384"),
    KeyAlgorithm.RSA_2048: ("RSA_2048", "RSASSA_PKCS1_V1_5_SHA_256"),
    KeyAlgorithm.RSA_3072: ("RSA_3072", "RSASSA_PKCS1_V1_5_SHA_256"),
}
_REF = re.compile(r"[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}")
_MOST_RAW = 4096
"""How long a message KMS hashes itself, in bytes; of a longer one it is sent the digest."""
_DELETED_AFTER_DAYS = 7
_GONE = frozenset({"NotFoundException", "KMSInvalidStateException"})


class AwsKmsSigner:
    """Keys of one region; a reference is the id of a key."""

    algorithms = frozenset(_SPECS)

    def __init__(self, region: str, endpoint_url: str = "") -> None:
        self._region = region
        self._endpoint_url = endpoint_url

    @cached_property
    def _client(self) -> "KMSClient":
        import boto3  # noqa: PLC0415  (slow to import, and only needed with KMS)

        return boto3.client("kms", endpoint_url=self._endpoint_url or None, region_name=self._region)

    def create(self, label: str, algorithm: KeyAlgorithm) -> NewKey:
        """See `Signer.create`; the label is the key's description."""
        spec, _ = _spec(algorithm)
        with _translated():
            made = self._client.create_key(KeySpec=spec, KeyUsage="SIGN_VERIFY", Description=f"Slipway {label}")
            ref = made["KeyMetadata"]["KeyId"]
            public = self._client.get_public_key(KeyId=ref)["PublicKey"]
        return NewKey(ref, public)

    def sign(self, ref: str, algorithm: KeyAlgorithm, message: bytes) -> bytes:
        """See `Signer.sign`."""
        _, signing = _spec(algorithm)
        kind: Literal["RAW", "DIGEST"] = "RAW"
        if len(message) > _MOST_RAW:
            kind = "DIGEST"
            message = hashlib.new("sha384" if signing == "ECDSA_SHA_384" else "sha256", message).digest()
        with _translated():
            answer = self._client.sign(KeyId=_checked(ref), Message=message, MessageType=kind, SigningAlgorithm=signing)
        return answer["Signature"]

    def destroy(self, ref: str) -> None:
        """See `Signer.destroy`; KMS refuses to sign from now on, and forgets the key a week later."""
        with _translated(gone_is_good=True):
            self._client.schedule_key_deletion(KeyId=_checked(ref), PendingWindowInDays=_DELETED_AFTER_DAYS)


def _spec(algorithm: KeyAlgorithm) -> "tuple[KeySpecType, SigningAlgorithmSpecType]":
    try:
        return _SPECS[algorithm]
    except KeyError:
        raise SignerError(f"keys of {algorithm} are not made here") from None


def _checked(ref: str) -> str:
    if _REF.fullmatch(ref) is None:
        raise SignerError("this is not the reference of a key")
    return ref


@contextmanager
def _translated(*, gone_is_good: bool = False) -> Iterator[None]:
    from botocore.exceptions import BotoCoreError, ClientError  # noqa: PLC0415  (as boto3 itself)

    try:
        yield
    except ClientError as error:
        code = error.response.get("Error", {}).get("Code", "")
        if gone_is_good and code in _GONE:
            return
        raise SignerError(f"AWS KMS refused: {code}") from None
    except BotoCoreError as error:
        raise SignerError(f"AWS KMS did not answer: {type(error).__name__}") from None


def _open(settings: Settings) -> AwsKmsSigner:
    return AwsKmsSigner(settings.kms_region, settings.kms_endpoint_url)


PROVIDER = BuiltInProvider(name="aws-kms", open=_open)

"""The contract of signers over sealed files and AWS KMS (spoken by moto, a stand-in); interop tests have tokens."""

from collections.abc import Iterator
from pathlib import Path

import boto3
import pytest
from pydantic import SecretStr

from catalog.discovery import discover
from catalog.providers.signers import GROUP, KeyAlgorithm, Signer, SignerError, SignerProvider, open_signer
from catalog.settings import Settings
from tests.catalog.providers.signers.contract import MESSAGE, SignerContract, kms_stand_in


@pytest.fixture(scope="module")
def endpoint() -> Iterator[str]:
    with kms_stand_in() as address:
        yield address


class TestSealedFiles(SignerContract):
    """The signer ``local``."""

    @pytest.fixture
    def signer(self, tmp_path: Path) -> Signer:
        return open_signer("local", Settings(data_dir=tmp_path, database_url="postgresql://", master_key=_KEY))


class TestAwsKms(SignerContract):
    """The signer ``aws-kms``.

    moto hashes a digest once more, and signs with keys that wait for their deletion. KMS does neither, so what was
    asked of it is looked at instead.
    """

    takes_digests = False

    @pytest.fixture
    def signer(self, endpoint: str, monkeypatch: pytest.MonkeyPatch) -> Signer:
        for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
            monkeypatch.setenv(name, "testing")
        return open_signer("aws-kms", Settings(database_url="postgresql://", kms_endpoint_url=endpoint))

    def test_a_key_that_is_destroyed_signs_no_more(self, signer: Signer, endpoint: str) -> None:  # type: ignore[override]  # asks the service
        made = signer.create("tenants/one", KeyAlgorithm.ECDSA_P256)
        signer.destroy(made.ref)
        signer.destroy(made.ref)
        kms = boto3.client("kms", endpoint_url=endpoint, region_name="us-east-1")
        assert kms.describe_key(KeyId=made.ref)["KeyMetadata"]["KeyState"] == "PendingDeletion"
        signer.destroy("00000000-0000-4000-8000-000000000000")


def test_a_kms_that_does_not_answer_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.setenv(name, "testing")
    monkeypatch.setenv("AWS_MAX_ATTEMPTS", "1")
    signer = open_signer("aws-kms", Settings(database_url="postgresql://", kms_endpoint_url="http://127.0.0.1:9"))
    with pytest.raises(SignerError, match="did not answer"):
        signer.create("tenants/one", KeyAlgorithm.ECDSA_P256)


def test_a_token_has_to_be_named(tmp_path: Path) -> None:
    with pytest.raises(SignerError, match="SLIPWAY_PKCS11_TOKEN"):
        open_signer("pkcs11", Settings(database_url="postgresql://"))
    pin = tmp_path / "pin"
    named = Settings(
        database_url="postgresql://", pkcs11_module=tmp_path / "no.so", pkcs11_token="x", pkcs11_pin_file=pin
    )
    with pytest.raises(SignerError, match="PIN_FILE cannot be read"):
        open_signer("pkcs11", named).sign("0" * 32, KeyAlgorithm.ECDSA_P256, MESSAGE)
    pin.write_text("1234")
    with pytest.raises(SignerError, match="the token refused"):
        open_signer("pkcs11", named).sign("0" * 32, KeyAlgorithm.ECDSA_P256, MESSAGE)


def test_which_signers_there_are() -> None:
    assert sorted(discover(GROUP, "PROVIDER", SignerProvider)) == ["aws-kms", "local", "pkcs11"]
    with pytest.raises(SignerError, match="there are aws-kms, local, pkcs11"):
        open_signer("paper", Settings(database_url="postgresql://"))


_KEY = SecretStr("k" * 43)

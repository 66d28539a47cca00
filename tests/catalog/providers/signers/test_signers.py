"""One contract for every signer: a key is made, signs what verifies with its public half, and goes for good."""

from pathlib import Path

import pytest
from pydantic import SecretStr

from catalog.attestations.signatures import algorithm_of, is_valid, load_public_der
from catalog.discovery import discover
from catalog.providers.signers import GROUP, KeyAlgorithm, Signer, SignerError, SignerProvider, open_signer
from catalog.settings import Settings

MESSAGE = b"DSSEv1 28 application/vnd.in-toto+json 2 {}"
PROVIDERS = sorted(discover(GROUP, "PROVIDER", SignerProvider))


@pytest.fixture(params=PROVIDERS)
def signer(request: pytest.FixtureRequest, tmp_path: Path) -> Signer:
    """Each signer that discovery finds."""
    settings = Settings(data_dir=tmp_path, database_url="postgresql://", master_key=SecretStr("k" * 43))
    return open_signer(request.param, settings)


@pytest.mark.parametrize("algorithm", [KeyAlgorithm.ECDSA_P256, KeyAlgorithm.ECDSA_P384, KeyAlgorithm.RSA_2048])
def test_what_it_signs_verifies(signer: Signer, algorithm: KeyAlgorithm) -> None:
    assert algorithm in signer.algorithms
    made = signer.create("tenants/one", algorithm)
    public = load_public_der(made.public_key)
    assert algorithm_of(public) == algorithm
    signature = signer.sign(made.ref, algorithm, MESSAGE)
    assert is_valid(public, signature, MESSAGE)
    assert not is_valid(public, signature, MESSAGE + b"!")
    large = MESSAGE * 10_000
    assert is_valid(public, signer.sign(made.ref, algorithm, large), large)


def test_every_key_is_another(signer: Signer) -> None:
    first, second = (signer.create("tenants/one", KeyAlgorithm.ECDSA_P256) for _ in range(2))
    assert first.ref != second.ref
    assert first.public_key != second.public_key


def test_a_key_that_is_destroyed_signs_no_more(signer: Signer) -> None:
    made = signer.create("tenants/one", KeyAlgorithm.ECDSA_P256)
    signer.destroy(made.ref)
    signer.destroy(made.ref)
    with pytest.raises(SignerError):
        signer.sign(made.ref, KeyAlgorithm.ECDSA_P256, MESSAGE)


@pytest.mark.parametrize("ref", ["", "nothing", "../../etc/passwd", "tenants/none/0123"])
def test_references_that_name_nothing(signer: Signer, ref: str) -> None:
    with pytest.raises(SignerError):
        signer.sign(ref, KeyAlgorithm.ECDSA_P256, MESSAGE)


def test_an_algorithm_that_it_does_not_know_is_refused(signer: Signer) -> None:
    for algorithm in set(KeyAlgorithm) - signer.algorithms:
        with pytest.raises(SignerError):
            signer.create("tenants/one", algorithm)


def test_a_signer_that_there_is_not() -> None:
    with pytest.raises(SignerError, match="there are local"):
        open_signer("paper", Settings(database_url="postgresql://"))

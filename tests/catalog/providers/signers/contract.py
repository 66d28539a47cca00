"""One contract for every signer: a key is made, signs what verifies with its public half, and goes for good."""

import hashlib
from collections.abc import Iterator
from contextlib import contextmanager

import pytest
from moto.server import ThreadedMotoServer

from catalog.attestations.signatures import algorithm_of, is_valid, load_public_der
from catalog.providers.signers import KeyAlgorithm, Signer, SignerError

MESSAGE = b"DSSEv1 28 application/vnd.in-toto+json 2 {}"
LARGE = MESSAGE * 10_000


@contextmanager
def kms_stand_in() -> Iterator[str]:
    """Serve a stand-in for AWS KMS as long as the context lasts, and yield its address."""
    server = ThreadedMotoServer("127.0.0.1", 0)
    server.start()
    host, port = server.get_host_and_port()
    yield f"http://{host}:{port}"
    server.stop()


class SignerContract:
    """A subclass gives the fixture ``signer``."""

    takes_digests = True
    """False for a stand-in that hashes what it is given as a digest once more."""

    @pytest.mark.parametrize("algorithm", [KeyAlgorithm.ECDSA_P256, KeyAlgorithm.ECDSA_P384, KeyAlgorithm.RSA_2048])
    def test_what_it_signs_verifies(self, signer: Signer, algorithm: KeyAlgorithm) -> None:
        assert algorithm in signer.algorithms
        made = signer.create("tenants/one", algorithm)
        public = load_public_der(made.public_key)
        assert algorithm_of(public) == algorithm
        signature = signer.sign(made.ref, algorithm, MESSAGE)
        assert is_valid(public, signature, MESSAGE)
        assert not is_valid(public, signature, MESSAGE + b"!")
        hashed = hashlib.new("sha384" if algorithm is KeyAlgorithm.ECDSA_P384 else "sha256", LARGE).digest()
        assert is_valid(public, signer.sign(made.ref, algorithm, LARGE), LARGE if self.takes_digests else hashed)

    def test_every_key_is_another(self, signer: Signer) -> None:
        first, second = (signer.create("tenants/one", KeyAlgorithm.ECDSA_P256) for _ in range(2))
        assert first.ref != second.ref
        assert first.public_key != second.public_key

    def test_a_key_that_is_destroyed_signs_no_more(self, signer: Signer) -> None:
        made = signer.create("tenants/one", KeyAlgorithm.ECDSA_P256)
        signer.destroy(made.ref)
        signer.destroy(made.ref)
        with pytest.raises(SignerError):
            signer.sign(made.ref, KeyAlgorithm.ECDSA_P256, MESSAGE)

    @pytest.mark.parametrize("ref", ["", "nothing", "../../etc/passwd", "tenants/none/0123", "0" * 32])
    def test_references_that_name_nothing(self, signer: Signer, ref: str) -> None:
        with pytest.raises(SignerError):
            signer.sign(ref, KeyAlgorithm.ECDSA_P256, MESSAGE)

    def test_an_algorithm_that_it_does_not_know_is_refused(self, signer: Signer) -> None:
        for algorithm in set(KeyAlgorithm) - signer.algorithms:
            with pytest.raises(SignerError):
                signer.create("tenants/one", algorithm)

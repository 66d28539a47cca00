"""Signatures: every algorithm and encoding that signers write, and nothing else."""

import base64

import pytest
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, padding, rsa
from cryptography.hazmat.primitives.asymmetric.utils import decode_dss_signature
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat, PublicFormat

from catalog.attestations.dsse import pae
from catalog.attestations.signatures import (
    PublicKeyError,
    algorithm_of,
    is_valid,
    key_id,
    load_public_der,
    load_public_key,
    pem,
)
from catalog.providers.signers import KeyAlgorithm
from catalog.providers.signers.local import generate, sign_with, spki

MESSAGE = b"DSSEv1 4 type 7 payload"


@pytest.mark.parametrize("algorithm", list(KeyAlgorithm))
def test_what_a_key_signs_it_verifies(algorithm: KeyAlgorithm) -> None:
    key = generate(algorithm)
    public = load_public_der(spki(key))
    signature = sign_with(key, MESSAGE)
    assert algorithm_of(public) == algorithm
    assert is_valid(public, signature, MESSAGE)
    assert not is_valid(public, signature, MESSAGE + b"!")
    assert not is_valid(public, signature[:-1], MESSAGE)
    assert not is_valid(public, b"", MESSAGE)
    assert not is_valid(load_public_der(spki(generate(algorithm))), signature, MESSAGE)
    assert load_public_key(pem(public)) == public
    assert key_id(public).startswith("sha256:")


@pytest.mark.parametrize(("curve", "digest"), [(ec.SECP256R1(), hashes.SHA256()), (ec.SECP384R1(), hashes.SHA384())])
def test_raw_signatures_count_as_well(curve: ec.EllipticCurve, digest: hashes.HashAlgorithm) -> None:
    key = ec.generate_private_key(curve)
    r, s = decode_dss_signature(key.sign(MESSAGE, ec.ECDSA(digest)))
    size = curve.key_size // 8
    raw = r.to_bytes(size, "big") + s.to_bytes(size, "big")
    assert is_valid(load_public_der(spki(key)), raw, MESSAGE)
    assert not is_valid(load_public_der(spki(key)), raw[::-1], MESSAGE)


def test_p384_signs_with_sha384_alone() -> None:
    key = ec.generate_private_key(ec.SECP384R1())
    assert not is_valid(load_public_der(spki(key)), key.sign(MESSAGE, ec.ECDSA(hashes.SHA256())), MESSAGE)


def test_rsa_counts_with_pss_too() -> None:
    key = rsa.generate_private_key(65537, 2048)
    pss = padding.PSS(padding.MGF1(hashes.SHA256()), padding.PSS.MAX_LENGTH)
    assert is_valid(load_public_der(spki(key)), key.sign(MESSAGE, pss, hashes.SHA256()), MESSAGE)


def test_the_vector_of_the_dsse_specification() -> None:
    """The key and the raw signature that the protocol's page gives for "hello world"."""
    numbers = ec.EllipticCurvePublicNumbers(
        46950820868899156662930047687818585632848591499744589407958293238635476079160,
        5640078356564379163099075877009565129882514886557779369047442380624545832820,
        ec.SECP256R1(),
    )
    key = numbers.public_key()
    message = pae("http://example.com/HelloWorld", b"hello world")
    signature = "A3JqsQGtVsJ2O2xqrI5IcnXip5GToJ3F+FnZ+O88SjtR6rDAajabZKciJTfUiHqJPcIAriEGAHTVeCUjW2JIZA=="
    assert message == b"DSSEv1 29 http://example.com/HelloWorld 11 hello world"
    assert is_valid(key, base64.b64decode(signature), message)


def test_weak_and_foreign_keys_are_refused() -> None:
    weak = rsa.generate_private_key(65537, 1024)  # noqa: S505  # weak on purpose
    exotic = ec.generate_private_key(ec.SECP256K1())
    for key in (weak, exotic):
        text = key.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo).decode()
        with pytest.raises(PublicKeyError, match="Use Ed25519"):
            load_public_key(text)


def test_what_is_no_public_key_says_what_it_is() -> None:
    private = ed25519.Ed25519PrivateKey.generate().private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    for text, word in [
        (private.decode(), "private key"),
        ("-----BEGIN CERTIFICATE-----\nMIIB\n-----END CERTIFICATE-----", "certificate"),
        ("ssh-ed25519 AAAA", "PEM"),
        ("x" * 20_000, "longer"),
        ("", "PEM"),
    ]:
        with pytest.raises(PublicKeyError, match=word):
            load_public_key(text)

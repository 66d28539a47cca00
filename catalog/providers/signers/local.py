"""Keys in files: each sealed under the installation's key, readable by Slipway's own user alone."""

import os
import re
import tempfile
from pathlib import Path
from uuid import uuid4

from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, padding, rsa
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    PublicFormat,
    load_pem_private_key,
)
from pydantic import SecretStr

from catalog.providers.signers import BuiltInProvider, KeyAlgorithm, NewKey, SignerError
from catalog.secrets import SecretBox, SecretsUnavailableError
from catalog.settings import Settings

PrivateKey = ed25519.Ed25519PrivateKey | ec.EllipticCurvePrivateKey | rsa.RSAPrivateKey
_REF = re.compile(r"[a-z0-9-]+(/[a-z0-9-]+)*")


def generate(algorithm: KeyAlgorithm) -> PrivateKey:
    """Return a new private key."""
    match algorithm:
        case KeyAlgorithm.ED25519:
            return ed25519.Ed25519PrivateKey.generate()
        case KeyAlgorithm.ECDSA_P256:
            return ec.generate_private_key(ec.SECP256R1())
        case KeyAlgorithm.ECDSA_P384:
            return ec.generate_private_key(ec.SECP384R1())
        case KeyAlgorithm.RSA_2048 | KeyAlgorithm.RSA_3072:
            return rsa.generate_private_key(65537, int(algorithm.value[4:]))


def sign_with(key: PrivateKey, message: bytes) -> bytes:
    """Sign as the key's algorithm says (see `KeyAlgorithm`)."""
    if isinstance(key, ed25519.Ed25519PrivateKey):
        return key.sign(message)
    if isinstance(key, rsa.RSAPrivateKey):
        return key.sign(message, padding.PKCS1v15(), hashes.SHA256())
    digest = hashes.SHA384() if key.curve.key_size == 384 else hashes.SHA256()
    return key.sign(message, ec.ECDSA(digest))


def spki(key: PrivateKey) -> bytes:
    """Return the public key as SPKI in DER."""
    return key.public_key().public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)


class LocalSigner:
    """Sealed keys below ``folder``, one file each, named by their reference."""

    algorithms = frozenset(KeyAlgorithm)

    def __init__(self, folder: Path, box: SecretBox) -> None:
        self._folder = folder
        self._box = box

    def create(self, label: str, algorithm: KeyAlgorithm) -> NewKey:
        """See `Signer.create`: the file is complete and on disk before it gets its name."""
        ref = f"{label}/{uuid4().hex}"
        path = self._path(ref)
        key = generate(algorithm)
        pem = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()).decode()
        sealed = self._box.seal(_purpose(ref), pem)
        try:
            path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
            with tempfile.NamedTemporaryFile("w", dir=path.parent, delete=False) as file:
                file.write(sealed)
                file.flush()
                os.fsync(file.fileno())
            Path(file.name).replace(path)
        except OSError as error:
            raise SignerError(f"the key cannot be kept: {error.strerror}") from None
        return NewKey(ref, spki(key))

    def sign(self, ref: str, algorithm: KeyAlgorithm, message: bytes) -> bytes:
        """See `Signer.sign`."""
        del algorithm  # the key knows
        return sign_with(self._load(ref), message)

    def destroy(self, ref: str) -> None:
        """See `Signer.destroy`."""
        try:
            self._path(ref).unlink(missing_ok=True)
        except OSError as error:
            raise SignerError(f"the key cannot be removed: {error.strerror}") from None

    def _load(self, ref: str) -> PrivateKey:
        try:
            sealed = self._path(ref).read_text()
        except FileNotFoundError:
            raise SignerError("the private key is not on this machine") from None
        except OSError as error:
            raise SignerError(f"the private key cannot be read: {error.strerror}") from None
        try:
            key = load_pem_private_key(self._box.open(_purpose(ref), sealed).encode(), None)
        except (SecretsUnavailableError, ValueError):
            raise SignerError("the private key was sealed under another key than the one in use") from None
        if not isinstance(key, PrivateKey):
            raise SignerError("the private key is of a kind that cannot sign")
        return key

    def _path(self, ref: str) -> Path:
        if _REF.fullmatch(ref) is None:
            raise SignerError("this is not the reference of a key")
        return self._folder / f"{ref}.key"


def _purpose(ref: str) -> str:
    return f"signers/{ref}"


def open_local(settings: Settings) -> LocalSigner:
    """Open the keys below the data directory; raise ``SignerError`` where there is nothing to seal them with."""
    sealing = settings
    if settings.signing_key_file is not None:
        try:
            content = settings.signing_key_file.read_text().strip()
        except OSError as error:
            raise SignerError(f"SLIPWAY_SIGNING_KEY_FILE cannot be read: {error.strerror}") from None
        sealing = settings.model_copy(update={"master_key": SecretStr(content)})
    try:
        box = SecretBox(sealing)
    except SecretsUnavailableError as error:
        raise SignerError(error.detail) from None
    return LocalSigner(settings.data_dir / "keys" / "signing", box)


PROVIDER = BuiltInProvider(name="local", open=open_local)

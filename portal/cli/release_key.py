"""The release key: what a build signs assets with, in a file, or in a signer that never gives it away."""

import json
import os
from functools import partial
from pathlib import Path

from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

from catalog.attestations.local_signing import SigningHand, load_private_key
from catalog.attestations.signatures import load_public_der, load_public_key, pem
from catalog.errors import SlipwayError
from catalog.providers.signers import KeyAlgorithm, Signer, SignerError, open_signer
from catalog.providers.signers.local import generate
from catalog.settings import Settings
from portal.cli.errors import CommandError

_IN_FILE = "file"
_ALGORITHM = KeyAlgorithm.ECDSA_P256
"""What every signer makes, and what cosign takes by default."""


def release_hand(settings: Settings, folder: Path) -> SigningHand:
    """Return what signs for a build; ``folder`` keeps the key, or its name in its signer, where no setting does.

    A key is made where none is named; one that is named has to be there. Raises ``CommandError`` where it cannot be
    used.
    """
    try:
        if settings.release_signer == _IN_FILE:
            return _in_file(settings.release_key, folder / "release-key.pem")
        signer = open_signer(settings.release_signer, settings)
        return _in_signer(settings.release_signer, signer, settings.release_key, folder / "release-key.json")
    except SignerError as error:
        raise CommandError(f"The release key cannot be used: {error}.") from None
    except (OSError, ValueError, KeyError) as error:
        raise CommandError(f"The release key cannot be read: {error}.") from None
    except SlipwayError as error:
        raise CommandError(f"The release key cannot be used: {error.detail}") from None


def _in_file(named: Path | None, usual: Path) -> SigningHand:
    path = named or usual
    if named is None and not path.exists():
        key = generate(_ALGORITHM)
        _write_new(path, key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()))
    return SigningHand.of(load_private_key(path.read_bytes()))


def _in_signer(name: str, signer: Signer, named: Path | None, usual: Path) -> SigningHand:
    path = named or usual
    if named is None and not path.exists():
        made = signer.create("releases", _ALGORITHM)
        public = pem(load_public_der(made.public_key))
        record = {"signer": name, "ref": made.ref, "algorithm": str(_ALGORITHM), "public_key": public}
        _write_new(path, json.dumps(record, indent=1).encode())
    found = json.loads(path.read_text(encoding="utf-8"))
    if found["signer"] != name:
        raise CommandError(f"{path} names a key of the signer {found['signer']}, and {name} is asked for.")
    sign = partial(signer.sign, str(found["ref"]), KeyAlgorithm(found["algorithm"]))
    return SigningHand(load_public_key(found["public_key"]), sign)


def _write_new(path: Path, content: bytes) -> None:
    """Write a file that only its owner reads, and that nobody else has written meanwhile."""
    path.parent.mkdir(parents=True, exist_ok=True)
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(descriptor, "wb") as file:
        file.write(content)

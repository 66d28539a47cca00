"""Keys in a token that speaks PKCS #11: a hardware module, a smart card, or SoftHSM.

Semantics: PKCS #11 2.40. Private keys are made in the token as sensitive and not extractable. The PIN is read from a
file of its own each time, so that it stands in no setting and can be changed.
"""

import hashlib
import re
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final
from uuid import uuid4

from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.hazmat.primitives.asymmetric.utils import encode_dss_signature
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from catalog.providers.signers import BuiltInProvider, KeyAlgorithm, NewKey, SignerError
from catalog.settings import Settings

_CURVES: Final = {KeyAlgorithm.ECDSA_P256: "secp256r1", KeyAlgorithm.ECDSA_P384: "secp384r1"}
_SIZES: Final = {KeyAlgorithm.RSA_2048: 2048, KeyAlgorithm.RSA_3072: 3072}
_REF = re.compile(r"[0-9a-f]{32}")
_LOCK = threading.Lock()
"""A library of this kind knows one login for each token and process."""


class Pkcs11Signer:
    """Keys in the token called ``token``; a reference is the key's CKA_ID in hexadecimal."""

    algorithms = frozenset({*_CURVES, *_SIZES})

    def __init__(self, module: Path, token: str, pin_file: Path) -> None:
        self._module = module
        self._token = token
        self._pin_file = pin_file

    def create(self, label: str, algorithm: KeyAlgorithm) -> NewKey:
        """See `Signer.create`; the label is the key's CKA_LABEL."""
        from pkcs11 import Attribute, KeyType  # noqa: PLC0415  (as in _session)
        from pkcs11.util.ec import encode_ec_public_key, encode_named_curve_parameters  # noqa: PLC0415

        if algorithm not in self.algorithms:
            raise SignerError(f"keys of {algorithm} are not made here")
        ref = uuid4().hex
        kept: dict[str, Any] = {"id": bytes.fromhex(ref), "label": label, "store": True}
        kept["private_template"] = {Attribute.SENSITIVE: True, Attribute.EXTRACTABLE: False, Attribute.PRIVATE: True}
        with self._session(writes=True) as session:
            if algorithm in _SIZES:
                public, _ = session.generate_keypair(KeyType.RSA, _SIZES[algorithm], **kept)
                return NewKey(ref, _rsa(public[Attribute.MODULUS], public[Attribute.PUBLIC_EXPONENT]))
            curve = {Attribute.EC_PARAMS: encode_named_curve_parameters(_CURVES[algorithm])}
            domain = session.create_domain_parameters(KeyType.EC, curve, local=True)
            public, _ = domain.generate_keypair(**kept)
            return NewKey(ref, encode_ec_public_key(public))

    def sign(self, ref: str, algorithm: KeyAlgorithm, message: bytes) -> bytes:
        """See `Signer.sign`."""
        from pkcs11 import Mechanism, ObjectClass  # noqa: PLC0415  (as in _session)

        identifier = _identifier(ref)
        with self._session() as session:
            key: Any = session.get_key(object_class=ObjectClass.PRIVATE_KEY, id=identifier)
            if algorithm in _SIZES:
                return bytes(key.sign(message, mechanism=Mechanism.SHA256_RSA_PKCS))
            digest = hashlib.new("sha384" if algorithm is KeyAlgorithm.ECDSA_P384 else "sha256", message).digest()
            raw = bytes(key.sign(digest, mechanism=Mechanism.ECDSA))
        half = len(raw) // 2
        return encode_dss_signature(int.from_bytes(raw[:half], "big"), int.from_bytes(raw[half:], "big"))

    def destroy(self, ref: str) -> None:
        """See `Signer.destroy`; the public half goes with it."""
        from pkcs11 import Attribute  # noqa: PLC0415  (as in _session)

        identifier = _identifier(ref)
        with self._session(writes=True) as session:
            for each in list(session.get_objects({Attribute.ID: identifier})):
                each.destroy()

    @contextmanager
    def _session(self, *, writes: bool = False) -> Iterator[Any]:
        import pkcs11  # noqa: PLC0415  (native code, which only installations with a token need)
        from pkcs11.exceptions import NoSuchKey, PKCS11Error  # noqa: PLC0415

        with _LOCK:
            try:
                pin = self._pin_file.read_text(encoding="utf-8").strip()
                token = pkcs11.lib(str(self._module)).get_token(token_label=self._token)
                with token.open(rw=writes, user_pin=pin) as session:
                    yield session
            except NoSuchKey:
                raise SignerError("the private key is not in the token") from None
            except OSError as error:
                raise SignerError(f"SLIPWAY_PKCS11_PIN_FILE cannot be read: {error.strerror}") from None
            except (PKCS11Error, RuntimeError) as error:
                raise SignerError(f"the token refused: {type(error).__name__}") from None


def _rsa(modulus: bytes, exponent: bytes) -> bytes:
    numbers = rsa.RSAPublicNumbers(int.from_bytes(exponent, "big"), int.from_bytes(modulus, "big"))
    return numbers.public_key().public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)


def _identifier(ref: str) -> bytes:
    if _REF.fullmatch(ref) is None:
        raise SignerError("this is not the reference of a key")
    return bytes.fromhex(ref)


def _open(settings: Settings) -> Pkcs11Signer:
    module, pin_file = settings.pkcs11_module, settings.pkcs11_pin_file
    if module is None or pin_file is None or not settings.pkcs11_token:
        raise SignerError("set SLIPWAY_PKCS11_MODULE, SLIPWAY_PKCS11_TOKEN and SLIPWAY_PKCS11_PIN_FILE")
    return Pkcs11Signer(module, settings.pkcs11_token, pin_file)


PROVIDER = BuiltInProvider(name="pkcs11", open=_open)

"""Signers: where private keys are made and used, and never leave."""

from collections.abc import Callable
from dataclasses import dataclass
from enum import StrEnum
from typing import Protocol, runtime_checkable

from catalog.discovery import discover
from catalog.settings import Settings

GROUP = "slipway.providers.signers"


class KeyAlgorithm(StrEnum):
    """What a key signs with.

    Ed25519 signs the message itself, P-256 and RSA (PKCS #1 v1.5) its SHA-256, P-384 its SHA-384.
    """

    ED25519 = "ed25519"
    ECDSA_P256 = "ecdsa-p256"
    ECDSA_P384 = "ecdsa-p384"
    RSA_2048 = "rsa-2048"
    RSA_3072 = "rsa-3072"


class SignerError(Exception):
    """Why a key cannot be made or used; fit for a page, and never shows key material."""


@dataclass(frozen=True)
class NewKey:
    """A key that was made: ``ref`` is how its provider finds it again, ``public_key`` its SPKI in DER."""

    ref: str
    public_key: bytes


class Signer(Protocol):
    """Makes keys and signs with them. Every method raises `SignerError` and nothing else; any thread may call."""

    @property
    def algorithms(self) -> frozenset[KeyAlgorithm]:
        """The algorithms of keys that it can make."""
        ...

    def create(self, label: str, algorithm: KeyAlgorithm) -> NewKey:
        """Make a key; ``label`` (lower case letters, digits, ``-`` and ``/``) is for the people who look after keys."""
        ...

    def sign(self, ref: str, algorithm: KeyAlgorithm, message: bytes) -> bytes:
        """Sign ``message``; an ECDSA signature is DER."""
        ...

    def destroy(self, ref: str) -> None:
        """Remove a private key for good; one that is not there is removed already."""
        ...


@runtime_checkable
class SignerProvider(Protocol):
    """One kind of signer, by the name that the setting ``signer`` and the rows of keys give."""

    @property
    def name(self) -> str:
        """The name in settings."""
        ...

    @property
    def open(self) -> Callable[[Settings], Signer]:
        """How the signer is opened with the settings."""
        ...


@dataclass(frozen=True)
class BuiltInProvider:
    """A signer of this package."""

    name: str
    open: Callable[[Settings], Signer]


def open_signer(name: str, settings: Settings) -> Signer:
    """Open the signer called ``name``; raise ``SignerError`` where there is none."""
    providers = discover(GROUP, "PROVIDER", SignerProvider)
    if name not in providers:
        raise SignerError(f"there is no signer {name!r}; there are {', '.join(sorted(providers))}")
    return providers[name].open(settings)


def signer_names() -> list[str]:
    """Return the names of the signers that are installed; what one of them needs is looked at when it is used."""
    return sorted(discover(GROUP, "PROVIDER", SignerProvider))

"""Signing outside the registry: a private key in a file of the signer's own, and what a build says of itself."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any, Self

from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.serialization import load_pem_private_key

from catalog.attestations.dsse import STATEMENT_TYPE, Envelope, pae, write_bundle
from catalog.attestations.signatures import PublicKey, hint_of, load_public_der
from catalog.attestations.statements import Subject, write_statement
from catalog.errors import InvalidInputError
from catalog.providers.signers.local import PrivateKey, sign_with, spki

BUILD_TYPE = "https://slipway.dev/build/asset/v1"
"""``slipway asset build``: a folder becomes a deterministic archive; the parameter is the time of its files."""
BUILDER = "https://slipway.dev/builder/command-line"


def load_private_key(text: bytes, password: bytes | None = None) -> PrivateKey:
    """Return the private key in a PEM text; raise ``InvalidInputError`` where it is none, or locked."""
    try:
        key = load_pem_private_key(text, password)
    except TypeError:
        raise InvalidInputError("The private key is locked, or was given a password that it does not need.") from None
    except (ValueError, UnsupportedAlgorithm):
        raise InvalidInputError("This is not a private key in PEM, or the password is another one.") from None
    if not isinstance(key, PrivateKey):
        raise InvalidInputError("Use a key of Ed25519, of ECDSA on P-256 or P-384, or of RSA.")
    return key


@dataclass(frozen=True)
class SigningHand:
    """What signs, wherever its private key is: ``sign`` returns the signature of a message."""

    public: PublicKey
    sign: Callable[[bytes], bytes]

    @classmethod
    def of(cls, key: PrivateKey) -> Self:
        """Return the hand of a private key that is in memory."""
        return cls(load_public_der(spki(key)), partial(sign_with, key))

    def bundle(self, subjects: Sequence[Subject], predicate_type: str, predicate: Mapping[str, Any]) -> bytes:
        """Return a Sigstore bundle with a signed statement of version 1; cosign verifies it too."""
        payload = write_statement(subjects, predicate_type, dict(predicate))
        envelope = Envelope(payload, STATEMENT_TYPE, self.sign(pae(STATEMENT_TYPE, payload)))
        return write_bundle(envelope, hint_of(self.public))


def sign_bundle(
    key: PrivateKey, subjects: Sequence[Subject], predicate_type: str, predicate: Mapping[str, Any]
) -> bytes:
    """Return a Sigstore bundle with a statement of version 1, signed with ``key``."""
    return SigningHand.of(key).bundle(subjects, predicate_type, predicate)


def build_provenance(
    *, version: str, epoch: int, tree: str, sources: Sequence[Mapping[str, Any]], started: str, finished: str
) -> dict[str, Any]:
    """Return SLSA provenance (version 1) of an archive that ``slipway asset build`` made.

    ``version`` is Slipway's, ``tree`` the digest over the packed files, ``sources`` are resource descriptors of where
    they came from (a Git commit), and the two moments are RFC 3339.
    """
    return {
        "buildDefinition": {
            "buildType": BUILD_TYPE,
            "externalParameters": {"sourceDateEpoch": epoch},
            "internalParameters": {},
            "resolvedDependencies": [{"name": "files", "digest": {"sha256": tree}}, *map(dict, sources)],
        },
        "runDetails": {
            "builder": {"id": BUILDER, "version": {"slipway": version}},
            "metadata": {"startedOn": started, "finishedOn": finished},
        },
    }

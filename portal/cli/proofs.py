"""What a bundle proves about an artifact by keys that somebody names, without asking anybody."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from catalog.attestations.dsse import Envelope, read_signed
from catalog.attestations.errors import AttestationRejectedError
from catalog.attestations.predicates import ALIASES, predicate
from catalog.attestations.signatures import PublicKey, algorithm_of, is_valid, key_id
from catalog.attestations.statements import Statement, read_statement
from portal.cli.errors import CommandError


def prove(path: Path, digest: str, keys: Sequence[PublicKey], kind: str | None = None) -> dict[str, Any]:
    """Return what one bundle proves about a SHA-256 digest: evidence, predicate type, key and algorithm.

    ``kind`` is the predicate type that it must have, or its short name. Raises ``CommandError`` where it proves
    nothing.
    """
    try:
        signed = read_signed(path.read_bytes())
        if signed.certificate is not None:
            # A certificate names a signer of its own: it must never stand in for the keys that were asked for.
            raise CommandError(f"{path}: the bundle is signed by a certificate, and a key was asked for.")
        key = next((each for each in keys if _signs(each, signed.envelope)), None)
        if key is None:
            raise CommandError(f"{path}: this is not a signature of the given keys over this payload.")
        statement = read_statement(signed.envelope)
    except AttestationRejectedError as error:
        raise CommandError(f"{path}: {error.detail}") from None
    wanted = ALIASES.get(kind, kind) if kind else None
    if wanted is not None and statement.predicate_type != wanted:
        raise CommandError(f"{path}: it says {statement.predicate_type}, and {wanted} was asked for.")
    if not statement.is_about(digest):
        raise CommandError(f"{path}: the statement is about other artifacts than sha256:{digest}.")
    return _proof(path, key, statement)


def _signs(key: PublicKey, envelope: Envelope) -> bool:
    return is_valid(key, envelope.signature, envelope.signed)


def _proof(path: Path, key: PublicKey, statement: Statement) -> dict[str, Any]:
    return {
        "bundle": str(path),
        "evidence": predicate(statement.predicate_type).evidence,
        "predicate_type": statement.predicate_type,
        "key_id": key_id(key),
        "algorithm": algorithm_of(key),
    }

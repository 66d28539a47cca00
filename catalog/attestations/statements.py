"""in-toto statements: what is said about which artifacts.

Source: the in-toto Attestation Framework 1.2. Unknown fields are ignored, as it demands; ``Statement/v0.1`` is read
as well, because cosign writes it with ``--predicate``.
"""

import json
import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from catalog.assets.findings import storable
from catalog.attestations.dsse import STATEMENT_TYPE, Envelope
from catalog.attestations.errors import AttestationRejectedError, Reason
from catalog.attestations.predicates import check_predicate
from catalog.attestations.strict_json import read_json

STATEMENT_V1 = "https://in-toto.io/Statement/v1"
STATEMENT_V01 = "https://in-toto.io/Statement/v0.1"
MOST_SUBJECTS = 1000
_TYPES = (STATEMENT_V1, STATEMENT_V01)
_LENGTHS = {"sha256": 64, "sha384": 96, "sha512": 128, "sha1": 40, "gitCommit": 40, "md5": 32}
_ALGORITHM = re.compile(r"[A-Za-z0-9_.:-]{1,64}")
_HEX = re.compile(r"[0-9a-f]+")
_USELESS = {"sha1", "md5"}
"""Digests that two artifacts may share; they name nothing here."""


@dataclass(frozen=True)
class Subject:
    """One digest of one artifact that a statement is about."""

    name: str
    algorithm: str
    digest: str


@dataclass(frozen=True)
class Statement:
    """What an envelope says: ``predicate_type`` is a URI, ``predicate`` has the shape that it promises."""

    type: str
    subjects: tuple[Subject, ...]
    predicate_type: str
    predicate: dict[str, Any]

    def is_about(self, digest: str) -> bool:
        """Tell whether a subject has the SHA-256 ``digest`` (hexadecimal)."""
        return any(each.algorithm == "sha256" and each.digest == digest for each in self.subjects)


def read_statement(envelope: Envelope) -> Statement:
    """Return the statement that an envelope holds; raise ``AttestationRejectedError`` where it holds none."""
    if envelope.payload_type != STATEMENT_TYPE:
        raise AttestationRejectedError(
            Reason.UNSUPPORTED,
            f"The payload is no in-toto statement; its type must be {STATEMENT_TYPE}.",
            "/payloadType",
        )
    document = read_json(envelope.payload, "The statement")
    if not isinstance(document, dict) or document.get("_type") not in _TYPES:
        raise AttestationRejectedError(
            Reason.UNSUPPORTED, "The payload is no in-toto statement of version 1 or 0.1.", "/payload/_type"
        )
    kind = document.get("predicateType")
    if not isinstance(kind, str) or not 3 <= len(kind) <= 500 or ":" not in kind or not kind.isprintable():
        raise _malformed("/payload/predicateType", "predicateType is a URI")
    predicate = document.get("predicate")
    if not isinstance(predicate, dict | None):
        raise _malformed("/payload/predicate", "The predicate is an object")
    statement = Statement(document["_type"], _subjects(document.get("subject")), kind, predicate or {})
    check_predicate(kind, statement.predicate, {(each.algorithm, each.digest) for each in statement.subjects})
    return statement


def write_statement(subjects: Sequence[Subject], predicate_type: str, predicate: dict[str, Any]) -> bytes:
    """Return a statement of version 1 as the bytes that are to be signed."""
    content = {
        "_type": STATEMENT_V1,
        "subject": [{"name": each.name, "digest": {each.algorithm: each.digest}} for each in subjects],
        "predicateType": predicate_type,
        "predicate": predicate,
    }
    return json.dumps(content, separators=(",", ":"), sort_keys=True, ensure_ascii=False).encode()


def _subjects(given: object) -> tuple[Subject, ...]:
    if not isinstance(given, list) or not given:
        raise AttestationRejectedError(Reason.NO_SUBJECT, "The statement is about nothing.", "/payload/subject")
    if len(given) > MOST_SUBJECTS:
        raise AttestationRejectedError(
            Reason.TOO_LARGE, f"A statement may be about {MOST_SUBJECTS} artifacts.", "/payload/subject"
        )
    found: list[Subject] = []
    for index, each in enumerate(given):
        pointer = f"/payload/subject/{index}"
        digests = each.get("digest") if isinstance(each, dict) else None
        name = each.get("name", "") if isinstance(each, dict) else None
        if not isinstance(digests, dict) or not isinstance(name, str | None):
            raise _malformed(pointer, "A subject is an object with a digest")
        own = [_subject(name or "", algorithm, digest, pointer) for algorithm, digest in digests.items()]
        usable = [subject for subject in own if subject.algorithm not in _USELESS]
        if not usable:
            raise AttestationRejectedError(
                Reason.NO_SUBJECT, "The subject has no digest that names one artifact alone, such as sha256.", pointer
            )
        found += usable
    return tuple(dict.fromkeys(found))


def _subject(name: str, algorithm: str, digest: object, pointer: str) -> Subject:
    if not _ALGORITHM.fullmatch(algorithm) or not isinstance(digest, str) or not 1 <= len(digest) <= 512:
        raise _malformed(f"{pointer}/digest", "A digest is a name with a text")
    length = _LENGTHS.get(algorithm)
    if length is not None and (len(digest) != length or _HEX.fullmatch(digest) is None):
        raise _malformed(f"{pointer}/digest/{algorithm}", f"A digest of {algorithm} has {length} digits, in lower case")
    return Subject(storable(name[:500]), algorithm, storable(digest))


def _malformed(pointer: str, what: str) -> AttestationRejectedError:
    return AttestationRejectedError(Reason.MALFORMED, f"{what}.", pointer)

"""Bills of materials as documents: their exact bytes in a statement, and what they list, read one entry at a time.

Sources: CycloneDX 1.2 to 1.7 (JSON) and SPDX 2.2 and 2.3 (JSON). A document is never written again: not even its
spaces change between the tool that made it and whoever downloads it.
"""

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from catalog.assets.findings import storable
from catalog.attestations.dsse import LARGEST
from catalog.attestations.errors import AttestationRejectedError, Reason
from catalog.attestations.sboms import slices
from catalog.attestations.sboms.models import SbomFormat
from catalog.attestations.sboms.purls import Purl, read_purl
from catalog.attestations.statements import STATEMENT_V1, Subject
from catalog.attestations.strict_json import read_json

LARGEST_DOCUMENT = LARGEST // 4 * 3 - 64 * 1024
"""How large a document may be, in bytes: base64 of the statement around it has to fit into an attestation."""
MOST_PACKAGES = 100_000
"""How many packages of one document are indexed."""
_MOST_LICENSES = 20
_LIST = {SbomFormat.CYCLONEDX: "components", SbomFormat.SPDX: "packages"}


@dataclass(frozen=True)
class Listed:
    """One package of a document: its URL taken apart and as it was written, and its licences."""

    purl: Purl
    text: str
    licenses: tuple[str, ...] = ()


@dataclass
class Head:
    """What a document says of itself; ``components`` counts its entries, with and without a package URL."""

    format: SbomFormat
    spec_version: str = ""
    serial: str = ""
    about: str = ""
    made_by: str = ""
    components: int = 0


def check_document(data: bytes) -> SbomFormat:
    """Return the format of a document that is to be attached; raise ``AttestationRejectedError`` for anything else."""
    if len(data) > LARGEST_DOCUMENT:
        most = LARGEST_DOCUMENT // 2**20
        raise AttestationRejectedError(
            Reason.TOO_LARGE, f"A bill of materials may have {most} MiB, and this one has more."
        )
    document = read_json(data, "The bill of materials")
    if isinstance(document, dict) and document.get("bomFormat") == "CycloneDX":
        return SbomFormat.CYCLONEDX
    if isinstance(document, dict) and isinstance(document.get("spdxVersion"), str):
        return SbomFormat.SPDX
    raise AttestationRejectedError(
        Reason.PREDICATE_INVALID, "This is neither a CycloneDX nor an SPDX document in JSON.", "/bomFormat"
    )


def wrap(subjects: Sequence[Subject], predicate_type: str, document: bytes) -> bytes:
    """Return a statement of version 1 in which ``document`` stands byte for byte."""
    about = [{"name": each.name, "digest": {each.algorithm: each.digest}} for each in subjects]
    head = {"_type": STATEMENT_V1, "subject": about, "predicateType": predicate_type}
    opened = json.dumps(head, separators=(",", ":"), ensure_ascii=False).encode()[:-1]
    return opened + b',"predicate":' + document + b"}"


def document_in(payload: bytes) -> bytes:
    """Return the exact bytes of the predicate of a statement that was verified."""
    text = payload.decode()
    found = slices.member(text, "predicate")
    return b"{}" if found is None else text[found[0] : found[1]].encode()


def read_head(text: str) -> Head | None:
    """Return what a document says of itself; None for what is neither CycloneDX nor SPDX 2, such as SPDX 3."""
    plain: dict[str, Any] = {}
    listed = 0
    for name, start, end in slices.members(text):
        if name in _LIST.values():
            listed = sum(1 for _ in slices.elements(text, start))
        elif end - start <= 64 * 1024:
            plain[name] = slices.value(text, start)
    if plain.get("bomFormat") == "CycloneDX":
        head = _cyclonedx_head(plain)
    elif isinstance(plain.get("spdxVersion"), str):
        head = _spdx_head(plain)
    else:
        return None
    head.components = listed
    return head


def read_packages(text: str, head: Head) -> Iterator[Listed]:
    """Yield the packages of a document that carry a package URL, entry by entry, parts of parts included."""
    if head.format is SbomFormat.CYCLONEDX:
        metadata = slices.member(text, "metadata")
        root = None if metadata is None else slices.member(text, "component", metadata[0])
        if root is not None:
            yield from _cyclonedx_component(slices.value(text, root[0]))
    found = slices.member(text, _LIST[head.format])
    if found is None:
        return
    read = _cyclonedx_component if head.format is SbomFormat.CYCLONEDX else _spdx_package
    for start, _ in slices.elements(text, found[0]):
        yield from read(slices.value(text, start))


def _cyclonedx_component(component: Any) -> Iterator[Listed]:
    if not isinstance(component, dict):
        return
    listed = _listed(component.get("purl"), _cyclonedx_licenses(component.get("licenses")))
    if listed is not None:
        yield listed
    parts = component.get("components")
    for part in parts if isinstance(parts, list) else ():
        yield from _cyclonedx_component(part)


def _cyclonedx_licenses(entries: Any) -> Iterator[Any]:
    for each in entries if isinstance(entries, list) else ():
        if isinstance(each, dict):
            licence = each.get("license")
            yield each.get("expression")
            yield (licence.get("id") or licence.get("name")) if isinstance(licence, dict) else None


def _spdx_package(package: Any) -> Iterator[Listed]:
    if not isinstance(package, dict):
        return
    licenses = [package.get("licenseConcluded"), package.get("licenseDeclared")]
    references = package.get("externalRefs")
    for each in references if isinstance(references, list) else ():
        if isinstance(each, dict) and each.get("referenceType") == "purl":
            listed = _listed(each.get("referenceLocator"), iter(licenses))
            if listed is not None:
                yield listed


def _listed(text: Any, licenses: Iterator[Any]) -> Listed | None:
    purl = read_purl(text)
    if purl is None:
        return None
    named = [
        storable(each[:200]) for each in licenses if isinstance(each, str) and each not in {"", "NOASSERTION", "NONE"}
    ]
    return Listed(purl, text, tuple(dict.fromkeys(named))[:_MOST_LICENSES])


def _cyclonedx_head(plain: Mapping[str, Any]) -> Head:
    metadata = _object(plain.get("metadata"))
    component = _object(metadata.get("component"))
    tools = metadata.get("tools")
    given = _object(tools).get("components") if isinstance(tools, dict) else tools
    made_by = [_named(_object(each)) for each in given] if isinstance(given, list) else []
    return Head(
        SbomFormat.CYCLONEDX,
        _text(plain.get("specVersion"), 32),
        _text(plain.get("serialNumber")),
        _named(component),
        _text(", ".join(filter(None, made_by))),
    )


def _spdx_head(plain: Mapping[str, Any]) -> Head:
    creation = _object(plain.get("creationInfo"))
    creators = creation.get("creators")
    tools = [
        each.removeprefix("Tool:").strip()
        for each in (creators if isinstance(creators, list) else ())
        if isinstance(each, str) and each.startswith("Tool:")
    ]
    return Head(
        SbomFormat.SPDX,
        _text(plain.get("spdxVersion"), 32).removeprefix("SPDX-"),
        _text(plain.get("documentNamespace")),
        _text(plain.get("name")),
        _text(", ".join(tools)),
    )


def _named(component: Mapping[str, Any]) -> str:
    return _text(" ".join(each for each in (component.get("name"), component.get("version")) if isinstance(each, str)))


def _text(value: Any, longest: int = 500) -> str:
    return storable(value[:longest]) if isinstance(value, str) else ""


def _object(value: Any) -> Mapping[str, Any]:
    return value if isinstance(value, dict) else {}

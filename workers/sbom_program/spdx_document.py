"""SPDX 2.3 with spdx-tools: the same components, as packages that the root depends on."""

import json
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from boolean.boolean import Expression
from license_expression import ExpressionError
from spdx_tools.common.spdx_licensing import spdx_licensing
from spdx_tools.spdx.jsonschema.document_converter import DocumentConverter
from spdx_tools.spdx.model.actor import Actor, ActorType
from spdx_tools.spdx.model.checksum import Checksum, ChecksumAlgorithm
from spdx_tools.spdx.model.document import CreationInfo, Document
from spdx_tools.spdx.model.package import (
    ExternalPackageRef,
    ExternalPackageRefCategory,
    Package,
    PackagePurpose,
)
from spdx_tools.spdx.model.relationship import Relationship, RelationshipType
from spdx_tools.spdx.model.spdx_no_assertion import SpdxNoAssertion

from workers.sbom_program.cyclonedx_document import Component

if TYPE_CHECKING:
    from workers.sbom_program.collect import Collection

_DOCUMENT, _ROOT = "SPDXRef-DOCUMENT", "SPDXRef-Root"
_ALGORITHMS = {
    "sha256": ChecksumAlgorithm.SHA256,
    "sha384": ChecksumAlgorithm.SHA384,
    "sha512": ChecksumAlgorithm.SHA512,
}


def write_spdx(order: Mapping[str, Any], found: "Collection") -> str:
    """Return the document; the same order and components make the same bytes."""
    about = order["root"]
    root = _package(
        _ROOT,
        Component(
            about["purl"],
            about["purl"],
            about["name"],
            about["version"],
            (about["license"],) if about.get("license") else (),
            (("sha256", about["sha256"]),) if about.get("sha256") else (),
        ),
    )
    root.primary_package_purpose = PackagePurpose.APPLICATION
    parts = [_package(f"SPDXRef-Package-{number}", each) for number, each in enumerate(found.components, 1)]
    created = datetime.fromisoformat(order["created"]).astimezone(UTC).replace(microsecond=0, tzinfo=None)
    creation = CreationInfo(
        spdx_version="SPDX-2.3",
        spdx_id=_DOCUMENT,
        name=f"{about['name']} {about['version']}".strip(),
        document_namespace=f"https://slipway.dev/sbom/{order['serial']}",
        creators=[Actor(ActorType.TOOL, f"slipway-{order['slipway']}")],
        created=created,
    )
    relations = [Relationship(_DOCUMENT, RelationshipType.DESCRIBES, _ROOT)]
    relations += [Relationship(_ROOT, RelationshipType.DEPENDS_ON, each.spdx_id) for each in parts]
    document = Document(creation, [root, *parts], relationships=relations)
    converter = DocumentConverter()  # type: ignore[no-untyped-call]  # spdx-tools annotates everything but this
    return json.dumps(converter.convert(document), indent=1, ensure_ascii=False)


def _package(spdx_id: str, component: Component) -> Package:
    licence, comment = _licence(component.licenses)
    return Package(
        spdx_id,
        component.name,
        SpdxNoAssertion(),
        version=component.version or None,
        files_analyzed=False,
        checksums=[Checksum(_ALGORITHMS[name], digest) for name, digest in component.hashes if name in _ALGORITHMS],
        license_concluded=SpdxNoAssertion(),
        license_declared=licence,
        license_comment=comment,
        copyright_text=SpdxNoAssertion(),
        comment=f"Asked for as {component.constraint}" if component.constraint else None,
        external_references=[
            ExternalPackageRef(ExternalPackageRefCategory.PACKAGE_MANAGER, "purl", component.purl),
        ],
    )


def _licence(texts: tuple[str, ...]) -> tuple[Expression | SpdxNoAssertion, str | None]:
    """Return what SPDX can write as an expression, else no assertion and the text as a comment."""
    if not texts:
        return SpdxNoAssertion(), None
    text = " AND ".join(f"({each})" if " " in each else each for each in texts)
    try:
        return spdx_licensing.parse(text, validate=True, strict=True), None
    except (ExpressionError, ValueError, AttributeError):
        return SpdxNoAssertion(), f"Declared as: {', '.join(texts)}"[:1000]

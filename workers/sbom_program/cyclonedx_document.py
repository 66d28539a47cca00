"""CycloneDX 1.6 with cyclonedx-python-lib: components in, a document out, and the way back."""

import base64
import hashlib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from typing import TYPE_CHECKING, Any
from uuid import UUID

from cyclonedx.builder.this import this_component
from cyclonedx.factory.license import LicenseFactory
from cyclonedx.model import HashAlgorithm, HashType, Property
from cyclonedx.model import component as model
from cyclonedx.model.bom import Bom, BomMetaData
from cyclonedx.model.component import ComponentScope, ComponentType
from cyclonedx.output import make_outputter
from cyclonedx.schema import OutputFormat, SchemaVersion
from packageurl import PackageURL

if TYPE_CHECKING:
    from workers.sbom_program.collect import Collection

_ALGORITHMS = {"sha256": HashAlgorithm.SHA_256, "sha512": HashAlgorithm.SHA_512, "sha384": HashAlgorithm.SHA_384}
_MOST_LICENSES = 20


@dataclass(frozen=True)
class Component:
    """One package: ``hashes`` by algorithm in hexadecimal, ``constraint`` where a version is only wished for."""

    purl: str
    package: str
    name: str
    version: str = ""
    licenses: tuple[str, ...] = ()
    hashes: tuple[tuple[str, str], ...] = ()
    constraint: str = ""
    place: str = ""

    @classmethod
    def of(
        cls,
        purl: PackageURL,
        *,
        licenses: Iterable[str] = (),
        constraint: str = "",
        integrity: str = "",
        content: bytes | None = None,
    ) -> "Component":
        """Return the component of a package URL; ``integrity`` is a subresource hash, ``content`` what is hashed."""
        hashes = {} if content is None else {"sha256": hashlib.sha256(content).hexdigest()}
        algorithm, _, encoded = integrity.partition("-")
        if algorithm in _ALGORITHMS and encoded:
            hashes[algorithm] = base64.b64decode(encoded).hex()
        return cls(
            purl.to_string(),
            PackageURL(purl.type, purl.namespace, purl.name).to_string(),
            f"{purl.namespace}/{purl.name}" if purl.namespace else purl.name,
            purl.version or "",
            tuple(each for each in licenses if each.strip())[:_MOST_LICENSES],
            tuple(sorted(hashes.items())),
            constraint,
        )

    def found_in(self, place: str) -> "Component":
        """Return the component with the file that named it."""
        return replace(self, place=place)


def write_cyclonedx(order: Mapping[str, Any], found: "Collection") -> str:
    """Return the document; the same order and components make the same bytes."""
    about = order["root"]
    root = model.Component(
        name=about["name"],
        version=about["version"],
        type=ComponentType(about.get("type", "application")),
        purl=PackageURL.from_string(about["purl"]),
        bom_ref="root",
        hashes=[HashType(alg=_ALGORITHMS["sha256"], content=about["sha256"])] if about.get("sha256") else [],
        licenses=_licenses([about["license"]] if about.get("license") else []),
        description=about.get("description") or None,
    )
    own = model.Component(name="slipway", version=order["slipway"], type=ComponentType.APPLICATION)
    metadata = BomMetaData(component=root, timestamp=datetime.fromisoformat(order["created"]))
    metadata.tools.components.update([this_component(), own])
    bom = Bom(metadata=metadata, serial_number=UUID(order["serial"]))
    made = [_component(each) for each in found.components]
    bom.components.update(made)
    bom.register_dependency(root, made)
    text: str = make_outputter(bom, OutputFormat.JSON, SchemaVersion.V1_6).output_as_string(indent=1)
    return text


def read_components(document: Mapping[str, Any], *, with_root: bool = False) -> list[Component]:
    """Return the components of a CycloneDX document that carry a package URL, parts of parts included."""
    found: list[Component] = []
    waiting = list(document.get("components", ()))
    if with_root:
        waiting.insert(0, document.get("metadata", {}).get("component", {}))
    while waiting:
        entry = waiting.pop(0)
        waiting = [*entry.get("components", ()), *waiting]
        try:
            component = Component.of(PackageURL.from_string(entry.get("purl", "")), licenses=_named(entry))
        except ValueError:
            continue
        hashes = tuple((each["alg"].lower().replace("-", ""), each["content"]) for each in entry.get("hashes", ()))
        found.append(replace(component, hashes=tuple(each for each in hashes if each[0] in _ALGORITHMS)))
    return found


def _component(each: Component) -> model.Component:
    purl = PackageURL.from_string(each.purl)
    properties = {"slipway:constraint": each.constraint, "slipway:found-in": each.place}
    return model.Component(
        name=purl.name,
        group=purl.namespace,
        version=each.version or None,
        type=ComponentType.LIBRARY,
        purl=purl,
        bom_ref=each.purl,
        scope=ComponentScope.REQUIRED,
        hashes=[HashType(alg=_ALGORITHMS[name], content=digest) for name, digest in each.hashes],
        licenses=_licenses(each.licenses),
        properties=[Property(name=name, value=value) for name, value in properties.items() if value],
    )


def _licenses(texts: Iterable[str]) -> list[Any]:
    """Return licences as the format takes them: one expression alone, or several licences."""
    factory = LicenseFactory()
    made = [factory.make_from_string(each) for each in dict.fromkeys(texts)]
    return made if len(made) < 2 else [factory.make_from_string(each) for each in texts if " " not in each]


def _named(entry: Mapping[str, Any]) -> Iterable[str]:
    for each in entry.get("licenses", ()):
        licence = each.get("license", {})
        yield each.get("expression") or licence.get("id") or licence.get("name") or ""

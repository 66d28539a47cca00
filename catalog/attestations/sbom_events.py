"""What happens to bills of materials."""

from uuid import UUID

from catalog.events.registry import EventData, event


class _SbomEvent(EventData):
    sbom_id: UUID
    attestation_id: UUID
    format: str
    packages: int


@event("sbom.indexed", version=1)
class SbomIndexed(_SbomEvent):
    """The packages of a bill of materials can be searched for; ``subjects`` are ``algorithm:digest``, at most 20."""

    components: int
    subjects: list[str]


@event("sbom.removed", version=1)
class SbomRemoved(_SbomEvent):
    """The packages of a bill of materials are out of the index: it is no evidence any more, or its thing is gone."""


class _MakingEvent(EventData):
    making_id: UUID
    thing: str
    label: str
    digest: str


@event("sbom.requested", version=1)
class SbomRequested(EventData):
    """Somebody wants the bills of materials of a thing to be made, again where they were made before."""

    thing: str


@event("sbom.made", version=1)
class SbomMade(_MakingEvent):
    """Bills of materials were made and wait to be signed and attached; ``documents`` are SHA-256 digests by format."""

    generator: str
    documents: dict[str, str]


@event("sbom.not_made", version=1)
class SbomNotMade(_MakingEvent):
    """There is no bill of materials of a thing; ``state`` says of what kind the reason is, ``detail`` what to do."""

    state: str
    detail: str


class _RegistryEvent(EventData):
    registry_id: UUID
    kind: str
    host: str


@event("artifact_registry.added", version=1)
class ArtifactRegistryAdded(_RegistryEvent):
    """A registry elsewhere may be asked for the tenant's artifacts, or its credential was replaced."""

    may_push: bool


@event("artifact_registry.removed", version=1)
class ArtifactRegistryRemoved(_RegistryEvent):
    """A registry elsewhere is no longer asked, and its credential is gone."""


@event("sbom.referred", version=1)
class SbomReferred(EventData):
    """A signed bill of materials was attached to an image in the registry where that lies, as a referrer."""

    attestation_id: UUID
    registry: str
    repository: str
    image: str
    referrer: str
